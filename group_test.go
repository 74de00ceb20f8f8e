package winchester_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// watchedStore counts transactions and lets a test interfere with them.
type watchedStore struct {
	winchester.Store
	began  atomic.Int64
	inside func(ctx context.Context, n int64) error                   // in transaction n, before anything else
	insert func(ctx context.Context, events []winchester.Event) error // before events are inserted
}

func (s *watchedStore) Transact(ctx context.Context, fn func(winchester.Tx) error) error {
	n := s.began.Add(1)
	return s.Store.Transact(ctx, func(tx winchester.Tx) error {
		if s.inside != nil {
			if err := s.inside(ctx, n); err != nil {
				return err
			}
		}
		return fn(&watchedTx{tx, s})
	})
}

type watchedTx struct {
	winchester.Tx
	s *watchedStore
}

func (tx *watchedTx) InsertEvents(ctx context.Context, events []winchester.Event) ([]int64, error) {
	seen := map[string]bool{}
	for _, e := range events {
		if seen[e.MessageID] {
			return nil, fmt.Errorf("message id %q is given twice, which no store need bear", e.MessageID)
		}
		seen[e.MessageID] = true
	}
	if tx.s.insert != nil {
		if err := tx.s.insert(ctx, events); err != nil {
			return nil, err
		}
	}
	return tx.Tx.InsertEvents(ctx, events)
}

// groupRig is a rig whose first transaction is held until release, so that
// what is added meanwhile queues up.
type groupRig struct {
	*rig
	watched *watchedStore
	entered chan struct{}
	release func()
	first   *answer
}

// answer is what a call of AddEvent in a goroutine returns.
type answer struct {
	done   chan struct{}
	result winchester.Result
	err    error
	panic  any
}

func (a *answer) wait() *answer { <-a.done; return a }

func newGroupRig(t *testing.T, change ...func(*winchester.Config)) *groupRig {
	t.Helper()
	held := make(chan struct{})
	g := &groupRig{watched: &watchedStore{}, entered: make(chan struct{}), release: sync.OnceFunc(func() { close(held) })}
	g.watched.inside = func(_ context.Context, n int64) error {
		if n == 1 {
			close(g.entered)
			<-held
		}
		return nil
	}
	g.rig = newRig(t, nil, nil, append(change, func(c *winchester.Config) {
		g.watched.Store = c.Store
		c.Store = g.watched
	})...)
	t.Cleanup(g.release)
	g.first = g.begin(context.Background(), placed("first", 0))
	<-g.entered
	return g
}

// begin calls AddEvent in a goroutine.
func (g *groupRig) begin(ctx context.Context, e winchester.Event) *answer {
	a := &answer{done: make(chan struct{})}
	go func() {
		defer close(a.done)
		defer func() { a.panic = recover() }()
		a.result, a.err = g.AddEvent(ctx, e)
	}()
	return a
}

// enqueue calls AddEvent in a goroutine and returns when it is in the queue:
// it asks for the end of its context then.
func (g *groupRig) enqueue(ctx context.Context, e winchester.Event) *answer {
	spy := &spyContext{Context: ctx, asked: make(chan struct{})}
	a := g.begin(spy, e)
	<-spy.asked
	return a
}

func (g *groupRig) stored() map[string]winchester.StoredEvent {
	g.t.Helper()
	events, err := g.store.FindEvents(context.Background(), winchester.EventQuery{})
	if err != nil {
		g.t.Fatal(err)
	}
	byID := map[string]winchester.StoredEvent{}
	for _, e := range events {
		byID[e.MessageID] = e
	}
	if len(byID) != len(events) {
		g.t.Errorf("%d events have %d message ids", len(events), len(byID))
	}
	return byID
}

// balanced tells of statistics that do not add up.
func (g *groupRig) balanced() {
	g.t.Helper()
	s := g.Stats()
	expect(g.t, "saved by the statistics", s.Saved, int64(len(g.stored())))
	expect(g.t, "events of the statistics", s.Saved+s.Duplicates+s.Failed, s.Received)
}

func placed(messageID string, id any) winchester.Event {
	return winchester.Event{MessageID: messageID, EventType: "placed", Timestamp: noon, Traits: winchester.Traits{"id": id}}
}

// unfit is an event whose expiry is beyond the calendar, by the trigger of farExpiry.
func unfit(messageID string, id any) winchester.Event {
	e := placed(messageID, id)
	e.Timestamp = noon.AddDate(2000, 0, 0)
	return e
}

