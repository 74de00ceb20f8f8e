package winchester

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// scopeName is what OpenTelemetry knows this package by.
const scopeName = "github.com/seed71495667/winchester"

// metrics are the instruments; docs/metrics.md says what each means. What is
// part of a transaction is counted once that is durable, as in Stats. Without an
// SDK nothing is measured, and nothing is looked up or allocated for it.
type metrics struct {
	events        counter[Outcome]
	notifications counter[Outcome]
	batches       histogram[batchKind]
	runs          counter[runKind]
	lag           histogram[passKind]
	pipelines     histogram[pipelineKind]
	handlers      histogram[callKind]
	errors        counter[faultKind]

	meter  metric.Meter
	states metric.Int64ObservableGauge
	ready  metric.Int64ObservableGauge
	age    metric.Float64ObservableGauge
	active metric.Int64ObservableUpDownCounter
}

// What measurements are told apart by. All of it comes out of definitions and
// constants, so that there are few of each.
type (
	batchKind    string // what is done with the batch
	passKind     struct{ trigger, pass string }
	runKind      struct{ trigger, pass, result string }
	pipelineKind struct{ trigger, pipeline, pass string }
	callKind     struct{ pipeline, handler, call, result string }
	faultKind    struct{ operation, kind string }
)

// The kinds of batches.
const (
	batchAdd    batchKind = "add"    // events, in a transaction that files them
	batchClaim  batchKind = "claim"  // streams
	batchSettle batchKind = "settle" // runs, in a transaction that writes their results
)

// What became of a run.
const (
	runCompleted = "completed"
	runRetried   = "retried"  // it failed, and will be tried again
	runFailed    = "failed"   // for good
	runSnoozed   = "snoozed"  // a handler asked for it, or the engine stops
	runLost      = "lost"     // another worker has the stream: the lease was lost
	runUnstored  = "unstored" // its result could not be stored; it runs again when the lease has run out
)

// A handler's methods.
const (
	callHandle   = "handle"
	callCommit   = "commit"
	callCommitTx = "commit_tx"
	callRollback = "rollback"
)

// Boundaries of histograms: from a millisecond to a quarter of an hour, in
// seconds, and of batches.
var (
	secondBounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900}
	batchBounds  = []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000}
)

