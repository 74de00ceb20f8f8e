package winchester_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/store"
)

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

// rig is an engine on a database and a clock of its own, with one trigger
// "order" (one stream an order id, fires on "paid", expires an hour after the
// last event) and one pipeline "p" of the handlers given.
type rig struct {
	*winchester.Engine
	t     *testing.T
	store *store.Store
	clock *winchester.ManualClock
	n     int
}

func newRig(t *testing.T, handlers []winchester.HandlerSpec, registry *winchester.Registry, change ...func(*winchester.Config)) *rig {
	t.Helper()
	st := testdb.Open(t, store.Options{})
	r := &rig{t: t, store: st, clock: winchester.NewManualClock(noon)}
	c := winchester.Config{
		Store: st, Clock: r.clock, Handlers: registry, KeepCompleted: true, Logger: slog.New(slog.DiscardHandler),
		Retry:     winchester.RetryPolicy{MaxAttempts: 3, InitialBackoff: time.Minute, Jitter: -1},
		Pipelines: []winchester.PipelineDefinition{{Name: "p", Handlers: handlers}},
		Triggers: []winchester.TriggerDefinition{{
			Name: "order", DistinguishedBy: winchester.By("id"), MatchCriteria: []winchester.Criterion{{}},
			FireCriteria: []winchester.Criterion{{EventTypes: []string{"paid"}}}, Expiration: "$last + 1h",
			FirePipeline: "p", ExpirePipeline: "p",
		}},
	}
	for _, f := range change {
		f(&c)
	}
	var err error
	if r.Engine, err = winchester.New(c); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) add(eventType string, id any) winchester.Result {
	r.t.Helper()
	r.n++
	res, err := r.AddEvent(context.Background(), winchester.Event{
		MessageID: fmt.Sprintf("m%d", r.n), EventType: eventType, Timestamp: r.clock.Now(), Traits: winchester.Traits{"id": id},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

// pass moves the clock on and lets the workers pass once.
func (r *rig) pass(d time.Duration) winchester.Loaded {
	r.t.Helper()
	r.clock.Advance(d)
	loaded, err := r.RunOnce(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	return loaded
}

func (r *rig) stream(id int64) winchester.Stream {
	r.t.Helper()
	s, err := r.store.StreamByID(context.Background(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// script is a handler that does as it is told and writes down what happens.
type script struct {
	mu     sync.Mutex
	log    []string
	handle func(ctx context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error)
	commit func(ctx context.Context, env *winchester.Env) error
	inTx   func(ctx context.Context, tx winchester.Tx) error
}

func (s *script) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

func (s *script) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := strings.Join(s.log, " ")
	s.log = nil
	return out
}

type scripted struct {
	s    *script
	name string
	env  *winchester.Env
}

func (h *scripted) HandleEvents(ctx context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	h.env = env
	h.s.note("%s.handle(%d)", h.name, len(events))
	if h.s.handle != nil {
		return h.s.handle(ctx, events, env)
	}
	return events, nil
}

func (h *scripted) Commit(ctx context.Context) error {
	h.s.note("%s.commit", h.name)
	if h.s.commit != nil {
		return h.s.commit(ctx, h.env)
	}
	return nil
}

func (h *scripted) Rollback(context.Context) error { h.s.note("%s.rollback", h.name); return nil }

func (h *scripted) CommitTx(ctx context.Context, tx winchester.Tx) error {
	if h.s.inTx != nil {
		h.s.note("%s.tx", h.name)
		return h.s.inTx(ctx, tx)
	}
	return nil
}

func scripts(s map[string]*script) *winchester.Registry {
	r := winchester.NewRegistry()
	for name, sc := range s {
		winchester.MustRegister(r, name, func(winchester.NoParams) (winchester.Handler, error) { return &scripted{s: sc, name: name}, nil })
	}
	return r
}

func specs(names ...string) []winchester.HandlerSpec {
	out := make([]winchester.HandlerSpec, len(names))
	for i, n := range names {
		out[i].Name = n
	}
	return out
}

func expect[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestRetryThenErrorThenReset(t *testing.T) {
	t.Parallel()
	s := &script{handle: func(context.Context, []winchester.Event, *winchester.Env) ([]winchester.Event, error) {
		return nil, errors.New("no luck")
	}}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}))
	id := r.add("paid", 1).Streams[0].StreamID
	for attempt, pause := range []time.Duration{time.Second, time.Minute + 1000, 2*time.Minute + 1000} {
		expect(t, "loaded", r.pass(pause), winchester.Loaded{Fire: 1})
		expect(t, "calls", s.take(), "s.handle(1) s.rollback")
		got := r.stream(id)
		expect(t, "attempt", got.Attempt, attempt+1)
		expect(t, "last error", got.LastError, "s: no luck")
		expect(t, "last error at", got.LastErrorAt, r.clock.Now())
		if attempt < 2 {
			expect(t, "state", got.State, winchester.StateRetryFire)
			expect(t, "before the back-off", r.pass(0), winchester.Loaded{})
		}
	}
	expect(t, "state at the end", r.stream(id).State, winchester.StateError)
	expect(t, "a stream in error is left alone", r.pass(24*time.Hour), winchester.Loaded{})
	if _, err := r.ResetStream(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	s.handle = nil
	expect(t, "after the reset", r.pass(0), winchester.Loaded{Fire: 1})
	expect(t, "calls", s.take(), "s.handle(1) s.commit")
	expect(t, "state", r.stream(id).State, winchester.StateCompleted)
	expect(t, "last error", r.stream(id).LastError, "")
}

func TestCancelAndSnooze(t *testing.T) {
	t.Parallel()
	var answer error
	s := &script{handle: func(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		return events, answer
	}}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}))
	id := r.add("paid", 1).Streams[0].StreamID
	answer = winchester.Snooze(10 * time.Minute)
	for range 5 { // more often than there are attempts
		r.pass(10*time.Minute + 1000)
		expect(t, "state", r.stream(id).State, winchester.StateRetryFire)
		expect(t, "attempt", r.stream(id).Attempt, 0)
	}
	answer = fmt.Errorf("wrapped: %w", winchester.Cancel(errors.New("hopeless")))
	r.pass(10*time.Minute + 1000)
	expect(t, "state", r.stream(id).State, winchester.StateError)
	expect(t, "error", r.stream(id).LastError, "s: wrapped: hopeless")
}

// TestSnoozesAreCounted: a handler learns how often its stream was snoozed;
// attempts that failed are not among these runs.
func TestSnoozesAreCounted(t *testing.T) {
	t.Parallel()
	var seen []string
	answer := winchester.Snooze(time.Minute)
	s := &script{commit: func(_ context.Context, env *winchester.Env) error {
		seen = append(seen, fmt.Sprintf("%d/%d", env.Snoozes, env.Attempt))
		return answer
	}}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}))
	id := r.add("paid", 1).Streams[0].StreamID
	r.pass(time.Second)
	r.pass(2 * time.Minute)
	answer = errors.New("no luck")
	r.pass(2 * time.Minute)
	answer = winchester.Snooze(time.Minute)
	r.pass(2 * time.Minute)
	answer = nil
	r.pass(2 * time.Minute)
	expect(t, "snoozes/attempt", strings.Join(seen, " "), "0/1 1/1 2/1 2/2 3/2")
	expect(t, "state", r.stream(id).State, winchester.StateCompleted)
}