func farExpiry(c *winchester.Config) {
	c.Triggers[0].Expiration, c.Triggers[0].DebugLevel = "$last + 7000y", winchester.DebugReasons
}

func outcome(a *answer) string {
	return fmt.Sprint(a.result.MessageID, " ", a.result.Outcome, " ", len(a.result.Streams), " ", a.err)
}

// TestGroupCommit: what is added while a transaction is under way shares the
// next one, and each call has its own result.
func TestGroupCommit(t *testing.T) {
	t.Parallel()
	g := newGroupRig(t, farExpiry)
	ctx := context.Background()
	var answers []*answer
	for i := range 50 {
		answers = append(answers, g.enqueue(ctx, placed(fmt.Sprint("m", i), i%5)))
	}
	twin := g.enqueue(ctx, placed("m7", 7))
	again := g.enqueue(ctx, placed("first", 0))
	bad := g.enqueue(ctx, unfit("bad", 3))
	misfit, err := g.AddEvent(ctx, placed("", 1)) // what is invalid in itself does not even wait
	if misfit.Outcome != winchester.OutcomeFailed || !errors.Is(err, winchester.ErrInvalidEvent) {
		t.Errorf("invalid event: %+v, %v", misfit, err)
	}
	expect(t, "transactions while the first one is held", g.watched.began.Load(), 1)
	g.release()
	streams := map[int64]bool{}
	for i, a := range append(answers, g.first) {
		if a.wait(); a.err != nil || a.result.Outcome != winchester.OutcomeStored || len(a.result.Streams) != 1 {
			t.Errorf("event %d: %+v, %v", i, a.result, a.err)
			continue
		}
		expect(t, "opened", a.result.Streams[0].Opened, i > 0 && i < 5 || a == g.first)
		streams[a.result.Streams[0].StreamID] = true
	}
	expect(t, "streams", len(streams), 5)
	expect(t, "the same message id", outcome(twin.wait()), "m7 duplicate 0 <nil>")
	expect(t, "an earlier message id", outcome(again.wait()), "first duplicate 0 <nil>")
	if bad.wait(); bad.result.Outcome != winchester.OutcomeFailed || !errors.Is(bad.err, winchester.ErrInvalidEvent) {
		t.Errorf("unfit event: %+v, %v", bad.result, bad.err)
	}
	// The first one, the group, and the group again without the unfit event.
	expect(t, "transactions", g.watched.began.Load(), 3)
	expect(t, "stored", len(g.stored()), 51)
	g.balanced()

	// Nothing is counted that would not be counted one by one.
	alone := newRig(t, nil, nil, farExpiry)
	for _, e := range append([]winchester.Event{placed("first", 0)}, groupEvents(50)...) {
		if _, err := alone.AddEvent(ctx, e); err != nil && !errors.Is(err, winchester.ErrInvalidEvent) {
			t.Fatal(err)
		}
	}
	expect(t, "debug counters", fmt.Sprint(g.Debug(false)), fmt.Sprint(alone.Debug(false)))
	expect(t, "statistics", fmt.Sprint(g.Stats()), fmt.Sprint(alone.Stats()))
}

// groupEvents are those of TestGroupCommit.
func groupEvents(n int) []winchester.Event {
	var events []winchester.Event
	for i := range n {
		events = append(events, placed(fmt.Sprint("m", i), i%5))
	}
	return append(events, placed("m7", 7), placed("first", 0), unfit("bad", 3), placed("", 1))
}

// TestGroupOrder: a transaction files events in the order in which they came.
func TestGroupOrder(t *testing.T) {
	t.Parallel()
	g := newGroupRig(t)
	var last *answer
	for i := range 20 {
		last = g.enqueue(context.Background(), placed(fmt.Sprint("m", i), 0))
	}
	g.release()
	for _, a := range []*answer{g.first, last} {
		if a.wait(); a.err != nil {
			t.Fatal(a.err)
		}
	}
	events := g.stored()
	for i := range 19 {
		if before, after := events[fmt.Sprint("m", i)], events[fmt.Sprint("m", i+1)]; before.ID >= after.ID {
			t.Errorf("m%d has id %d and m%d has %d", i, before.ID, i+1, after.ID)
		}
	}
}

