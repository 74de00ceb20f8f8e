package winchester

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	t.Parallel()
	p := RetryPolicy{InitialBackoff: time.Second, MaxBackoff: time.Minute, Multiplier: 2, Jitter: 0.5}
	for attempt, want := range []time.Duration{1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 7: time.Minute, 1000: time.Minute} {
		if want == 0 {
			continue
		}
		if got := p.backoff(attempt, 0.5); got != want {
			t.Errorf("attempt %d: %s, want %s", attempt, got, want)
		}
		if low, high := p.backoff(attempt, 0), p.backoff(attempt, 0.999999); low != want/2 || high > min(want*3/2, p.MaxBackoff) || high < want {
			t.Errorf("attempt %d: jitter from %s to %s", attempt, low, high)
		}
	}
	p.Jitter = -1
	if got := p.backoff(1, 0); got != time.Second {
		t.Errorf("without jitter: %s", got)
	}
}

func TestRetryPolicyLayers(t *testing.T) {
	t.Parallel()
	engine := RetryPolicy{MaxAttempts: 3, OnCommitError: CommitErrorIgnore}.over(defaultRetry)
	got := RetryPolicy{MaxAttempts: 7}.over(engine)
	want := defaultRetry
	want.MaxAttempts, want.OnCommitError = 7, CommitErrorIgnore
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
