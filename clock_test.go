package winchester

import (
	"testing"
	"time"
)

func TestManualClock(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := NewManualClock(start)
	fired := func(ch <-chan time.Time) bool {
		select {
		case <-ch:
			return true
		default:
			return false
		}
	}
	soon, _ := c.Timer(time.Second)
	late, _ := c.Timer(time.Minute)
	stopped, stop := c.Timer(time.Second)
	stop()
	now, _ := c.Timer(0)
	if c.Waiting() != 2 {
		t.Fatalf("%d timers wait", c.Waiting())
	}
	if !fired(now) || fired(soon) {
		t.Fatal("timers fire when they are due, not before")
	}
	c.Advance(time.Second)
	if !fired(soon) || fired(late) || fired(stopped) {
		t.Fatal("after a second")
	}
	c.Set(start)
	c.Advance(time.Hour)
	if !fired(late) || !c.Now().Equal(start.Add(time.Hour)) {
		t.Fatal("after an hour")
	}
}
