package winchester

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed71495667/winchester/timex"
)

// PipelineDefinition names the handlers that get a stream's events, in order.
type PipelineDefinition struct {
	Name     string
	Handlers []HandlerSpec
}

// HandlerSpec names a registered handler and gives its parameters.
type HandlerSpec struct {
	Name   string
	Params map[string]any
}

// PipelineConfig is what a PipelineManager is made of.
type PipelineConfig struct {
	// Triggers knows the triggers whose streams are run; it also gives the
	// store, the clock and the logger. Required.
	Triggers *TriggerManager
	// Pipelines are the definitions that triggers name.
	Pipelines []PipelineDefinition
	// Handlers knows the handlers that pipelines name. Default: NewRegistry().
	Handlers *Registry
	// Name is the worker's name in the database, unique among all that share it.
	// Default: host name, process id and a random part.
	Name string
	// Workers is how many streams are run at once. Default: the number of CPUs,
	// at least 4.
	Workers int
	// BatchSize is how many streams are claimed at once. Default 100.
	BatchSize int
	// PollInterval is how often the database is asked for work when nothing
	// else wakes the workers. Default 10s.
	PollInterval time.Duration
	// Lease is how long a claimed stream stays with a worker that is not heard
	// of; a living one renews it three times as often. Default 1m.
	Lease time.Duration
	// Retry is the policy for failed runs. Defaults: see RetryPolicy.
	Retry RetryPolicy
	// KeepCompleted keeps streams that are completed. By default they are
	// deleted; their events stay.
	KeepCompleted bool
	// TrimEvents deletes old events while there is nothing else to do, but
	// never one that is in a stream that has not completed. Default: off.
	TrimEvents bool
	// TrimEventsAge is a time expression over $timestamp (now): what happened
	// before it is old. Default "$timestamp - 14d".
	TrimEventsAge string
	// TrimEventsBatchSize is how many events are deleted in one transaction.
	// Default 100.
	TrimEventsBatchSize int
}

// PipelineManager runs the pipelines of streams that are due: goroutines that
// claim streams, run them, and complete them. Start and Stop frame its life;
// RunOnce does one pass instead, for tests and batch jobs.
//
// For each stream: HandleEvents of every handler; then Commit of every handler,
// in the outside world; then one transaction with the completion of the stream,
// the events that the pipeline made and what its handlers do in CommitTx.
type PipelineManager struct {
	cfg       PipelineConfig
	triggers  *TriggerManager
	store     Store
	clock     Clock
	machine   Clock // of leases, back-offs and pauses: the clock, but in a replay
	log       *slog.Logger
	retry     RetryPolicy
	pipelines map[string]*pipeline
	trimAge   timex.Expr
	stats     workStats

	wake chan struct{} // holds one: there may be work
	// sleepsUntil is when the dispatcher wakes up by itself, in microseconds;
	// as long as it is awake, the end of time: whatever happens while it looks
	// for work may have escaped it.
	sleepsUntil atomic.Int64
	inFlight    inFlight
	backlog     backlog

	mu      sync.Mutex
	running *workers
}

type pipeline struct {
	name     string
	handlers []namedFactory
}

// marks are what Stream.Committed is compared with: the pipeline's name, and a
// mark of each handler.
func (p *pipeline) marks() []string {
	marks := make([]string, 1, len(p.handlers)+1)
	marks[0] = p.name
	for _, h := range p.handlers {
		marks = append(marks, h.mark)
	}
	return marks
}

type namedFactory struct {
	name    string
	mark    string // of the name and the parameters, for Stream.Committed
	factory HandlerFactory
}

