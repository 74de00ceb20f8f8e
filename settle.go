package winchester

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// databaseTimeout bounds the transactions that must not end half-way when the
// engine stops: claiming streams, and writing the results of runs.
const databaseTimeout = 30 * time.Second

// maxErrorText bounds what is kept of an error on a stream.
const maxErrorText = 2000

// faultError says that one run's part of a transaction failed, by its own
// fault: its CommitTx, or an event that it made.
type faultError struct{ err error }

func (e *faultError) Error() string { return e.err.Error() }
func (e *faultError) Unwrap() error { return e.err }

// settle writes the results of runs: each stream's new state and, of those
// that succeeded, the events they made and their transactional work. All of it
// is one transaction if that succeeds; else each run gets its own, so that one
// cannot spoil the others. ctx is that of the runs; settling does not end with
// it, but waiting for a database that is away does.
func (m *PipelineManager) settle(ctx context.Context, runs []*run) {
	defer func(all []*run) {
		for _, r := range all {
			r.endSpan()
		}
	}(runs)
	runs = slices.DeleteFunc(slices.Clone(runs), m.dropLost)
	if len(runs) == 0 {
		return
	}
	for _, r := range runs {
		r.classify()
	}
	unhurried, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { // stopping: soon it must come to an end
		timer := time.AfterFunc(stopGrace, cancel)
		context.AfterFunc(unhurried, func() { timer.Stop() })
	})()
	unsure := false // whether the database did not tell if a transaction took effect
	err := m.waitAvailable(ctx, func() error {
		err := m.settleTogether(unhurried, runs)
		unsure = unsure || errors.Is(err, ErrUnavailable)
		return err
	})
	if err == nil {
		return
	}
	for i, r := range runs {
		if isAway(err) { // it is nobody's fault; trying one by one would take long
			for _, r := range runs[i:] {
				m.count(r, runUnstored)
			}
			m.log.Error("Results of runs could not be stored; the streams are run again when their leases have run out",
				"streams", len(runs)-i, "err", err)
			return
		}
		err = m.settleOne(unhurried, r, unsure)
	}
}

// stopGrace is how long results may take to be stored once Stop has run out of
// patience.
const stopGrace = 5 * time.Second

// isAway tells whether an error is about the database as a whole.
func isAway(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// dropLost tells whether a run has lost its stream, and with it any say.
func (m *PipelineManager) dropLost(r *run) bool {
	lost := errors.Is(context.Cause(r.ctx), errLeaseLost)
	if lost {
		m.countLocked(r, errLeaseLost)
	}
	return lost
}

func (m *PipelineManager) countLocked(r *run, err error) {
	m.stats.locked.Add(1)
	m.count(r, runLost)
	r.debug.bump("Locked")
	m.logRun(r, "The stream was taken by another worker; this run has no effect", err)
}

// waitAvailable calls f until the database is there, for at most a lease: what
// handlers have done outside would be done again if its result were lost. It is
// the machine's time, whatever clock the engine goes by.
func (m *PipelineManager) waitAvailable(ctx context.Context, f func() error) error {
	deadline := time.NewTimer(m.cfg.Lease)
	defer deadline.Stop()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := f()
		if !errors.Is(err, ErrUnavailable) {
			return err
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return err
		case <-deadline.C:
			again.Stop()
			return err
		}
	}
}

func (m *PipelineManager) settleOne(ctx context.Context, r *run, unsure bool) error {
	err := m.settleTogether(ctx, []*run{r})
	var fault *faultError
	if errors.As(err, &fault) { // once more, now as a run that has failed
		r.err = newFailure(fault.err)
		if unfit := (*unfitError)(nil); errors.As(err, &unfit) {
			r.at = place{phase: PhaseEvents}
		}
		r.debug.bump("Pipeline error")
		err = m.settleTogether(ctx, []*run{r})
	}
	switch {
	case err == nil:
	case errors.Is(err, ErrLocked) && unsure && m.isSettled(ctx, r):
	case errors.Is(err, ErrLocked):
		m.countLocked(r, err)
	default:
		// The lease runs out and the stream is tried again.
		m.count(r, runUnstored)
		m.logRun(r, "The result of a run could not be stored", err)
	}
	return err
}

// isSettled tells whether the result of a run is stored after all, and counts it
// then.
func (m *PipelineManager) isSettled(ctx context.Context, r *run) bool {
	want, err := m.change(r)
	if err != nil {
		return false
	}
	s, err := m.store.StreamByID(ctx, r.stream.ID)
	settled := err == nil && s.StateSerialNo == want.Stream.StateSerialNo && s.State == want.Stream.State ||
		want.Purge && errors.Is(err, ErrNoSuchStream)
	if settled {
		m.countRun(r, want.Stream.State)
	}
	return settled
}

