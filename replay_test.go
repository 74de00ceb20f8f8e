package winchester_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/simulate"
	"github.com/seed71495667/winchester/store"
)

// today is when the recorded events, which are of noon, are replayed.
var today = noon.Add(50 * 365 * 24 * time.Hour)

// newReplayClock opens a clock as one more process would.
func newReplayClock(t *testing.T, c winchester.ReplayConfig) *winchester.ReplayClock {
	t.Helper()
	c.Logger = slog.New(slog.DiscardHandler)
	clock, err := winchester.NewReplayClock(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := clock.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return clock
}

// replayRig is a rig whose engine replays: its clock is that of the events, and
// machine passes by itself.
type replayRig struct {
	*rig
	replay  *winchester.ReplayClock
	machine *winchester.ManualClock
}

func newReplayRig(t *testing.T, s *script) *replayRig {
	t.Helper()
	r := &replayRig{machine: winchester.NewManualClock(today)}
	r.rig = newRig(t, specs("s"), scripts(map[string]*script{"s": s}), func(c *winchester.Config) {
		r.replay = newReplayClock(t, winchester.ReplayConfig{Store: c.Store, Machine: r.machine})
		c.Clock, c.Name, c.PollInterval, c.StatisticsPeriod = r.replay, "first", 1000*time.Hour, -1
	})
	return r
}

// another is another process on the same database.
func (r *replayRig) another(s *script) *winchester.Engine {
	r.t.Helper()
	e, err := winchester.New(winchester.Config{
		Store: r.store, Clock: newReplayClock(r.t, winchester.ReplayConfig{Store: r.store, Machine: r.machine}), Name: "second",
		Handlers: scripts(map[string]*script{"s": s}), Pipelines: []winchester.PipelineDefinition{{Name: "p", Handlers: specs("s")}},
		Triggers: r.Triggers(), KeepCompleted: true, Logger: slog.New(slog.DiscardHandler), PollInterval: 1000 * time.Hour, StatisticsPeriod: -1,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

func (r *replayRig) addAt(eventType string, id any, offset time.Duration) int64 {
	r.t.Helper()
	r.n++
	res, err := r.AddEvent(context.Background(), winchester.Event{
		MessageID: fmt.Sprintf("m%d", r.n), EventType: eventType, Timestamp: noon.Add(offset), Traits: winchester.Traits{"id": id},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return res.Streams[0].StreamID
}

func (r *replayRig) runOnce() winchester.Loaded {
	r.t.Helper()
	n, err := r.RunOnce(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func startAll(t *testing.T, engines ...*winchester.Engine) {
	t.Helper()
	for _, e := range engines {
		if err := e.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Stop(context.Background()) })
	}
}

// TestReplayedLeasesGoByTheMachine: at a thousand times the speed of life, a slow
// handler keeps its stream, beside a worker that would take it.
func TestReplayedLeasesGoByTheMachine(t *testing.T) {
	t.Parallel()
	begun, end := make(chan struct{}, 10), make(chan struct{})
	slow := &script{handle: func(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		begun <- struct{}{}
		<-end
		return events, nil
	}}
	r := newReplayRig(t, slow)
	thief := &script{}
	other := r.another(thief)
	id := r.addAt("paid", "slow", 0)
	r.addAt("placed", "later", time.Second)
	startAll(t, r.Engine)
	var once sync.Once
	letGo := func() { once.Do(func() { close(end) }) }
	t.Cleanup(letGo) // or the engine would not stop
	<-begun
	startAll(t, other)
	// Of either engine the clock, the dispatcher, and who renews leases.
	asleep := func() { waitFor(t, func() bool { return r.machine.Waiting() == 6 }) }
	asleep()
	for range 200 { // seconds: more than three leases
		if _, err := r.replay.Advance(t.Context(), r.replay.Now().Add(1000*time.Second)); err != nil {
			t.Fatal(err)
		}
		r.machine.Advance(time.Second)
		asleep()
		if left := r.stream(id).Due.Sub(r.machine.Now()); left <= 40*time.Second { // renewed three times a minute
			t.Fatal("the lease ends in ", left)
		}
	}
	expect(t, "owner", r.stream(id).Owner, "first")
	letGo()
	waitFor(t, func() bool { return r.stream(id).State == winchester.StateCompleted })
	expect(t, "attempts", r.stream(id).Attempt, 1)
	expect(t, "lost", r.Stats().Locked+other.Stats().Locked, 0)
	if calls := thief.take(); strings.Contains(calls, "slow") {
		t.Error("the other worker has run it, too: ", calls)
	}
}

// TestStandingReplay: while no event comes, leases run out and what failed is
// tried again.
func TestStandingReplay(t *testing.T) {
	t.Parallel()
	fail := true
	s := &script{handle: func(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
		if got := env.Clock.Now(); got.Before(today) {
			t.Errorf("Env.Clock is at %s", got)
		}
		if env.Now.After(noon.Add(time.Hour)) {
			t.Errorf("Env.Now is %s", env.Now)
		}
		if fail {
			return nil, errors.New("told to fail")
		}
		return events, nil
	}}
	r := newReplayRig(t, s)
	die := func(id any, offset time.Duration) int64 {
		stream := r.addAt("paid", id, offset)
		r.addAt("placed", "other", offset+time.Second) // the clock goes on, and stands
		got, err := r.store.Claim(t.Context(), winchester.Claim{
			Pass: winchester.PassFire, Owner: "dead", Now: r.replay.Now(), HeldNow: r.machine.Now(), LeaseUntil: r.machine.Now().Add(time.Minute), Limit: 10,
		})
		if err != nil || len(got) != 1 || got[0].ID != stream {
			t.Fatal(got, err)
		}
		return stream
	}
	id := die("A", 0)
	r.machine.Advance(time.Minute)
	expect(t, "claimed at the end of the lease", r.runOnce(), winchester.Loaded{})
	r.machine.Advance(time.Second)
	expect(t, "claimed after it", r.runOnce(), winchester.Loaded{Fire: 1})
	expect(t, "state", r.stream(id).State, winchester.StateRetryFire)
	fail = false
	r.machine.Advance(2*time.Minute - time.Second) // the second attempt has failed
	expect(t, "claimed during the back-off", r.runOnce(), winchester.Loaded{})
	r.machine.Advance(2 * time.Second)
	expect(t, "claimed after it", r.runOnce(), winchester.Loaded{Fire: 1})
	expect(t, "state", r.stream(id).State, winchester.StateCompleted)

	id = die("B", 2*time.Second)
	startAll(t, r.Engine)
	waitFor(t, func() bool { r.machine.Advance(time.Second); return r.stream(id).State == winchester.StateCompleted })
	expect(t, "the clock stands", r.replay.Now(), noon.Add(3*time.Second))
}

// TestReplayJump: one wrong time does not let everything expire.
func TestReplayJump(t *testing.T) {
	t.Parallel()
	r := newReplayRig(t, &script{})
	r.addAt("placed", 1, 0)
	for _, e := range []winchester.Event{
		{MessageID: "far", EventType: "placed", Timestamp: noon.Add(24*time.Hour + time.Microsecond), Traits: winchester.Traits{"id": 1}},
		{MessageID: "furthest", EventType: "placed", Timestamp: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), Traits: winchester.Traits{"id": 1}},
	} {
		res, err := r.AddEvent(t.Context(), e)
		if !errors.Is(err, winchester.ErrInvalidEvent) || res.Outcome != winchester.OutcomeFailed {
			t.Errorf("%s: %v, %v", e.MessageID, res, err)
		}
	}
	_, err := r.AddEvent(t.Context(), winchester.Event{MessageID: "far", EventType: "x", Timestamp: noon.Add(48 * time.Hour)})
	expect(t, "error", fmt.Sprint(err),
		`invalid event "far": its time 2026-05-08T12:00:00Z is more than 24h0m0s ahead of the replay clock, which stands at 2026-05-06T12:00:00Z`)
	expect(t, "the clock stands", r.replay.Now(), noon)
	results, err := r.AddEvents(t.Context(), []winchester.Event{ // within a batch it goes on with each
		{MessageID: "a", EventType: "placed", Timestamp: noon.Add(24 * time.Hour), Traits: winchester.Traits{"id": 1}},
		{MessageID: "b", EventType: "placed", Timestamp: noon.Add(72*time.Hour + time.Second), Traits: winchester.Traits{"id": 1}},
		{MessageID: "c", EventType: "placed", Timestamp: noon.Add(48 * time.Hour), Traits: winchester.Traits{"id": 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []winchester.Outcome
	for _, res := range results {
		outcomes = append(outcomes, res.Outcome)
	}
	expect(t, "outcomes", fmt.Sprint(outcomes), "[stored failed stored]")
	expect(t, "the clock stands", r.replay.Now(), noon.Add(48*time.Hour))
}

// clockStore counts what the clocks ask of it.
type clockStore struct {
	*store.Store
	moves atomic.Int64
	away  atomic.Bool
}

func (s *clockStore) AdvanceReplay(ctx context.Context, to time.Time) (time.Time, error) {
	if s.away.Load() {
		return time.Time{}, winchester.ErrUnavailable
	}
	s.moves.Add(1)
	return s.Store.AdvanceReplay(ctx, to)
}

// TestReplayClockIsToldInOneGo: a thousand events are one statement, and what the
// database did not hear it hears later.
func TestReplayClockIsToldInOneGo(t *testing.T) {
	t.Parallel()
	st := &clockStore{Store: testdb.Open(t, store.Options{})}
	machine := winchester.NewManualClock(today)
	clock := newReplayClock(t, winchester.ReplayConfig{Store: st, Machine: machine})
	follower := newReplayClock(t, winchester.ReplayConfig{Store: st.Store, Machine: machine})
	expect(t, "unset", clock.Now().Equal(time.Unix(0, 0)), true)
	engine, err := winchester.New(winchester.Config{Store: st, Clock: clock, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	add := func(n int) {
		for i := range 1000 {
			e := winchester.Event{MessageID: fmt.Sprint(n, i), EventType: "x", Timestamp: noon.Add(time.Duration(1000*n+i) * time.Second)}
			if _, err := engine.AddEvent(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	stored := func() time.Time {
		at, err := st.ReplayTime(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	tick := func() {
		waitFor(t, func() bool { return machine.Waiting() == 2 }) // both clocks
		machine.Advance(100 * time.Millisecond)
		waitFor(t, func() bool { return machine.Waiting() == 2 })
	}
	add(0)
	expect(t, "its own clock", clock.Now(), noon.Add(999*time.Second))
	expect(t, "stored before anybody was told", stored(), time.Time{})
	tick()
	expect(t, "stored", stored(), noon.Add(999*time.Second))
	expect(t, "statements", st.moves.Load(), 1)
	tick() // the follower may have asked first
	expect(t, "the follower", follower.Now(), noon.Add(999*time.Second))
	expect(t, "statements, when nothing has happened", st.moves.Load(), 1)
	st.away.Store(true)
	add(1)
	tick()
	expect(t, "stored while the database is away", stored(), noon.Add(999*time.Second))
	st.away.Store(false)
	tick()
	expect(t, "stored", stored(), noon.Add(1999*time.Second))
	add(2)
	if err := clock.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(t, "stored at the end", stored(), noon.Add(2999*time.Second))
}

// TestReplayIsAsSimulated: whatever the speed of feeder and workers, the streams
// are those of a simulation, in which there is always a worker that waits for
// nothing else.
func TestReplayIsAsSimulated(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 1))
			events := recorded(random)
			want := simulated(t, events)
			got := replayed(t, random, events)
			for _, end := range got {
				if i := slices.Index(want, end); i >= 0 {
					want = slices.Delete(want, i, i+1)
				} else {
					t.Errorf("replayed and not simulated: %s", end)
				}
			}
			for _, end := range want {
				t.Errorf("simulated and not replayed: %s", end)
			}
		})
	}
}

// recorded are some weeks of events, of which some are late.
func recorded(random *rand.Rand) []winchester.Event {
	events := make([]winchester.Event, 400)
	at := noon
	for i := range events {
		at = at.Add(time.Duration(random.IntN(40)) * time.Minute)
		when := at
		if random.IntN(10) == 0 {
			when = at.Add(-time.Duration(random.IntN(300)) * time.Minute)
		}
		events[i] = winchester.Event{
			MessageID: fmt.Sprintf("e%03d", i), EventType: []string{"placed", "paid"}[random.IntN(2)], Timestamp: when,
			Traits: winchester.Traits{"id": random.IntN(4)},
		}
	}
	return events
}

func replayTriggers() []winchester.TriggerDefinition {
	trigger := func(name, expiration string, paid int, delay time.Duration) winchester.TriggerDefinition {
		return winchester.TriggerDefinition{
			Name: name, DistinguishedBy: winchester.By("id"), MatchCriteria: []winchester.Criterion{{}}, Expiration: expiration, FireDelay: delay,
			FireCriteria: []winchester.Criterion{{EventTypes: []string{"paid"}, Number: paid}}, FirePipeline: "p", ExpirePipeline: "p",
		}
	}
	return []winchester.TriggerDefinition{
		trigger("at once", "$last + 1h", 1, 0),
		trigger("of now", "$timestamp + 1h", 2, 0),
		trigger("with a delay", "$first + 2h", 1, 30*time.Minute),
		trigger("expiring before it fires", "$last + 1h", 1, 3*time.Hour),
		trigger("days", "day($last) + 1d", 20, 0),
	}
}

func simulated(t *testing.T, events []winchester.Event) (ends []string) {
	t.Helper()
	sim, err := simulate.New(t.Context(), simulate.Config{Triggers: replayTriggers()})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	for _, e := range events {
		if _, err := sim.AddEvent(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	report, err := sim.Finish(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, life := range report.Streams {
		ends = append(ends, fmt.Sprintf("%s %v %s: %v", life.Trigger, life.DistinguishingTraits, life.Ends, life.Events))
	}
	return ends
}

// replayed adds the events as fast as it goes, while two workers are at it.
func replayed(t *testing.T, random *rand.Rand, events []winchester.Event) (ends []string) {
	t.Helper()
	st := testdb.Open(t, store.Options{})
	var mu sync.Mutex
	s := &script{handle: func(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
		ids := make([]string, len(events))
		for i, e := range events {
			ids[i] = e.MessageID
		}
		what := map[winchester.Pass]string{winchester.PassFire: simulate.EndsFired, winchester.PassExpire: simulate.EndsExpired}[env.Pass]
		mu.Lock()
		defer mu.Unlock()
		ends = append(ends, fmt.Sprintf("%s %v %s: %v", env.StreamName, env.DistinguishingTraits, what, ids))
		return nil, nil
	}}
	process := func() (*winchester.Engine, *winchester.ReplayClock) {
		clock := newReplayClock(t, winchester.ReplayConfig{Store: st, Refresh: time.Millisecond})
		e, err := winchester.New(winchester.Config{
			Store: st, Clock: clock, Triggers: replayTriggers(), Handlers: scripts(map[string]*script{"s": s}), KeepCompleted: true,
			Pipelines: []winchester.PipelineDefinition{{Name: "p", Handlers: specs("s")}}, Logger: slog.New(slog.DiscardHandler), StatisticsPeriod: -1,
		})
		if err != nil {
			t.Fatal(err)
		}
		return e, clock
	}
	feeder, clock := process()
	for range 2 {
		worker, _ := process()
		startAll(t, worker)
	}
	for len(events) > 0 {
		n := min(1+random.IntN(60), len(events))
		if _, err := feeder.AddEvents(t.Context(), events[:n]); err != nil {
			t.Fatal(err)
		}
		events = events[n:]
	}
	last, err := st.LastDue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clock.Advance(t.Context(), last.Add(time.Microsecond)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		all, err := st.CountStreams(t.Context(), winchester.StreamQuery{})
		if err != nil {
			t.Fatal(err)
		}
		done, err := st.CountStreams(t.Context(), winchester.StreamQuery{State: winchester.StateCompleted})
		if err != nil {
			t.Fatal(err)
		}
		return all == done
	})
	mu.Lock()
	defer mu.Unlock()
	return ends
}

// TestResetInReplay: a stream that is reset is tried again at once, also if its
// time is ahead of the machine's clock.
func TestResetInReplay(t *testing.T) {
	t.Parallel()
	fail := true
	r := newReplayRig(t, &script{handle: func(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		if fail {
			return nil, winchester.Cancel(errors.New("told to fail"))
		}
		return events, nil
	}})
	ahead := today.Add(24 * time.Hour).Sub(noon)
	id := r.addAt("paid", "A", ahead)
	r.addAt("placed", "B", ahead+time.Second)
	expect(t, "run", r.runOnce(), winchester.Loaded{Fire: 1})
	expect(t, "state", r.stream(id).State, winchester.StateError)
	fail = false
	if _, err := r.ResetStream(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	r.machine.Advance(time.Second)
	expect(t, "run after the reset", r.runOnce(), winchester.Loaded{Fire: 1})
	expect(t, "state", r.stream(id).State, winchester.StateCompleted)
}
