package winchester

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// TriggerConfig is what a TriggerManager is made of.
type TriggerConfig struct {
	// Store keeps events and streams. Required.
	Store Store
	// Triggers are the definitions to begin with.
	Triggers []TriggerDefinition
	// Distiller serves AddNotification. Default: none.
	Distiller Distiller
	// Clock tells the time. Default: SystemClock. With a ReplayClock the events do.
	Clock Clock
	// Logger gets warnings and the debug reports. Default: slog.Default().
	Logger *slog.Logger
	// MeterProvider and TracerProvider are OpenTelemetry's: see docs/metrics.md.
	// Defaults: the global ones, which do nothing without an SDK.
	MeterProvider  metric.MeterProvider
	TracerProvider trace.TracerProvider
}

// TriggerManager files events into streams. All its methods are safe for
// concurrent use.
type TriggerManager struct {
	store     Store
	distiller Distiller
	clock     Clock
	machine   Clock        // what does not go by the events goes by it: the clock, but in a replay
	replay    *ReplayClock // the clock, in a replay
	log       *slog.Logger
	debug     debuggers
	stats     ingestStats
	metrics   *metrics
	tracing   *tracing
	group     group // of the calls of AddEvent

	mu       sync.Mutex // serialises changes of what follows
	triggers atomic.Pointer[triggerSet]
	onDue    atomic.Pointer[[]func(time.Time)] // told when streams that events joined are due
}

// NewTriggerManager returns a TriggerManager. All faults of the configuration
// are reported together; those of trigger definitions wrap ErrDefinition.
func NewTriggerManager(c TriggerConfig) (*TriggerManager, error) {
	if c.Store == nil {
		return nil, errors.New("winchester: TriggerConfig.Store is required")
	}
	m := &TriggerManager{
		store:     c.Store,
		distiller: c.Distiller,
		clock:     c.Clock,
		log:       cmp.Or(c.Logger, slog.Default()),
	}
	if m.clock == nil {
		m.clock = SystemClock{}
	}
	if c.MeterProvider == nil {
		c.MeterProvider = otel.GetMeterProvider()
	}
	if c.TracerProvider == nil {
		c.TracerProvider = otel.GetTracerProvider()
	}
	var err error
	if m.metrics, err = newMetrics(c.MeterProvider); err != nil {
		return nil, fmt.Errorf("winchester: TriggerConfig.MeterProvider: %w", err)
	}
	m.tracing = newTracing(c.TracerProvider)
	m.machine = m.clock
	if m.replay, _ = m.clock.(*ReplayClock); m.replay != nil {
		m.machine = m.replay.cfg.Machine
	}
	m.triggers.Store(newTriggerSet(nil))
	if err := m.AddTrigger(c.Triggers...); err != nil {
		return nil, err
	}
	return m, nil
}

// listenDue has f called, from then on, after each transaction with the time
// at which the first of the streams that events joined is due.
func (m *TriggerManager) listenDue(f func(time.Time)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []func(time.Time)
	if old := m.onDue.Load(); old != nil {
		list = slices.Clone(*old)
	}
	list = append(list, f)
	m.onDue.Store(&list)
}

func (m *TriggerManager) tellDue(due time.Time) {
	if list := m.onDue.Load(); list != nil {
		for _, f := range *list {
			f(due)
		}
	}
}

// Outcome is what became of an event that was handed in.
type Outcome string

// The outcomes.
const (
	OutcomeStored    Outcome = "stored"    // it is in the database, and in the streams it belongs to
	OutcomeDuplicate Outcome = "duplicate" // an event with this message id was stored before
	OutcomeDropped   Outcome = "dropped"   // a notification that no event definition applies to
	OutcomeFailed    Outcome = "failed"    // nothing was stored; Err says why
	OutcomeBatch     Outcome = "batch"     // it was a batch, and each of its Items has an outcome of its own
)

// Result tells what became of one event.
type Result struct {
	// MessageID and EventType are those of the event, as far as they are known;
	// empty for a batch.
	MessageID string
	EventType string
	Outcome   Outcome
	// Err is why an event was dropped or failed; nil for the other outcomes.
	Err error
	// Streams are those that the event joined, in the order of the triggers.
	Streams []Joined
	// Items are the results of a batch of notifications, in its order; there are
	// no batches among them. Nil for all else.
	Items []Result

	filed *filedTx // of AddEventTx
}

