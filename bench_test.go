package winchester_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// These are the workloads that the original was measured with (its figures are
// in docs/performance.md), on a SQLite file with the default durability: each
// AddEvent is on disk when it returns. The distiller's and the time
// expressions' are in their own packages.

var benchStart = time.Date(2015, 3, 10, 0, 0, 0, 0, time.UTC)

// benchEvent is event i of a workload of the given number of streams.
func benchEvent(i, streams int, step time.Duration) winchester.Event {
	s, j := i%streams, i/streams
	types := [...]string{
		"create.start", "create.end", "update", "update", "update", "update", "update", "update", "reboot.start", "reboot.end",
	}
	return winchester.Event{
		EventType: "compute.instance." + types[j%10],
		MessageID: fmt.Sprintf("%08x-0000-4000-8000-%012x", s, i),
		Timestamp: benchStart.Add(time.Duration(i) * step),
		Traits: winchester.Traits{
			"instance_id": fmt.Sprintf("%08x-1111-4111-8111-%012x", s, s),
			"tenant_id":   fmt.Sprint(100000 + s), "user_id": fmt.Sprint(200000 + s), "request_id": fmt.Sprintf("req-%012x", i),
			"host": fmt.Sprintf("host-%d", s%16), "service": "compute", "state": "active", "state_description": "",
			"display_name": fmt.Sprintf("Instance_%d", s), "memory_mb": 512 * (1 + s%8), "disk_gb": 20 * (1 + s%8), "vcpus": 1 + s%8,
			"launched_at": benchStart.AddDate(0, 0, -1).Add(-time.Duration(s) * time.Second),
		},
	}
}

// benchTriggers are n triggers, of which the last one matches.
func benchTriggers(n int) []winchester.TriggerDefinition {
	var out []winchester.TriggerDefinition
	for i := range n - 1 {
		out = append(out, winchester.TriggerDefinition{
			Name: fmt.Sprintf("other_%d", i), DistinguishedBy: winchester.By("tenant_id"), Expiration: "$last + 1h",
			MatchCriteria: []winchester.Criterion{{EventTypes: []string{fmt.Sprintf("other.service%d.*", i)}}},
			FireCriteria:  []winchester.Criterion{{EventTypes: []string{fmt.Sprintf("other.service%d.end", i)}}},
			FirePipeline:  "log", ExpirePipeline: "log",
		})
	}
	return append(out, winchester.TriggerDefinition{
		Name: "test_trigger", Expiration: "$last + 2d", FirePipeline: "log", ExpirePipeline: "log",
		DistinguishedBy: []winchester.Distinguisher{{Trait: "instance_id"}, {Trait: "timestamp", Expression: "day"}},
		MatchCriteria: []winchester.Criterion{
			{EventTypes: []string{"compute.instance.*", "!compute.instance.exists", "!compute.instance.exists.*"}},
			{EventTypes: []string{"compute.instance.exists"}, MapDistinguishedBy: map[string]string{"timestamp": "audit_period_beginning"}},
		},
		FireCriteria: []winchester.Criterion{{
			EventTypes: []string{"compute.instance.exists"},
			Traits:     map[string]any{"audit_period_ending": winchester.Compare{Type: "datetime", Value: "$audit_period_beginning + 1d"}},
		}},
	})
}

type passOn struct{ winchester.HandlerDefaults }

func (passOn) HandleEvents(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
	return events, nil
}

func benchEngine(b *testing.B, triggers int, o store.Options, keep bool, change ...func(*winchester.Config)) (*winchester.Engine, *winchester.ManualClock) {
	b.Helper()
	o.Migrate = true
	st, err := store.Open(context.Background(), "sqlite:///"+filepath.Join(b.TempDir(), "bench.db"), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = st.Close() })
	registry := winchester.NewRegistry()
	winchester.MustRegister(registry, "pass", func(winchester.NoParams) (winchester.Handler, error) { return passOn{}, nil })
	clock := winchester.NewManualClock(benchStart.Add(6 * time.Hour))
	c := winchester.Config{
		Store: st, Clock: clock, Handlers: registry, Triggers: benchTriggers(triggers), BatchSize: 1000, KeepCompleted: keep,
		Pipelines: []winchester.PipelineDefinition{{Name: "log", Handlers: []winchester.HandlerSpec{{Name: "pass"}}}},
		Logger:    slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&c)
	}
	engine, err := winchester.New(c)
	if err != nil {
		b.Fatal(err)
	}
	return engine, clock
}

func addOne(b *testing.B, e *winchester.Engine, ev winchester.Event) {
	if r, err := e.AddEvent(context.Background(), ev); err != nil || r.Outcome != winchester.OutcomeStored || len(r.Streams) != 1 {
		b.Fatalf("%+v, %v", r, err)
	}
}