// TestGroupBound: no transaction grows without limit.
func TestGroupBound(t *testing.T) {
	t.Parallel()
	g := newGroupRig(t)
	var sizes []int
	g.watched.insert = func(_ context.Context, events []winchester.Event) error {
		sizes = append(sizes, len(events))
		return nil
	}
	var answers []*answer
	for i := range 1200 {
		answers = append(answers, g.enqueue(context.Background(), placed(fmt.Sprint("m", i), i%3)))
	}
	g.release()
	for _, a := range answers {
		if a.wait(); a.err != nil {
			t.Fatal(a.err)
		}
	}
	expect(t, "events of each transaction", fmt.Sprint(sizes), "[1 1000 200]")
}

// TestGroupSeesNewTriggers: an event that waits is filed by the triggers there
// are when its transaction begins, so that all of one transaction go by the same.
func TestGroupSeesNewTriggers(t *testing.T) {
	t.Parallel()
	g := newGroupRig(t)
	ctx := context.Background()
	before := []*answer{g.enqueue(ctx, placed("a", 1)), g.enqueue(ctx, placed("b", 1))}
	def := g.Triggers()[0]
	def.FireCriteria[0].EventTypes[0] = "placed"
	def.FireCriteria[0].Number = 3
	if err := g.ReplaceTrigger(def); err != nil {
		t.Fatal(err)
	}
	after := g.enqueue(ctx, placed("c", 1))
	g.release()
	for _, a := range append(before, after) {
		if a.wait(); a.err != nil || len(a.result.Streams) != 1 {
			t.Fatal(outcome(a))
		}
		expect(t, "ready", a.result.Streams[0].Ready, a == after)
	}
}

// TestGroupPoison: an event that makes its transaction fail, or panic, does so
// alone.
func TestGroupPoison(t *testing.T) {
	t.Parallel()
	errPoison := errors.New("poison")
	for name, n := range map[string]int{"one": 1, "many": 40, "all": 64} {
		for _, panics := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, panics %v", name, panics), func(t *testing.T) {
				t.Parallel()
				g := newGroupRig(t)
				g.watched.insert = func(_ context.Context, events []winchester.Event) error {
					for _, e := range events {
						if _, poisoned := e.Traits["poison"]; poisoned && panics {
							panic(errPoison)
						} else if poisoned {
							return errPoison
						}
					}
					return nil
				}
				var answers []*answer
				for i := range 64 {
					e := placed(fmt.Sprint("m", i), i)
					if i >= 64-n {
						e.Traits["poison"] = true
					}
					answers = append(answers, g.enqueue(context.Background(), e))
				}
				g.release()
				for i, a := range answers {
					a.wait()
					switch {
					case i < 64-n:
						expect(t, "a good event", outcome(a), fmt.Sprintf("m%d stored 1 <nil>", i))
					case panics:
						expect(t, "the panic", a.panic, any(errPoison))
					default:
						if !errors.Is(a.err, errPoison) || a.result.Outcome != winchester.OutcomeFailed {
							t.Errorf("poisoned event: %s", outcome(a))
						}
					}
				}
				expect(t, "stored", len(g.stored()), 1+64-n)
				if !panics { // what panics is not counted, as ever
					g.balanced()
				}
				limit := int64(1 + (20 + 21) + 64) // at most 20 splits, then each alone
				if n == 1 {
					limit = 1 + 13 + 1
				}
				if got := g.watched.began.Load(); got > limit {
					t.Errorf("it took %d transactions", got)
				}
				if a := g.begin(context.Background(), placed("after", 0)).wait(); a.err != nil {
					t.Errorf("afterwards: %v", a.err)
				}
			})
		}
	}
}

// TestGroupLeaderVanishes: not even a leader whose goroutine ends half-way leaves
// the others hanging.
func TestGroupLeaderVanishes(t *testing.T) {
	t.Parallel()
	g := newGroupRig(t)
	g.watched.insert = func(_ context.Context, events []winchester.Event) error {
		if events[0].MessageID == "leader" {
			runtime.Goexit()
		}
		return nil
	}
	leader := g.enqueue(context.Background(), placed("leader", 1))
	follower := g.enqueue(context.Background(), placed("follower", 1))
	g.release()
	leader.wait()
	expect(t, "follower", outcome(follower.wait()), "follower stored 1 <nil>")
	expect(t, "stored", len(g.stored()), 2)
}