// Joined tells of a stream that an event joined.
type Joined struct {
	StreamID int64
	Trigger  string
	Opened   bool      // the event was the stream's first
	Ready    bool      // the event completed the fire criteria
	FireAt   time.Time // when the stream is to fire, if its criteria are met
	ExpireAt time.Time // when it expires, as things stand
}

// AddEvent stores an event and files it into a stream of every trigger that it
// matches, in one transaction: after a nil error all of that is durable. After
// any other none of it is, or the database did not say; adding the event again
// is harmless. A duplicate is no error; see Result.Outcome. An event that cannot
// be stored gives ErrInvalidEvent.
//
// For each trigger that the event matches, its distinguishing traits make the
// key of a stream. The event joins the open stream of that key or, if there is
// none, opens one; the stream's first and last time and its expiry follow, the
// fire criteria that the event satisfies are counted, and when all counts are
// reached the stream gets its fire time. A stream that has fired or expired
// takes no more events: what comes later opens a new one.
//
// Calls that come while another one's transaction is under way share the next
// transaction: the more goroutines add events, the more go into each. That adds
// no waiting, and makes no difference but to speed. Each call has its own result,
// and an event fails by its own fault only. A call whose ctx ends returns at once;
// an event whose transaction had not begun by then is not stored. What one
// goroutine adds is filed in the order in which it does so. A transaction that is
// shared ends with context.DeadlineExceeded after half a minute.
//
// Not to be called from within a handler's CommitTx, where a pipeline's new
// events are what HandleEvents returns, nor while the host has a transaction of
// its own open, for which there is AddEventTx: it may wait for that one's end.
func (m *TriggerManager) AddEvent(ctx context.Context, event Event) (Result, error) {
	m.stats.received.Add(1)
	b := newBatch(m, []Event{event})
	if len(b.items) == 0 { // it is invalid, which needs no transaction
		b.settle(ctx)
		return b.results[0], b.results[0].Err
	}
	return m.group.add(ctx, b)
}

// AddEvents is AddEvent for many, in one transaction of their own and in the
// order given. It returns one result an event. An event that is invalid fails
// alone; its result says why. An error means that the transaction failed and that
// none of the events was stored.
func (m *TriggerManager) AddEvents(ctx context.Context, events []Event) ([]Result, error) {
	if len(events) == 0 {
		return nil, nil
	}
	m.stats.received.Add(int64(len(events)))
	b := newBatch(m, events)
	if err := b.add(ctx); err != nil {
		m.countFailed(ctx, len(events))
		return nil, fmt.Errorf("add events: %w", err)
	}
	return b.results, nil
}

// countFailed counts events of which none was stored.
func (m *TriggerManager) countFailed(ctx context.Context, n int) {
	m.stats.failed.Add(int64(n))
	m.metrics.events.add(ctx, int64(n), OutcomeFailed)
}

// AddTrigger adds triggers, all or none. They see the events that are added
// from now on. It returns ErrDefinition for a faulty one, and ErrTriggerExists
// for a name that is in use.
func (m *TriggerManager) AddTrigger(definitions ...TriggerDefinition) error {
	return m.changeTriggers(definitions, false)
}

// ReplaceTrigger is AddTrigger, but a trigger of a name that is in use takes
// the place of the one before it, at once: no event sees neither. Streams that
// are open go on under the new definition; what they have is counted anew.
func (m *TriggerManager) ReplaceTrigger(definitions ...TriggerDefinition) error {
	return m.changeTriggers(definitions, true)
}

