package storetest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/seed71495667/winchester"
)

var memberTests = []test{
	{"by time, and where times are equal as they were stored", func(t *suite) {
		s := stream("t", "acme")
		t.save(s)
		ids := t.insert(event("late", time.Hour, nil), event("tie 2", 0, nil), event("tie 1", 0, nil), event("early", -time.Microsecond, nil),
			event("tie 0", 0, nil), event("last", 24*time.Hour, nil))
		t.join(s.ID, ids[4], ids[0], ids[2], ids[1], ids[3])
		t.join(s.ID, ids[5])
		equalList(t, "events", t.members(s.ID), []string{"early", "tie 2", "tie 1", "tie 0", "late", "last"})
	}},
	{"an event may be in many streams, a stream may be empty", func(t *suite) {
		a, b, empty := stream("t", "a"), stream("t", "b"), stream("t", "c")
		t.save(a, b, empty)
		ids := t.insert(event("1", 0, winchester.Traits{"n": int64(1)}), event("2", time.Second, nil), event("3", 2*time.Second, nil))
		t.join(a.ID, ids[0], ids[1])
		t.join(b.ID, ids[1], ids[2])
		events, err := t.s.StreamEvents(t.ctx, a.ID, b.ID, empty.ID, 9999)
		t.ok(err)
		equalList(t, "events of a", messageIDs(events[a.ID]), []string{"1", "2"})
		equalList(t, "events of b", messageIDs(events[b.ID]), []string{"2", "3"})
		equal(t, "events of an empty stream and of none", len(events[empty.ID])+len(events[9999]), 0)
		equal(t, "event", eventText(events[a.ID][0]), eventText(event("1", 0, winchester.Traits{"n": int64(1)})))
		equalList(t, "events of b alone", t.members(b.ID), []string{"2", "3"})
	}},
	{"no streams", func(t *suite) {
		events, err := t.s.StreamEvents(t.ctx)
		t.ok(err)
		equal(t, "streams", len(events), 0)
	}},
	{"no event joins a stream twice", func(t *suite) {
		s := stream("t", "acme")
		t.save(s)
		id := t.insert(event("1", 0, nil))[0]
		t.join(s.ID, id)
		err := t.transact(func(tx winchester.Tx) error {
			return tx.AddMembers(t.ctx, []winchester.Member{{StreamID: s.ID, EventID: id}})
		})
		if err == nil {
			t.Fatal("no error")
		}
		equalList(t, "events", t.members(s.ID), []string{"1"})
	}},
	{"thousands of events, shuffled, in many streams", func(t *suite) {
		const streams, each = 50, 100
		var all []*winchester.Stream
		for i := range streams {
			all = append(all, stream("t", fmt.Sprint(i)))
		}
		t.save(all...)
		var events []winchester.Event
		for i := range streams * each {
			events = append(events, event(fmt.Sprintf("%05d", i), time.Duration(i)*time.Second, winchester.Traits{"n": int64(i)}))
		}
		random := rand.New(rand.NewPCG(1, 2))
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		ids := t.insert(events...)
		var members []winchester.Member
		for i, e := range events {
			n, _ := e.Traits.Int("n")
			members = append(members, winchester.Member{StreamID: all[n%streams].ID, EventID: ids[i]})
		}
		t.do(func(tx winchester.Tx) error { return tx.AddMembers(t.ctx, members) })
		var streamIDs []int64
		for _, s := range all {
			streamIDs = append(streamIDs, s.ID)
		}
		found, err := t.s.StreamEvents(t.ctx, streamIDs...)
		t.ok(err)
		for i, s := range all {
			var want []string
			for n := i; n < streams*each; n += streams {
				want = append(want, fmt.Sprintf("%05d", n))
			}
			equalList(t, "events", messageIDs(found[s.ID]), want)
		}
	}},
}

// join puts events into a stream.
func (t *suite) join(stream int64, events ...int64) {
	t.Helper()
	members := make([]winchester.Member, len(events))
	for i, id := range events {
		members[i] = winchester.Member{StreamID: stream, EventID: id}
	}
	t.do(func(tx winchester.Tx) error { return tx.AddMembers(t.ctx, members) })
}

// members returns the message ids of a stream's events, in order, as the store
// and a transaction agree on them.
func (t *suite) members(stream int64) []string {
	t.Helper()
	outside, err := t.s.StreamEvents(t.ctx, stream)
	t.ok(err)
	var inside map[int64][]winchester.Event
	t.do(func(tx winchester.Tx) (err error) {
		inside, err = tx.StreamEvents(t.ctx, stream)
		return err
	})
	equalList(t, "events inside of a transaction", messageIDs(inside[stream]), messageIDs(outside[stream]))
	return messageIDs(outside[stream])
}
