package winchester

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// run is one pass of a claimed stream through its pipeline.
type run struct {
	ctx    context.Context // ends when the engine must stop or the lease is lost
	cancel context.CancelCauseFunc

	stream Stream // as claimed
	pass   Pass
	now    time.Time // when it was claimed
	began  time.Time // the same, by the machine's clock
	events []Event

	trigger   *trigger // nil if there is none of that name
	debug     *debugger
	policy    RetryPolicy
	handlers  []Handler
	names     []string // of the handlers
	marks     []string // of the pipeline and the handlers, for Stream.Committed
	committed int      // how many of them, from the first on
	commits   string   // their names, as Stream.Committed has them
	produced  []Event  // events to store when the stream completes
	err       error    // why the run failed

	at          place // where it is; nowhere before it has begun
	ignored     []ignored
	rollbackErr error // the first

	metrics  *metrics
	tracing  *tracing
	span     trace.Span // nil if nobody records it
	pipeline string     // "" if it has none
	result   string     // what became of it, for metrics and traces
}

// ignored is a failure of a Commit that the policy lets pass.
type ignored struct {
	handler int // its place in the pipeline
	err     error
}

var errLeaseLost = errors.New("the stream's lease was lost to another worker")

func newRun(parent context.Context, s Stream, pass Pass, now, began time.Time) *run {
	r := &run{stream: s, pass: pass, now: now, began: began, commits: s.Committed}
	r.ctx, r.cancel = context.WithCancelCause(parent)
	return r
}

// execute takes the run up to the point where only the database is left: all
// handlers have handled the events and have been committed, or have been
// rolled back, and r.err says why.
func (m *PipelineManager) execute(r *run) {
	defer r.classify()
	r.beginSpan(m.triggers.tracing)
	if r.err != nil { // its events could not be loaded
		r.policy = m.retry
		return
	}
	if r.err = context.Cause(r.ctx); r.err != nil {
		return
	}
	m.recordLag(r)
	name, ok := m.prepare(r)
	if !ok || name == "" {
		return
	}
	r.pipeline = name
	defer r.endPipeline(r.metrics.pipelines.begin(r.ctx))
	if r.span != nil {
		r.span.SetAttributes(attribute.String("winchester.pipeline", name))
	}
	env := &Env{
		StreamID: r.stream.ID, StreamName: r.stream.Name, Pipeline: name, Pass: r.pass, Attempt: r.stream.Attempt,
		Snoozes: r.stream.snoozes(), Clock: m.machine,
		IdempotencyKey:       r.stream.Key + "-" + strconv.FormatInt(r.stream.ID, 10),
		DistinguishingTraits: r.stream.DistinguishingTraits, Events: r.events, Now: r.now, Values: map[string]any{},
		Logger: m.log.With("trigger", r.stream.Name, "stream_id", r.stream.ID, "pipeline", name),
	}
	if !m.createHandlers(r, m.pipelines[name]) {
		return
	}
	if r.err = r.handle(env); r.err != nil {
		r.debug.bump("Pipeline error")
		m.rollback(r)
		return
	}
	r.debug.bump("Pre-commit successful")
	if r.err = m.commit(r); r.err != nil {
		m.rollback(r)
	}
}

// recordLag records how long the stream has waited for its first run.
func (m *PipelineManager) recordLag(r *run) {
	due := r.stream.FireTimestamp
	if r.pass == PassExpire {
		due = r.stream.ExpireTimestamp
	}
	first := r.stream.Attempt == 1 && r.stream.snoozes() == 0
	if first && !due.IsZero() && r.metrics.lag.Enabled(r.ctx) {
		lag := m.triggers.now().Sub(due)
		r.metrics.lag.record(r.ctx, max(lag.Seconds(), 0), passKind{r.stream.Name, string(r.pass)})
	}
}

func (r *run) endPipeline(began time.Time) {
	r.metrics.pipelines.end(r.ctx, began, pipelineKind{r.stream.Name, r.pipeline, string(r.pass)})
}

// prepare finds the trigger and the name of the pipeline; "" if there is none
// to run. It reports false if the run has failed.
func (m *PipelineManager) prepare(r *run) (pipeline string, ok bool) {
	r.policy, r.at = m.retry, place{phase: PhasePrepare}
	r.trigger = m.triggers.triggers.Load().byName[r.stream.Name]
	if r.trigger == nil {
		r.debug = m.triggers.debug.get(NoTrigger, DebugReasons)
		r.debug.bump(fmt.Sprintf("Unknown trigger def '%s'", r.stream.Name))
		r.err = Cancel(fmt.Errorf("%w %q", ErrUnknownTrigger, r.stream.Name))
		return "", false
	}
	def := &r.trigger.def
	r.debug, r.policy = r.trigger.debug, def.Retry.over(m.retry)
	pipeline = def.pipeline(r.pass)
	switch {
	case pipeline == "":
		r.debug.bump(fmt.Sprintf("No %s pipeline for '%s'", r.pass, def.Name))
	case m.pipelines[pipeline] == nil:
		r.debug.bump(fmt.Sprintf("Unknown pipeline '%s'", pipeline))
		r.err = Cancel(fmt.Errorf("%w %q", ErrUnknownPipeline, pipeline))
		return "", false
	case r.stream.Attempt > r.policy.MaxAttempts:
		// The worker died or hung in the last attempt that the policy allows.
		r.err = Cancel(fmt.Errorf("attempt %d of %d did not come to an end", r.stream.Attempt-1, r.policy.MaxAttempts))
		return "", false
	}
	return pipeline, true
}