// TestGroupPanicAlone: a caller that panics alone does not keep the next one out.
func TestGroupPanicAlone(t *testing.T) {
	t.Parallel()
	g := newGroupRig(t)
	g.release()
	g.first.wait()
	g.watched.insert = func(_ context.Context, events []winchester.Event) error {
		if events[0].MessageID == "panic" {
			panic("ouch")
		}
		return nil
	}
	expect(t, "panic", g.begin(context.Background(), placed("panic", 1)).wait().panic, any("ouch"))
	expect(t, "next", outcome(g.begin(context.Background(), placed("next", 1)).wait()), "next stored 1 <nil>")
}

// TestGroupCancelled: a caller leaves when its context ends, and takes nothing
// from the others.
func TestGroupCancelled(t *testing.T) {
	t.Parallel()
	g := newGroupRig(t)
	ctx, cancel := context.WithCancel(context.Background())
	queued := g.enqueue(ctx, placed("queued", 0))
	cancel() // in the queue: it is gone
	if a := queued.wait(); !errors.Is(a.err, context.Canceled) || a.result.Outcome != winchester.OutcomeFailed || a.result.MessageID != "queued" {
		t.Errorf("cancelled in the queue: %+v, %v", a.result, a.err)
	}

	// In flight: the leader and one of the others want no more.
	held, entered := make(chan struct{}), make(chan struct{})
	g.watched.insert = func(ctx context.Context, events []winchester.Event) error {
		if len(events) == 3 {
			close(entered)
			<-held
		}
		return ctx.Err()
	}
	ctx, cancel = context.WithCancel(context.Background())
	leader := g.enqueue(ctx, placed("leader", 0))
	left := placed("leaver", 0)
	leaver := g.enqueue(ctx, left)
	stayer := g.enqueue(context.Background(), placed("stayer", 0))
	g.release()
	<-entered
	cancel()
	if a := leaver.wait(); !errors.Is(a.err, context.Canceled) || a.result.Outcome != winchester.OutcomeFailed {
		t.Errorf("cancelled in flight: %+v, %v", a.result, a.err)
	}
	left.Traits["id"] = "reused" // the event is its own again
	close(held)
	expect(t, "who stays", outcome(stayer.wait()), "stayer stored 1 <nil>")
	expect(t, "who leads", outcome(leader.wait()), "leader stored 1 <nil>")
	events := g.stored()
	expect(t, "stored", len(events), 4)
	expect(t, "a trait of the one that left", events["leaver"].Traits["id"], any(int64(0)))
	if _, ok := events["queued"]; ok {
		t.Error("an event was stored whose caller had left before its transaction began")
	}
	g.balanced() // the one that left counts once, as stored
}

