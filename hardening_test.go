package winchester_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
)

// contendedStore gives up every transaction for another one the first time,
// after all its work is done.
type contendedStore struct {
	winchester.Store
	mu   sync.Mutex
	odd  bool
	lost int
}

func (s *contendedStore) Transact(ctx context.Context, fn func(winchester.Tx) error) error {
	s.mu.Lock()
	s.odd = !s.odd
	lose := s.odd
	s.mu.Unlock()
	return s.Store.Transact(ctx, func(tx winchester.Tx) error {
		err := fn(tx)
		if lose && err == nil {
			s.lost++
			return winchester.ErrConflict
		}
		return err
	})
}

// TestContention: transactions that are run twice have the effect, and the
// counts, of one.
func TestContention(t *testing.T) {
	t.Parallel()
	contended := &contendedStore{}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": {}}), func(c *winchester.Config) {
		contended.Store = c.Store
		c.Store = contended
		c.Triggers[0].DebugLevel = winchester.DebugReasons
	})
	joined := r.add("placed", 1).Streams[0]
	r.add("paid", 1)
	r.pass(time.Second)
	expect(t, "state", r.stream(joined.StreamID).State, winchester.StateCompleted)
	events, err := r.store.StreamEvents(context.Background(), joined.StreamID)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "events", len(events[joined.StreamID]), 2)
	expect(t, "transactions lost", contended.lost, 3)
	report := r.Debug(false)[0]
	expect(t, "counters", fmt.Sprint(report.Counters), fmt.Sprint(map[string]int64{
		"Added events": 2, "Commit successful": 1, "New stream": 1, "Pre-commit successful": 1, "Ready to fire": 1, "Streams fired": 1,
	}))
	expect(t, "stats", fmt.Sprint(r.Stats().Received, r.Stats().Saved, r.Stats().Fired), "2 2 1")
}

// TestFireBeforeExpire: after an outage, streams that are complete fire, even
// if they have also expired meanwhile and there are more than one batch.
func TestFireBeforeExpire(t *testing.T) {
	t.Parallel()
	passes := map[winchester.Pass]int{}
	s := &script{handle: func(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
		passes[env.Pass]++
		return events, nil
	}}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), func(c *winchester.Config) { c.BatchSize = 2 })
	for i := range 6 {
		r.add("paid", i)
	}
	r.add("placed", "unpaid")
	r.clock.Advance(2 * time.Hour)
	for range 5 {
		r.pass(0)
	}
	expect(t, "passes", fmt.Sprint(passes), fmt.Sprint(map[winchester.Pass]int{winchester.PassFire: 6, winchester.PassExpire: 1}))
}

// TestSleepingWorkersWake: whatever makes a stream due wakes workers that would
// sleep for much longer.
func TestSleepingWorkersWake(t *testing.T) {
	t.Parallel()
	fail := make(chan bool, 10)
	s := &script{handle: func(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		if <-fail {
			return nil, errors.New("told to fail")
		}
		return events, nil
	}}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), func(c *winchester.Config) {
		c.PollInterval, c.StatisticsPeriod, c.Retry.MaxAttempts = 1000*time.Hour, -1, 2
	})
	ctx := context.Background()
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Stop(ctx) }()
	asleep := func() { waitFor(t, func() bool { return r.clock.Waiting() == 2 }) }
	state := func(id int64, want winchester.State) func() bool {
		return func() bool { return r.stream(id).State == want }
	}
	asleep()
	id := r.add("paid", 1).Streams[0].StreamID // wakes them; it is due a moment from now
	fail <- true
	waitFor(t, func() bool { r.clock.Advance(time.Microsecond); return state(id, winchester.StateRetryFire)() })
	asleep()
	fail <- true
	r.clock.Advance(time.Minute + time.Second) // the retry
	waitFor(t, state(id, winchester.StateError))
	asleep()
	fail <- false
	if _, err := r.ResetStream(ctx, id); err != nil {
		t.Fatal(err)
	}
	waitFor(t, state(id, winchester.StateCompleted))
}

