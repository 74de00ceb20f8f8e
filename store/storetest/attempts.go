package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/seed71495667/winchester"
)

var attemptTests = []test{
	{"a history comes back as it was written", func(t *suite) {
		a, b, c := ready("a", 0), ready("b", 0), ready("c", 0)
		t.save(a, b, c)
		claimed := t.claim(winchester.PassFire, time.Second, 3)
		for _, s := range claimed {
			equal(t, "attempts at first", len(s.Attempts), 0)
		}
		changes := []winchester.StreamChange{
			to(claimed[0], winchester.StateRetryFire), to(claimed[1], winchester.StateCompleted), to(claimed[2], winchester.StateError),
		}
		changes[0].Stream.Due, changes[0].Stream.Attempts = at(time.Minute), everyAttempt()
		changes[2].Stream.Attempts = everyAttempt()[1:2]
		t.ok(t.change(changes...)) // with one that has none in between
		for _, change := range changes {
			equal(t, "stream by id", text(t.get(change.Stream.ID)), text(change.Stream))
			found, err := t.s.FindStreams(t.ctx, winchester.StreamQuery{IDs: []int64{change.Stream.ID}, IncludeEvents: true})
			t.ok(err)
			equal(t, "stream by query", text(found[0].Stream), text(change.Stream))
		}
		again := t.claim(winchester.PassFire, time.Hour, 3)
		equalList(t, "claimed again", streamIDs(again), []int64{a.ID})
		equal(t, "attempts of the claimed one", history(again[0]), history(changes[0].Stream))
		change := to(again[0], winchester.StateCompleted)
		change.Stream.Attempts = append(change.Stream.Attempts, everyAttempt()[0])
		t.ok(t.change(change))
		equal(t, "attempts in the end", history(t.get(a.ID)), history(change.Stream))
	}},
	{"of many streams each keeps its own history", func(t *suite) {
		var streams []*winchester.Stream
		for i := range 20 {
			streams = append(streams, ready(fmt.Sprint(i), 0))
		}
		t.save(streams...)
		var changes []winchester.StreamChange
		for i, s := range t.claim(winchester.PassFire, time.Second, 20) {
			change := to(s, winchester.StateError)
			if i%3 > 0 {
				change.Stream.Attempts = []winchester.Attempt{{Number: i, Outcome: winchester.AttemptFailed, Error: s.Key}}
			}
			changes = append(changes, change)
		}
		t.ok(t.change(changes...))
		for _, change := range changes {
			equal(t, "stream", text(t.get(change.Stream.ID)), text(change.Stream))
		}
	}},
	{"the claim that takes a stream over tells of the lost lease, twice in a row as well", func(t *suite) {
		for _, pass := range []winchester.Pass{winchester.PassFire, winchester.PassExpire} {
			s, other := dueIn(pass, "acme "+string(pass), 0), dueIn(pass, "other "+string(pass), time.Hour)
			t.save(s, other)
			failed := to(t.claim(pass, time.Second, 1)[0], winchester.StateRetryFire)
			if pass == winchester.PassExpire {
				failed.Stream.State = winchester.StateRetryExpire
			}
			failed.Stream.Due, failed.Stream.Attempts = at(time.Minute), everyAttempt()[:1]
			t.ok(t.change(failed))
			want := failed.Stream.Attempts
			var before string
			for i, owner := range []string{"one", "o\"t\\h'er\n🦉", strings.Repeat("long", 100), "last"} {
				now := at(time.Duration(i+2) * time.Hour)
				got, err := t.s.Claim(t.ctx, winchester.Claim{Pass: pass, Owner: owner, Now: now, LeaseUntil: now.Add(time.Minute + 3*time.Microsecond), Limit: 2})
				t.ok(err)
				if i > 0 {
					want = append(want, winchester.Attempt{
						Number: i + 1, Pass: pass, Worker: before[:min(len(before), 100)], Outcome: winchester.AttemptLost,
						Ended: now.Add(3*time.Microsecond - 59*time.Minute), RetryAt: now,
					})
				}
				for _, one := range got {
					if one.ID == s.ID {
						equal(t, "attempts of the claimed one", history(one), history(winchester.Stream{Attempts: want}))
					} else if i == 0 {
						equal(t, "attempts of one that was due in time", history(one), "")
					}
				}
				equal(t, "attempts as stored", history(t.get(s.ID)), history(winchester.Stream{Attempts: want}))
				before = owner
			}
		}
	}},
	{"what a stream that is lost for ever grows to", func(t *suite) {
		s := ready("acme", 0)
		t.save(s)
		for i := range 200 {
			equal(t, "claimed", len(t.claim(winchester.PassFire, time.Duration(i+1)*time.Hour, 1)), 1)
		}
		got := t.get(s.ID)
		if size := len(winchester.EncodeAttempts(got.Attempts)); size > 16<<10 || len(got.Attempts) < 20 {
			t.Fatalf("%d attempts, of %d bytes", len(got.Attempts), size)
		}
		equal(t, "the attempt that is under way", got.Attempt, 200)
	}},
}

// everyAttempt has attempts with each field set.
func everyAttempt() []winchester.Attempt {
	return []winchester.Attempt{
		{
			Number: 1, Pass: winchester.PassFire, Pipeline: "ship", Worker: "host/1/ab", Began: at(time.Microsecond), Ended: at(time.Second),
			Outcome: winchester.AttemptFailed, Handler: "bill", Phase: winchester.PhaseCommit, Error: "it's \"broken\": ☠\n\\ <&> \u2028 🦉",
			RollbackError: "that too", Committed: []string{"mail", "ship"}, RetryAt: at(time.Minute), Repeats: 3,
		},
		{Pass: winchester.PassExpire, Ended: at(time.Hour), Outcome: winchester.AttemptReset, LeftOut: 7},
	}
}

// history is a stream's as text, to compare.
func history(s winchester.Stream) string { return winchester.EncodeAttempts(s.Attempts) }
