package winchester_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
)

// newTracer returns a provider and what has been recorded there.
func newTracer(options ...sdk.TracerProviderOption) (*sdk.TracerProvider, *tracetest.SpanRecorder) {
	recorder := tracetest.NewSpanRecorder()
	return sdk.NewTracerProvider(append(options, sdk.WithSpanProcessor(recorder))...), recorder
}

func attributesOf(s sdk.ReadOnlySpan) map[attribute.Key]string {
	out := map[attribute.Key]string{}
	for _, kv := range s.Attributes() {
		out[kv.Key] = kv.Value.String()
	}
	return out
}

// tree writes spans as lines of "name" below their parents, in the order in which
// they began.
func tree(spans []sdk.ReadOnlySpan) string {
	spans = slices.Clone(spans)
	slices.SortStableFunc(spans, func(a, b sdk.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) })
	var lines []string
	var below func(parent trace.SpanID, indent string)
	below = func(parent trace.SpanID, indent string) {
		for _, s := range spans {
			if s.Parent().SpanID() == parent {
				line := indent + s.Name()
				if s.Status().Code == codes.Error {
					line += " (error: " + s.Status().Description + ")"
				}
				lines = append(lines, line)
				below(s.SpanContext().SpanID(), indent+"  ")
			}
		}
	}
	below(trace.SpanID{}, "")
	return strings.Join(lines, "\n")
}

func TestTraceOfARun(t *testing.T) {
	t.Parallel()
	provider, recorder := newTracer()
	own := provider.Tracer("host")
	s := &script{
		handle: func(ctx context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
			_, span := own.Start(ctx, "ask the bank")
			span.End()
			return events, nil
		},
		commit: func(ctx context.Context, _ *winchester.Env) error {
			_, span := own.Start(ctx, "charge")
			span.End()
			return nil
		},
		inTx: func(ctx context.Context, _ winchester.Tx) error {
			_, span := own.Start(ctx, "insert")
			span.End()
			return nil
		},
	}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), func(c *winchester.Config) { c.TracerProvider = provider })
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for i, traits := range []winchester.Traits{
		{"traceparent": parent, "tracestate": "vendor=1"},
		{"traceparent": parent}, // the same once more
		{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00"},
		{"traceparent": "nonsense"},
		{"traceparent": 17},
		{},
	} {
		traits["id"] = "A"
		e := winchester.Event{MessageID: fmt.Sprint(i), EventType: "placed", Timestamp: noon.Add(time.Duration(i)), Traits: traits}
		if i == 5 {
			e.EventType = "paid"
		}
		if _, err := r.AddEvent(context.Background(), e); err != nil {
			t.Fatal(err)
		}
	}
	// A trace of its own, whatever the context is that the engine works in.
	ctx, outside := own.Start(context.Background(), "outside")
	r.clock.Advance(time.Second)
	if n, err := r.RunOnce(ctx); err != nil || n.Fire != 1 {
		t.Fatal(n, err)
	}
	outside.End()

	spans := recorder.Ended()
	expect(t, "spans", tree(spans), strings.Join([]string{
		"outside", "process order", "  handle s", "    ask the bank", "  commit s", "    charge", "  commit_tx s", "    insert",
	}, "\n"))
	run := spans[slices.IndexFunc(spans, func(s sdk.ReadOnlySpan) bool { return s.Name() == "process order" })]
	expect(t, "kind", run.SpanKind(), trace.SpanKindConsumer)
	expect(t, "scope", run.InstrumentationScope().Name, "github.com/seed71495667/winchester")
	expect(t, "attributes", fmt.Sprint(attributesOf(run)), fmt.Sprint(map[attribute.Key]string{
		"messaging.system": "winchester", "messaging.operation.type": "process", "messaging.operation.name": "fire",
		"messaging.destination.name": "order", "messaging.batch.message_count": "6",
		"winchester.trigger": "order", "winchester.pass": "fire", "winchester.pipeline": "p", "winchester.attempt": "1",
		"winchester.stream.id": "1", "winchester.result": "completed",
	}))
	var linked []string
	for _, l := range run.Links() {
		linked = append(linked, fmt.Sprint(l.SpanContext.TraceID(), " ", l.SpanContext.SpanID(), " ", l.SpanContext.TraceState().String(), " ", l.SpanContext.IsSampled()))
	}
	expect(t, "links", strings.Join(linked, "\n"), "0af7651916cd43dd8448eb211c80319c b7ad6b7169203331 vendor=1 true\n"+
		"0af7651916cd43dd8448eb211c80319c 00f067aa0ba902b7  false")
}

