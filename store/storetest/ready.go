package storetest

import (
	"fmt"
	"time"

	"github.com/seed71495667/winchester"
)

var readyTests = []test{
	{"nothing is ready in an empty store", func(t *suite) {
		equal(t, "to fire", t.ready(winchester.PassFire, time.Hour, 10), "0 since never")
		equal(t, "to expire", t.ready(winchester.PassExpire, time.Hour, 10), "0 since never")
		equal(t, "states", t.states(), "")
	}},
	{"ready is what a claim finds due, strictly, in its own pass", func(t *suite) {
		both := ready("both", 2*time.Minute)
		both.ExpireTimestamp = at(time.Minute)
		t.save(dueIn(winchester.PassFire, "f", time.Minute), dueIn(winchester.PassExpire, "e", 3*time.Minute), both)
		for _, c := range []struct {
			offset       time.Duration
			fire, expire string
		}{
			{0, "0 since never", "0 since never"},
			{time.Minute, "0 since never", "0 since never"},
			{time.Minute + time.Microsecond, "1 since " + moment(at(time.Minute)), "1 since " + moment(at(time.Minute))}, // both expires so far
			{4 * time.Minute, "2 since " + moment(at(time.Minute)), "1 since " + moment(at(3*time.Minute))},
		} {
			equal(t, fmt.Sprint("to fire after ", c.offset), t.ready(winchester.PassFire, c.offset, 10), c.fire)
			equal(t, fmt.Sprint("to expire after ", c.offset), t.ready(winchester.PassExpire, c.offset, 10), c.expire)
		}
	}},
	{"claimed streams are not ready before their lease has run out, retried ones when they are due", func(t *suite) {
		for _, pass := range []winchester.Pass{winchester.PassFire, winchester.PassExpire} {
			t.save(dueIn(pass, "acme "+string(pass), 0))
			claimed := t.claim(pass, time.Second, 10)
			equal(t, "claimed", len(claimed), 1)
			equal(t, "while the lease lasts", t.ready(pass, time.Minute, 10), "0 since never")
			equal(t, "after that", t.ready(pass, 2*time.Minute, 10), "1 since "+moment(at(time.Minute+time.Second)))
			next := winchester.StateRetryFire
			if pass == winchester.PassExpire {
				next = winchester.StateRetryExpire
			}
			c := to(claimed[0], next)
			c.Stream.Due = at(time.Hour)
			t.ok(t.change(c))
			equal(t, "before the retry", t.ready(pass, time.Hour, 10), "0 since never")
			equal(t, "when the retry is due", t.ready(pass, 2*time.Hour, 10), "1 since "+moment(at(time.Hour)))
		}
	}},
	{"a stream whose expiration has moved away is not ready", func(t *suite) {
		moved, stays := dueIn(winchester.PassExpire, "moved", time.Minute), dueIn(winchester.PassExpire, "stays", 2*time.Minute)
		t.save(moved, stays)
		moved.ExpireTimestamp = at(time.Hour)
		t.save(moved)
		equal(t, "to expire", t.ready(winchester.PassExpire, 3*time.Minute, 10), "1 since "+moment(at(2*time.Minute)))
		equal(t, "to expire later", t.ready(winchester.PassExpire, 2*time.Hour, 10), "2 since "+moment(at(2*time.Minute)))
	}},
	{"those that have waited longest are counted, up to the limit", func(t *suite) {
		for i := range 5 {
			t.save(ready(fmt.Sprint(i), time.Duration(5-i)*time.Minute))
		}
		equal(t, "three of five", t.ready(winchester.PassFire, time.Hour, 3), "3 since "+moment(at(time.Minute)))
		equal(t, "none", t.ready(winchester.PassFire, time.Hour, 0), "0 since never")
	}},
	{"an unknown pass is refused", func(t *suite) {
		if _, err := t.s.Ready(t.ctx, "sideways", noon, 10); err == nil {
			t.Fatal("it was taken")
		}
	}},
	{"streams are counted by state, but for completed ones", func(t *suite) {
		for i, s := range allStreams() {
			s.Key = fmt.Sprint("key ", i)
			t.save(s)
		}
		want := map[winchester.State]int64{}
		for _, s := range allStreams() {
			want[s.State]++
		}
		delete(want, winchester.StateCompleted)
		equal(t, "states", t.states(), statesText(want))
		if len(want) < 3 {
			t.Fatalf("the test has streams in too few states: %v", want)
		}
	}},
}

// ready is what waits, as text.
func (t *suite) ready(pass winchester.Pass, offset time.Duration, limit int) string {
	t.Helper()
	r, err := t.s.Ready(t.ctx, pass, at(offset), limit)
	t.ok(err)
	return fmt.Sprintf("%d since %s", r.Streams, moment(r.Oldest))
}

func (t *suite) states() string {
	t.Helper()
	counts, err := t.s.CountStates(t.ctx)
	t.ok(err)
	return statesText(counts)
}

func statesText(counts map[winchester.State]int64) (text string) {
	for s := winchester.StateActive; s <= winchester.StateRetryExpire; s++ {
		if counts[s] != 0 {
			text += fmt.Sprintf("%s=%d ", s, counts[s])
		}
	}
	return text
}
