package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/seed71495667/winchester"
)

var replayTests = []test{
	{"the clock moves forward and never back", func(t *suite) {
		t.stands(time.Time{})
		for _, step := range []struct{ to, want time.Duration }{
			{0, 0}, {time.Microsecond, time.Microsecond}, {-time.Hour, time.Microsecond}, {time.Hour, time.Hour}, {time.Hour, time.Hour},
		} {
			got, err := t.s.AdvanceReplay(t.ctx, at(step.to))
			t.ok(err)
			equal(t, "moved to", moment(got), moment(at(step.want)))
			t.stands(at(step.want))
		}
		t.ok(t.s.EndReplay(t.ctx))
		t.stands(time.Time{})
		t.ok(t.s.EndReplay(t.ctx))
		got, err := t.s.AdvanceReplay(t.ctx, at(-time.Hour)) // another replay
		t.ok(err)
		equal(t, "begun anew", got, at(-time.Hour))
	}},
	{"many move it, and the last of them stays", func(t *suite) {
		var all sync.WaitGroup
		faults := make(chan error, 100)
		for i := range 20 {
			all.Go(func() {
				for j := range 5 {
					to := at(time.Duration((i*7+j*11)%97) * time.Second)
					got, err := t.s.AdvanceReplay(t.ctx, to)
					if err == nil && got.Before(to) {
						err = fmt.Errorf("it was moved to %s, and stands at %s", to, got)
					}
					if err != nil {
						faults <- err
					}
				}
			})
		}
		all.Wait()
		close(faults)
		for err := range faults {
			t.Error(err)
		}
		t.stands(at(96 * time.Second))
	}},
	{"leases and retries are due by a clock of their own", func(t *suite) {
		for _, pass := range []winchester.Pass{winchester.PassFire, winchester.PassExpire} {
			// The events are of years ago, and of years to come.
			for _, events := range []time.Duration{-20000 * time.Hour, 20000 * time.Hour} {
				name := fmt.Sprint(pass, events)
				s := dueIn(pass, name, events)
				if pass == winchester.PassFire {
					s.ExpireTimestamp = at(events + time.Hour)
				}
				t.save(s)
				equal(t, "claimed before it is due", len(t.replay(pass, events, 0)), 0)
				claimed := t.replay(pass, events+time.Microsecond, 0)
				equal(t, "claimed once it is due", len(claimed), 1)
				equal(t, "end of the lease", claimed[0].Due, at(time.Minute))
				equal(t, "claimed while the lease runs, in years", len(t.replay(pass, events+90000*time.Hour, time.Minute)), 0)
				again := t.replay(pass, events+time.Microsecond, time.Minute+time.Microsecond)
				equal(t, "claimed when the lease has run out, in no time at all", len(again), 1)
				retry := to(again[0], winchester.StateRetryFire)
				if pass == winchester.PassExpire {
					retry = to(again[0], winchester.StateRetryExpire)
				}
				retry.Stream.Due = at(time.Hour)
				t.ok(t.change(retry))
				equal(t, "claimed during the back-off", len(t.replay(pass, events+90000*time.Hour, time.Hour)), 0)
				last := t.replay(pass, events, time.Hour+time.Microsecond)
				equal(t, "claimed after the back-off", len(last), 1)
				t.ok(t.change(to(last[0], winchester.StateCompleted)))
			}
		}
	}},
	{"a stream fires or expires by what came first, however late it is claimed", func(t *suite) {
		for i, c := range []struct {
			fire, expire time.Duration
			pass         winchester.Pass
		}{
			{time.Minute, 2 * time.Minute, winchester.PassFire},
			{2 * time.Minute, time.Minute, winchester.PassExpire},
			{time.Minute, time.Minute, winchester.PassFire},
		} {
			s := ready(fmt.Sprint(i), c.fire)
			s.ExpireTimestamp = at(c.expire)
			t.save(s)
			other := winchester.PassFire
			if c.pass == other {
				other = winchester.PassExpire
			}
			equal(t, "claimed in the other pass", len(t.replay(other, time.Hour, 0)), 0)
			equal(t, "claimed before either", len(t.replay(c.pass, time.Minute, 0)), 0)
			got := t.replay(c.pass, time.Minute+time.Microsecond, 0)
			equal(t, "claimed", len(got), 1)
			t.ok(t.change(to(got[0], winchester.StateCompleted)))
		}
	}},
	{"an expiration that has moved away counts", func(t *suite) {
		s := dueIn(winchester.PassExpire, "acme", time.Minute)
		t.save(s)
		s.ExpireTimestamp = at(time.Hour)
		t.save(s)
		equal(t, "claimed by the old one", len(t.replay(winchester.PassExpire, 2*time.Minute, 0)), 0)
		equal(t, "claimed by the new one", len(t.replay(winchester.PassExpire, time.Hour+time.Microsecond, 0)), 1)
	}},
}

func (t *suite) stands(want time.Time) {
	t.Helper()
	got, err := t.s.ReplayTime(t.ctx)
	t.ok(err)
	equal(t, "the clock stands at", moment(got), moment(want))
}

// replay claims in a replay, for worker "w" with a lease of one minute.
func (t *suite) replay(pass winchester.Pass, now, held time.Duration) []winchester.Stream {
	t.Helper()
	got, err := t.s.Claim(t.ctx, winchester.Claim{
		Pass: pass, Owner: "w", Now: at(now), HeldNow: at(held), LeaseUntil: at(held + time.Minute), Limit: 10,
	})
	t.ok(err)
	return got
}