// NewPipelineManager returns a PipelineManager. All faults of the configuration
// are reported together, those of pipelines wrapped in ErrDefinition.
func NewPipelineManager(c PipelineConfig) (*PipelineManager, error) {
	if c.Triggers == nil {
		return nil, errors.New("winchester: PipelineConfig.Triggers is required")
	}
	c.Workers = cmp.Or(c.Workers, max(runtime.GOMAXPROCS(0), 4))
	c.BatchSize = cmp.Or(c.BatchSize, 100)
	c.PollInterval = cmp.Or(c.PollInterval, 10*time.Second)
	c.Lease = cmp.Or(c.Lease, time.Minute)
	c.TrimEventsAge = cmp.Or(c.TrimEventsAge, "$timestamp - 14d")
	c.TrimEventsBatchSize = cmp.Or(c.TrimEventsBatchSize, 100)
	if c.Name == "" {
		c.Name = workerName()
	}
	if c.Handlers == nil {
		c.Handlers = NewRegistry()
	}
	m := &PipelineManager{
		cfg: c, triggers: c.Triggers, store: c.Triggers.store, clock: c.Triggers.clock, machine: c.Triggers.machine, log: c.Triggers.log,
		retry: c.Retry.over(defaultRetry), pipelines: map[string]*pipeline{}, wake: make(chan struct{}, 1),
	}
	m.sleepsUntil.Store(math.MaxInt64)
	m.backlog.m = m
	var faults []error
	for name, n := range map[string]int64{
		"Workers": int64(c.Workers), "BatchSize": int64(c.BatchSize), "TrimEventsBatchSize": int64(c.TrimEventsBatchSize),
		"PollInterval": int64(c.PollInterval), "Lease": int64(c.Lease),
	} {
		if n < 0 {
			faults = append(faults, fmt.Errorf("winchester: PipelineConfig.%s is negative", name))
		}
	}
	if c.Lease > 0 && c.Lease < 10*time.Millisecond {
		faults = append(faults, fmt.Errorf("winchester: PipelineConfig.Lease %s is too short to be renewed: at least 10ms", c.Lease))
	}
	if err := c.Retry.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("winchester: PipelineConfig.Retry: %w", err))
	}
	age, err := timex.Parse(c.TrimEventsAge)
	if err == nil {
		err = age.CheckVariables("timestamp")
	}
	if err != nil {
		faults = append(faults, fmt.Errorf("winchester: PipelineConfig.TrimEventsAge: %w", err))
	}
	if err == nil {
		if _, err := age.Eval(theTimestamp(m.triggers.now())); err != nil {
			faults = append(faults, fmt.Errorf("winchester: PipelineConfig.TrimEventsAge: %w", err))
		}
	}
	m.trimAge = age
	for _, d := range c.Pipelines {
		if err := m.addPipeline(d); err != nil {
			faults = append(faults, err)
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	m.triggers.listenDue(m.notify)
	return m, nil
}

func (m *PipelineManager) addPipeline(d PipelineDefinition) error {
	var faults []error
	if d.Name == "" {
		faults = append(faults, errors.New("the name is missing"))
	}
	if m.pipelines[d.Name] != nil {
		faults = append(faults, errors.New("it is defined twice"))
	}
	p := &pipeline{name: d.Name}
	m.pipelines[d.Name] = p
	for _, h := range d.Handlers {
		factory, err := m.cfg.Handlers.Factory(h.Name, h.Params)
		if err != nil {
			faults = append(faults, err)
		}
		params, _ := json.Marshal(h.Params)
		sum := sha256.Sum256(params)
		p.handlers = append(p.handlers, namedFactory{h.Name, h.Name + " " + hex.EncodeToString(sum[:4]), factory})
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w: pipeline %q: %w", ErrDefinition, d.Name, errors.Join(faults...))
	}
	return nil
}

func workerName() string {
	host, _ := os.Hostname()
	var random [4]byte
	_, _ = rand.Read(random[:])
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), hex.EncodeToString(random[:]))
}

// Pipelines lists the names of the pipelines, in no order.
func (m *PipelineManager) Pipelines() []string {
	names := make([]string, 0, len(m.pipelines))
	for name := range m.pipelines {
		names = append(names, name)
	}
	return names
}

// Loaded is how many streams one pass of RunOnce claimed.
type Loaded struct{ Fire, Expire int }

// RunOnce does one pass: it claims up to BatchSize streams that are due to
// fire and runs them, then the same for those due to expire. What goes wrong
// in a pipeline is no error here; it is dealt with by the retry policy. An
// error means that the database could not be asked, or that ctx ended: the
// streams that were not finished by then are given back.
//
// A stream is due once the clock has moved past its time, not at it.
func (m *PipelineManager) RunOnce(ctx context.Context) (Loaded, error) {
	runCtx, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(ErrStopped)
	defer context.AfterFunc(ctx, func() { kill(ErrStopped) })()
	renewing, cancel := context.WithCancel(ctx)
	var renewer sync.WaitGroup
	renewer.Add(1)
	go func() { defer renewer.Done(); m.renewLeases(renewing) }()
	defer renewer.Wait()
	defer cancel()
	fire, err := m.pass(runCtx, PassFire)
	if err != nil {
		return Loaded{Fire: fire}, err
	}
	expire, err := m.pass(runCtx, PassExpire)
	return Loaded{Fire: fire, Expire: expire}, err
}

func (m *PipelineManager) pass(ctx context.Context, pass Pass) (int, error) {
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	runs, err := m.claim(ctx, pass, m.cfg.BatchSize, m.heldNow())
	m.load(ctx, runs)
	for _, r := range runs {
		m.execute(r)
	}
	m.settle(ctx, runs)
	m.inFlight.remove(runs)
	return len(runs), err
}

