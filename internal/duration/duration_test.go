package duration

import (
	"math"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"90": 90 * time.Second, "1.5": 1500 * time.Millisecond, "1h 30m": 90 * time.Minute, "2 min": 2 * time.Minute, "1d1us": 24*time.Hour + time.Microsecond,
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "h", "-5", "5 5", "5 weeks", "1h h", "200000d", "1..5s"} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestFromSeconds(t *testing.T) {
	t.Parallel()
	if got, err := FromSeconds(0.25); err != nil || got != 250*time.Millisecond {
		t.Error(got, err)
	}
	for _, n := range []float64{-1, math.NaN(), math.Inf(1), 1e18} {
		if got, err := FromSeconds(n); err == nil {
			t.Errorf("%v: %v", n, got)
		}
	}
}