// TestLastAttemptCrashes: a stream whose last attempt brought the worker down
// is given up, and not run once more.
func TestLastAttemptCrashes(t *testing.T) {
	t.Parallel()
	s := &script{}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), func(c *winchester.Config) { c.Retry.MaxAttempts = 2 })
	id := r.add("paid", 1).Streams[0].StreamID
	ctx := context.Background()
	crash := func() {
		r.clock.Advance(time.Hour)
		now := r.clock.Now()
		got, err := r.store.Claim(ctx, winchester.Claim{Pass: winchester.PassFire, Owner: "doomed", Now: now, LeaseUntil: now.Add(time.Minute), Limit: 1})
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
	}
	crash()
	crash()
	r.pass(time.Hour)
	expect(t, "calls", s.take(), "")
	expect(t, "state", r.stream(id).State, winchester.StateError)
	expect(t, "error", r.stream(id).LastError, "attempt 2 of 2 did not come to an end")
}

// TestPoisonStream: a stream whose events cannot be read fails alone.
func TestPoisonStream(t *testing.T) {
	t.Parallel()
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": {}}))
	poison, healthy := r.add("paid", 1), r.add("paid", 2)
	execSQL(t, r.store, "UPDATE winchester_events SET traits = '[garbage' WHERE message_id = 'm1'")
	r.pass(time.Second)
	expect(t, "healthy", r.stream(healthy.Streams[0].StreamID).State, winchester.StateCompleted)
	got := r.stream(poison.Streams[0].StreamID)
	expect(t, "poison", got.State, winchester.StateRetryFire)
	expect(t, "its attempts", got.Attempt, 1)
}

// treacherous is an error whose methods panic.
type treacherous struct{ err error }

func (e *treacherous) Error() string { return e.err.Error() }
func (e *treacherous) Unwrap() error { return e.err }

func TestTreacherousError(t *testing.T) {
	t.Parallel()
	s := &script{handle: func(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		var e *treacherous
		return events, e
	}}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}))
	id := r.add("paid", 1).Streams[0].StreamID
	r.pass(time.Second)
	expect(t, "state", r.stream(id).State, winchester.StateRetryFire)
}

// TestRunOnceInterrupted: what a pass could not finish is given back, uncounted.
func TestRunOnceInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	s := &script{handle: func(ctx context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), func(c *winchester.Config) { c.Retry.MaxAttempts = 1 })
	var ids []int64
	for i := range 3 {
		ids = append(ids, r.add("paid", i).Streams[0].StreamID)
	}
	r.clock.Advance(time.Second)
	if _, err := r.RunOnce(ctx); !errors.Is(err, winchester.ErrStopped) {
		t.Errorf("RunOnce: %v", err)
	}
	expect(t, "calls", s.take(), "s.handle(1) s.rollback")
	for _, id := range ids {
		expect(t, "state", r.stream(id).State, winchester.StateRetryFire)
		expect(t, "attempts", r.stream(id).Attempt, 0)
	}
}

func TestStopTwiceAndStartAgain(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	s := &script{handle: func(ctx context.Context, _ []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}))
	ctx, cancel := context.WithCancel(context.Background())
	r.add("paid", 1)
	r.clock.Advance(time.Second)
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	<-entered
	patient := &spyContext{Context: context.Background(), asked: make(chan struct{})}
	stopped := make(chan error)
	go func() { stopped <- r.Stop(patient) }()
	<-patient.asked
	hurry, now := context.WithCancel(ctx)
	now()
	if err := r.Stop(hurry); !errors.Is(err, context.Canceled) { // does not wait behind the patient one
		t.Errorf("hurried stop: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("patient stop: %v", err)
	}

	// That the context of Start ends is a Stop, too.
	r.clock.Advance(time.Second)
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	<-entered
	cancel()
	waitFor(t, func() bool {
		err := r.Start(context.Background())
		return err == nil
	})
	r.clock.Advance(time.Second)
	<-entered
	if err := r.Stop(hurry); !errors.Is(err, context.Canceled) {
		t.Errorf("last stop: %v", err)
	}
}

