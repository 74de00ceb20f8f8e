package cmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed71495667/winchester/config"
	"github.com/seed71495667/winchester/store"
)

func newClock(o *options) *cobra.Command {
	show := &cobra.Command{
		Use:     "show",
		Short:   "Print where the clock stands",
		Example: "  winchester clock show",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.withClock(c.Context(), false, func(ctx context.Context, st *store.Store) error {
				at, err := st.ReplayTime(ctx)
				if err != nil {
					return err
				}
				return o.printClock(at)
			})
		},
	}
	set := &cobra.Command{
		Use:   "set TIME",
		Short: "Move the clock forward, or set it before the first event",
		Long: `Move the clock of a replay forward, or set it before the first event does. What is due
by then fires or expires. $timestamp is where it stands; now, if it does not stand
anywhere yet.`,
		Example: `  winchester clock set 2026-05-02
  winchester clock set '$timestamp + 1h'`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.withClock(c.Context(), true, func(ctx context.Context, st *store.Store) error {
				return o.setClock(ctx, st, args[0])
			})
		},
	}
	finish := &cobra.Command{
		Use:   "finish",
		Short: "Move the clock past the time of all streams, after the last event",
		Long: `Move the clock of a replay past the time at which the last of the active streams is
due, so that all of them fire or expire. If pipelines make events that open further
streams, call it again once they have.`,
		Example: "  winchester clock finish",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.withClock(c.Context(), true, o.finishClock)
		},
	}
	end := &cobra.Command{
		Use:   "end",
		Short: "End the replay: the database is as any other again",
		Long: `Take the clock of a replay away: streams that are left then go by the clock of the
machine. No process that replays may be running; it would bring the clock back.`,
		Example: "  winchester clock end",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.withClock(c.Context(), false, func(ctx context.Context, st *store.Store) error {
				if err := st.EndReplay(ctx); err != nil {
					return err
				}
				return o.printClock(time.Time{})
			})
		},
	}
	return group("clock", "Show and move the clock of a replay", show, set, finish, end)
}

// withClock opens the database. Without a replay in the configuration nothing may
// move the clock: a production database would be taken for that of a replay.
func (o *options) withClock(ctx context.Context, moves bool, do func(context.Context, *store.Store) error) error {
	cfg, err := o.settings()
	if err != nil {
		return err
	}
	if moves && cfg.Clock != config.ClockReplay {
		return configError{fmt.Errorf("%s does not say clock: %s: without a replay there is no clock to move; see docs/replay.md", o.configFile, config.ClockReplay)}
	}
	st, err := cfg.OpenStore(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, st), st.Close())
}

func (o *options) setClock(ctx context.Context, st *store.Store, text string) error {
	before, err := st.ReplayTime(ctx)
	if err != nil {
		return err
	}
	base := before
	if base.IsZero() {
		base = time.Now()
	}
	to, err := parseTime(text, base)
	switch {
	case err != nil:
		return usageError{fmt.Errorf("%q is no time: %w", text, err)}
	case to.Before(before):
		return usagef("the clock stands at %s and cannot go back to %s; another replay needs a database of its own", showTime(before), showTime(to))
	}
	return o.advance(ctx, st, to)
}

func (o *options) finishClock(ctx context.Context, st *store.Store) error {
	at, err := st.ReplayTime(ctx)
	if err != nil {
		return err
	}
	last, err := st.LastDue(ctx)
	switch {
	case err != nil:
		return err
	case last.IsZero() || last.Before(at):
		return o.printClock(at)
	}
	return o.advance(ctx, st, last.Add(time.Microsecond)) // a stream is due once the clock has moved past its time
}

func (o *options) advance(ctx context.Context, st *store.Store, to time.Time) error {
	at, err := st.AdvanceReplay(ctx, to.UTC().Truncate(time.Microsecond))
	if err != nil {
		return err
	}
	return o.printClock(at)
}

func (o *options) printClock(at time.Time) error {
	switch {
	case o.json && at.IsZero():
		return o.printJSON(map[string]any{"replay": false})
	case o.json:
		return o.printJSON(map[string]any{"replay": true, "clock": at})
	case at.IsZero():
		fmt.Fprintln(o.out, "There is no replay.")
	default:
		fmt.Fprintf(o.out, "The clock stands at %s.\n", showTime(at))
	}
	return nil
}