// TestGroupAllCancelled: a transaction that nobody waits for any more is given up.
func TestGroupAllCancelled(t *testing.T) {
	t.Parallel()
	g := newGroupRig(t)
	entered := make(chan struct{})
	g.watched.insert = func(ctx context.Context, events []winchester.Event) error {
		if len(events) == 3 {
			close(entered)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	var answers []*answer
	for i := range 3 {
		answers = append(answers, g.enqueue(ctx, placed(fmt.Sprint("m", i), 0)))
	}
	g.release()
	<-entered
	cancel()
	for _, a := range answers {
		if a.wait(); !errors.Is(a.err, context.Canceled) {
			t.Error(outcome(a))
		}
	}
	waitFor(t, func() bool { return g.Stats().Failed == 3 })
	expect(t, "transactions", g.watched.began.Load(), 2)
	expect(t, "stored", len(g.stored()), 1)
	expect(t, "next", outcome(g.begin(context.Background(), placed("next", 1)).wait()), "next stored 1 <nil>")
	g.balanced()
}

// TestGroupCancelledLeader: one that is to lead, but has been cancelled, leaves
// the lead to the next.
func TestGroupCancelledLeader(t *testing.T) {
	t.Parallel()
	g := newGroupRig(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	deaf := &deafContext{Context: ctx, asked: make(chan struct{})}
	leader := g.begin(deaf, placed("leader", 0))
	<-deaf.asked
	follower := g.enqueue(context.Background(), placed("follower", 0))
	cancel()
	g.release()
	if leader.wait(); !errors.Is(leader.err, context.Canceled) {
		t.Errorf("leader: %s", outcome(leader))
	}
	expect(t, "follower", outcome(follower.wait()), "follower stored 1 <nil>")
	expect(t, "stored", len(g.stored()), 2)
	g.balanced()
}

// deafContext has an error once it has ended, but whoever waits for that is not
// told, as if he were slow to wake up.
type deafContext struct {
	context.Context
	once  sync.Once
	asked chan struct{}
}

func (c *deafContext) Done() <-chan struct{} {
	c.once.Do(func() { close(c.asked) })
	return make(chan struct{})
}

// hangingStore runs no transaction: it waits for the end of each one's context.
type hangingStore struct {
	winchester.Store
	began atomic.Int64
}

func (s *hangingStore) Transact(ctx context.Context, _ func(winchester.Tx) error) error {
	s.began.Add(1)
	<-ctx.Done()
	return ctx.Err()
}

// TestGroupHanging: a transaction that hangs is neither waited for by the others
// for ever, nor does it last for ever if it is one of several callers.
func TestGroupHanging(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hanging := &hangingStore{}
		m, err := winchester.NewTriggerManager(winchester.TriggerConfig{Store: hanging, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var failed atomic.Int64
		add := func(ctx context.Context, id string, want error) {
			go func() {
				if _, err := m.AddEvent(ctx, placed(id, 1)); !errors.Is(err, want) {
					t.Errorf("%s: %v", id, err)
				}
				failed.Add(1)
			}()
			synctest.Wait()
		}
		add(ctx, "alone", context.Canceled)
		add(context.Background(), "leader", context.DeadlineExceeded)
		add(context.Background(), "follower", context.DeadlineExceeded)
		expect(t, "transactions at first", hanging.began.Load(), 1)
		time.Sleep(winchester.FlightPatience) //nolint:forbidigo // of synctest's clock
		synctest.Wait()
		expect(t, "transactions after some time", hanging.began.Load(), 2)
		time.Sleep(29 * time.Second) //nolint:forbidigo // of synctest's clock
		synctest.Wait()
		expect(t, "failed within half a minute", failed.Load(), 0)
		time.Sleep(time.Second) //nolint:forbidigo // of synctest's clock
		synctest.Wait()
		expect(t, "failed after that", failed.Load(), 2)
		cancel()
		synctest.Wait()
		expect(t, "failed in the end", failed.Load(), 3)
		expect(t, "transactions", hanging.began.Load(), 2)
	})
}

// TestGroupStress: many callers, of whom some give up, with events of which some
// are invalid, unfit or duplicates, on a store that fails now and then. Whatever
// a caller is told is so, and every event is there once and in its one stream.
func TestGroupStress(t *testing.T) {
	t.Parallel()
	errMood := errors.New("not in the mood")
	g := newGroupRig(t, farExpiry)
	g.release()
	g.first.wait()
	g.watched.inside = func(context.Context, int64) error {
		if rand.IntN(10) == 0 {
			return errMood
		}
		return nil
	}
	var told sync.Map // message id → how many callers were told that it was stored just now
	var callers sync.WaitGroup
	for c := range 48 {
		callers.Go(func() {
			for i := range 30 {
				g.stressOne(fmt.Sprintf("c%d-%d", c, i), c, &told, errMood)
			}
		})
	}
	callers.Wait()
	g.balanced()
	events := g.stored()
	told.Range(func(id, stored any) bool {
		_, there := events[id.(string)]
		if n := stored.(*atomic.Int64).Load(); !there || n > 1 || n == 0 && id != "shared" {
			t.Errorf("%s was acknowledged; %d callers have stored it; it is there: %v", id, n, there)
		}
		return true
	})
	streams, err := g.store.FindStreams(context.Background(), winchester.StreamQuery{IncludeEvents: true})
	if err != nil {
		t.Fatal(err)
	}
	members, order := map[string]int{}, map[string]int{}
	for _, s := range streams {
		for _, e := range s.Events {
			members[e.MessageID]++
			expect(t, "stream of "+e.MessageID, s.DistinguishingTraits["id"], e.Traits["id"])
			// Of one caller, the later event is behind the earlier one.
			var n int
			if caller, number, ok := strings.Cut(e.MessageID, "-"); ok {
				if _, err := fmt.Sscan(number, &n); err != nil {
					t.Fatal(err)
				}
				if n < order[caller] {
					t.Errorf("%s comes after number %d", e.MessageID, order[caller])
				}
				order[caller] = n
			}
		}
	}
	for id := range events {
		expect(t, "memberships of "+id, members[id], 1)
	}
	t.Logf("%d events in %d transactions", len(events), g.watched.began.Load())
}

// stressOne adds one event, of some kind, and checks what it is told.
func (g *groupRig) stressOne(id string, caller int, told *sync.Map, mood error) {
	ctx := context.Background()
	e, may := placed(id, caller), []error{nil, mood}
	switch rand.IntN(12) {
	case 0:
		e.EventType = ""
		may = []error{winchester.ErrInvalidEvent}
	case 1:
		e = unfit(id, caller)
		may = []error{winchester.ErrInvalidEvent, mood}
	case 2:
		e = placed("shared", "shared") // everybody's
	case 3:
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		if rand.IntN(2) == 0 {
			cancel()
		} else {
			defer time.AfterFunc(time.Duration(rand.IntN(2000))*time.Microsecond, cancel).Stop()
			defer cancel()
		}
		may = append(may, context.Canceled)
	}
	result, err := g.AddEvent(ctx, e)
	if !slices.ContainsFunc(may, func(want error) bool { return errors.Is(err, want) }) {
		g.t.Errorf("%s: %v", e.MessageID, err)
	}
	if (result.Outcome == winchester.OutcomeFailed) != (err != nil) || result.MessageID != e.MessageID {
		g.t.Errorf("%s: %+v, %v", e.MessageID, result, err)
	}
	if err == nil {
		stored, _ := told.LoadOrStore(e.MessageID, &atomic.Int64{})
		if result.Outcome == winchester.OutcomeStored {
			stored.(*atomic.Int64).Add(1)
		}
	}
}

// BenchmarkAddEventParallel is workload 1 from 64 goroutines at once, beside
// AddEvents in batches of 100 in the same run.
func BenchmarkAddEventParallel(b *testing.B) {
	for _, durability := range []store.Synchronous{store.SyncFull, store.SyncNormal} {
		b.Run("synchronous="+string(durability), func(b *testing.B) {
			e, _ := benchEngine(b, 1, store.Options{Synchronous: durability, Logger: slog.New(slog.DiscardHandler)}, false)
			procs := runtime.GOMAXPROCS(0)
			b.SetParallelism((64 + procs - 1) / procs)
			var i atomic.Int64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := e.AddEvent(context.Background(), benchEvent(int(i.Add(1)), 200, time.Millisecond)); err != nil {
						b.Error(err)
					}
				}
			})
			single := float64(b.N) / b.Elapsed().Seconds()
			b.StopTimer()
			begin := time.Now()
			n := 0
			for n < b.N {
				events := make([]winchester.Event, 100)
				for k := range events {
					events[k] = benchEvent(int(i.Add(1)), 200, time.Millisecond)
				}
				if _, err := e.AddEvents(context.Background(), events); err != nil {
					b.Fatal(err)
				}
				n += len(events)
			}
			batches := float64(n) / time.Since(begin).Seconds()
			b.ReportMetric(single, "events/s")
			b.ReportMetric(single/batches, "vs-batch-100")
		})
	}
}

