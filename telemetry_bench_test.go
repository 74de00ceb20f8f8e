package winchester_test

import (
	"context"
	"slices"
	"testing"
	"time"

	metricsdk "go.opentelemetry.io/otel/sdk/metric"
	tracesdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// BenchmarkTelemetry shows what telemetry costs, without waiting for the disk,
// which would hide it.
//
// vs-without, of engines without an SDK, compares with the same without any
// telemetry: the calls into it are made once more by themselves, and their time
// is taken away. sdk-vs-without is the ratio of an engine whose SDK keeps all
// metrics and records all traces to one without an SDK, taking turns. All are ratios of medians.
func BenchmarkTelemetry(b *testing.B) {
	ctx := context.Background()
	withSDK := func(c *winchester.Config) {
		c.MeterProvider = metricsdk.NewMeterProvider(metricsdk.WithReader(metricsdk.NewManualReader()))
		c.TracerProvider = tracesdk.NewTracerProvider()
	}
	report := func(b *testing.B, items int, plain, calls, sdk []time.Duration) {
		p, c, s := middle(plain), middle(calls), middle(sdk)
		b.ReportMetric(p/(p-c), "vs-without")
		b.ReportMetric(s/p, "sdk-vs-without")
		b.ReportMetric(c/float64(items), "ns-telemetry/item")
		b.ReportMetric(p/float64(items), "ns/item")
	}
	for _, size := range []int{1, 100} {
		b.Run(map[int]string{1: "AddEvent", 100: "AddEvents"}[size], func(b *testing.B) {
			none, _ := benchEngine(b, 10, store.Options{Synchronous: store.SyncOff}, false)
			full, _ := benchEngine(b, 10, store.Options{Synchronous: store.SyncOff}, false, withSDK)
			var plain, calls, sdk []time.Duration
			add := func(e *winchester.Engine, first int) time.Duration {
				events := make([]winchester.Event, size)
				for i := range events {
					events[i] = benchEvent(first+i, 200, time.Millisecond)
				}
				began := time.Now()
				if size == 1 {
					addOne(b, e, events[0])
				} else if _, err := e.AddEvents(ctx, events); err != nil {
					b.Fatal(err)
				}
				return time.Since(began)
			}
			next := 0
			for b.Loop() {
				plain = append(plain, add(none, next))
				began := time.Now()
				none.MeasureEvents(ctx, int64(size))
				calls = append(calls, time.Since(began))
				sdk = append(sdk, add(full, next))
				next += size
			}
			report(b, size, plain, calls, sdk)
		})
	}
	b.Run("Process", func(b *testing.B) {
		var plain, calls, sdk []time.Duration
		process := func(e *winchester.Engine, clock *winchester.ManualClock) time.Duration {
			events := make([]winchester.Event, 2000)
			for i := range events {
				events[i] = benchEvent(i, 200, 10*time.Second)
			}
			if _, err := e.AddEvents(ctx, events); err != nil {
				b.Fatal(err)
			}
			clock.Set(benchStart.AddDate(0, 0, 10))
			began := time.Now()
			if loaded, err := e.RunOnce(ctx); err != nil || loaded.Expire != 200 {
				b.Fatalf("%+v, %v", loaded, err)
			}
			return time.Since(began)
		}
		for b.Loop() {
			none, clock := benchEngine(b, 1, store.Options{Synchronous: store.SyncOff}, false)
			plain = append(plain, process(none, clock))
			began := time.Now()
			none.MeasureRuns(ctx, 200)
			calls = append(calls, time.Since(began))
			sdk = append(sdk, process(benchEngine(b, 1, store.Options{Synchronous: store.SyncOff}, false, withSDK)))
		}
		report(b, 200, plain, calls, sdk)
	})
}

// middle is the median, in nanoseconds.
func middle(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2].Nanoseconds())
}

// TestTelemetryAllocatesNothing: without an SDK metrics allocate nothing, and a
// trace no more than the API itself; with one, measuring allocates nothing either.
func TestTelemetryAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	none := newRig(t, nil, nil)
	expect(t, "for events", testing.AllocsPerRun(100, func() { none.MeasureEvents(ctx, 1) }), 0)
	spans := testing.AllocsPerRun(100, func() { none.MeasureRuns(ctx, 10) }) / 10
	if spans > 5 { // the API's span and context, and the run that stands in for one
		t.Errorf("a run allocates %v times", spans)
	}
	m := newMeter(t)
	measured := newRig(t, nil, nil, m.measured)
	expect(t, "for events with an SDK", testing.AllocsPerRun(100, func() { measured.MeasureEvents(ctx, 1) }), 0)
	m.expect("winchester.events", "result=stored:101")
}