// claim takes a batch of streams that are due; load must follow. ctx is that of
// the runs; held is Claim.HeldNow. The claim itself does not end with it: a claim
// of which we did not hear would hold its streams until the lease has run out.
func (m *PipelineManager) claim(ctx context.Context, pass Pass, limit int, held time.Time) ([]*run, error) {
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), databaseTimeout)
	defer cancel()
	now, began := m.triggers.now(), m.triggers.machineNow()
	var streams []Stream
	err := retryConflict(asking, func() (err error) {
		streams, err = m.store.Claim(asking, Claim{
			Pass: pass, Owner: m.cfg.Name, Now: now, HeldNow: held, Limit: limit,
			LeaseUntil: microUTC(m.triggers.machineNow().Add(m.cfg.Lease)),
		})
		m.triggers.metrics.failed(asking, opClaim, err)
		return err
	})
	if err != nil || len(streams) == 0 {
		return nil, wrap("claim streams", err)
	}
	m.stats.loaded.Add(int64(len(streams)))
	m.triggers.metrics.batches.record(asking, float64(len(streams)), batchClaim)
	m.logTakenOver(streams)
	runs := make([]*run, len(streams))
	for i, s := range streams {
		runs[i] = newRun(ctx, s, pass, now, began)
		runs[i].metrics, runs[i].tracing = m.triggers.metrics, m.triggers.tracing
	}
	m.inFlight.add(runs)
	return runs, nil
}

// logTakenOver tells of the workers whose streams were claimed after their leases:
// with a stream that completes its history may go.
func (m *PipelineManager) logTakenOver(streams []Stream) {
	from := map[string]int{}
	for _, s := range streams {
		if n := len(s.Attempts); n > 0 && s.Attempts[n-1].Outcome == AttemptLost {
			from[s.Attempts[n-1].Worker]++
		}
	}
	for _, worker := range slices.Sorted(maps.Keys(from)) {
		m.log.Warn("Took over streams of a worker whose lease ran out: it died, hung, or could not store their results",
			"worker", worker, "streams", from[worker])
	}
}

// heldNow is Claim.HeldNow, for a claim of all that is due.
func (m *PipelineManager) heldNow() time.Time {
	if m.triggers.replay == nil {
		return time.Time{}
	}
	return m.triggers.machineNow()
}

// load gives each run the events of its stream, or the reason why it has none.
func (m *PipelineManager) load(ctx context.Context, runs []*run) {
	if len(runs) == 0 {
		return
	}
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), databaseTimeout)
	defer cancel()
	ids := make([]int64, len(runs))
	for i, r := range runs {
		ids[i] = r.stream.ID
	}
	events, err := m.store.StreamEvents(asking, ids...)
	m.triggers.metrics.failed(asking, opLoad, err)
	for _, r := range runs {
		if r.err = wrap("read the stream", r.stream.Unreadable); r.err != nil {
			r.at = place{phase: PhaseLoad}
			continue
		}
		if err == nil {
			r.events = events[r.stream.ID]
			continue
		}
		// Something cannot be read. Whatever it is, it must not stand in the way
		// of the other streams: the one that has it fails alone, and counts.
		one, err := m.store.StreamEvents(asking, r.stream.ID)
		r.events, r.err = one[r.stream.ID], wrap("load events", err)
		r.at = place{phase: PhaseLoad}
	}
}

// trim deletes one batch of old events and tells whether there may be more.
func (m *PipelineManager) trim(ctx context.Context) (more bool, err error) {
	if !m.cfg.TrimEvents {
		return false, nil
	}
	before, err := m.trimAge.Eval(theTimestamp(m.triggers.now()))
	if err != nil {
		return false, wrap("trim_events_age", err)
	}
	n, err := m.store.TrimEvents(ctx, before.Begin, m.cfg.TrimEventsBatchSize)
	m.triggers.metrics.failed(ctx, opTrim, err)
	m.stats.trimmed.Add(n)
	return n >= int64(m.cfg.TrimEventsBatchSize), wrap("trim events", err)
}

// notify wakes the workers if they would sleep past the time at which a stream
// is due. Most events move no stream's time forward, and must not cost a
// look into the database.
func (m *PipelineManager) notify(due time.Time) {
	if due.UnixMicro() >= m.sleepsUntil.Load() {
		return
	}
	select {
	case m.wake <- struct{}{}:
	default: // they have been told already
	}
}

// Stats returns what the triggers and the workers have counted.
func (m *PipelineManager) Stats() Stats {
	var s Stats
	m.triggers.stats.into(&s)
	m.stats.into(&s)
	return s
}

// ResetStream puts a stream that is in error or expire_error back to be tried
// again, with all its attempts before it; in any other state it is left alone.
// Its history tells of the reset. It returns the stream as it is now,
// ErrNoSuchStream, or ErrLocked if someone else changed it at the same moment.
func (m *PipelineManager) ResetStream(ctx context.Context, id int64) (Stream, error) {
	s, err := m.store.StreamByID(ctx, id)
	if err != nil {
		return s, err
	}
	s, err = ResetStream(ctx, m.store, s, m.triggers.machineNow())
	m.triggers.metrics.failed(ctx, opReset, err)
	if err == nil {
		m.notify(s.Due)
	}
	return s, err
}

func wrap(doing string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
