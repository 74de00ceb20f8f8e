package winchester

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// What happens when a handler's Commit fails.
const (
	// CommitErrorRetry fails the run, so that it is tried again; handlers whose
	// Commit succeeded are not committed again. The default.
	CommitErrorRetry = "retry"
	// CommitErrorIgnore logs and counts the error and goes on, as the original
	// did. The handler's effect is lost. A Commit that returns Snooze has not
	// failed: its stream is tried again under either policy.
	CommitErrorIgnore = "ignore"
)

// RetryPolicy says how often and when a failed pipeline run is repeated. The
// pauses grow exponentially: InitialBackoff, then Multiplier times as long
// each time, up to MaxBackoff, each changed by a random part of up to Jitter of
// it, so that what failed together is not retried together.
type RetryPolicy struct {
	// MaxAttempts is how often a run is begun at all, the first time included;
	// then the stream is in error until someone resets it. 1 is the original's
	// behaviour: no automatic retry. Default 20, which with the other defaults
	// is about nine hours.
	MaxAttempts int
	// InitialBackoff is the pause after the first failure. Default 1s.
	InitialBackoff time.Duration
	// MaxBackoff is the longest pause, jitter included. Default 1h.
	MaxBackoff time.Duration
	// Multiplier is how much longer each pause is than the one before.
	// Default 2.
	Multiplier float64
	// Jitter is the largest random change of a pause, as a part of it, from 0
	// to 1. Default 0.1; a negative value means none.
	Jitter float64
	// OnCommitError is CommitErrorRetry or CommitErrorIgnore. Default
	// CommitErrorRetry.
	OnCommitError string
}

var defaultRetry = RetryPolicy{
	MaxAttempts:    20,
	InitialBackoff: time.Second,
	MaxBackoff:     time.Hour,
	Multiplier:     2,
	Jitter:         0.1,
	OnCommitError:  CommitErrorRetry,
}

// Validate reports every fault of the policy, as Faults wrapped in
// ErrDefinition.
func (p RetryPolicy) Validate() error {
	if faults := p.faults(); len(faults) > 0 {
		return fmt.Errorf("%w: retry: %w", ErrDefinition, faults)
	}
	return nil
}

func (p RetryPolicy) faults() (faults Faults) {
	if p.MaxAttempts < 0 {
		faults.add("max_attempts", "%d is negative", p.MaxAttempts)
	}
	if p.InitialBackoff < 0 {
		faults.add("initial_backoff", "%s is negative", p.InitialBackoff)
	}
	if p.MaxBackoff < 0 {
		faults.add("max_backoff", "%s is negative", p.MaxBackoff)
	}
	if p.Multiplier != 0 && !(p.Multiplier >= 1) { // NaN is none either
		faults.add("multiplier", "%g is below 1", p.Multiplier)
	}
	if p.Jitter > 1 || math.IsNaN(p.Jitter) {
		faults.add("jitter", "%g is above 1", p.Jitter)
	}
	switch p.OnCommitError {
	case "", CommitErrorRetry, CommitErrorIgnore:
	default:
		faults.add("on_commit_error", "%q is neither %q nor %q", p.OnCommitError, CommitErrorRetry, CommitErrorIgnore)
	}
	return faults
}

// over returns p with its unset fields taken from base.
func (p RetryPolicy) over(base RetryPolicy) RetryPolicy {
	if p.MaxAttempts == 0 {
		p.MaxAttempts = base.MaxAttempts
	}
	if p.InitialBackoff == 0 {
		p.InitialBackoff = base.InitialBackoff
	}
	if p.MaxBackoff == 0 {
		p.MaxBackoff = base.MaxBackoff
	}
	if p.Multiplier == 0 {
		p.Multiplier = base.Multiplier
	}
	if p.Jitter == 0 {
		p.Jitter = base.Jitter
	}
	if p.OnCommitError == "" {
		p.OnCommitError = base.OnCommitError
	}
	return p
}

// backoff is the pause after the given attempt has failed; random is in [0,1).
func (p RetryPolicy) backoff(attempt int, random float64) time.Duration {
	pause := float64(p.InitialBackoff)
	for range attempt - 1 {
		if pause *= p.Multiplier; pause >= float64(p.MaxBackoff) {
			break
		}
	}
	pause = min(pause, float64(p.MaxBackoff))
	if p.Jitter > 0 {
		pause *= 1 + p.Jitter*(2*random-1)
	}
	return min(time.Duration(min(pause, 1<<62)), p.MaxBackoff).Truncate(time.Microsecond)
}

func (p RetryPolicy) nextAttempt(now time.Time, attempt int) time.Time {
	return now.Add(p.backoff(attempt, rand.Float64()))
}
