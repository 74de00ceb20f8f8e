package config

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/yamlx"
)

func (l *loader) readClock(v yamlx.Value) {
	text := v.OneOf(ClockMachine, ClockReplay)
	if l.opts.Clock != nil {
		l.main.warn(v, "has no effect: the host has a clock of its own")
		return
	}
	l.cfg.Clock = cmp.Or(text, ClockMachine)
}

// OpenClock returns the clock for an engine over the store: that of Options, or
// what the file says. It logs that there is a replay, to the host's logger or
// slog.Default(). Close the clock before the store.
//
// The error wraps winchester.ErrReplay if events are being replayed in the
// database and this configuration knows nothing of it.
func (c *Config) OpenClock(ctx context.Context, st winchester.Store) (clock winchester.Clock, closeClock func() error, err error) {
	return c.openClock(ctx, st, cmp.Or(c.opts.Logger, slog.Default()))
}

func (c *Config) openClock(ctx context.Context, st winchester.Store, logger *slog.Logger) (winchester.Clock, func() error, error) {
	nothing := func() error { return nil }
	if c.Clock != ClockReplay {
		if _, replay := c.opts.Clock.(*winchester.ReplayClock); replay {
			return c.opts.Clock, nothing, nil
		}
		return c.opts.Clock, nothing, c.checkNoReplay(ctx, st)
	}
	jump := c.ReplayMaxJump
	if jump == 0 {
		jump = -1 // any
	}
	clock, err := winchester.NewReplayClock(ctx, winchester.ReplayConfig{Store: st, MaxJump: jump, Logger: logger})
	if err != nil {
		return nil, nil, fmt.Errorf("config: %w", err)
	}
	c.replay.Store(clock)
	return clock, func() error { return clock.Close(context.WithoutCancel(ctx)) }, nil
}

// checkNoReplay keeps an engine that goes by the machine's clock away from a
// database in which it is another time: it would let everything expire.
func (c *Config) checkNoReplay(ctx context.Context, st winchester.Store) error {
	at, err := st.ReplayTime(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("config: %w", err)
	case !at.IsZero():
		return fmt.Errorf("config: %w: its clock stands at %s, and %s does not say clock: %s; take part in it, or end it with: winchester clock end",
			winchester.ErrReplay, at.Format(time.RFC3339Nano), cmp.Or(c.File, "the configuration"), ClockReplay)
	}
	return nil
}

// now is the time of a notification that has none.
func (c *Config) now() time.Time {
	if clock := c.replay.Load(); clock != nil {
		return clock.Now()
	}
	if c.opts.Clock != nil {
		return c.opts.Clock.Now()
	}
	return time.Now()
}
