package winchester

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Each run of a stream is a trace of its own:
//
//	process order (consumer)        linked to the traceparent of its events
//	├─ handle charge
//	├─ commit charge                what handlers do with their ctx comes below
//	└─ commit_tx charge
//
// It begins with the run and ends when its result is stored. Without an SDK, or
// if the trace is not sampled, none of its attributes is made.

// The traits in which an event says what trace it belongs to, by the names that
// W3C Trace Context and the CloudEvents extension for distributed tracing have.
const (
	traitTraceParent = "traceparent"
	traitTraceState  = "tracestate"
)

// maxLinks is how many events a trace is linked to. SDKs keep no more either.
const maxLinks = 128

// tracing makes the traces.
type tracing struct {
	trace.Tracer
	mu     sync.RWMutex
	starts map[passKind]*spanStart
}

// spanStart is how the span of a run of some trigger begins: what a sampler goes by.
type spanStart struct {
	name    string
	options []trace.SpanStartOption
}

func newTracing(p trace.TracerProvider) *tracing {
	return &tracing{Tracer: p.Tracer(scopeName), starts: map[passKind]*spanStart{}}
}

// start says how the span of a run begins. It is remembered, since it must not
// cost anything if there is no SDK.
func (t *tracing) start(k passKind) *spanStart {
	t.mu.RLock()
	s := t.starts[k]
	t.mu.RUnlock()
	if s != nil {
		return s
	}
	s = &spanStart{
		name: "process " + k.trigger,
		options: []trace.SpanStartOption{
			trace.WithNewRoot(),
			trace.WithSpanKind(trace.SpanKindConsumer),
			trace.WithAttributes(
				attribute.String("messaging.system", "winchester"),
				attribute.String("messaging.operation.type", "process"),
				attribute.String("messaging.operation.name", k.pass),
				attribute.String("messaging.destination.name", k.trigger),
				attribute.String("winchester.trigger", k.trigger),
				attribute.String("winchester.pass", k.pass),
			),
		},
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.starts[k] = s
	return s
}

// beginSpan begins the trace of a run. From then on the run's context has it.
func (r *run) beginSpan(t *tracing) {
	s := t.start(passKind{r.stream.Name, string(r.pass)})
	ctx, span := t.Start(r.ctx, s.name, s.options...)
	if !span.SpanContext().IsValid() {
		return
	}
	r.ctx = ctx // also if it is not sampled: what handlers begin is not, then, either
	if !span.IsRecording() {
		return
	}
	r.span = span
	span.SetAttributes(
		attribute.Int64("winchester.stream.id", r.stream.ID),
		attribute.Int("winchester.attempt", r.stream.Attempt),
		attribute.Int("messaging.batch.message_count", len(r.events)),
	)
	for _, link := range links(r.events) {
		span.AddLink(link)
	}
}

// endSpan ends the trace of a run, if there is one. r.result says what became of
// it.
func (r *run) endSpan() {
	if r.span == nil || r.result == "" { // or it is not over: see workers.complete
		return
	}
	r.span.SetAttributes(attribute.String("winchester.result", r.result))
	switch r.result {
	case runCompleted, runSnoozed:
	default:
		text := r.result
		if r.err != nil {
			text = cutText(r.err.Error(), maxErrorText)
		}
		r.span.RecordError(r.err)
		r.span.SetStatus(codes.Error, text)
	}
	r.span.End()
}

// links are the spans that the events say they come from, each once.
func links(events []Event) []trace.Link {
	var out []trace.Link
	seen := map[spanID]bool{}
	for i := range events {
		parent, _ := events[i].Traits[traitTraceParent].(string)
		if parent == "" {
			continue
		}
		state, _ := events[i].Traits[traitTraceState].(string)
		ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": parent, "tracestate": state})
		of := trace.SpanContextFromContext(ctx)
		id := spanID{of.TraceID(), of.SpanID()}
		if !of.IsValid() || seen[id] {
			continue
		}
		seen[id] = true
		if out = append(out, trace.Link{SpanContext: of}); len(out) == maxLinks {
			break
		}
	}
	return out
}

type spanID struct {
	trace trace.TraceID
	span  trace.SpanID
}

// step is a call of a handler, as a span and as a duration.
type step struct {
	r       *run
	ctx     context.Context // for the handler
	span    trace.Span
	call    string
	handler string
	began   time.Time
}

// begin begins a call of handler i.
func (r *run) begin(ctx context.Context, call string, i int) step {
	s := step{r: r, ctx: ctx, call: call, handler: r.names[i], began: r.metrics.handlers.begin(ctx)}
	if r.span != nil {
		s.ctx, s.span = r.tracing.Start(trace.ContextWithSpan(ctx, r.span), call+" "+s.handler, trace.WithAttributes(
			attribute.String("winchester.pipeline", r.pipeline), attribute.String("winchester.handler", s.handler)))
	}
	return s
}

// end ends it.
func (s *step) end(err error) {
	result := "ok"
	if err != nil {
		result = "error"
		if newFailure(err).snooze != nil {
			result = "snooze"
		}
	}
	s.r.metrics.handlers.end(s.ctx, s.began, callKind{s.r.pipeline, s.handler, s.call, result})
	if s.span == nil {
		return
	}
	if result == "error" {
		s.span.RecordError(err)
		s.span.SetStatus(codes.Error, cutText(err.Error(), maxErrorText))
	}
	s.span.End()
}
