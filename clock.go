package winchester

import (
	"sync"
	"time"
)

// Clock is where all time comes from: what "now" is, and when to wake up. It
// must be safe for concurrent use. The engine truncates what Now returns to
// microseconds and brings it to UTC.
type Clock interface {
	Now() time.Time
	// Timer returns a channel that gets one value once d has passed, and a
	// function that releases the timer's resources.
	Timer(d time.Duration) (fired <-chan time.Time, stop func())
}

// SystemClock is the clock of the machine, and the default everywhere.
type SystemClock struct{}

// Now returns the current time.
func (SystemClock) Now() time.Time { return time.Now() }

// Timer is time.NewTimer.
func (SystemClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// ManualClock moves only when told to: for tests, simulations, and for
// replaying recorded events, at the time they were recorded, in one process;
// for several there is ReplayClock. The zero value stands at the zero time.
//
// A stream is due once the clock has moved past its time: by a microsecond more
// than to it. Store.NextDue tells how far there is to go.
type ManualClock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*manualTimer]struct{}
}

type manualTimer struct {
	at time.Time
	c  chan time.Time
}

// NewManualClock returns a clock that stands at the given time.
func NewManualClock(now time.Time) *ManualClock {
	return &ManualClock{now: now}
}

// Now returns the time the clock stands at.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set moves the clock, forward or back, and fires the timers that are due.
func (c *ManualClock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(now)
}

func (c *ManualClock) set(now time.Time) {
	c.now = now
	for t := range c.timers {
		if !t.at.After(now) {
			delete(c.timers, t)
			t.c <- now // never blocks: the channel holds one, and each timer fires once
		}
	}
}

// Waiting tells how many timers wait for the clock to move. A test that wants
// to wake goroutines by moving the clock first waits until they are asleep; a
// timer that is set afterwards counts from the new time.
func (c *ManualClock) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.timers)
}

// Advance moves the clock by d.
func (c *ManualClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(c.now.Add(d))
}

// Timer returns a timer that fires when the clock has been moved by d.
func (c *ManualClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.timerAt(c.now.Add(d))
}

// reaches returns a timer that fires when the clock stands at that time or later.
func (c *ManualClock) reaches(at time.Time) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.timerAt(at)
}

func (c *ManualClock) timerAt(at time.Time) (<-chan time.Time, func()) {
	t := &manualTimer{at: at, c: make(chan time.Time, 1)}
	if !at.After(c.now) {
		t.c <- c.now
		return t.c, func() {}
	}
	if c.timers == nil {
		c.timers = map[*manualTimer]struct{}{}
	}
	c.timers[t] = struct{}{}
	return t.c, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, t)
	}
}
