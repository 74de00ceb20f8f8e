package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed71495667/winchester"
)

func newExplain(o *options) *cobra.Command {
	stream := &cobra.Command{
		Use:   "stream ID...",
		Short: "Why a stream is there, what keeps it, and what happens next",
		Long: `Say which trigger made a stream and what tells it apart, what its fire criteria need and
have, which event came nearest to meeting each and what it failed on, when it fires or
expires, who holds it, and what became of the attempts at its pipeline. It goes by the
triggers and pipelines of the configuration, as they are now.`,
		Example: `  winchester explain stream 17
  winchester explain stream 17 --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := parseIDs(args)
			if err != nil {
				return err
			}
			return explainAll(c.Context(), o, ids, (*winchester.Engine).ExplainStream)
		},
	}
	event := &cobra.Command{
		Use:   "event MESSAGE_ID...",
		Short: "Which triggers took an event, and why the others did not",
		Long: `Say which triggers took an event, into which streams, and why the others did not. It
goes by the triggers of the configuration, as they are now: whether one would take the
event now, although it did not then, is said as well.`,
		Example: `  winchester explain event 3e1cb5d8-e0c5-4f5e-9a0b-2c4f3a1d7b11`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return explainAll(c.Context(), o, args, (*winchester.Engine).ExplainEvent)
		},
	}
	return group("explain", "Say why a stream or an event is as it is", stream, event)
}

// explainAll prints the explanation of each id. One that is not there does not
// keep the others from being explained.
func explainAll[ID any, X fmt.Stringer](ctx context.Context, o *options, ids []ID, explain func(*winchester.Engine, context.Context, ID) (X, error)) (err error) {
	cfg, err := o.load()
	if err != nil {
		return err
	}
	engine, closeAll, err := openEngine(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	found := []X{}
	var faults []error
	for _, id := range ids {
		x, err := explain(engine, ctx, id)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		found = append(found, x)
	}
	if o.json {
		return errors.Join(errors.Join(faults...), o.printJSON(found))
	}
	for i, x := range found {
		if i > 0 {
			fmt.Fprintln(o.out)
		}
		fmt.Fprint(o.out, x)
	}
	return errors.Join(faults...)
}
