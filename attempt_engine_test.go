package winchester_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

func attemptsRig(t *testing.T, st *store.Store, handlers map[string]*script, change ...func(*winchester.Config)) *rig {
	t.Helper()
	var names []string
	for name := range handlers {
		names = append(names, name)
	}
	slices.Sort(names)
	change = append([]func(*winchester.Config){func(c *winchester.Config) { c.Store, c.Name = st, "w" }}, change...)
	r := newRig(t, specs(names...), scripts(handlers), change...)
	r.store = st
	return r
}

// attempts are the lines of a stream's history.
func (r *rig) attempts(id int64) (lines []string) {
	r.t.Helper()
	for _, a := range r.stream(id).Attempts {
		lines = append(lines, a.String())
	}
	return lines
}

func expectLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// handle makes HandleEvents of a script.
func handle(f func() error) func(context.Context, []winchester.Event, *winchester.Env) ([]winchester.Event, error) {
	return func(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		return events, f()
	}
}

// TestTakenOver: of a worker that died, the log tells, since the history may go with
// the stream.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	r := newRig(t, nil, nil, func(c *winchester.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	r.add("paid", 1)
	r.add("paid", 2)
	now := r.clock.Now()
	claimed, err := r.store.Claim(t.Context(), winchester.Claim{Pass: winchester.PassFire, Owner: "ghost", Now: now.Add(time.Second), LeaseUntil: now.Add(time.Minute), Limit: 10})
	if err != nil || len(claimed) != 2 {
		t.Fatalf("%v, %v", claimed, err)
	}
	r.pass(2 * time.Minute)
	if got := log.String(); !strings.Contains(got, "level=WARN") || !strings.Contains(got, "worker=ghost streams=2") {
		t.Errorf("the log has\n%s", got)
	}
	log.Reset()
	r.add("paid", 3)
	r.pass(time.Second)
	if got := log.String(); strings.Contains(got, "Took over") {
		t.Errorf("of one that nobody had:\n%s", got)
	}
}

// TestAttempts: the story of a stream that goes wrong in every way that a handler
// has, is reset and completes.
func TestAttempts(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, st *store.Store) {
		a, b := &script{}, &script{}
		r := attemptsRig(t, st, map[string]*script{"a": a, "b": b}, func(c *winchester.Config) { c.Retry.MaxAttempts = 9 })
		id := r.add("paid", 1).Streams[0].StreamID
		b.handle = handle(func() error { r.clock.Advance(1500 * time.Millisecond); return errors.New("no luck\nat all") })
		r.pass(time.Minute)
		b.handle = handle(func() error { return fmt.Errorf("too early: %w", winchester.Snooze(10*time.Minute)) })
		r.pass(time.Hour)
		b.handle = nil
		b.commit = func(context.Context, *winchester.Env) error { return errors.New("no stock") }
		r.pass(time.Hour)
		r.pass(time.Hour)
		b.commit = nil
		b.inTx = func(context.Context, winchester.Tx) error { return errors.New("no such table") }
		r.pass(time.Hour)
		b.handle = handle(func() error { panic("ouch") })
		r.pass(time.Hour)
		b.handle = handle(func() error { return winchester.Cancel(errors.New("hopeless")) })
		r.pass(time.Hour)
		expect(t, "state", r.stream(id).State, winchester.StateError)
		r.clock.Advance(time.Hour)
		if _, err := r.ResetStream(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		a.handle, b.handle, b.inTx = nil, nil, nil
		r.pass(time.Hour)
		expect(t, "state", r.stream(id).State, winchester.StateCompleted)

		got := r.attempts(id)
		if len(got) > 5 { // how many lines there are of the stack does not matter
			panicked, rest, _ := strings.Cut(got[5], " (and ")
			_, rest, _ = strings.Cut(rest, ")")
			got[5] = panicked + rest
		}
		expectLines(t, got,
			`1: failed in HandleEvents of b: no luck (and 1 lines more); fire, pipeline "p", by w, at 2026-05-06T12:01:00Z for 1.5s; to be tried again at 2026-05-06T12:02:01.5Z (after 1m0s)`,
			`2: snoozed in HandleEvents of b: too early: snoozed for 10m0s; fire, pipeline "p", by w, at 2026-05-06T13:01:01.5Z for 0s; to be tried again at 2026-05-06T13:11:01.5Z (after 10m0s)`,
			`2: failed in Commit of b: no stock; fire, pipeline "p", by w, at 2026-05-06T14:01:01.5Z for 0s; committed: a; to be tried again at 2026-05-06T14:03:01.5Z (after 2m0s)`,
			`3: failed in Commit of b: no stock; fire, pipeline "p", by w, at 2026-05-06T15:01:01.5Z for 0s; to be tried again at 2026-05-06T15:05:01.5Z (after 4m0s)`,
			`4: failed in CommitTx of b: no such table; fire, pipeline "p", by w, at 2026-05-06T16:01:01.5Z for 0s; committed: b; to be tried again at 2026-05-06T16:09:01.5Z (after 8m0s)`,
			`5: failed in HandleEvents of b: panic: ouch; fire, pipeline "p", by w, at 2026-05-06T17:01:01.5Z for 0s; to be tried again at 2026-05-06T17:17:01.5Z (after 16m0s)`,
			`6: cancelled in HandleEvents of b: hopeless; fire, pipeline "p", by w, at 2026-05-06T18:01:01.5Z for 0s; not to be tried again`,
			`reset at 2026-05-06T19:01:01.5Z: attempts are counted anew`,
			`1: completed; fire, pipeline "p", by w, at 2026-05-06T20:01:01.5Z for 0s`,
		)
		first := r.stream(id).Attempts[0]
		expect(t, "error", first.Error, "no luck\nat all")
		expect(t, "handler and phase", first.Handler+" "+first.Phase, "b handle_events")
		x, err := r.ExplainStream(t.Context(), id)
		if err != nil || len(x.Attempts.History) != 9 || !strings.Contains(x.String(), "  2: failed in Commit of b: no stock\n    fire, pipeline") {
			t.Errorf("%v\n%s", err, x)
		}
	})
}