// BenchmarkAddEvent is workload 1: one event a transaction, 200 streams.
func BenchmarkAddEvent(b *testing.B) {
	for _, triggers := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("triggers=%d", triggers), func(b *testing.B) {
			e, _ := benchEngine(b, triggers, store.Options{}, false)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				addOne(b, e, benchEvent(i, 200, time.Millisecond))
				i++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkAddEventNormal is the same with synchronous=NORMAL.
func BenchmarkAddEventNormal(b *testing.B) {
	e, _ := benchEngine(b, 1, store.Options{Synchronous: store.SyncNormal}, false)
	i := 0
	for b.Loop() {
		addOne(b, e, benchEvent(i, 200, time.Millisecond))
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkAddEvents is the same in batches.
func BenchmarkAddEvents(b *testing.B) {
	for _, size := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			e, _ := benchEngine(b, 10, store.Options{}, false)
			i := 0
			for b.Loop() {
				events := make([]winchester.Event, size)
				for k := range events {
					events[k] = benchEvent(i, 200, time.Millisecond)
					i++
				}
				if _, err := e.AddEvents(context.Background(), events); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkProcess is workload 2: 200 streams of 10 events expire in one pass.
func BenchmarkProcess(b *testing.B) {
	for _, keep := range []bool{true, false} {
		b.Run(fmt.Sprintf("keep=%v", keep), func(b *testing.B) {
			var spent time.Duration
			for b.Loop() {
				b.StopTimer()
				e, clock := benchEngine(b, 1, store.Options{}, keep)
				events := make([]winchester.Event, 2000)
				for i := range events {
					events[i] = benchEvent(i, 200, 10*time.Second)
				}
				if _, err := e.AddEvents(context.Background(), events); err != nil {
					b.Fatal(err)
				}
				clock.Set(benchStart.AddDate(0, 0, 10))
				b.StartTimer()
				begin := time.Now()
				if loaded, err := e.RunOnce(context.Background()); err != nil || loaded.Expire != 200 {
					b.Fatalf("%+v, %v", loaded, err)
				}
				spent += time.Since(begin)
			}
			b.ReportMetric(float64(b.N*200)/spent.Seconds(), "streams/s")
		})
	}
}

// BenchmarkStreamGrowth is workload 3: what the next event costs that joins a
// stream of a given length. Without fsync, whose time would hide the growth.
// vs-10th is the ratio to a stream of ten, in the same run and taking turns.
func BenchmarkStreamGrowth(b *testing.B) {
	for _, length := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("length=%d", length), func(b *testing.B) {
			e, _ := benchEngine(b, 1, store.Options{Synchronous: "off"}, false)
			ctx := context.Background()
			grow := func(stream, n int) {
				for i := 0; i < n; i += 1000 {
					events := make([]winchester.Event, min(1000, n-i))
					for k := range events {
						events[k] = growthEvent(stream, i+k)
					}
					if _, err := e.AddEvents(ctx, events); err != nil {
						b.Fatal(err)
					}
				}
			}
			grow(0, length)
			next, short := length, 1
			var long, ten time.Duration
			for b.Loop() {
				// A new stream of ten for each round, so that it stays one of ten.
				grow(short, 10)
				begin := time.Now()
				addOne(b, e, growthEvent(short, 10))
				middle := time.Now()
				addOne(b, e, growthEvent(0, next))
				long += time.Since(middle)
				ten += middle.Sub(begin)
				next++
				short++
			}
			b.ReportMetric(long.Seconds()/ten.Seconds(), "vs-10th")
			b.ReportMetric(float64(long.Microseconds())/float64(b.N), "µs/event")
		})
	}
}

func growthEvent(stream, i int) winchester.Event {
	e := benchEvent(i, 1, time.Millisecond)
	e.MessageID = fmt.Sprintf("%d-%d", stream, i)
	e.Traits["instance_id"] = fmt.Sprint(stream)
	return e
}

// BenchmarkManyTriggers compares engines of one trigger and of many of which
// one matches, in the same run and taking turns, without fsync.
func BenchmarkManyTriggers(b *testing.B) {
	for _, triggers := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("triggers=%d", triggers), func(b *testing.B) {
			one, _ := benchEngine(b, 1, store.Options{Synchronous: "off"}, false)
			many, _ := benchEngine(b, triggers, store.Options{Synchronous: "off"}, false)
			var spentOne, spentMany time.Duration
			i := 0
			for b.Loop() {
				begin := time.Now()
				addOne(b, one, benchEvent(i, 200, time.Millisecond))
				middle := time.Now()
				addOne(b, many, benchEvent(i, 200, time.Millisecond))
				spentMany += time.Since(middle)
				spentOne += middle.Sub(begin)
				i++
			}
			b.ReportMetric(spentMany.Seconds()/spentOne.Seconds(), "vs-1-trigger")
		})
	}
}