func TestPanicIsAnError(t *testing.T) {
	t.Parallel()
	s := &script{handle: func(context.Context, []winchester.Event, *winchester.Env) ([]winchester.Event, error) { panic("ouch") }}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}))
	id := r.add("paid", 1).Streams[0].StreamID
	r.pass(time.Second)
	expect(t, "calls", s.take(), "s.handle(1) s.rollback")
	if got := r.stream(id); got.State != winchester.StateRetryFire || !strings.Contains(got.LastError, "panic: ouch") || !strings.Contains(got.LastError, "engine_test.go") {
		t.Errorf("state %s, error %q", got.State, got.LastError)
	}
}

func TestCommitsAreNotRepeated(t *testing.T) {
	t.Parallel()
	var keys []string
	a := &script{commit: func(_ context.Context, env *winchester.Env) error {
		keys = append(keys, env.IdempotencyKey)
		return nil
	}}
	b := &script{commit: func(_ context.Context, env *winchester.Env) error {
		keys = append(keys, env.IdempotencyKey)
		if env.Attempt == 1 {
			return errors.New("not now")
		}
		return nil
	}}
	c := &script{}
	r := newRig(t, specs("a", "b", "c"), scripts(map[string]*script{"a": a, "b": b, "c": c}))
	id := r.add("paid", 1).Streams[0].StreamID
	r.pass(time.Second)
	expect(t, "a", a.take(), "a.handle(1) a.commit")
	expect(t, "b", b.take(), "b.handle(1) b.commit b.rollback")
	expect(t, "c", c.take(), "c.handle(1) c.rollback")
	r.pass(time.Hour)
	expect(t, "a again", a.take(), "a.handle(1)")
	expect(t, "b again", b.take(), "b.handle(1) b.commit")
	expect(t, "c again", c.take(), "c.handle(1) c.commit")
	expect(t, "state", r.stream(id).State, winchester.StateCompleted)
	if len(keys) != 3 || len(slices.Compact(slices.Clone(keys))) != 1 {
		t.Errorf("idempotency keys differ: %v", keys)
	}
}