// TestTakeoverFromOurselves: a run that has overslept its lease ends when the
// same process claims the stream again.
func TestTakeoverFromOurselves(t *testing.T) {
	t.Parallel()
	entered, ended := make(chan struct{}), make(chan error, 2)
	var once sync.Once
	s := &script{handle: func(ctx context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		first := false
		once.Do(func() { first = true })
		if !first {
			return events, nil
		}
		close(entered)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return nil, ctx.Err()
	}}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), func(c *winchester.Config) { c.Lease = 20 * time.Millisecond })
	id := r.add("paid", 1).Streams[0].StreamID
	r.clock.Advance(time.Second)
	done := make(chan error)
	go func() { _, err := r.RunOnce(context.Background()); done <- err }()
	<-entered
	r.clock.Advance(time.Hour) // far beyond the lease, before anyone could renew it
	waitFor(t, func() bool {
		_, err := r.RunOnce(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		r.clock.Advance(time.Second)
		return r.stream(id).State == winchester.StateCompleted
	})
	if err := <-ended; err == nil {
		t.Error("the first run's context has not ended")
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestReplaceTrigger(t *testing.T) {
	t.Parallel()
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": {}}))
	r.add("placed", 1)
	def := r.Triggers()[0]
	def.FireCriteria[0].EventTypes[0] = "shipped"
	expect(t, "definition in use", r.Triggers()[0].FireCriteria[0].EventTypes[0], "paid")
	if err := r.ReplaceTrigger(def); err != nil {
		t.Fatal(err)
	}
	if got := r.add("paid", 1).Streams[0]; got.Opened || got.Ready {
		t.Errorf("under the new definition: %+v", got)
	}
	if got := r.add("shipped", 1).Streams[0]; got.Opened || !got.Ready {
		t.Errorf("under the new definition: %+v", got)
	}
	expect(t, "triggers", len(r.Triggers()), 1)
}

// TestUnfitAndItsDuplicate: an id whose first bearer cannot be stored is free
// for the second one.
func TestUnfitAndItsDuplicate(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, nil, func(c *winchester.Config) { c.Triggers[0].Expiration = "$last + 7000y" })
	e := winchester.Event{MessageID: "x", EventType: "placed", Timestamp: noon.AddDate(2000, 0, 0), Traits: winchester.Traits{"id": 1}}
	good := e
	good.Timestamp = noon
	results, err := r.AddEvents(context.Background(), []winchester.Event{e, good, good})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "outcomes", fmt.Sprintf("%s %s %s", results[0].Outcome, results[1].Outcome, results[2].Outcome), "failed stored duplicate")
	if !errors.Is(results[0].Err, winchester.ErrInvalidEvent) {
		t.Errorf("the error is %v", results[0].Err)
	}
}

// absentStore is a database that goes away during the next transactions: before
// or after their commit.
type absentStore struct {
	winchester.Store
	before, after int // how many
}

func (s *absentStore) Transact(ctx context.Context, fn func(winchester.Tx) error) error {
	if s.before > 0 {
		s.before--
		return fmt.Errorf("%w: connection refused", winchester.ErrUnavailable)
	}
	err := s.Store.Transact(ctx, fn)
	if s.after > 0 && err == nil {
		s.after--
		return fmt.Errorf("%w: unexpected EOF", winchester.ErrUnavailable)
	}
	return err
}

// TestResultsOutliveTheConnection: what a handler has done outside is not done
// again because its result could not be stored at once, and is counted once.
func TestResultsOutliveTheConnection(t *testing.T) {
	t.Parallel()
	for _, purge := range []bool{false, true} {
		s := &script{}
		absent := &absentStore{}
		r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), func(c *winchester.Config) {
			absent.Store = c.Store
			c.Store = absent
			c.KeepCompleted = !purge
		})
		r.add("paid", 1)
		r.add("paid", 2)
		absent.before, absent.after = 2, 1
		r.pass(time.Second)
		expect(t, "what happened", s.take(), "s.handle(1) s.commit s.handle(1) s.commit")
		expect(t, "loaded again", r.pass(2*time.Hour), winchester.Loaded{})
		stats := r.Stats()
		expect(t, "fired and locked", fmt.Sprint(stats.Fired, stats.Locked), "2 0")
	}
}

