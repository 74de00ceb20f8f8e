package winchester_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/testdb"
)

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

// muteStore does not answer what the gauges ask.
type muteStore struct {
	winchester.Store
	asked chan struct{}
	ended chan error
}

func (s *muteStore) Ready(ctx context.Context, _ winchester.Pass, _ time.Time, _ int) (winchester.Ready, error) {
	close(s.asked)
	<-ctx.Done()
	s.ended <- ctx.Err()
	return winchester.Ready{}, ctx.Err()
}

func (s *muteStore) CountStates(ctx context.Context) (map[winchester.State]int64, error) {
	return nil, ctx.Err()
}

// TestStopDoesNotWaitForGauges: a collection that the database keeps waiting does
// not keep Stop waiting, too.
func TestStopDoesNotWaitForGauges(t *testing.T) {
	t.Parallel()
	m, s := newMeter(t), &muteStore{asked: make(chan struct{}), ended: make(chan error, 1)}
	r := newRig(t, nil, nil, m.measured, func(c *winchester.Config) {
		s.Store = c.Store
		c.Store, c.StatisticsPeriod = s, -1
	})
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var collecting sync.WaitGroup
	collecting.Go(func() { m.collect() })
	defer collecting.Wait()
	<-s.asked
	if err := r.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := <-s.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Stop has waited for the question to end with %v", err)
	}
}

// TestAgeIsAsTold: an answer that is told again does not grow older meanwhile.
func TestAgeIsAsTold(t *testing.T) {
	t.Parallel()
	m, counting, broken := newMeter(t), &askedStore{}, &brokenStore{}
	r := newRig(t, nil, nil, m.measured, func(c *winchester.Config) {
		broken.Store = c.Store
		counting.Store = broken
		c.Store, c.StatisticsPeriod = counting, -1
	})
	r.add("paid", 1)
	r.clock.Advance(time.Minute)
	away := winchester.ErrUnavailable
	broken.err.Store(&away)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	age := func() (seconds float64) {
		for _, one := range m.collect() {
			if one.Name == "winchester.streams.ready.age" {
				for _, p := range points(one.Data) {
					seconds = max(seconds, p.value)
				}
			}
		}
		return seconds
	}
	for {
		before := age()
		asked := counting.ready.Load()
		r.clock.Advance(time.Hour)
		after := age()
		if counting.ready.Load() == asked {
			expect(t, "the age that is told again", after, before)
			break
		}
	}
	if err := r.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
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

// TestTraitsParserForgets: whatever it has read before, a parser reads what a new
// one does, and its maps are nobody else's.
func TestTraitsParserForgets(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	text := func() string {
		var members []string
		for range random.IntN(5) {
			members = append(members, `"`+pick("", "a", "b", "c", `\u0061`, "aa")+`":`+
				pick("1", "12", "1.5", `"x"`, `"x,y"`, `"x}"`, `"\""`, "null", "true", `{"$time":"2026-01-01T00:00:00.000000Z"}`, `{"$float":"NaN"}`, "1E2", "01x"))
		}
		return pick("", " ", "", "") + "{" + strings.Join(members, ",") + pick("}", "}", "}", "}", "}", ",}", "}}", "")
	}
	show := func(traits winchester.Traits, err error) string { return fmt.Sprintf("%#v %v", traits, err) }
	for range 3000 {
		var p winchester.TraitsParser
		var texts, told []string
		var maps []winchester.Traits
		for range 6 {
			one := text()
			for range 1 + random.IntN(3) {
				got, err := p.Parse(one)
				texts = append(texts, one)
				want, wanted := winchester.ParseTraits(one)
				if show(got, err) != show(want, wanted) {
					t.Fatalf("after %q: %s; want %s", texts, show(got, err), show(want, wanted))
				}
				maps, told = append(maps, got), append(told, show(want, nil))
				if random.IntN(3) == 0 && got != nil {
					got["mine"] = 1
					told[len(told)-1] = show(got, nil)
				}
			}
		}
		for i := range maps {
			if show(maps[i], nil) != told[i] {
				t.Fatalf("map %d of %q has become %v", i, texts, maps[i])
			}
		}
	}
}

// TestFilingKeepsCount: whoever meets whom, in the end each event is in one stream
// and the streams say what their events are.
func TestFilingKeepsCount(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"alone", "purge", "redefine"} {
		t.Run(mode, func(t *testing.T) { filingLoad(t, mode) })
	}
}