// settleTogether settles runs in one transaction and counts them when it is
// durable.
func (m *PipelineManager) settleTogether(ctx context.Context, runs []*run) error {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	var produced []Event
	changes := make([]StreamChange, 0, len(runs))
	for _, r := range runs {
		change, err := m.change(r)
		if err != nil {
			return err
		}
		changes = append(changes, change)
		if r.err == nil {
			produced = append(produced, r.produced...)
		}
	}
	var given time.Time // when the first stream was due that is given back for anyone to take
	now := m.triggers.machineNow()
	for _, c := range changes {
		if !c.Stream.Due.After(now) {
			given = earlier(given, c.Stream.Due)
		}
	}
	b := batchOf(m.triggers, nil, produced)
	err := m.triggers.transact(ctx, opSettle, func(tx Tx) error {
		// The change of state comes first: its serial number keeps a worker out
		// whose lease was lost, before it can do anything else.
		if err := tx.ChangeStreams(ctx, changes); err != nil {
			return err
		}
		if err := b.file(ctx, tx); err != nil {
			if unfit := (*unfitError)(nil); errors.As(err, &unfit) {
				return &faultError{err}
			}
			return err
		}
		for _, r := range runs {
			if r.err == nil {
				if err := r.commitTx(ctx, tx); err != nil {
					return &faultError{err}
				}
			}
		}
		if given.IsZero() {
			return nil
		}
		return tx.Announce(ctx, given)
	})
	if err != nil {
		return err
	}
	b.settle(ctx)
	m.triggers.metrics.batches.record(ctx, float64(len(runs)), batchSettle)
	for i, r := range runs {
		m.countRun(r, changes[i].Stream.State)
		if due := changes[i].Stream.Due; !due.IsZero() {
			m.notify(due) // it is to be tried again, perhaps before anyone would look
		}
	}
	return nil
}

func (r *run) commitTx(ctx context.Context, tx Tx) error {
	for i, h := range r.handlers {
		h, ok := h.(TxHandler)
		if !ok {
			continue
		}
		r.at = place{r.names[i], PhaseCommitTx}
		s := r.begin(ctx, callCommitTx, i)
		err := errGoexit
		func() {
			defer func() {
				if err == errGoexit { //nolint:errorlint // nobody else has it
					r.err = newFailure(fmt.Errorf("%s: %w", r.at, err))
				}
				s.end(err)
			}()
			_, err = guard(r.at, func() (struct{}, error) { return struct{}{}, h.CommitTx(s.ctx, tx) })
		}()
		if err != nil {
			return err
		}
	}
	return nil
}

// change decides the stream's next state from how the run went.
func (m *PipelineManager) change(r *run) (StreamChange, error) {
	s := r.stream
	c := StreamChange{SerialBefore: s.StateSerialNo}
	var err error
	if r.err == nil {
		err = s.complete()
		if c.Purge = !m.cfg.KeepCompleted; !c.Purge && (len(s.Attempts) > 0 || len(r.ignored) > 0) {
			s.record(r.completed(m.triggers.machineNow()))
		}
		c.Stream = s
		return c, err
	}
	now := m.triggers.machineNow()
	s.LastError, s.LastErrorAt = cutText(r.err.Error(), maxErrorText), now
	s.Committed = r.commits
	f := newFailure(r.err)
	outcome := AttemptFailed
	switch {
	case f.snooze != nil:
		outcome = AttemptSnoozed
		s.Attempt--
		s.LastError, s.LastErrorAt = r.stream.LastError, r.stream.LastErrorAt
		err = s.retryAt(microUTC(now.Add(*f.snooze)))
	case errors.Is(context.Cause(r.ctx), ErrStopped): // not the pipeline's fault
		outcome = AttemptStopped
		s.Attempt--
		err = s.retryAt(now)
	case f.cancel || s.Attempt >= r.policy.MaxAttempts:
		if f.cancel {
			outcome = AttemptCancelled
		}
		err = s.giveUp()
	default:
		err = s.retryAt(r.policy.nextAttempt(now, s.Attempt))
	}
	if r.at != (place{}) { // else it was given back before it began
		s.record(r.failed(outcome, now, s.Due))
	}
	c.Stream = s
	return c, err
}

// count tells metrics and traces what became of a run.
func (m *PipelineManager) count(r *run, result string) {
	r.result = result
	r.metrics.runs.add(r.ctx, 1, runKind{r.stream.Name, string(r.pass), result})
}

// countRun counts and logs a run whose result is durable.
func (m *PipelineManager) countRun(r *run, next State) {
	switch next {
	case StateCompleted:
		m.count(r, runCompleted)
		if r.pass == PassFire {
			m.stats.fired.Add(1)
			r.debug.bump("Streams fired")
		} else {
			m.stats.expired.Add(1)
			r.debug.bump("Streams expired")
		}
	case StateRetryFire, StateRetryExpire:
		if newFailure(r.err).snooze != nil {
			m.count(r, runSnoozed)
			m.log.Debug("Stream snoozed", "trigger", r.stream.Name, "stream_id", r.stream.ID)
			return
		}
		m.count(r, runRetried)
		m.stats.retried.Add(1)
		m.logRun(r, "Pipeline failed; it will be tried again", r.err)
	default:
		m.count(r, runFailed)
		m.stats.errors.Add(1)
		m.log.Error("Pipeline failed for good; the stream waits to be reset",
			"trigger", r.stream.Name, "stream_id", r.stream.ID, "pass", r.pass, "state", next, "attempt", r.stream.Attempt, "err", r.err)
	}
}