func TestCommitErrorIgnored(t *testing.T) {
	t.Parallel()
	s := &script{commit: func(context.Context, *winchester.Env) error { return errors.New("lost") }}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), func(c *winchester.Config) {
		c.Triggers[0].Retry.OnCommitError = winchester.CommitErrorIgnore
	})
	id := r.add("paid", 1).Streams[0].StreamID
	r.pass(time.Second)
	expect(t, "state", r.stream(id).State, winchester.StateCompleted)
}

// TestSnoozeIsNotIgnored: a Commit that asks for more time has not failed, so
// there is nothing to ignore.
func TestSnoozeIsNotIgnored(t *testing.T) {
	t.Parallel()
	answer := fmt.Errorf("closed: %w", winchester.Snooze(time.Minute))
	s := &script{commit: func(context.Context, *winchester.Env) error { return answer }}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), func(c *winchester.Config) {
		c.Triggers[0].Retry.OnCommitError = winchester.CommitErrorIgnore
	})
	id := r.add("paid", 1).Streams[0].StreamID
	r.pass(time.Second)
	expect(t, "state", r.stream(id).State, winchester.StateRetryFire)
	answer = nil
	r.pass(2 * time.Minute)
	expect(t, "state", r.stream(id).State, winchester.StateCompleted)
}

// TestTransaction: new events, the work of CommitTx and the completion of the
// stream happen together or not at all, and one stream does not spoil another.
func TestTransaction(t *testing.T) {
	t.Parallel()
	s := &script{}
	s.handle = func(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
		e := winchester.Event{MessageID: fmt.Sprint("new-", env.StreamID), EventType: "made", Timestamp: env.Now, Traits: winchester.Traits{"id": "made"}}
		return append(slices.Clone(events), e), nil
	}
	fail := true
	s.inTx = func(_ context.Context, tx winchester.Tx) error {
		if err := store.DB(tx).Exec("INSERT INTO books VALUES (1)").Error; err != nil {
			return err
		}
		if fail {
			return errors.New("the books are closed")
		}
		return nil
	}
	ok := &script{}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s, "ok": ok}), func(c *winchester.Config) {
		c.Pipelines = append(c.Pipelines, winchester.PipelineDefinition{Name: "ok", Handlers: specs("ok")})
		other := c.Triggers[0]
		other.Name, other.FirePipeline = "other", "ok"
		c.Triggers = append(c.Triggers, other)
	})
	execSQL(t, r.store, "CREATE TABLE books (n INTEGER)")
	joined := r.add("paid", 1).Streams
	counts := func() string {
		ctx := context.Background()
		var books int64
		err := r.store.Transact(ctx, func(tx winchester.Tx) error { return store.DB(tx).Raw("SELECT count(*) FROM books").Scan(&books).Error })
		if err != nil {
			t.Fatal(err)
		}
		made, err := r.store.CountEvents(ctx, winchester.EventQuery{EventTypes: []string{"made"}})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(r.stream(joined[0].StreamID).State, " ", r.stream(joined[1].StreamID).State, " ", books, " ", made)
	}
	r.pass(time.Second)
	expect(t, "after a failed transaction", counts(), "retry_fire completed 0 0")
	fail = false
	r.pass(time.Hour)
	expect(t, "after a good one", counts(), "completed completed 1 1")
}