// TestAttemptsOnTheWay: what goes wrong before and between the handlers.
func TestAttemptsOnTheWay(t *testing.T) {
	for name, c := range map[string]struct {
		s      *script
		change func(*winchester.Config)
		before func(*rig)
		want   string
	}{
		"the events cannot be read": {
			before: func(r *rig) { execSQL(r.t, r.store, "UPDATE winchester_events SET traits = '[garbage'") },
			want:   "1: failed: load events: ",
		},
		"no trigger": {before: func(r *rig) { r.DeleteTrigger("order") }, want: `1: cancelled: unknown trigger "order"`},
		"no handler": {
			change: func(c *winchester.Config) {
				handlers := winchester.NewRegistry()
				winchester.MustRegister(handlers, "s", func(winchester.NoParams) (winchester.Handler, error) { return nil, errors.New("no license") })
				c.Handlers = handlers
			},
			want: "1: failed in the making of s: no license",
		},
		"an event without a type": {
			s: &script{handle: func(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
				return append(slices.Clone(events), winchester.Event{MessageID: "new", Timestamp: env.Now}), nil
			}},
			want: "1: cancelled with the events that the pipeline made: the pipeline made an invalid event",
		},
		"an error that is ignored": {
			s:      &script{commit: func(context.Context, *winchester.Env) error { return errors.New("lost") }},
			change: func(c *winchester.Config) { c.Triggers[0].Retry.OnCommitError = winchester.CommitErrorIgnore },
			want:   "1: completed; an error was ignored by policy in Commit of s: lost",
		},
		"nothing": {},
	} {
		t.Run(name, func(t *testing.T) {
			onEachDatabase(t, func(t *testing.T, st *store.Store) {
				change := []func(*winchester.Config){}
				if c.change != nil {
					change = append(change, c.change)
				}
				r := attemptsRig(t, st, map[string]*script{"s": cmp.Or(c.s, &script{})}, change...)
				id := r.add("paid", 1).Streams[0].StreamID
				if c.before != nil {
					c.before(r)
				}
				r.pass(time.Second)
				if got := strings.Join(r.attempts(id), "\n"); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
			})
		})
	}
}

// deaf is a store that renews no lease.
type deaf struct{ winchester.Store }

func (deaf) Renew(context.Context, string, []int64, time.Time) ([]int64, error) {
	return nil, winchester.ErrUnavailable
}