// BenchmarkAddEventAlone is one caller that meets nobody, beside AddEvents of one
// event, which knows nothing of groups, taking turns: vs-ungrouped is the ratio
// of their times.
func BenchmarkAddEventAlone(b *testing.B) {
	for _, durability := range []store.Synchronous{store.SyncFull, store.SyncNormal, store.SyncOff} {
		b.Run("synchronous="+string(durability), func(b *testing.B) {
			e, _ := benchEngine(b, 1, store.Options{Synchronous: durability, Logger: slog.New(slog.DiscardHandler)}, false)
			ctx := context.Background()
			var alone, ungrouped []time.Duration
			i := 0
			for b.Loop() {
				begin := time.Now()
				addOne(b, e, benchEvent(i, 200, time.Millisecond))
				middle := time.Now()
				if _, err := e.AddEvents(ctx, []winchester.Event{benchEvent(i+1, 200, time.Millisecond)}); err != nil {
					b.Fatal(err)
				}
				alone, ungrouped = append(alone, middle.Sub(begin)), append(ungrouped, time.Since(middle))
				i += 2
			}
			slices.Sort(alone)
			slices.Sort(ungrouped)
			b.ReportMetric(float64(alone[len(alone)/2].Microseconds()), "median-µs")
			b.ReportMetric(alone[len(alone)/2].Seconds()/ungrouped[len(ungrouped)/2].Seconds(), "vs-ungrouped")
		})
	}
}