// TestLostLease: a worker that slept through its lease can neither complete
// its stream nor do transactional work.
func TestLostLease(t *testing.T) {
	t.Parallel()
	s := &script{inTx: func(context.Context, winchester.Tx) error { return nil }}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}))
	id := r.add("paid", 1).Streams[0].StreamID
	s.handle = func(ctx context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		// Another worker takes over while this one dreams.
		now := r.clock.Now().Add(time.Hour)
		claimed, err := r.store.Claim(ctx, winchester.Claim{Pass: winchester.PassFire, Owner: "other", Now: now, LeaseUntil: now.Add(time.Hour), Limit: 10})
		if err != nil || len(claimed) != 1 {
			t.Errorf("takeover: %v, %v", claimed, err)
		}
		return events, nil
	}
	r.pass(time.Second)
	expect(t, "calls", s.take(), "s.handle(1) s.commit") // no s.tx: the change of state comes first, and is refused
	got := r.stream(id)
	expect(t, "owner", got.Owner, "other")
	expect(t, "state", got.State, winchester.StateFiring)
	expect(t, "attempt", got.Attempt, 2)
	expect(t, "locked", r.Stats().Locked, 1)
}

// TestRenewal: a pipeline that takes longer than the lease keeps it, and its
// context ends when it does not.
func TestRenewal(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	var cause error
	s := &script{handle: func(ctx context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		entered <- struct{}{}
		select {
		case <-ctx.Done():
			cause = context.Cause(ctx)
		case <-leave:
		}
		return events, ctx.Err()
	}}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), func(c *winchester.Config) {
		c.Lease, c.StatisticsPeriod = time.Minute, -1
	})
	ctx := context.Background()
	id := r.add("paid", 1).Streams[0].StreamID
	r.clock.Advance(time.Second)
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	<-entered
	asleep := func() { waitFor(t, func() bool { return r.clock.Waiting() == 2 }) } // dispatcher and renewer
	for range 10 {                                                                 // ten times a third of the lease
		asleep()
		before := r.stream(id).Due
		r.clock.Advance(20 * time.Second)
		waitFor(t, func() bool { return r.stream(id).Due.After(before) })
	}
	asleep()
	expect(t, "attempt", r.stream(id).Attempt, 1)
	// Someone takes the stream all the same.
	now := r.clock.Now().Add(time.Hour)
	if _, err := r.store.Claim(ctx, winchester.Claim{Pass: winchester.PassFire, Owner: "thief", Now: now, LeaseUntil: now.Add(time.Hour), Limit: 1}); err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(20 * time.Second)
	waitFor(t, func() bool { return r.Stats().Locked == 1 })
	if err := r.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if cause == nil || !strings.Contains(cause.Error(), "lease") {
		t.Errorf("the context ended because of: %v", cause)
	}
	expect(t, "owner", r.stream(id).Owner, "thief")
}

// spyContext tells when someone begins to wait for its end.
type spyContext struct {
	context.Context
	once  sync.Once
	asked chan struct{}
}

