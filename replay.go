package winchester

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// ReplayConfig is what a ReplayClock is made of.
type ReplayConfig struct {
	// Store has the clock that all engines on the database share. Required.
	Store Store
	// Machine tells the time that passes by itself: for what must not go by the
	// events. Default: SystemClock.
	Machine Clock
	// Refresh is how often the clock is told to the database, if it was moved,
	// and else read there, by Machine. Default 100ms.
	Refresh time.Duration
	// MaxJump is how far ahead of the clock an event may be. One that is further
	// is refused, so that a single wrong time does not let every stream expire.
	// Default 24h; negative for any distance.
	MaxJump time.Duration
	// Logger hears that there is a replay, and of a database that does not
	// answer. Default: slog.Default().
	Logger *slog.Logger
}

// ReplayClock follows the events: it stands at the latest time of those that
// were added, in all processes that share the database. So what was recorded can
// be replayed, at any speed, as it would have gone. It is for replays and tests
// only: between events it stands still, and with it every stream.
//
// An engine with this clock files each event at the event's own time, or where
// the clock stood if that is later, moves the clock once its transaction is
// durable, and takes nothing more into a stream that had fired by then, as if
// workers never lagged behind. What a stream has in the end depends on the events
// alone, and not on the speed of anyone.
//
// Leases, back-offs and polling go by ReplayConfig.Machine, as does Env.Clock:
// workers live, fail and die by that time.
//
// The clock only moves forward. What is due after the last event waits for
// Advance. It is safe for concurrent use.
type ReplayClock struct {
	cfg   ReplayConfig
	hands *ManualClock

	mu    sync.Mutex
	begun bool      // whether it has been set at all
	news  time.Time // where it was moved to, and the database does not know; zero for nowhere

	losses int // of the refreshing goroutine, or of Close: how often in a row the database did not answer
	stop   context.CancelFunc
	ended  chan struct{}
}

// NewReplayClock returns a clock that stands where the database says. If that
// says nothing, the first event that is added will set it; until then it stands
// at the beginning of 1970. Close it when done. ctx is for reading the database
// once.
func NewReplayClock(ctx context.Context, c ReplayConfig) (*ReplayClock, error) {
	if c.Store == nil {
		return nil, errors.New("winchester: ReplayConfig.Store is required")
	}
	if c.Refresh < 0 {
		return nil, errors.New("winchester: ReplayConfig.Refresh is negative")
	}
	if c.Machine == nil {
		c.Machine = SystemClock{}
	}
	c.Refresh = cmp.Or(c.Refresh, 100*time.Millisecond)
	c.MaxJump = cmp.Or(c.MaxJump, 24*time.Hour)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	clock := &ReplayClock{cfg: c, hands: NewManualClock(time.Unix(0, 0).UTC()), ended: make(chan struct{})}
	at, err := c.Store.ReplayTime(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the replay clock: %w", err)
	}
	clock.move(at)
	stands := "not set yet: the first event will"
	if !at.IsZero() {
		stands = at.Format(time.RFC3339Nano)
	}
	c.Logger.WarnContext(ctx, "This is a replay: streams fire and expire by the time of the events, not by this machine's", "clock", stands)
	ctx, clock.stop = context.WithCancel(context.WithoutCancel(ctx))
	go clock.run(ctx)
	return clock, nil
}

// Now returns where the clock stands.
func (c *ReplayClock) Now() time.Time { return c.hands.Now() }

// Timer returns a timer that fires when the clock has been moved by d.
func (c *ReplayClock) Timer(d time.Duration) (<-chan time.Time, func()) { return c.hands.Timer(d) }

// Advance moves the clock forward, in the database first, and returns where it
// stands. If it has been there already it stays.
func (c *ReplayClock) Advance(ctx context.Context, to time.Time) (time.Time, error) {
	at, err := c.cfg.Store.AdvanceReplay(ctx, microUTC(to))
	if err != nil {
		return c.Now(), fmt.Errorf("move the replay clock: %w", err)
	}
	c.move(at)
	return c.Now(), nil
}

// Close tells the database where the clock has been moved to, and ends its
// goroutine.
func (c *ReplayClock) Close(ctx context.Context) error {
	c.stop()
	<-c.ended
	return c.refresh(ctx)
}

// position is where the clock stands; zero if it has not been set.
func (c *ReplayClock) position() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.begun {
		return time.Time{}
	}
	return c.hands.Now()
}

// move moves the clock forward.
func (c *ReplayClock) move(to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moveLocked(to)
}

// moveLocked is move, and tells whether it was moved. c.mu is held.
func (c *ReplayClock) moveLocked(to time.Time) bool {
	if to.IsZero() || c.begun && !to.After(c.hands.Now()) {
		return false
	}
	c.begun = true
	c.hands.Set(to)
	return true
}

// follow moves the clock to the time of an event that is stored, and has the
// database told of it soon.
func (c *ReplayClock) follow(to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.moveLocked(to) {
		c.news = to
	}
}

// walk is where a clock will stand after an event, if it stands at that time
// before; zero for one that has not been set.
func walk(at time.Time, e *Event) time.Time {
	if at.IsZero() || e.Timestamp.After(at) {
		return e.Timestamp
	}
	return at
}

// checkJump refuses an event that would move the clock too far.
func (c *ReplayClock) checkJump(at time.Time, e *Event) error {
	if c.cfg.MaxJump < 0 || at.IsZero() || e.Timestamp.Sub(at) <= c.cfg.MaxJump {
		return nil
	}
	return fmt.Errorf("%w %q: its time %s is more than %s ahead of the replay clock, which stands at %s",
		ErrInvalidEvent, e.MessageID, e.Timestamp.Format(time.RFC3339Nano), c.cfg.MaxJump, at.Format(time.RFC3339Nano))
}

// run tells and asks the database, until ctx ends.
func (c *ReplayClock) run(ctx context.Context) {
	defer close(c.ended)
	for {
		timer, stop := c.cfg.Machine.Timer(c.cfg.Refresh)
		select {
		case <-ctx.Done():
			stop()
			return
		case <-timer:
		}
		err := c.refresh(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if c.losses++; c.losses == 1 {
				c.cfg.Logger.ErrorContext(ctx, "The replay clock does not reach the database; trying again", "err", err)
			}
		case c.losses > 0:
			c.losses = 0
			c.cfg.Logger.InfoContext(ctx, "The replay clock reaches the database again")
		}
	}
}

// refresh is one statement: it tells where the clock was moved to, or asks.
func (c *ReplayClock) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	c.mu.Lock()
	news := c.news
	c.mu.Unlock()
	var at time.Time
	err := retryConflict(ctx, func() (err error) {
		if news.IsZero() {
			at, err = c.cfg.Store.ReplayTime(ctx)
		} else {
			at, err = c.cfg.Store.AdvanceReplay(ctx, news)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("replay clock: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.news.Equal(news) {
		c.news = time.Time{}
	}
	c.moveLocked(at)
	return nil
}