func (m *TriggerManager) changeTriggers(definitions []TriggerDefinition, replace bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Clone(m.triggers.Load().list)
	position := map[string]int{}
	for i, t := range list {
		position[t.def.Name] = i
	}
	given := map[string]bool{}
	var faults []error
	for _, d := range definitions {
		t, err := compileTrigger(d.clone())
		at, exists := position[d.Name]
		if err == nil && exists && (!replace || given[d.Name]) {
			err = fmt.Errorf("%w: %q", ErrTriggerExists, d.Name)
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		given[d.Name] = true
		t.debug = m.debug.get(d.Name, d.DebugLevel)
		if exists {
			list[at] = t
			continue
		}
		position[d.Name] = len(list)
		list = append(list, t)
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	m.triggers.Store(newTriggerSet(list))
	return nil
}

// DeleteTrigger removes a trigger and reports whether there was one of that
// name. Its streams stay; when they are due they end in error, and can be
// reset once the trigger is back. To define it anew, use ReplaceTrigger.
func (m *TriggerManager) DeleteTrigger(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.triggers.Load()
	if old.byName[name] == nil {
		return false
	}
	list := make([]*trigger, 0, len(old.list)-1)
	for _, t := range old.list {
		if t.def.Name != name {
			list = append(list, t)
		}
	}
	m.triggers.Store(newTriggerSet(list))
	return true
}

// Triggers returns the definitions in use, in the order they were added.
func (m *TriggerManager) Triggers() []TriggerDefinition {
	set := m.triggers.Load()
	out := make([]TriggerDefinition, len(set.list))
	for i, t := range set.list {
		out[i] = t.def.clone()
	}
	return out
}

// Debug returns what the triggers with a debug level have counted, by name,
// and with reset begins to count anew.
func (m *TriggerManager) Debug(reset bool) []DebugReport { return m.debug.report(reset) }

// DumpDebuggers logs what the triggers with a debug level have counted since
// the last dump.
func (m *TriggerManager) DumpDebuggers() { logDebugReports(m.log, m.debug.report(true)) }

func (m *TriggerManager) now() time.Time { return microUTC(m.clock.Now()) }

// machineNow is what leases and back-offs go by.
func (m *TriggerManager) machineNow() time.Time { return microUTC(m.machine.Now()) }

// matches decides whether the event belongs to the trigger and, if so, computes
// the distinguishing traits of its stream. It is pure, but for the checks that
// it counts in g.
func (t *trigger) matches(e *Event, g *debugGroup) (Traits, bool) {
	if !t.distinguishable(e, g) {
		return nil, false
	}
	by := t.matchedBy(e, g)
	if by < 0 {
		return nil, g.mismatch("No matching criteria")
	}
	return t.distinguish(e, t.match[by].mapping, g)
}

// distinguishable tells whether the event has the traits without which there is
// no need to look at the criteria.
func (t *trigger) distinguishable(e *Event, g *debugGroup) bool {
	for i := range t.distinguishers {
		if d := &t.distinguishers[i]; !d.mapped {
			if _, ok := e.field(d.trait); !ok {
				return g.unmet("not '%s'", e, d.trait, d)
			}
		}
	}
	return true
}

// matchedBy is the index of the first match criterion that the event satisfies;
// -1 if there is none.
func (t *trigger) matchedBy(e *Event, g *debugGroup) int {
	for i := range t.match {
		if t.match[i].match(e, g) {
			return i
		}
	}
	return -1
}

// distinguish computes the distinguishing traits of an event that matched.
func (t *trigger) distinguish(e *Event, mapping map[string]string, g *debugGroup) (Traits, bool) {
	traits := make(Traits, len(t.distinguishers))
	for i := range t.distinguishers {
		d := &t.distinguishers[i]
		from := d.trait
		if mapped, ok := mapping[d.trait]; ok {
			from = mapped
		}
		v, ok := e.field(from)
		if !ok {
			return nil, g.unmet("not '%s'", e, from, d)
		}
		if d.expr != nil {
			at, ok := v.(time.Time)
			if !ok {
				return nil, g.unmet("Time: not '%s'", e, from, d)
			}
			result, err := d.expr.Eval(theTimestamp(at))
			if err != nil {
				return nil, g.unmet("Time: not '%s'", e, from, d)
			}
			v = any(result.Begin)
			if result.IsRange() {
				v = result.Range()
			}
		}
		traits[d.trait] = v
	}
	return traits, g.matched()
}

// theTimestamp is the one variable of a distinguishing expression.
type theTimestamp time.Time

func (t theTimestamp) Lookup(name string) (time.Time, bool) {
	return time.Time(t), name == "timestamp"
}