func (c *spyContext) Done() <-chan struct{} {
	c.once.Do(func() { close(c.asked) })
	return c.Context.Done()
}

func TestStopWaits(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	s := &script{handle: func(ctx context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		entered <- struct{}{}
		select {
		case <-leave:
			return events, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), func(c *winchester.Config) { c.Workers = 1 })
	ctx := context.Background()
	first, second := r.add("paid", 1).Streams[0].StreamID, r.add("paid", 2).Streams[0].StreamID
	r.clock.Advance(time.Second)

	// Patience: the running pipeline ends, the one that waits is given back.
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(ctx); err == nil {
		t.Error("started twice")
	}
	<-entered
	stopped := make(chan error)
	patient := &spyContext{Context: ctx, asked: make(chan struct{})}
	go func() { stopped <- r.Stop(patient) }()
	<-patient.asked // from here on it waits, and nothing new is begun
	leave <- struct{}{}
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	done, waiting := r.stream(first), r.stream(second)
	if done.State != winchester.StateCompleted {
		done, waiting = waiting, done
	}
	expect(t, "the one that ran", done.State, winchester.StateCompleted)
	if waiting.State != winchester.StateActive && waiting.State != winchester.StateRetryFire { // never claimed, or given back
		t.Errorf("the one that waited is %s", waiting.State)
	}
	expect(t, "its attempts", waiting.Attempt, 0)

	// No patience: the context ends, and the stream is tried again later
	// without its having counted.
	r.clock.Advance(time.Second)
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	<-entered
	hurry, cancel := context.WithCancel(ctx)
	cancel()
	if err := r.Stop(hurry); !errors.Is(err, context.Canceled) {
		t.Errorf("stop without patience: %v", err)
	}
	expect(t, "interrupted", r.stream(waiting.ID).State, winchester.StateRetryFire)
	expect(t, "its attempts", r.stream(waiting.ID).Attempt, 0)
}

// TestWakeUp: a stream that becomes ready is run at once, and one that will be
// is run when its time comes, long before the poll interval.
func TestWakeUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": {}}), func(c *winchester.Config) { c.PollInterval = 1000 * time.Hour })
	ctx := context.Background()
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Stop(ctx) }()
	fires := r.add("paid", 1).Streams[0].StreamID
	expires := r.add("placed", 2).Streams[0].StreamID
	r.clock.Advance(time.Millisecond)
	waitFor(t, func() bool { return r.stream(fires).State == winchester.StateCompleted })
	expect(t, "not yet", r.stream(expires).State, winchester.StateActive)
	r.clock.Advance(time.Hour)
	waitFor(t, func() bool {
		r.clock.Advance(time.Millisecond)
		return r.stream(expires).State == winchester.StateCompleted
	})
}