func filingLoad(t *testing.T, mode string) {
	const feeders, keys, events, number = 6, 6, 1200, 9
	url := testdb.PostgresSchema(t)
	echo := func(events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
		e := winchester.Event{
			MessageID: fmt.Sprint("echo-", env.StreamID), EventType: "placed", Timestamp: time.Now(),
			Traits: winchester.Traits{"id": rand.IntN(keys)},
		}
		return append(events, e), nil
	}
	definition := func(number int) winchester.TriggerDefinition {
		return winchester.TriggerDefinition{
			Name: "order", DistinguishedBy: winchester.By("id"), MatchCriteria: []winchester.Criterion{{EventTypes: []string{"placed", "paid"}}},
			FireCriteria: []winchester.Criterion{{EventTypes: []string{"paid"}, Number: number}}, Expiration: "$last + 1s",
			FirePipeline: "p", ExpirePipeline: "p",
		}
	}
	configure := func(c *winchester.Config) {
		c.PollInterval, c.KeepCompleted, c.Triggers = 50*time.Millisecond, true, []winchester.TriggerDefinition{definition(number)}
	}
	engines := make([]*winchester.Engine, 3)
	var st winchester.Store
	for i := range engines {
		engines[i], st = process(t, url, echo, configure)
	}
	for _, e := range engines[:2] {
		must(t, e.Start(context.Background()))
	}
	var feeding sync.WaitGroup
	begin := time.Now()
	for f := range feeders {
		feeding.Go(func() {
			random := rand.New(rand.NewPCG(uint64(f), 7))
			var mine []winchester.Event
			for i := range events {
				if f < 3 || i%2 == 0 { // most come several times
					mine = append(mine, winchester.Event{
						MessageID: fmt.Sprint("m", i), EventType: []string{"placed", "paid"}[i%2], Timestamp: begin.Add(time.Duration(i) * time.Millisecond),
						Traits: winchester.Traits{"id": i / 2 % keys},
					})
				}
			}
			random.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
			for len(mine) > 0 {
				n := min(len(mine), 1+random.IntN(25))
				if _, err := engines[f%3].AddEvents(t.Context(), mine[:n]); err != nil {
					t.Error(err)
					return
				}
				mine = mine[n:]
			}
		})
	}
	done := make(chan struct{})
	go func() { feeding.Wait(); close(done) }()
	purged := int64(0)
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			switch mode {
			case "purge":
				found, err := st.FindEvents(t.Context(), winchester.EventQuery{Limit: 4})
				must(t, err)
				var ids []int64
				for _, e := range found {
					ids = append(ids, e.ID)
				}
				n, err := st.PurgeEvents(t.Context(), ids...)
				if err != nil && !errors.Is(err, winchester.ErrConflict) {
					t.Error(err)
				}
				purged += n
			case "redefine":
				must(t, engines[rand.IntN(3)].ReplaceTrigger(definition(number+rand.IntN(2))))
			}
			_, err := st.NextDue(t.Context()) // which takes a moment
			must(t, err)
		}
	}
	for _, e := range engines[:2] {
		must(t, e.Stop(context.Background()))
	}
	for k := range keys { // the last word on what is open
		for _, e := range engines {
			must(t, e.ReplaceTrigger(definition(number)))
		}
		submit(t, engines[0], "placed", fmt.Sprint("last", k), k)
	}
	streams, err := st.FindStreams(t.Context(), winchester.StreamQuery{IncludeEvents: true})
	must(t, err)
	in := map[string]int64{}
	open := map[string]bool{}
	active := 0
	for _, s := range streams {
		paid := 0
		var first, last time.Time
		for _, e := range s.Events {
			if other := in[e.MessageID]; other != 0 {
				t.Errorf("%s is in %d and %d", e.MessageID, other, s.ID)
			}
			in[e.MessageID] = s.ID
			if e.EventType == "paid" {
				paid++
			}
			if first.IsZero() || e.Timestamp.Before(first) {
				first = e.Timestamp
			}
			if e.Timestamp.After(last) {
				last = e.Timestamp
			}
		}
		if mode != "purge" && (!s.FirstEvent.Equal(first) || !s.LastEvent.Equal(last)) {
			t.Errorf("stream %d is of %s to %s, its events are of %s to %s", s.ID, s.FirstEvent, s.LastEvent, first, last)
		}
		if s.Open {
			if open[s.Key] {
				t.Errorf("two streams are open of %s", s.Key)
			}
			open[s.Key] = true
		}
		if mode == "alone" && s.FireTimestamp.IsZero() != (paid < number) {
			t.Errorf("stream %d, %s, has %d of %d, and fires at %s", s.ID, s.State, paid, number, s.FireTimestamp)
		}
		if s.State == winchester.StateActive && s.FireTimestamp.IsZero() && s.Progress.Fingerprint != "" {
			active++
			if len(s.Progress.Counts) != 1 || s.Progress.Counts[0] != min(paid, number) {
				t.Errorf("stream %d has %d and counts %v", s.ID, paid, s.Progress.Counts)
			}
		}
	}
	all, err := st.FindEvents(t.Context(), winchester.EventQuery{})
	must(t, err)
	if len(all) != len(in) {
		t.Errorf("%d events are stored, %d in streams", len(all), len(in))
	}
	t.Log(mode, len(streams), "streams", len(all), "events", active, "counting", purged, "purged")
}
