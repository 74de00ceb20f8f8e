package storetest

import (
	"fmt"
	"time"

	"github.com/seed71495667/winchester"
)

var purgeTests = []test{
	{"a stream in any state; its events stay", func(t *suite) {
		id := t.insert(event("1", 0, nil))[0]
		other := stream("t", "other")
		t.save(other)
		t.join(other.ID, id)
		for _, s := range allStreams() {
			t.save(s)
			t.join(s.ID, id)
			t.ok(t.s.PurgeStream(t.ctx, s.ID))
			_, err := t.s.StreamByID(t.ctx, s.ID)
			t.is(err, winchester.ErrNoSuchStream)
			t.is(t.s.PurgeStream(t.ctx, s.ID), winchester.ErrNoSuchStream)
			equal(t, "its events", len(t.members(s.ID)), 0)
			equal(t, "its key is free", len(t.open(s.Key)), 0)
		}
		equalList(t, "events of the other stream", t.members(other.ID), []string{"1"})
		t.finds(winchester.EventQuery{}, "1")
	}},
	{"events, also from their streams", func(t *suite) {
		s := stream("t", "acme")
		t.save(s)
		ids := t.insert(event("1", 0, nil), event("2", time.Second, nil), event("3", 2*time.Second, nil))
		t.join(s.ID, ids...)
		n, err := t.s.PurgeEvents(t.ctx, ids[0], ids[2], 4711)
		t.ok(err)
		equal(t, "purged", n, 2)
		equalList(t, "events left in the stream", t.members(s.ID), []string{"2"})
		t.finds(winchester.EventQuery{}, "2")
		_, err = t.s.EventByMessageID(t.ctx, "1")
		t.is(err, winchester.ErrNoSuchEvent)
		equal(t, "first event", t.get(s.ID).FirstEvent, noon) // the stream stays as it was
		n, err = t.s.PurgeEvents(t.ctx)
		t.ok(err)
		equal(t, "purged without ids", n, 0)
		if t.insert(event("1", 0, nil))[0] == 0 {
			t.Fatal("a purged event's message id is not free")
		}
	}},
	{"OlderEvents", func(t *suite) {
		ids := t.insert(event("c", 2*time.Second, nil), event("a", 0, nil), event("b", time.Second, nil), event("b2", time.Second, nil))
		older := func(before time.Time, limit int) []int64 {
			t.Helper()
			got, err := t.s.OlderEvents(t.ctx, before, limit)
			t.ok(err)
			return got
		}
		equalList(t, "all", older(at(time.Hour), 10), []int64{ids[1], ids[2], ids[3], ids[0]})
		equalList(t, "up to the limit", older(at(time.Hour), 2), []int64{ids[1], ids[2]})
		equalList(t, "before, strictly", older(at(time.Second), 10), []int64{ids[1]})
		equalList(t, "none", older(noon, 10), nil)
		equalList(t, "no limit, no rows", older(at(time.Hour), 0), nil)
	}},
	{"trimming spares what a stream still needs", func(t *suite) {
		ids := t.insert(event("in no stream", 0, nil), event("completed", time.Second, nil), event("young", time.Hour, nil), event("completed and active", 2*time.Second, nil))
		trimmed := []string{"in no stream", "completed"}
		var done *winchester.Stream
		for _, s := range allStreams() {
			t.save(s)
			name := "only in " + s.Name
			t.join(s.ID, t.insert(event(name, 3*time.Second, nil))...)
			switch s.State {
			case winchester.StateCompleted:
				done = s
				t.join(s.ID, ids[1], ids[2], ids[3])
				trimmed = append(trimmed, name)
			case winchester.StateActive:
				t.join(s.ID, ids[3])
			}
		}
		before, err := t.s.CountEvents(t.ctx, winchester.EventQuery{})
		t.ok(err)
		n, err := t.s.TrimEvents(t.ctx, at(time.Hour), 100)
		t.ok(err)
		equal(t, "trimmed", n, int64(len(trimmed)))
		for _, name := range trimmed {
			_, err := t.s.EventByMessageID(t.ctx, name)
			t.is(err, winchester.ErrNoSuchEvent)
		}
		after, err := t.s.CountEvents(t.ctx, winchester.EventQuery{})
		t.ok(err)
		equal(t, "left", after, before-n)
		equalList(t, "events of the completed stream", t.members(done.ID), []string{"completed and active", "young"})
		n, err = t.s.TrimEvents(t.ctx, at(time.Hour), 100)
		t.ok(err)
		equal(t, "trimmed again", n, 0)
	}},
	{"trimming takes the oldest first, so many at a time", func(t *suite) {
		for i := range 10 {
			t.insert(event(fmt.Sprint(i), time.Duration(10-i)*time.Second, nil))
		}
		trim := func(before time.Time, limit int) int64 {
			t.Helper()
			n, err := t.s.TrimEvents(t.ctx, before, limit)
			t.ok(err)
			return n
		}
		equal(t, "trimmed", trim(at(9*time.Second), 3), 3)
		t.finds(winchester.EventQuery{}, "6", "5", "4", "3", "2", "1", "0")
		equal(t, "with limit 0", trim(at(9*time.Second), 0), 0)
		equal(t, "trimmed", trim(at(9*time.Second), 100), 5)
		t.finds(winchester.EventQuery{}, "1", "0") // "before" is strict
	}},
}