// TestAttemptsLost: who takes a stream over tells that the worker before has lost
// it, which is kept out, and cannot.
func TestAttemptsLost(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, st *store.Store) {
		entered, leave := make(chan struct{}), make(chan struct{})
		first := attemptsRig(t, st, map[string]*script{"s": {commit: func(context.Context, *winchester.Env) error {
			close(entered)
			<-leave
			return nil
		}}}, func(c *winchester.Config) { c.Store, c.Name = deaf{st}, "asleep" })
		id := first.add("paid", 1).Streams[0].StreamID
		first.clock.Advance(time.Second)
		done := make(chan error)
		go func() { _, err := first.RunOnce(t.Context()); done <- err }()
		<-entered
		second := attemptsRig(t, st, map[string]*script{"s": {handle: handle(func() error { return errors.New("no luck") })}},
			func(c *winchester.Config) { c.Clock = first.clock })
		first.clock.Advance(time.Hour)
		expect(t, "taken over", second.pass(0), winchester.Loaded{Fire: 1})
		close(leave)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		expectLines(t, second.attempts(id),
			`1: lost: the lease of worker asleep ran out at 2026-05-06T12:01:01Z, and another one took over at 2026-05-06T13:00:01Z (after 59m0s)`,
			`2: failed in HandleEvents of s: no luck; fire, pipeline "p", by w, at 2026-05-06T13:00:01Z for 0s; to be tried again at 2026-05-06T13:02:01Z (after 2m0s)`,
		)
	})
}

// TestAttemptsCrash: two workers in a row die with a stream, and nothing of that
// is lost.
func TestAttemptsCrash(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, st *store.Store) {
		r := attemptsRig(t, st, map[string]*script{"s": {}}, func(c *winchester.Config) { c.Retry.MaxAttempts = 2 })
		id := r.add("placed", 1).Streams[0].StreamID
		r.clock.Advance(2 * time.Hour)
		for i := range 2 {
			now := r.clock.Now()
			got, err := st.Claim(t.Context(), winchester.Claim{
				Pass: winchester.PassExpire, Owner: fmt.Sprint("doomed-", i), Now: now, LeaseUntil: now.Add(time.Minute), Limit: 1,
			})
			if err != nil || len(got) != 1 {
				t.Fatal(got, err)
			}
			r.clock.Advance(time.Hour)
		}
		r.pass(0)
		expectLines(t, r.attempts(id),
			`1: lost: the lease of worker doomed-0 ran out at 2026-05-06T14:01:00Z, and another one took over at 2026-05-06T15:00:00Z (after 59m0s)`,
			`2: lost: the lease of worker doomed-1 ran out at 2026-05-06T15:01:00Z, and another one took over at 2026-05-06T16:00:00Z (after 59m0s)`,
			`3: cancelled: attempt 2 of 2 did not come to an end; expire, by w, at 2026-05-06T16:00:00Z for 0s; not to be tried again`,
		)
	})
}

// TestAttemptsStopped: of what a stopping engine gives back, only that has a
// history which had begun.
func TestAttemptsStopped(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, st *store.Store) {
		ctx, stop := context.WithCancel(t.Context())
		r := attemptsRig(t, st, map[string]*script{"s": {handle: func(ctx context.Context, _ []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
			stop()
			<-ctx.Done()
			return nil, ctx.Err()
		}}})
		begun, waiting := r.add("paid", 1).Streams[0].StreamID, r.add("paid", 2).Streams[0].StreamID
		r.clock.Advance(time.Second)
		if _, err := r.RunOnce(ctx); !errors.Is(err, winchester.ErrStopped) {
			t.Fatal(err)
		}
		expectLines(t, r.attempts(begun),
			`1: stopped in HandleEvents of s: context canceled; fire, pipeline "p", by w, at 2026-05-06T12:00:01Z for 0s; to be tried again at 2026-05-06T12:00:01Z (after 0s)`)
		expectLines(t, r.attempts(waiting))
	})
}

// TestAttemptsBounded: a history keeps its beginning and its end, and the row
// stays small.
func TestAttemptsBounded(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, st *store.Store) {
		long := strings.Repeat("no luck, \"ever\" 🦉 \xff", 500)
		text := "first"
		r := attemptsRig(t, st, map[string]*script{"s": {handle: handle(func() error { return errors.New(text) })}},
			func(c *winchester.Config) { c.Retry.MaxAttempts = 90 })
		id := r.add("paid", 1).Streams[0].StreamID
		for i := range 70 {
			if text = long; i == 0 || i > 40 {
				text = "short"
			}
			r.pass(2 * time.Hour)
			got := r.stream(id).Attempts
			left := 0
			for _, a := range got {
				left += a.LeftOut
			}
			size := len(winchester.EncodeAttempts(got))
			if len(got) > 20 || size > 8000 || len(got)+left != i+1 || got[0].Number != 1 || got[len(got)-1].Number != i+1 {
				t.Fatalf("after %d attempts there are %d, without %d, of %d bytes: %v", i+1, len(got), left, size, got)
			}
		}
		got := r.stream(id).Attempts
		if len(got) != 20 || got[1].LeftOut != 50 || got[2].LeftOut != 0 {
			t.Errorf("%d attempts, %v", len(got), got)
		}
		x, err := r.ExplainStream(t.Context(), id)
		if err != nil || !strings.Contains(x.String(), "  (50 are not kept)\n  52: failed in") {
			t.Errorf("%v\n%s", err, x)
		}
	})
}