func TestResults(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, nil)
	ctx := context.Background()
	e := func(id, eventType string, traits winchester.Traits) winchester.Event {
		return winchester.Event{MessageID: id, EventType: eventType, Timestamp: noon, Traits: traits}
	}
	results, err := r.AddEvents(ctx, []winchester.Event{
		e("a", "placed", winchester.Traits{"id": 1}),
		e("a", "placed", winchester.Traits{"id": 1}),
		e("", "placed", nil),
		e("b", "paid", winchester.Traits{"id": 1}),
		e("c", "other", nil),
		e("d", "placed", winchester.Traits{"id": []string{}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, res := range results {
		got = append(got, fmt.Sprintf("%s %s %d", res.MessageID, res.Outcome, len(res.Streams)))
		if (res.Err != nil) != (res.Outcome == winchester.OutcomeFailed) || res.Err != nil && !errors.Is(res.Err, winchester.ErrInvalidEvent) {
			t.Errorf("%s: %v", res.MessageID, res.Err)
		}
	}
	expect(t, "results", strings.Join(got, ", "), "a stored 1, a duplicate 0,  failed 0, b stored 1, c stored 0, d failed 0")
	first, second := results[0].Streams[0], results[3].Streams[0]
	if !first.Opened || first.Ready || second.Opened || !second.Ready || first.StreamID != second.StreamID || second.FireAt != noon {
		t.Errorf("joined %+v, then %+v", first, second)
	}
	again, err := r.AddEvent(ctx, e("a", "quite different", nil))
	if err != nil || again.Outcome != winchester.OutcomeDuplicate {
		t.Errorf("again: %+v, %v", again, err)
	}
	s := r.Stats()
	expect(t, "stats", fmt.Sprint(s.Received, s.Saved, s.Duplicates, s.Failed), "7 3 2 2")
}

// TestUnfitEvent: an event whose stream's expiry is beyond the calendar fails
// alone, and leaves nothing behind.
func TestUnfitEvent(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, nil, func(c *winchester.Config) {
		far := c.Triggers[0]
		far.Name, far.Expiration = "far", "$last + 7000y"
		c.Triggers = append(c.Triggers, far)
	})
	var events []winchester.Event
	for i := range 60 { // more than a transaction would be tried again
		events = append(events, winchester.Event{
			MessageID: fmt.Sprint("m", i), EventType: "placed", Timestamp: noon.AddDate(i%2*2000, 0, 0), Traits: winchester.Traits{"id": i / 4},
		})
	}
	results, err := r.AddEvents(context.Background(), events)
	if err != nil {
		t.Fatal(err)
	}
	for i, res := range results {
		want := winchester.OutcomeStored
		if i%2 == 1 {
			want = winchester.OutcomeFailed
		}
		if res.Outcome != want || (res.Err != nil) != (want == winchester.OutcomeFailed) {
			t.Errorf("event %d: %+v", i, res)
		}
	}
	n, err := r.store.CountEvents(context.Background(), winchester.EventQuery{})
	if err != nil || n != 30 {
		t.Errorf("%d events are stored, %v", n, err)
	}
}

func TestTrimEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": {}}), func(c *winchester.Config) {
		c.TrimEvents, c.TrimEventsAge, c.TrimEventsBatchSize, c.KeepCompleted = true, "$timestamp - 1d", 2, false
		c.Triggers[0].Expiration = "$last + 10d"
		c.Lease = 24 * time.Hour // the clock will run faster than a slow database works
	})
	ctx := context.Background()
	for range 5 {
		r.add("paid", "done")
	}
	r.add("placed", "alive")
	r.clock.Advance(2 * 24 * time.Hour)
	r.add("placed", "young")
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { r.clock.Advance(time.Second); return r.Stats().Trimmed == 5 })
	if err := r.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	left, err := r.store.CountEvents(ctx, winchester.EventQuery{})
	if err != nil || left != 2 {
		t.Errorf("%d events are left, %v", left, err)
	}
}

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	if _, err := winchester.New(winchester.Config{}); err == nil {
		t.Error("an engine without a store")
	}
	r := newRig(t, nil, nil)
	_, err := winchester.New(winchester.Config{
		Store: r.store, Workers: -1, TrimEventsAge: "$first - 1d", Retry: winchester.RetryPolicy{Jitter: 2},
		Triggers:  []winchester.TriggerDefinition{{Name: "t"}},
		Pipelines: []winchester.PipelineDefinition{{Name: "p", Handlers: specs("loger")}, {Name: "p"}},
	})
	for _, part := range []string{"Workers", "TrimEventsAge", "jitter", "match_criteria", `did you mean "logger"?`, "defined twice"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not reported in: %v", part, err)
		}
	}
	err = r.AddTrigger(winchester.TriggerDefinition{Name: "x", FirePipeline: "q"})
	if !errors.Is(err, winchester.ErrUnknownPipeline) || !strings.Contains(err.Error(), `did you mean "p"?`) {
		t.Errorf("unknown pipeline: %v", err)
	}
	if err := r.AddTrigger(r.Triggers()[0]); !errors.Is(err, winchester.ErrTriggerExists) {
		t.Errorf("second definition: %v", err)
	}
}