// TestAbsentDatabaseDoesNotHoldUpAStop: nobody waits for it any longer then.
func TestAbsentDatabaseDoesNotHoldUpAStop(t *testing.T) {
	t.Parallel()
	absent := &absentStore{}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": {}}), func(c *winchester.Config) {
		absent.Store = c.Store
		c.Store = absent
		c.Lease = time.Hour
	})
	r.add("paid", 1)
	absent.before = 1 << 30
	r.clock.Advance(time.Second)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.RunOnce(ctx); err != nil && !errors.Is(err, winchester.ErrStopped) {
		t.Fatal(err)
	}
}

// TestHandlerEndsItsGoroutine: it costs the run, and no worker.
func TestHandlerEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	runs := 0
	s := &script{handle: func(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		if runs++; runs <= 2 {
			runtime.Goexit()
		}
		return events, nil
	}}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), func(c *winchester.Config) {
		c.Workers, c.Clock = 1, nil
		c.Retry.InitialBackoff = time.Millisecond
	})
	id := r.add("paid", 1).Streams[0].StreamID
	if err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return r.stream(id).State == winchester.StateCompleted })
	if err := r.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	expect(t, "what happened", s.take(), "s.handle(1) s.rollback s.handle(1) s.rollback s.handle(1) s.commit")
}

// TestUnreadableStream: a row that an older or a newer program has left, or
// somebody's hand, fails by itself, and costs the streams beside it nothing.
func TestUnreadableStream(t *testing.T) {
	t.Parallel()
	s := &script{}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}))
	bad := r.add("paid", 1).Streams[0].StreamID
	good := r.add("paid", 2).Streams[0].StreamID
	worse := r.add("paid", 3).Streams[0].StreamID
	execSQL(t, r.store, fmt.Sprintf("UPDATE winchester_streams SET progress = 'half' WHERE id = %d", bad))
	execSQL(t, r.store, fmt.Sprintf("UPDATE winchester_streams SET distinguishing_traits = '{' WHERE id = %d", worse))
	for _, pause := range []time.Duration{time.Second, 2 * time.Minute, 3 * time.Minute} {
		r.pass(pause)
	}
	expect(t, "what happened", s.take(), "s.handle(1) s.commit s.handle(1) s.commit")
	expect(t, "the good one", r.stream(good).State, winchester.StateCompleted)
	expect(t, "the bad one", r.stream(bad).State, winchester.StateCompleted) // what it has counted can be counted anew
	if _, err := r.store.StreamByID(context.Background(), worse); err == nil || !strings.Contains(err.Error(), "traits") {
		t.Errorf("reading the worse one: %v", err)
	}
	n, err := r.store.CountStreams(context.Background(), winchester.StreamQuery{State: winchester.StateError})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "streams in error", n, 1)
}

// TestStopIsBounded: a database that does not answer cannot keep a Stop from
// coming to its end.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	silent := &silentStore{}
	running := make(chan struct{}, 10)
	s := &script{handle: func(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		running <- struct{}{}
		return events, nil
	}}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), func(c *winchester.Config) {
		silent.Store = c.Store
		c.Store = silent
		c.Clock, c.Workers = nil, 4
	})
	for i := range 4 {
		r.add("paid", i)
	}
	silent.mute.Store(true)
	if err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	<-running
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	began := time.Now()
	if err := r.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 20*time.Second { // 5s of grace, not 30s a stream
		t.Errorf("Stop took %s", took)
	}
}

// silentStore begins no transaction once it is mute; who calls it waits.
type silentStore struct {
	winchester.Store
	mute atomic.Bool
}

func (s *silentStore) Transact(ctx context.Context, fn func(winchester.Tx) error) error {
	if s.mute.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.Store.Transact(ctx, fn)
}

// TestCommitTxEndsItsGoroutine: it costs the run an attempt, and nobody else
// anything.
func TestCommitTxEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	var runs atomic.Int64
	s := &script{inTx: func(context.Context, winchester.Tx) error {
		if runs.Add(1) <= 2 {
			runtime.Goexit()
		}
		return nil
	}}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), func(c *winchester.Config) {
		c.Clock = nil
		c.Retry.InitialBackoff = time.Millisecond
	})
	var ids []int64
	for i := range 5 {
		ids = append(ids, r.add("paid", i).Streams[0].StreamID)
	}
	if err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		waitFor(t, func() bool { return r.stream(id).State == winchester.StateCompleted })
	}
	if err := r.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}