func TestTraceOfManyEvents(t *testing.T) {
	t.Parallel()
	provider, recorder := newTracer(sdk.WithRawSpanLimits(sdk.SpanLimits{LinkCountLimit: -1, AttributeCountLimit: -1}))
	r := newRig(t, nil, nil, func(c *winchester.Config) { c.TracerProvider = provider })
	events := make([]winchester.Event, 200)
	for i := range events {
		events[i] = winchester.Event{MessageID: fmt.Sprint(i), EventType: "paid", Timestamp: noon, Traits: winchester.Traits{
			"id": 1, "traceparent": fmt.Sprintf("00-0af7651916cd43dd8448eb211c80319c-%016x-01", i+1),
		}}
	}
	if _, err := r.AddEvents(context.Background(), events); err != nil {
		t.Fatal(err)
	}
	r.pass(time.Second)
	expect(t, "links", len(recorder.Ended()[0].Links()), 128)
}

func TestTraceOfFailures(t *testing.T) {
	t.Parallel()
	provider, recorder := newTracer()
	var answer error
	s := &script{handle: func(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		return events, answer
	}}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), func(c *winchester.Config) { c.TracerProvider = provider })
	for _, c := range []struct {
		answer error
		result string
		spans  string
	}{
		{errors.New("no luck"), "retried", "process order (error: s: no luck)\n  handle s (error: s: no luck)\n  rollback s"},
		{winchester.Snooze(time.Second), "snoozed", "process order\n  handle s\n  rollback s"},
		{winchester.Cancel(errors.New("never")), "failed", "process order (error: s: never)\n  handle s (error: s: never)\n  rollback s"},
	} {
		recorder.Reset()
		answer = c.answer
		r.add("paid", c.result)
		r.pass(time.Second)
		spans := recorder.Ended()
		expect(t, "spans", tree(spans), c.spans)
		run := spans[len(spans)-1]
		expect(t, "result", attributesOf(run)["winchester.result"], c.result)
		if failed := c.result != "snoozed"; (len(run.Events()) == 1 && run.Events()[0].Name == "exception") != failed {
			t.Errorf("%s: recorded are %v", c.result, run.Events())
		}
		r.clock.Advance(-time.Second) // not yet time for what is to be tried again
	}
}

// TestTraceOfCloudEvents: the event definition in docs/metrics.md makes the link.
func TestTraceOfCloudEvents(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(- event_type.*?)```").FindSubmatch(guide)
	if block == nil {
		t.Fatal("docs/metrics.md has no event definition")
	}
	definitions, err := distiller.Load("docs/metrics.md", block[1], distiller.NewPlugins())
	if err != nil {
		t.Fatal(err)
	}
	d, err := distiller.New(distiller.Config{Definitions: definitions})
	if err != nil {
		t.Fatal(err)
	}
	provider, recorder := newTracer()
	r := newRig(t, nil, nil, func(c *winchester.Config) {
		c.TracerProvider, c.Distiller, c.Triggers[0].DistinguishedBy = provider, d, winchester.By("order_id")
		c.Triggers[0].FireCriteria[0].EventTypes = []string{"order.paid"}
	})
	result, err := r.AddCloudEvent(context.Background(), map[string]string{
		"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/shop", "ce-type": "order.paid", "content-type": "application/json",
		"ce-traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "ce-tracestate": "vendor=1",
	}, []byte(`{"order_id": "A-1"}`))
	if err != nil || len(result.Streams) != 1 {
		t.Fatal(result, err)
	}
	r.pass(time.Second)
	links := recorder.Ended()[0].Links()
	if len(links) != 1 {
		t.Fatalf("links are %v", links)
	}
	expect(t, "linked to", links[0].SpanContext.TraceID().String()+" "+links[0].SpanContext.TraceState().String(),
		"0af7651916cd43dd8448eb211c80319c vendor=1")
}

// TestTraceNotSampled: what is not sampled is not recorded, and its handlers know.
func TestTraceNotSampled(t *testing.T) {
	t.Parallel()
	sampled := map[string]string{}
	provider, recorder := newTracer(sdk.WithSampler(samplerFunc(func(p sdk.SamplingParameters) sdk.SamplingResult {
		for _, kv := range p.Attributes {
			sampled[string(kv.Key)] = kv.Value.String()
		}
		return sdk.SamplingResult{Decision: sdk.Drop}
	})))
	var seen trace.SpanContext
	s := &script{handle: func(ctx context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		seen = trace.SpanContextFromContext(ctx)
		return events, nil
	}}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), func(c *winchester.Config) { c.TracerProvider = provider })
	r.add("paid", 1)
	r.pass(time.Second)
	expect(t, "recorded", len(recorder.Ended()), 0)
	expect(t, "handlers have a trace that is", fmt.Sprint(seen.IsValid(), seen.IsSampled()), "true false")
	expect(t, "a sampler sees", sampled["winchester.trigger"]+" "+sampled["winchester.pass"], "order fire")
}

type samplerFunc func(sdk.SamplingParameters) sdk.SamplingResult

func (f samplerFunc) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult { return f(p) }
func (samplerFunc) Description() string                                        { return "test" }
