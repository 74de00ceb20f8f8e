package config

import (
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/yamlx"
)

// readRetry reads a retry policy. What is left out stays the zero value: the
// engine's default, or for a trigger the engine's policy.
func readRetry(v yamlx.Value) (p winchester.RetryPolicy) {
	m := v.Map("max_attempts", "initial_backoff", "max_backoff", "multiplier", "jitter", "on_commit_error")
	p.MaxAttempts = readCount(m.Get("max_attempts"))
	p.InitialBackoff = readPeriod(m.Get("initial_backoff"))
	p.MaxBackoff = readPeriod(m.Get("max_backoff"))
	if v := m.Get("multiplier"); v.Exists() {
		if p.Multiplier = v.Float(); !(p.Multiplier >= 1) && isNumber(v) {
			v.Faultf("expected a number from 1, found %s", v.Node().Text)
			p.Multiplier = 0
		}
	}
	if v := m.Get("jitter"); v.Exists() {
		p.Jitter = v.Float()
		switch {
		case !(p.Jitter >= 0 && p.Jitter <= 1) && isNumber(v):
			v.Faultf("expected a number from 0 to 1, found %s", v.Node().Text)
			p.Jitter = 0
		case p.Jitter == 0:
			p.Jitter = -1 // none; 0 would stand for the default
		}
	}
	if v := m.Get("on_commit_error"); v.Exists() {
		p.OnCommitError = v.OneOf(winchester.CommitErrorRetry, winchester.CommitErrorIgnore)
	}
	return p
}

// isNumber tells whether Float took the value.
func isNumber(v yamlx.Value) bool {
	switch v.Node().Value.(type) {
	case int64, float64:
		return true
	}
	return false
}

// maxCount bounds numbers of things that exist at once, or are tried in turn.
const maxCount = 1_000_000

// readCount reads an integer from 1, or 0 if there is none.
func readCount(v yamlx.Value) int { return int(v.IntBetween(1, maxCount)) }

// readPeriod reads a duration that is not zero, or returns 0 if there is none.
func readPeriod(v yamlx.Value) time.Duration {
	if !v.Exists() {
		return 0
	}
	d, ok := readDuration(v)
	if ok && d <= 0 {
		v.Faultf("expected a duration longer than 0")
	}
	return d
}