func newMetrics(provider metric.MeterProvider) (*metrics, error) {
	m := &metrics{meter: provider.Meter(scopeName)}
	var faults [12]error
	m.events.Int64Counter, faults[0] = m.meter.Int64Counter("winchester.events", metric.WithUnit("{event}"),
		metric.WithDescription("Events by what became of them."))
	m.notifications.Int64Counter, faults[1] = m.meter.Int64Counter("winchester.notifications", metric.WithUnit("{notification}"),
		metric.WithDescription("Notifications by what became of them."))
	m.batches.Float64Histogram, faults[2] = m.meter.Float64Histogram("winchester.batch.size", metric.WithUnit("{item}"),
		metric.WithDescription("How many events or streams share a transaction."), metric.WithExplicitBucketBoundaries(batchBounds...))
	m.runs.Int64Counter, faults[3] = m.meter.Int64Counter("winchester.runs", metric.WithUnit("{run}"),
		metric.WithDescription("Runs of streams by what became of them."))
	m.lag.Float64Histogram, faults[4] = m.meter.Float64Histogram("winchester.stream.lag", metric.WithUnit("s"),
		metric.WithDescription("From the time at which a stream fires or expires to the beginning of its first run."),
		metric.WithExplicitBucketBoundaries(secondBounds...))
	m.pipelines.Float64Histogram, faults[5] = m.meter.Float64Histogram("winchester.pipeline.duration", metric.WithUnit("s"),
		metric.WithDescription("How long the handlers of a run take, up to the transaction that completes the stream."),
		metric.WithExplicitBucketBoundaries(secondBounds...))
	m.handlers.Float64Histogram, faults[6] = m.meter.Float64Histogram("winchester.handler.duration", metric.WithUnit("s"),
		metric.WithDescription("How long calls of a handler take."), metric.WithExplicitBucketBoundaries(secondBounds...))
	m.errors.Int64Counter, faults[7] = m.meter.Int64Counter("winchester.database.errors", metric.WithUnit("{error}"),
		metric.WithDescription("Errors of the database, also of what was tried again with success."))
	m.states, faults[8] = m.meter.Int64ObservableGauge("winchester.streams", metric.WithUnit("{stream}"),
		metric.WithDescription("Streams in the database by state, but for completed ones."))
	m.ready, faults[9] = m.meter.Int64ObservableGauge("winchester.streams.ready", metric.WithUnit("{stream}"),
		metric.WithDescription("Streams in the database that wait for a worker, counted up to a hundred thousand."))
	m.age, faults[10] = m.meter.Float64ObservableGauge("winchester.streams.ready.age", metric.WithUnit("s"),
		metric.WithDescription("For how long the stream has been due that has waited longest for a worker."))
	m.active, faults[11] = m.meter.Int64ObservableUpDownCounter("winchester.runs.active", metric.WithUnit("{run}"),
		metric.WithDescription("Streams that this process has claimed and not settled yet."))
	if err := errors.Join(faults[:]...); err != nil {
		return nil, err
	}
	m.events.describe(func(o Outcome) []attribute.KeyValue {
		return []attribute.KeyValue{attribute.String("result", string(o))}
	})
	m.notifications.describe(func(o Outcome) []attribute.KeyValue {
		return []attribute.KeyValue{attribute.String("outcome", string(o))}
	})
	m.batches.describe(func(k batchKind) []attribute.KeyValue {
		return []attribute.KeyValue{attribute.String("operation", string(k))}
	})
	m.runs.describe(func(k runKind) []attribute.KeyValue {
		return []attribute.KeyValue{attribute.String("trigger", k.trigger), attribute.String("pass", k.pass), attribute.String("result", k.result)}
	})
	m.lag.describe(func(k passKind) []attribute.KeyValue {
		return []attribute.KeyValue{attribute.String("trigger", k.trigger), attribute.String("pass", k.pass)}
	})
	m.pipelines.describe(func(k pipelineKind) []attribute.KeyValue {
		return []attribute.KeyValue{attribute.String("trigger", k.trigger), attribute.String("pipeline", k.pipeline), attribute.String("pass", k.pass)}
	})
	m.handlers.describe(func(k callKind) []attribute.KeyValue {
		return []attribute.KeyValue{
			attribute.String("pipeline", k.pipeline), attribute.String("handler", k.handler), attribute.String("call", k.call),
			attribute.String("result", k.result),
		}
	})
	m.errors.describe(func(k faultKind) []attribute.KeyValue {
		return []attribute.KeyValue{attribute.String("operation", k.operation), attribute.String("error.type", k.kind)}
	})
	return m, nil
}

// begin makes the counters of what goes wrong begin at zero: Prometheus sees no
// increase in a series that begins with the first error.
func (m *metrics) begin(ctx context.Context, triggers []TriggerDefinition) {
	if m.runs.Enabled(ctx) {
		for _, t := range triggers {
			for _, pass := range passes {
				for _, result := range []string{runRetried, runFailed, runLost, runUnstored} {
					m.runs.Add(ctx, 0, m.runs.get(runKind{t.Name, string(pass), result}).add...)
				}
			}
		}
	}
	if m.errors.Enabled(ctx) {
		for _, operation := range []string{opAdd, opClaim, opLoad, opSettle, opRenew, opLook, opTrim, opReset, opObserve} {
			for _, kind := range []string{"conflict", "unavailable", "timeout", "other"} {
				m.errors.Add(ctx, 0, m.errors.get(faultKind{operation, kind}).add...)
			}
		}
	}
	for _, c := range []*counter[Outcome]{&m.events, &m.notifications} {
		if c.Enabled(ctx) {
			c.Add(ctx, 0, c.get(OutcomeFailed).add...)
		}
	}
}

// counter and histogram are instruments whose attributes follow from a K.
type counter[K comparable] struct {
	metric.Int64Counter
	attributes[K]
}

