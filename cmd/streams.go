package cmd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed71495667/winchester"
)

// streams does what the streams commands have in common.
type streams struct {
	*options
	listing
	name, state            string
	olderThan, youngerThan timeFlag
	details                bool
	failed, yes            bool
}

func newStreams(o *options) *cobra.Command {
	s := &streams{options: o}
	list := &cobra.Command{
		Use:   "list",
		Short: "List streams, the newest first",
		Long: `List streams, the newest first. What filters are left out does not restrict. The
last line tells how to go on where there is more.`,
		Example: `  winchester streams list --state error
  winchester streams list --name instance_day --traits instance_id=i-17
  winchester streams list --older-than '$timestamp - 1h' --watch`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return s.list(c.Context()) },
	}
	s.filters(list)
	s.pageFlags(list)
	list.Flags().BoolVarP(&s.details, "details", "d", false, "with their events")
	count := &cobra.Command{
		Use:     "count",
		Short:   "Count streams",
		Example: "  winchester streams count --state active",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return s.count(c.Context()) },
	}
	s.filters(count)
	s.watchFlag(count)
	show := &cobra.Command{
		Use:   "show ID...",
		Short: "Show streams with their distinguishing traits and events",
		Example: `  winchester streams show 17
  winchester streams show 17 --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return s.show(c.Context(), args) },
	}
	s.watchFlag(show)
	reset := &cobra.Command{
		Use:   "reset ID... | --failed",
		Short: "Try streams again whose pipelines have failed for good",
		Long: `Try streams again that are in error or expire_error, with all their attempts before
them. Streams in other states are left alone, which counts as a failure.`,
		Example: `  winchester streams reset 17 18
  winchester streams reset --failed --name instance_day`,
		RunE: func(c *cobra.Command, args []string) error { return s.reset(c.Context(), args) },
	}
	reset.Flags().BoolVar(&s.failed, "failed", false, "all that are in error or expire_error")
	reset.Flags().StringVarP(&s.name, "name", "n", "", "with --failed: made by the trigger of this `name`")
	remove := &cobra.Command{
		Use:     "delete ID...",
		Short:   "Delete streams in whatever state; their events stay",
		Example: "  winchester streams delete 17 --yes",
		Args:    cobra.MinimumNArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return s.remove(c.Context(), args) },
	}
	remove.Flags().BoolVar(&s.yes, "yes", false, "delete them; there is no way back")
	return group("streams", "List, show, reset and delete streams", list, show, reset, remove, count)
}

// filters are those of the original's find_streams; --from and --to are what its
// client called two of them.
func (s *streams) filters(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&s.name, "name", "n", "", "made by the trigger of this `name`")
	f.StringVar(&s.state, "state", "", "in this `state`: "+strings.Join(stateNames(), ", "))
	f.Var(&s.olderThan, "older-than", "whose first event was before this `time` (also --to)")
	f.Var(&s.youngerThan, "younger-than", "whose last event was after this `time` (also --from)")
	s.filterFlags(f, "with these distinguishing traits")
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		switch name {
		case "from":
			name = "younger-than"
		case "to":
			name = "older-than"
		case "trigger-name", "trigger_name":
			name = "name"
		case "distinguishing-traits", "distinguishing_traits":
			name = "traits"
		}
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	_ = c.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(stateNames(), cobra.ShellCompDirectiveNoFileComp))
}

func stateNames() (out []string) {
	for s := winchester.StateActive; s <= winchester.StateRetryExpire; s++ {
		out = append(out, s.String())
	}
	return out
}

func (s *streams) query() (winchester.StreamQuery, error) {
	q := winchester.StreamQuery{
		Name: s.name, OlderThan: s.olderThan.at, YoungerThan: s.youngerThan.at, Limit: s.limit, Mark: s.mark, IncludeEvents: s.details,
	}
	if err := s.valid(); err != nil {
		return q, err
	}
	if s.state != "" {
		var err error
		if q.State, err = winchester.ParseState(s.state); err != nil {
			return q, usagef("--state: %w", err)
		}
	}
	var err error
	q.Traits, err = parseTraits(s.traits)
	return q, err
}

// withStore opens the database, and closes it.
func (o *options) withStore(ctx context.Context, do func(context.Context, winchester.Store) error) error {
	st, err := o.openStore(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, st), st.Close())
}

func (s *streams) list(ctx context.Context) error {
	q, err := s.query()
	if err != nil {
		return err
	}
	return s.withStore(ctx, func(ctx context.Context, st winchester.Store) error {
		return s.again(ctx, s.options, func(ctx context.Context) error {
			found, err := st.FindStreams(ctx, q)
			if err != nil {
				return err
			}
			s.traitHint(len(found), q.Traits)
			return s.print(found, q.Limit)
		})
	})
}

func (l *listing) again(ctx context.Context, o *options, show func(context.Context) error) error {
	return o.watch(ctx, l.watch, show)
}

func (s *streams) print(found []winchester.StoredStream, limit int) error {
	if s.json {
		out := make([]streamJSON, len(found))
		for i := range found {
			out[i] = newStreamJSON(&found[i], s.details)
		}
		return s.printJSON(out)
	}
	t := s.table("ID", "NAME", "STATE", "FIRST EVENT", "LAST EVENT", "FIRES", "EXPIRES", "TRAITS")
	for i := range found {
		one := &found[i]
		t.row(strconv.FormatInt(one.ID, 10), one.Name, one.State.String(), showTime(one.FirstEvent), showTime(one.LastEvent),
			showTime(one.FireTimestamp), showTime(one.ExpireTimestamp), showTraits(one.DistinguishingTraits))
		if s.details {
			for _, e := range one.Events {
				t.row("", "  "+e.EventType, e.MessageID, showTime(e.Timestamp))
			}
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	if limit > 0 && len(found) == limit {
		fmt.Fprintf(s.out, "there may be more: --mark %s\n", found[len(found)-1].Mark)
	}
	return nil
}

func (s *streams) count(ctx context.Context) error {
	q, err := s.query()
	if err != nil {
		return err
	}
	return s.withStore(ctx, func(ctx context.Context, st winchester.Store) error {
		return s.again(ctx, s.options, func(ctx context.Context) error {
			n, err := st.CountStreams(ctx, q)
			if err != nil {
				return err
			}
			s.traitHint(int(n), q.Traits)
			return s.printCount(n)
		})
	})
}

// printCount writes the original's form for programs.
func (o *options) printCount(n int64) error {
	if o.json {
		return o.printJSON([]map[string]int64{{"count": n}})
	}
	_, err := fmt.Fprintln(o.out, n)
	return err
}

func parseIDs(args []string) ([]int64, error) {
	out := make([]int64, len(args))
	for i, arg := range args {
		n, err := strconv.ParseInt(arg, 10, 64)
		if err != nil || n < 1 {
			return nil, usagef("%q is not the number of a stream", arg)
		}
		out[i] = n
	}
	return out, nil
}

func (s *streams) show(ctx context.Context, args []string) error {
	ids, err := parseIDs(args)
	if err != nil {
		return err
	}
	return s.withStore(ctx, func(ctx context.Context, st winchester.Store) error {
		return s.again(ctx, s.options, func(ctx context.Context) error {
			found, err := st.FindStreams(ctx, winchester.StreamQuery{IDs: ids, IncludeEvents: true, Mark: "+"})
			if err != nil {
				return err
			}
			if s.json {
				out := make([]streamJSON, len(found))
				for i := range found {
					out[i] = newStreamJSON(&found[i], true)
				}
				if err := s.printJSON(out); err != nil {
					return err
				}
			}
			have := map[int64]bool{}
			for i := range found {
				have[found[i].ID] = true
				if !s.json {
					if err := s.printOne(&found[i], i > 0); err != nil {
						return err
					}
				}
			}
			var faults []error
			for _, id := range ids {
				if !have[id] {
					faults = append(faults, fmt.Errorf("%w: %d", winchester.ErrNoSuchStream, id))
				}
			}
			return errors.Join(faults...)
		})
	})
}

// printOne is the table that the original's client printed.
func (s *streams) printOne(one *winchester.StoredStream, more bool) error {
	if more {
		fmt.Fprintln(s.out)
	}
	t := s.table("SECTION", "PROPERTY", "VALUE")
	stream := func(property, value string) { t.row("Stream", property, value) }
	stream("ID", strconv.FormatInt(one.ID, 10))
	stream("Trigger", one.Name)
	stream("State", one.State.String())
	stream("First Event", showTime(one.FirstEvent))
	stream("Last Event", showTime(one.LastEvent))
	stream("Fire Timestamp", showTime(one.FireTimestamp))
	stream("Expire Timestamp", showTime(one.ExpireTimestamp))
	if one.Attempt > 0 {
		stream("Attempts", strconv.Itoa(one.Attempt))
	}
	if one.Owner != "" {
		stream("Worker", one.Owner)
	}
	if !one.Due.IsZero() {
		stream("Due", showTime(one.Due))
	}
	for _, a := range one.Attempts {
		if a.LeftOut > 0 {
			t.row("Attempts", "", fmt.Sprintf("(%d are not kept)", a.LeftOut))
		}
		t.row("Attempts", showTime(a.Ended), a.String())
	}
	if one.LastError != "" {
		stream("Last Error", one.LastError)
		stream("Last Error At", showTime(one.LastErrorAt))
	}
	for _, name := range sortedNames(one.DistinguishingTraits) {
		t.row("D.Trait", name, showTrait(one.DistinguishingTraits[name]))
	}
	if err := t.flush(); err != nil {
		return err
	}
	fmt.Fprintln(s.out, "Events:")
	for i, e := range one.Events {
		if i > 0 {
			fmt.Fprintln(s.out)
		}
		if err := s.printEvent(&e); err != nil {
			return err
		}
	}
	return nil
}

// streamJSON is a stream for programs. Its names are the original's.
type streamJSON struct {
	ID                   int64          `json:"id"`
	Name                 string         `json:"name"`
	State                string         `json:"state"`
	FirstEvent           time.Time      `json:"first_event"`
	LastEvent            time.Time      `json:"last_event"`
	FireTimestamp        *time.Time     `json:"fire_timestamp"`
	ExpireTimestamp      *time.Time     `json:"expire_timestamp"`
	DistinguishingTraits map[string]any `json:"distinguishing_traits"`
	Attempt              int            `json:"attempt"`
	Owner                string         `json:"owner,omitempty"`
	Due                  *time.Time     `json:"due,omitempty"`
	LastError            string         `json:"last_error,omitempty"`
	LastErrorAt          *time.Time     `json:"last_error_at,omitempty"`

	Attempts []winchester.Attempt `json:"attempts,omitempty"`
	Events   *[]eventJSON         `json:"events,omitempty"`
	Mark     string               `json:"mark,omitempty"`
}

func newStreamJSON(s *winchester.StoredStream, events bool) streamJSON {
	out := streamJSON{
		ID: s.ID, Name: s.Name, State: s.State.String(), FirstEvent: s.FirstEvent, LastEvent: s.LastEvent,
		FireTimestamp: timeOrNil(s.FireTimestamp), ExpireTimestamp: timeOrNil(s.ExpireTimestamp),
		DistinguishingTraits: plainTraits(s.DistinguishingTraits), Attempt: s.Attempt, Owner: s.Owner, Due: timeOrNil(s.Due),
		LastError: s.LastError, LastErrorAt: timeOrNil(s.LastErrorAt), Attempts: s.Attempts, Mark: s.Mark,
	}
	if events {
		list := make([]eventJSON, len(s.Events))
		for i := range s.Events {
			list[i] = newEventJSON(&s.Events[i], "")
		}
		out.Events = &list
	}
	return out
}