// TestAttemptsUnreadable: a history that cannot be read stands in nobody's way.
func TestAttemptsUnreadable(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, st *store.Store) {
		s := &script{handle: handle(func() error { return errors.New("no luck") })}
		r := attemptsRig(t, st, map[string]*script{"s": s})
		id := r.add("paid", 1).Streams[0].StreamID
		execSQL(t, st, strings.ReplaceAll(`UPDATE winchester_streams SET attempts = '{"outcome": "from the future", "number": 1, "more": {}}\n{"outcome":\nnull'`, `\n`, "\n"))
		r.pass(time.Second)
		expectLines(t, r.attempts(id),
			"1: from the future", `an entry that cannot be read: {"outcome":`, "an entry that cannot be read: null",
			`1: failed in HandleEvents of s: no luck; fire, pipeline "p", by w, at 2026-05-06T12:00:01Z for 0s; to be tried again at 2026-05-06T12:01:01Z (after 1m0s)`)
		if x, err := r.ExplainStream(t.Context(), id); err != nil || len(x.Attempts.History) != 4 {
			t.Errorf("%v\n%s", err, x)
		}
		s.handle = nil
		r.pass(time.Hour)
		expect(t, "state", r.stream(id).State, winchester.StateCompleted)
		expect(t, "entries", len(r.attempts(id)), 5)
	})
}

// stubborn is a handler that fails and cannot be rolled back.
type stubborn struct{ failing }

func (stubborn) Rollback(context.Context) error { return errors.New("gone") }

func TestAttemptNotRolledBack(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, st *store.Store) {
		r := attemptsRig(t, st, map[string]*script{"s": {}}, func(c *winchester.Config) {
			c.Handlers = winchester.NewRegistry()
			winchester.MustRegister(c.Handlers, "s", func(winchester.NoParams) (winchester.Handler, error) {
				return stubborn{failing{err: errors.New("no stock")}}, nil
			})
		})
		id := r.add("paid", 1).Streams[0].StreamID
		r.pass(time.Second)
		if got := r.stream(id).Attempts; len(got) != 1 || got[0].Error != "no stock" || got[0].RollbackError != "s: rollback: gone" {
			t.Errorf("%+v", got)
		}
	})
}

// TestAttemptsSnoozed: a stream that waits for days has one entry that says so.
func TestAttemptsSnoozed(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, st *store.Store) {
		a, b := &script{}, &script{commit: func(context.Context, *winchester.Env) error { return winchester.Snooze(time.Minute) }}
		r := attemptsRig(t, st, map[string]*script{"a": a, "b": b})
		id := r.add("paid", 1).Streams[0].StreamID
		for range 50 {
			r.pass(time.Hour)
		}
		a.handle = handle(func() error { return winchester.Snooze(time.Minute) })
		r.pass(time.Hour)
		a.handle = nil
		r.pass(time.Hour)
		b.commit = nil
		r.pass(time.Hour)
		expectLines(t, r.attempts(id),
			`1: snoozed 50 times in a row in Commit of b: snoozed for 1m0s; fire, pipeline "p", by w, from 2026-05-06T13:00:00Z to 2026-05-08T14:00:00Z; committed: a; to be tried again at 2026-05-08T14:01:00Z (after 1m0s)`,
			`1: snoozed in HandleEvents of a: snoozed for 1m0s; fire, pipeline "p", by w, at 2026-05-08T15:00:00Z for 0s; to be tried again at 2026-05-08T15:01:00Z (after 1m0s)`,
			`1: snoozed in Commit of b: snoozed for 1m0s; fire, pipeline "p", by w, at 2026-05-08T16:00:00Z for 0s; to be tried again at 2026-05-08T16:01:00Z (after 1m0s)`,
			`1: completed; fire, pipeline "p", by w, at 2026-05-08T17:00:00Z for 0s; committed: b`,
		)
	})
}