func (c *counter[K]) add(ctx context.Context, n int64, of K) {
	if n != 0 && c.Enabled(ctx) {
		c.Add(ctx, n, c.get(of).add...)
	}
}

type histogram[K comparable] struct {
	metric.Float64Histogram
	attributes[K]
}

func (h *histogram[K]) record(ctx context.Context, v float64, of K) {
	if h.Enabled(ctx) {
		h.Record(ctx, v, h.get(of).record...)
	}
}

// begin is when something began that is to be recorded; the zero time if nobody
// wants to know. It is the machine's time, whatever clock the engine goes by.
func (h *histogram[K]) begin(ctx context.Context) (began time.Time) {
	if h.Enabled(ctx) {
		began = time.Now()
	}
	return began
}

// end records how long it has taken since begin.
func (h *histogram[K]) end(ctx context.Context, began time.Time, of K) {
	if !began.IsZero() {
		h.record(ctx, time.Since(began).Seconds(), of)
	}
}

// attributes remembers the attributes of each K in the form in which measuring
// takes them, so that it makes none.
type attributes[K comparable] struct {
	of    func(K) []attribute.KeyValue
	mu    sync.RWMutex
	known map[K]*options
}

type options struct {
	add    []metric.AddOption
	record []metric.RecordOption
}

func (a *attributes[K]) describe(of func(K) []attribute.KeyValue) {
	a.of, a.known = of, map[K]*options{}
}

func (a *attributes[K]) get(k K) *options {
	a.mu.RLock()
	o := a.known[k]
	a.mu.RUnlock()
	if o != nil {
		return o
	}
	set := metric.WithAttributeSet(attribute.NewSet(a.of(k)...))
	o = &options{[]metric.AddOption{set}, []metric.RecordOption{set}}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known[k] = o
	return o
}

// tally counts outcomes that belong to one transaction.
type tally struct{ stored, duplicate, dropped, failed int64 }

func (t *tally) count(o Outcome) {
	switch o {
	case OutcomeStored:
		t.stored++
	case OutcomeDuplicate:
		t.duplicate++
	case OutcomeDropped:
		t.dropped++
	case OutcomeFailed:
		t.failed++
	}
}

func (t *tally) add(ctx context.Context, c *counter[Outcome]) {
	c.add(ctx, t.stored, OutcomeStored)
	c.add(ctx, t.duplicate, OutcomeDuplicate)
	c.add(ctx, t.dropped, OutcomeDropped)
	c.add(ctx, t.failed, OutcomeFailed)
}

// Operations on the database, for counting their errors.
const (
	opAdd     = "add"     // store and file events
	opClaim   = "claim"   // take streams that are due
	opLoad    = "load"    // read their events
	opSettle  = "settle"  // write the results of runs
	opRenew   = "renew"   // prolong leases
	opLook    = "look"    // ask when the next stream is due
	opTrim    = "trim"    // delete old events
	opReset   = "reset"   // put a stream back to be tried again
	opObserve = "observe" // count streams for the metrics
)

// failed counts an error, if it is one of the database.
func (m *metrics) failed(ctx context.Context, operation string, err error) {
	if err == nil || !m.errors.Enabled(ctx) {
		return
	}
	if kind := databaseFault(err); kind != "" {
		m.errors.add(ctx, 1, faultKind{operation, kind})
	}
}

// databaseFault sorts errors of the database; it is "" for those that are not,
// since a transaction also ends with those of events, handlers and lost leases.
func databaseFault(err error) string {
	var unfit *unfitError
	var fault *faultError
	switch {
	case errors.Is(err, ErrConflict):
		return "conflict"
	case errors.Is(err, ErrUnavailable):
		return "unavailable"
	case errors.As(err, &unfit), errors.As(err, &fault), errors.Is(err, errPanic), errors.Is(err, ErrLocked),
		errors.Is(err, ErrInvalidEvent), errors.Is(err, ErrNoSuchStream), errors.Is(err, context.Canceled):
		return ""
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "other"
}
