package storetest

import (
	"fmt"
	"time"

	"github.com/seed71495667/winchester"
)

var changeTests = []test{
	{"a stream is changed once, whatever serial numbers are named (I5)", func(t *suite) {
		s := stream("t", "acme")
		t.save(s)
		now := t.get(s.ID)
		stale := to(now, winchester.StateFiring)
		stale.SerialBefore--
		for _, changes := range [][]winchester.StreamChange{
			{stale, to(now, winchester.StateFiring)}, {to(now, winchester.StateFiring), stale}, {to(now, winchester.StateFiring), to(now, winchester.StateFiring)},
		} {
			t.is(t.change(changes...), winchester.ErrLocked)
			equal(t, "stream", text(t.get(s.ID)), text(now))
		}
	}},
	{"a stream becomes what the change says", func(t *suite) {
		s := ready("acme", 0)
		t.save(s)
		claimed := t.claim(winchester.PassFire, time.Second, 1)[0]
		change := to(claimed, winchester.StateRetryFire)
		next := &change.Stream
		next.Due, next.Committed, next.LastError, next.LastErrorAt = at(time.Hour), "mail\nbill", "no route to host", at(2*time.Second)
		next.Attempt, next.FireTimestamp, next.Progress.Counts = 3, at(time.Minute), []int{1, 2}
		t.ok(t.change(change))
		equal(t, "stream", text(t.get(s.ID)), text(*next))
		change = to(*next, winchester.StateFiring)
		next = &change.Stream
		next.Owner, next.Due, next.LastError, next.LastErrorAt = "by hand", at(2*time.Hour), "", time.Time{}
		t.ok(t.change(change))
		equal(t, "stream, once more", text(t.get(s.ID)), text(*next))
	}},
	{"compare and swap on the serial number (I5)", func(t *suite) {
		s := ready("acme", 0)
		t.save(s)
		claimed := t.claim(winchester.PassFire, time.Second, 1)[0]
		failed := to(claimed, winchester.StateError)
		t.ok(t.change(failed))
		t.is(t.change(to(claimed, winchester.StateCompleted)), winchester.ErrLocked)
		stale := to(claimed, winchester.StateCompleted)
		stale.Purge = true
		t.is(t.change(stale), winchester.ErrLocked)
		equal(t, "stream", text(t.get(s.ID)), text(failed.Stream))
	}},
	{"all or none of a batch", func(t *suite) {
		a, b, c := ready("a", 0), ready("b", 0), ready("c", 0)
		t.save(a, b, c)
		claimed := t.claim(winchester.PassFire, time.Second, 3)
		t.ok(t.change(to(claimed[1], winchester.StateError)))
		before := []string{text(t.get(a.ID)), text(t.get(b.ID)), text(t.get(c.ID))}
		purge := to(claimed[2], winchester.StateCompleted)
		purge.Purge = true
		err := t.transact(func(tx winchester.Tx) error {
			_, err := tx.InsertEvents(t.ctx, []winchester.Event{event("made by the pipelines", 0, nil)})
			t.ok(err)
			return tx.ChangeStreams(t.ctx, []winchester.StreamChange{to(claimed[0], winchester.StateCompleted), to(claimed[1], winchester.StateCompleted), purge})
		})
		t.is(err, winchester.ErrLocked)
		equalList(t, "streams", []string{text(t.get(a.ID)), text(t.get(b.ID)), text(t.get(c.ID))}, before)
		_, err = t.s.EventByMessageID(t.ctx, "made by the pipelines")
		t.is(err, winchester.ErrNoSuchEvent)
	}},
	{"none of a batch, also if the transaction goes on", func(t *suite) {
		a, b := ready("a", 0), ready("b", 0)
		t.save(a, b)
		t.join(a.ID, t.insert(event("in a", 0, nil))...)
		claimed := t.claim(winchester.PassFire, time.Second, 2)
		t.ok(t.change(to(claimed[1], winchester.StateError)))
		before := text(t.get(a.ID))
		for _, purge := range []bool{false, true} {
			changes := []winchester.StreamChange{to(claimed[0], winchester.StateCompleted), to(claimed[1], winchester.StateCompleted)}
			changes[0].Purge, changes[1].Purge = purge, purge
			id := fmt.Sprint("purge: ", purge)
			t.do(func(tx winchester.Tx) error {
				t.is(tx.ChangeStreams(t.ctx, changes), winchester.ErrLocked)
				_, err := tx.InsertEvents(t.ctx, []winchester.Event{event(id, 0, nil)})
				return err
			})
			equal(t, "stream", text(t.get(a.ID)), before)
			equalList(t, "its events", t.members(a.ID), []string{"in a"})
			_, err := t.s.EventByMessageID(t.ctx, id)
			t.ok(err)
		}
	}},
	{"purging on completion leaves the events", func(t *suite) {
		a, b := ready("a", 0), ready("b", 0)
		t.save(a, b)
		ids := t.insert(event("1", 0, nil), event("2", 0, nil))
		t.join(a.ID, ids...)
		t.join(b.ID, ids...)
		claimed := t.claim(winchester.PassFire, time.Second, 1)
		equalList(t, "claimed", streamIDs(claimed), []int64{a.ID})
		purge := to(claimed[0], winchester.StateCompleted)
		purge.Purge = true
		t.ok(t.change(purge))
		_, err := t.s.StreamByID(t.ctx, a.ID)
		t.is(err, winchester.ErrNoSuchStream)
		equalList(t, "events of the purged stream", t.members(a.ID), []string{})
		equalList(t, "events of the other one", t.members(b.ID), []string{"1", "2"})
		n, err := t.s.CountEvents(t.ctx, winchester.EventQuery{})
		t.ok(err)
		equal(t, "events", n, 2)
		t.is(t.change(purge), winchester.ErrLocked)
	}},
	{"completion keeps the stream unless it is purged", func(t *suite) {
		s := ready("a", 0)
		t.save(s)
		t.join(s.ID, t.insert(event("1", 0, nil))...)
		t.ok(t.change(to(t.claim(winchester.PassFire, time.Second, 1)[0], winchester.StateCompleted)))
		equal(t, "state", t.get(s.ID).State, winchester.StateCompleted)
		equalList(t, "events", t.members(s.ID), []string{"1"})
		due, err := t.s.NextDue(t.ctx)
		t.ok(err)
		equal(t, "next due", due, time.Time{})
	}},
	{"a stream that is not there", func(t *suite) {
		s := stream("t", "acme")
		s.ID = 4711
		t.is(t.change(to(*s, winchester.StateFiring)), winchester.ErrLocked)
	}},
	{"ResetStream", func(t *suite) {
		a, b, c := ready("a", 0), stream("t", "b"), stream("t", "c")
		b.ExpireTimestamp = at(time.Minute)
		t.save(a, b, c)
		t.ok(t.change(to(t.claim(winchester.PassFire, time.Second, 1)[0], winchester.StateError)))
		t.ok(t.change(to(t.claim(winchester.PassExpire, 2*time.Minute, 1)[0], winchester.StateExpireError)))
		for id, want := range map[int64]winchester.State{a.ID: winchester.StateRetryFire, b.ID: winchester.StateRetryExpire, c.ID: winchester.StateActive} {
			before := t.get(id)
			after, err := winchester.ResetStream(t.ctx, t.s, before, at(time.Hour))
			t.ok(err)
			equal(t, "state", after.State, want)
			equal(t, "stream as stored", text(t.get(id)), text(after))
			if want != winchester.StateActive {
				_, err = winchester.ResetStream(t.ctx, t.s, before, at(time.Hour))
				t.is(err, winchester.ErrLocked)
			}
		}
		equal(t, "to fire again", len(t.claim(winchester.PassFire, 2*time.Minute, 9)), 1)
		equal(t, "to expire again", len(t.claim(winchester.PassExpire, 2*time.Minute, 9)), 1)
	}},
	{"nothing to change", func(t *suite) { t.ok(t.change()) }},
}
