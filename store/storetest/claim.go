package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed71495667/winchester"
)

var claimTests = []test{
	{"what a claim changes", func(t *suite) {
		for _, pass := range []winchester.Pass{winchester.PassFire, winchester.PassExpire} {
			s := dueIn(pass, "acme "+string(pass), time.Minute)
			s.LastError, s.LastErrorAt, s.Committed = "earlier", at(-time.Hour), "mail"
			t.save(s)
			t.join(s.ID, t.insert(event("in "+string(pass), 0, nil))...)
			got := t.claim(pass, 2*time.Minute, 10)
			equal(t, "claimed", len(got), 1)
			want := *s
			want.State, want.StateSerialNo, want.Open, want.Owner = winchester.StateFiring, 1, false, "w"
			if pass == winchester.PassExpire {
				want.State = winchester.StateExpiring
			}
			want.Due, want.Attempt = at(3*time.Minute), 1
			equal(t, "claimed stream", text(got[0]), text(want))
			equal(t, "stored stream", text(t.get(s.ID)), text(want))
			equalList(t, "its events", t.members(s.ID), []string{"in " + string(pass)})
		}
	}},
	{"due is what lies before now, strictly", func(t *suite) {
		for _, pass := range []winchester.Pass{winchester.PassFire, winchester.PassExpire} {
			t.save(dueIn(pass, "acme "+string(pass), 0))
			equal(t, "claimed too early", len(t.claim(pass, -time.Microsecond, 10)), 0)
			equal(t, "claimed at the very moment", len(t.claim(pass, 0, 10)), 0)
			equal(t, "claimed", len(t.claim(pass, time.Microsecond, 10)), 1)
		}
	}},
	{"what is due at the very moment waits, also beside what was due before", func(t *suite) {
		before, now := ready("before", -time.Microsecond), ready("now", 0)
		t.save(before, now)
		equalList(t, "claimed", streamIDs(t.claim(winchester.PassFire, 0, 10)), []int64{before.ID})
		equalList(t, "claimed a moment later", streamIDs(t.claim(winchester.PassFire, time.Microsecond, 10)), []int64{now.ID})
	}},
	{"a pass claims only what is its own", func(t *suite) {
		fire, expire, both, never := ready("fire", 0), stream("t", "expire"), ready("both", 0), stream("t", "never")
		expire.ExpireTimestamp, both.ExpireTimestamp, never.ExpireTimestamp = noon, noon, time.Time{}
		t.save(fire, expire, both, never)
		equalList(t, "to fire", streamIDs(t.claim(winchester.PassFire, time.Second, 10)), []int64{fire.ID, both.ID})
		equalList(t, "to expire", streamIDs(t.claim(winchester.PassExpire, time.Second, 10)), []int64{expire.ID})
	}},
	{"what can fire does not expire, however long its turn takes", func(t *suite) {
		for i := range 3 {
			s := ready(fmt.Sprint(i), 2*time.Minute)
			s.ExpireTimestamp = at(time.Minute) // it was due to expire first
			t.save(s)
		}
		equal(t, "to fire, one at a time", len(t.claim(winchester.PassFire, time.Hour, 1)), 1)
		equal(t, "to expire", len(t.claim(winchester.PassExpire, time.Hour, 10)), 0)
		equal(t, "to fire", len(t.claim(winchester.PassFire, time.Hour, 10)), 2)
	}},
	{"a fire time that lies ahead does not keep a stream from expiring", func(t *suite) {
		s := ready("acme", time.Hour)
		s.ExpireTimestamp = noon
		t.save(s)
		equal(t, "to fire", len(t.claim(winchester.PassFire, time.Minute, 10)), 0)
		equal(t, "to expire", len(t.claim(winchester.PassExpire, time.Minute, 10)), 1)
	}},
	{"those that have waited longest come first, up to the limit", func(t *suite) {
		var streams []*winchester.Stream
		for i, minutes := range []int{5, 1, 9, 3, 3, 7} {
			streams = append(streams, ready(fmt.Sprint(i), time.Duration(minutes)*time.Minute))
		}
		t.save(streams...)
		id := func(i int) int64 { return streams[i].ID }
		equalList(t, "first batch", streamIDs(t.claim(winchester.PassFire, time.Hour, 4)), []int64{id(1), id(3), id(4), id(0)})
		equalList(t, "second batch", streamIDs(t.claim(winchester.PassFire, time.Hour, 4)), []int64{id(5), id(2)})
		equal(t, "third batch", len(t.claim(winchester.PassFire, time.Hour-time.Minute, 4)), 0)
	}},
	{"waiting counts from when a retry was due", func(t *suite) {
		retry, fresh := ready("retry", 0), ready("fresh", 2*time.Minute)
		t.save(retry)
		change := to(t.claim(winchester.PassFire, time.Second, 1)[0], winchester.StateRetryFire)
		change.Stream.Due = at(3 * time.Minute)
		t.ok(t.change(change))
		t.save(fresh)
		equalList(t, "claimed", streamIDs(t.claim(winchester.PassFire, time.Hour, 9)), []int64{fresh.ID, retry.ID})
	}},
	{"no limit, no claim", func(t *suite) {
		t.save(ready("acme", 0))
		equal(t, "claimed", len(t.claim(winchester.PassFire, time.Hour, 0)), 0)
	}},
	{"a pass that does not exist", func(t *suite) {
		t.save(ready("acme", 0))
		if _, err := t.s.Claim(t.ctx, winchester.Claim{Pass: "wait", Owner: "w", Now: at(time.Hour), LeaseUntil: at(time.Hour), Limit: 1}); err == nil {
			t.Fatal("no error")
		}
	}},
	{"a claimed stream is not open and gains nothing (I4)", func(t *suite) {
		s := ready("acme", 0)
		t.save(s)
		read := t.open(s.Key)[s.Key]
		equal(t, "claimed", len(t.claim(winchester.PassFire, time.Second, 1)), 1)
		equal(t, "open streams of the key", len(t.open(s.Key)), 0)
		err := t.s.Transact(t.ctx, func(tx winchester.Tx) error { // an ingester that read it before
			ids, err := tx.InsertEvents(t.ctx, []winchester.Event{event("late", 0, nil)})
			t.ok(err)
			t.ok(tx.AddMembers(t.ctx, []winchester.Member{{StreamID: read.ID, EventID: ids[0]}}))
			return tx.SaveStreams(t.ctx, []*winchester.Stream{read})
		})
		t.is(err, winchester.ErrConflict)
		equal(t, "events", len(t.members(s.ID)), 0)
		next := stream("t", "acme")
		t.save(next)
		equal(t, "the stream that takes what comes later", t.open(s.Key)[s.Key].ID, next.ID)
	}},
	{"states that are due, and those that are not", func(t *suite) {
		for _, s := range allStreams() {
			s.FireTimestamp, s.ExpireTimestamp = noon, noon
			if !s.Due.IsZero() {
				s.Due = at(-time.Hour)
			}
			t.save(s)
		}
		claim := func(pass winchester.Pass) (names []string) {
			for _, s := range t.claim(pass, time.Second, 99) {
				names = append(names, s.Name)
			}
			slices.Sort(names)
			return names
		}
		equalList(t, "to fire", claim(winchester.PassFire), []string{"bare", "trigger active", "trigger firing", "trigger retry_fire"})
		equalList(t, "to expire", claim(winchester.PassExpire), []string{"trigger expiring", "trigger retry_expire"})
	}},
	{"an expiration that has moved away", func(t *suite) {
		s, other := stream("t", "acme"), stream("t", "other")
		s.ExpireTimestamp, other.ExpireTimestamp = at(time.Hour), at(5*time.Hour)
		t.save(s, other)
		for hours := 2; hours <= 4; hours++ {
			s.ExpireTimestamp = at(time.Duration(hours) * time.Hour)
			t.save(s)
		}
		due, err := t.s.NextDue(t.ctx)
		t.ok(err)
		equal(t, "due next", due, s.ExpireTimestamp)
		equal(t, "claimed when it would have been due first", len(t.claim(winchester.PassExpire, 2*time.Hour, 10)), 0)
		equal(t, "claimed at the very moment", len(t.claim(winchester.PassExpire, 4*time.Hour, 10)), 0)
		got := t.claim(winchester.PassExpire, 4*time.Hour+time.Microsecond, 10)
		equalList(t, "claimed", streamIDs(got), []int64{s.ID})
		equal(t, "its expiry", got[0].ExpireTimestamp, s.ExpireTimestamp)
	}},
	{"an expiration that has come nearer", func(t *suite) {
		s := stream("t", "acme")
		for hours := 4; hours >= 2; hours-- {
			s.ExpireTimestamp = at(time.Duration(hours) * time.Hour)
			t.save(s)
		}
		s.ExpireTimestamp = at(3 * time.Hour) // and moved away again
		t.save(s)
		equal(t, "claimed too early", len(t.claim(winchester.PassExpire, 3*time.Hour, 10)), 0)
		equalList(t, "claimed", streamIDs(t.claim(winchester.PassExpire, 3*time.Hour+time.Microsecond, 10)), []int64{s.ID})
	}},
	{"thousands of expirations that have moved away", func(t *suite) {
		const n = 2100
		streams := make([]*winchester.Stream, n)
		for i := range streams {
			streams[i] = stream("t", fmt.Sprint(i))
			streams[i].ExpireTimestamp = at(time.Duration(i) * time.Second)
		}
		t.save(streams...)
		for i := range streams {
			streams[i].ExpireTimestamp = at(24*time.Hour + time.Duration(i)*time.Second)
		}
		t.save(streams...)
		last := stream("t", "last")
		last.ExpireTimestamp = at(12 * time.Hour)
		t.save(last)
		for looks := 0; ; looks++ {
			due, err := t.s.NextDue(t.ctx)
			t.ok(err)
			if due.After(last.ExpireTimestamp) || looks > n {
				t.Fatalf("after %d looks the next one is due at %s, the last at %s", looks, due, last.ExpireTimestamp)
			}
			if got := t.claim(winchester.PassExpire, due.Sub(noon)+time.Microsecond, 10); len(got) > 0 {
				equalList(t, "claimed", streamIDs(got), []int64{last.ID})
				break
			}
		}
		due, err := t.s.NextDue(t.ctx)
		t.ok(err)
		equal(t, "due next, when its lease ends", due, at(12*time.Hour+time.Minute+time.Microsecond))
		equal(t, "claimed in the end", len(t.claim(winchester.PassExpire, 48*time.Hour, 3*n)), n+1)
	}},
	{"NextDue", func(t *suite) {
		next := func() time.Time {
			t.Helper()
			due, err := t.s.NextDue(t.ctx)
			t.ok(err)
			return due
		}
		equal(t, "of nothing", next(), time.Time{})
		a := stream("t", "a")
		a.ExpireTimestamp = at(5*time.Hour + 3*time.Microsecond)
		t.save(a)
		equal(t, "an expiry", next(), a.ExpireTimestamp)
		b := ready("b", 2*time.Hour)
		b.ExpireTimestamp = at(9 * time.Hour)
		t.save(b)
		equal(t, "a fire time", next(), b.FireTimestamp)
		got := t.claim(winchester.PassFire, 3*time.Hour, 1)
		equal(t, "the end of a lease", next(), at(3*time.Hour+time.Minute))
		change := to(got[0], winchester.StateRetryFire)
		change.Stream.Due = at(4 * time.Hour)
		t.ok(t.change(change))
		equal(t, "a retry", next(), at(4*time.Hour))
		t.ok(t.change(to(t.claim(winchester.PassFire, 5*time.Hour, 1)[0], winchester.StateError)))
		equal(t, "an error does not count", next(), a.ExpireTimestamp)
	}},
}
