package cmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed71495667/winchester"
)

// events does what the events commands have in common.
type events struct {
	*options
	listing
	names    []string
	from, to timeFlag
}

func newEvents(o *options) *cobra.Command {
	e := &events{options: o}
	list := &cobra.Command{
		Use:   "list",
		Short: "List events, the last stored first",
		Example: `  winchester events list --name compute.instance.create.end --from 2026-05-01
  winchester events list --traits 'instance_id=i-17;memory_mb=512' --json
  winchester events list --from '$timestamp - 10m' --watch=5s`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return e.list(c.Context()) },
	}
	e.filters(list)
	e.pageFlags(list)
	count := &cobra.Command{
		Use:     "count",
		Short:   "Count events",
		Example: "  winchester events count --from 2026-05-01 --to 2026-06-01",
		Args:    noArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return e.count(c.Context()) },
	}
	e.filters(count)
	e.watchFlag(count)
	show := &cobra.Command{
		Use:     "show MESSAGE_ID...",
		Short:   "Show events with all their traits",
		Example: "  winchester events show 1f0e5c42-71c4-4b5f-9b5a-1a52d5ac7a2f",
		Args:    cobra.MinimumNArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return e.show(c.Context(), args) },
	}
	return group("events", "List, show and count events", list, show, count)
}

// filters are those of the original's find_events.
func (e *events) filters(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVarP(&e.names, "name", "n", nil, "of exactly this event `type`; may be repeated")
	f.Var(&e.from, "from", "later than this `time`")
	f.Var(&e.to, "to", "up to this `time`, included")
	e.filterFlags(f, "with these traits")
}

func (e *events) query() (winchester.EventQuery, error) {
	q := winchester.EventQuery{From: e.from.at, To: e.to.at, EventTypes: e.names, Limit: e.limit, Mark: e.mark}
	if err := e.valid(); err != nil {
		return q, err
	}
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		return q, usagef("--from %s is not before --to %s", showTime(q.From), showTime(q.To))
	}
	var err error
	q.Traits, err = parseTraits(e.traits)
	return q, err
}

func (e *events) list(ctx context.Context) error {
	q, err := e.query()
	if err != nil {
		return err
	}
	return e.withStore(ctx, func(ctx context.Context, st winchester.Store) error {
		return e.again(ctx, e.options, func(ctx context.Context) error { return e.print(ctx, st, q) })
	})
}

func (e *events) print(ctx context.Context, st winchester.Store, q winchester.EventQuery) error {
	if e.json {
		return e.printJSONOf(ctx, st, q)
	}
	t := e.table("TIMESTAMP", "EVENT TYPE", "MESSAGE ID", "TRAITS")
	n, last, err := eachEvent(ctx, st, q, func(found []winchester.StoredEvent) error {
		for i := range found {
			one := &found[i]
			t.row(showTime(one.Timestamp), one.EventType, one.MessageID, showTraits(one.Traits))
		}
		return t.flush()
	})
	if err := errors.Join(err, t.flush()); err != nil {
		return err
	}
	e.traitHint(n, q.Traits)
	e.printMore(n, q.Limit, last)
	return nil
}

func (e *events) printJSONOf(ctx context.Context, st winchester.Store, q winchester.EventQuery) error {
	list := e.jsonList()
	_, _, err := eachEvent(ctx, st, q, func(found []winchester.StoredEvent) error {
		for i := range found {
			if err := list.add(newEventJSON(&found[i].Event, found[i].Mark)); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, list.close())
}

func (e *events) count(ctx context.Context) error {
	q, err := e.query()
	if err != nil {
		return err
	}
	return e.withStore(ctx, func(ctx context.Context, st winchester.Store) error {
		return e.again(ctx, e.options, func(ctx context.Context) error {
			n, err := st.CountEvents(ctx, q)
			if err != nil {
				return err
			}
			e.traitHint(int(n), q.Traits)
			return e.printCount(n)
		})
	})
}

func (e *events) show(ctx context.Context, ids []string) error {
	return e.withStore(ctx, func(ctx context.Context, st winchester.Store) error {
		var faults []error
		out := []eventJSON{}
		for i, id := range ids {
			one, err := st.EventByMessageID(ctx, id)
			switch {
			case err != nil:
				faults = append(faults, err)
			case e.json:
				out = append(out, newEventJSON(&one.Event, ""))
			default:
				if i > 0 {
					fmt.Fprintln(e.out)
				}
				faults = append(faults, e.printEvent(&one.Event))
			}
		}
		if e.json {
			faults = append(faults, e.printJSON(out))
		}
		return errors.Join(faults...)
	})
}

// printEvent is the table that the original's client printed.
func (o *options) printEvent(e *winchester.Event) error {
	t := o.table("PROPERTY", "VALUE")
	t.row("message_id", e.MessageID)
	t.row("event_type", e.EventType)
	t.row("timestamp", showTime(e.Timestamp))
	for _, name := range sortedNames(e.Traits) {
		t.row(name, showTrait(e.Traits[name]))
	}
	return t.flush()
}

func sortedNames(traits winchester.Traits) []string { return slices.Sorted(maps.Keys(traits)) }

// eventJSON is an event for programs.
type eventJSON struct {
	MessageID string         `json:"message_id"`
	EventType string         `json:"event_type"`
	Timestamp time.Time      `json:"timestamp"`
	Traits    map[string]any `json:"traits"`
	Mark      string         `json:"mark,omitempty"`
}

func newEventJSON(e *winchester.Event, mark string) eventJSON {
	return eventJSON{e.MessageID, e.EventType, e.Timestamp, plainTraits(e.Traits), mark}
}