func (m *PipelineManager) createHandlers(r *run, p *pipeline) bool {
	r.marks = p.marks()
	for _, h := range p.handlers {
		r.at = place{h.name, PhaseCreate}
		handler, err := guard(r.at, h.factory)
		if err == nil && handler == nil {
			err = fmt.Errorf("%s: the factory returned no handler", r.at)
		}
		if err != nil {
			r.err = err
			return false
		}
		r.handlers = append(r.handlers, handler)
		r.names = append(r.names, h.name)
	}
	r.committed = r.alreadyCommitted()
	return true
}

// handle passes the events through the handlers and collects the new ones.
func (r *run) handle(env *Env) error {
	events := r.events
	for i, h := range r.handlers {
		r.at = place{r.names[i], PhaseHandle}
		if err := context.Cause(r.ctx); err != nil {
			return err
		}
		var err error
		s := r.begin(r.ctx, callHandle, i)
		events, err = guard(r.at, func() ([]Event, error) { return h.HandleEvents(s.ctx, events, env) })
		s.end(err)
		if err != nil {
			return err
		}
	}
	r.at = place{phase: PhaseEvents}
	own := &Env{Events: r.events} // whatever a handler has done to the one it was given
	for _, e := range own.New(events) {
		e, err := e.normalize()
		if err != nil {
			return Cancel(fmt.Errorf("the pipeline made an %w", err)) // and would make it again
		}
		r.produced = append(r.produced, e)
	}
	return nil
}

// commit commits the handlers in turn, but for those that an earlier attempt
// has committed.
func (m *PipelineManager) commit(r *run) error {
	defer func() {
		if r.committed > 0 {
			r.commits = strings.Join(r.marks[:r.committed+1], "\n")
		}
	}()
	for ; r.committed < len(r.handlers); r.committed++ {
		r.at = place{r.names[r.committed], PhaseCommit}
		if err := context.Cause(r.ctx); err != nil {
			return err
		}
		h := r.handlers[r.committed]
		s := r.begin(r.ctx, callCommit, r.committed)
		_, err := guard(r.at, func() (struct{}, error) { return struct{}{}, h.Commit(s.ctx) })
		s.end(err)
		if err == nil {
			r.debug.bump("Commit successful")
			continue
		}
		r.debug.bump("Commit error")
		if r.policy.OnCommitError != CommitErrorIgnore || context.Cause(r.ctx) != nil || newFailure(err).snooze != nil {
			return err // that it is not time yet is no error to ignore
		}
		r.ignored = append(r.ignored, ignored{r.committed, err})
		m.logRun(r, "Commit failed; ignored by policy", err)
	}
	return nil
}

// alreadyCommitted tells how many of the first handlers were committed by an
// earlier attempt. If the pipeline has been defined anew since, only those
// count that still stand in the same place of the same pipeline, with the same
// parameters.
func (r *run) alreadyCommitted() int { return committedOf(r.stream.Committed, r.marks) }

func committedOf(committed string, marks []string) int {
	n := 0
	for mark := range strings.SplitSeq(committed, "\n") {
		if n == len(marks) || mark != marks[n] {
			break
		}
		n++
	}
	return max(n-1, 0) // the first mark is the pipeline's name
}

func (m *PipelineManager) rollback(r *run) {
	for i := r.committed; i < len(r.handlers); i++ {
		h := r.handlers[i]
		// The run's own context may be over; rolling back must not be.
		s := r.begin(context.WithoutCancel(r.ctx), callRollback, i)
		_, err := guard(place{r.names[i], phaseRollback}, func() (struct{}, error) { return struct{}{}, h.Rollback(s.ctx) })
		s.end(err)
		if err == nil {
			r.debug.bump("Rollback successful")
			continue
		}
		r.debug.bump("Rollback error")
		r.rollbackErr = cmp.Or(r.rollbackErr, err)
		m.logRun(r, "Rollback failed", err)
	}
}

// guard calls a handler's code, names it in errors, and turns a panic into one.
// What an error asks for is found out in here as well, since its methods are
// the handler's code, too.
func guard[T any](where place, call func() (T, error)) (result T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &failure{text: fmt.Sprintf("%s: panic: %v\n%s", where, p, debug.Stack())}
		}
	}()
	result, err = call()
	if err != nil {
		err = newFailure(fmt.Errorf("%s: %w", where, err))
	}
	return result, err
}

// failure is why a run failed, and what is to be done about it.
type failure struct {
	text   string
	cancel bool
	snooze *time.Duration
}

func (f *failure) Error() string { return f.text }

func newFailure(err error) *failure {
	if f, ok := err.(*failure); ok { //nolint:errorlint // only a failure itself, not what wraps one
		return f
	}
	f := &failure{text: err.Error(), cancel: errors.As(err, &cancelError{})}
	if s := (snoozeError{}); errors.As(err, &s) {
		f.snooze = &s.after
	}
	return f
}

// classify makes a failure of whatever the run failed with.
func (r *run) classify() {
	if r.err != nil {
		r.err = newFailure(r.err)
	}
}

func (m *PipelineManager) logRun(r *run, text string, err error) {
	m.log.Warn(text, "trigger", r.stream.Name, "stream_id", r.stream.ID, "pass", r.pass, "attempt", r.stream.Attempt, "err", err)
}
