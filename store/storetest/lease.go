package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed71495667/winchester"
)

var leaseTests = []test{
	{"a lease keeps others out until it ends", func(t *suite) {
		t.save(ready("acme", 0))
		equal(t, "claimed", len(t.claim(winchester.PassFire, time.Second, 1)), 1)
		equal(t, "claimed at the lease's very end", len(t.claim(winchester.PassFire, time.Second+time.Minute, 1)), 0)
		equal(t, "claimed after the lease", len(t.claim(winchester.PassFire, time.Second+time.Minute+time.Microsecond, 1)), 1)
	}},
	{"a dead worker's stream is taken over, and the worker is fenced out (I6)", func(t *suite) {
		for _, pass := range []winchester.Pass{winchester.PassFire, winchester.PassExpire} {
			s := dueIn(pass, "acme "+string(pass), 0)
			t.save(s)
			dead := t.claim(pass, time.Second, 1)[0]
			now := at(time.Hour)
			got, err := t.s.Claim(t.ctx, winchester.Claim{Pass: pass, Owner: "other", Now: now, LeaseUntil: now.Add(time.Minute), Limit: 1})
			t.ok(err)
			equal(t, "taken over", len(got), 1)
			want := dead
			want.StateSerialNo += 2 // by way of a retry
			want.Owner, want.Due, want.Attempt = "other", now.Add(time.Minute), 2
			want.Attempts = []winchester.Attempt{{
				Number: 1, Pass: pass, Worker: "w", Ended: dead.Due, Outcome: winchester.AttemptLost, RetryAt: now,
			}}
			equal(t, "stream", text(got[0]), text(want))
			err = t.transact(func(tx winchester.Tx) error {
				_, err := tx.InsertEvents(t.ctx, []winchester.Event{event("by the dead "+string(pass), 0, nil)})
				t.ok(err)
				return tx.ChangeStreams(t.ctx, []winchester.StreamChange{to(dead, winchester.StateCompleted)})
			})
			t.is(err, winchester.ErrLocked)
			_, err = t.s.EventByMessageID(t.ctx, "by the dead "+string(pass))
			t.is(err, winchester.ErrNoSuchEvent)
			t.ok(t.change(to(got[0], winchester.StateCompleted)))
		}
	}},
	{"a renewed lease lasts", func(t *suite) {
		for _, pass := range []winchester.Pass{winchester.PassFire, winchester.PassExpire} {
			s := dueIn(pass, "acme "+string(pass), 0)
			t.save(s)
			claimed := t.claim(pass, time.Second, 1)[0]
			t.renew("w", at(time.Hour), []int64{s.ID}, nil)
			equal(t, "claimed within the new lease", len(t.claim(pass, time.Hour, 1)), 0)
			got := t.get(s.ID)
			equal(t, "serial number", got.StateSerialNo, claimed.StateSerialNo)
			equal(t, "end of the lease", got.Due, at(time.Hour))
			equal(t, "state", got.State, claimed.State)
			t.ok(t.change(to(claimed, winchester.StateCompleted)))
		}
	}},
	{"what is no longer held is reported as lost", func(t *suite) {
		var streams []*winchester.Stream
		for i := range 6 {
			streams = append(streams, ready(fmt.Sprint(i), time.Duration(i)*time.Microsecond))
		}
		t.save(streams...)
		id := func(i int) int64 { return streams[i].ID }
		claimed := t.claim(winchester.PassFire, time.Second, 5)
		equal(t, "claimed", len(claimed), 5)
		t.ok(t.change(to(claimed[1], winchester.StateCompleted)))
		retry := to(claimed[2], winchester.StateRetryFire)
		retry.Stream.Due = at(time.Hour)
		t.ok(t.change(retry))
		t.ok(t.s.PurgeStream(t.ctx, id(3)))
		_, err := t.s.Claim(t.ctx, winchester.Claim{Pass: winchester.PassFire, Owner: "other", Now: at(2 * time.Minute), LeaseUntil: at(time.Hour), Limit: 2})
		t.ok(err) // takes the last stream, which was left, and the first one over
		t.renew("w", at(2*time.Hour), []int64{id(0), id(1), id(2), id(3), id(4), id(5), 4711}, []int64{id(0), id(1), id(2), id(3), id(5), 4711})
		equal(t, "lease of the stream still held", t.get(id(4)).Due, at(2*time.Hour))
		equal(t, "lease of the stream taken over", t.get(id(0)).Due, at(time.Hour))
		equal(t, "due time of the retry", t.get(id(2)).Due, at(time.Hour))
		t.renew("nobody", at(9*time.Hour), []int64{id(4)}, []int64{id(4)})
		t.renew("w", at(9*time.Hour), nil, nil)
	}},
	{"a lease that ran out is still held until someone takes it", func(t *suite) {
		s := ready("acme", 0)
		t.save(s)
		t.claim(winchester.PassFire, time.Second, 1)
		t.renew("w", at(5*time.Hour), []int64{s.ID}, nil) // hours late
		equal(t, "claimed by others", len(t.claim(winchester.PassFire, 4*time.Hour, 1)), 0)
	}},
}

// renew renews leases and checks which are reported as lost.
func (t *suite) renew(owner string, until time.Time, streams, wantLost []int64) {
	t.Helper()
	lost, err := t.s.Renew(t.ctx, owner, streams, until)
	t.ok(err)
	slices.Sort(lost)
	equalList(t, "lost leases", lost, wantLost)
}
