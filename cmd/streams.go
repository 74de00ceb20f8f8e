package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/config"
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
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return s.list(c.Context()) },
	}
	s.filters(list)
	s.pageFlags(list)
	list.Flags().BoolVarP(&s.details, "details", "d", false, "with their events")
	count := &cobra.Command{
		Use:     "count",
		Short:   "Count streams",
		Example: "  winchester streams count --state active",
		Args:    noArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return s.count(c.Context()) },
	}
	s.filters(count)
	s.watchFlag(count)
	show := &cobra.Command{
		Use:   "show ID...",
		Short: "Show streams with their distinguishing traits and events",
		Long: `Show streams with their distinguishing traits and their events, those that were stored
first at the beginning. With --limit and --mark a stream's events are had page by page.`,
		Example: `  winchester streams show 17
  winchester streams show 17 --limit 100
  winchester streams show 17 --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return s.show(c.Context(), args) },
	}
	s.rowFlags(show, 0, "of each stream at most so many events, 0 for all", "go on behind an event whose mark this is; - alone, or in front, for the last stored first")
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
	_ = reset.RegisterFlagCompletionFunc("name", s.completeTriggers)
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
	_ = c.RegisterFlagCompletionFunc("name", s.completeTriggers)
	_ = c.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(stateNames(), cobra.ShellCompDirectiveNoFileComp))
}

// completeTriggers are the triggers of the configuration, as far as it can be read.
func (o *options) completeTriggers(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []string
	if cfg, err := config.Load(o.configFile, o.configOptions()); err == nil {
		for _, t := range cfg.Triggers {
			names = append(names, t.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func stateNames() (out []string) {
	for s := winchester.StateActive; s <= winchester.StateRetryExpire; s++ {
		out = append(out, s.String())
	}
	return out
}

func (s *streams) query() (winchester.StreamQuery, error) {
	q := winchester.StreamQuery{
		Name: s.name, OlderThan: s.olderThan.at, YoungerThan: s.youngerThan.at, Limit: s.limit, Mark: s.mark,
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
		return s.again(ctx, s.options, func(ctx context.Context) error { return s.print(ctx, st, q) })
	})
}

func (l *listing) again(ctx context.Context, o *options, show func(context.Context) error) error {
	return o.watch(ctx, l.watch, show)
}

// each calls f with the streams that a query finds, a page at a time.
func (s *streams) each(ctx context.Context, st winchester.Store, q winchester.StreamQuery, f func([]winchester.StoredStream) error) (n int, last string, err error) {
	return pages(q.Mark, q.Limit, func(mark string, limit int) ([]winchester.StoredStream, error) {
		q.Mark, q.Limit = mark, limit
		return st.FindStreams(ctx, q)
	}, func(one *winchester.StoredStream) string { return one.Mark }, f)
}

// eachEvent calls f with the events of a query, a page at a time.
func eachEvent(ctx context.Context, st winchester.Store, q winchester.EventQuery, f func([]winchester.StoredEvent) error) (n int, last string, err error) {
	return pages(q.Mark, q.Limit, func(mark string, limit int) ([]winchester.StoredEvent, error) {
		q.Mark, q.Limit = mark, limit
		return st.FindEvents(ctx, q)
	}, func(one *winchester.StoredEvent) string { return one.Mark }, f)
}

func (s *streams) print(ctx context.Context, st winchester.Store, q winchester.StreamQuery) error {
	if s.json {
		list := s.jsonList()
		n, _, err := s.each(ctx, st, q, func(found []winchester.StoredStream) error {
			for i := range found {
				if err := s.addJSON(ctx, st, list, &found[i], s.details); err != nil {
					return err
				}
			}
			return nil
		})
		s.traitHint(n, q.Traits)
		return errors.Join(err, list.close())
	}
	t := s.table("ID", "NAME", "STATE", "FIRST EVENT", "LAST EVENT", "FIRES", "EXPIRES", "TRAITS")
	n, last, err := s.each(ctx, st, q, func(found []winchester.StoredStream) error {
		for i := range found {
			one := &found[i]
			t.row(strconv.FormatInt(one.ID, 10), one.Name, one.State.String(), showTime(one.FirstEvent), showTime(one.LastEvent),
				showTime(one.FireTimestamp), showTime(one.ExpireTimestamp), showTraits(one.DistinguishingTraits))
			if err := s.printDetails(ctx, st, t, one.ID); err != nil {
				return err
			}
		}
		return t.flush()
	})
	if err := errors.Join(err, t.flush()); err != nil {
		return err
	}
	s.traitHint(n, q.Traits)
	s.printMore(n, q.Limit, last)
	return nil
}

// printMore tells how to go on where there may be more.
func (o *options) printMore(n, limit int, last string) {
	if limit > 0 && n == limit {
		fmt.Fprintf(o.out, "there may be more: --mark %s\n", last)
	}
}

func (s *streams) printDetails(ctx context.Context, st winchester.Store, t table, id int64) error {
	if !s.details {
		return nil
	}
	_, _, err := eachEvent(ctx, st, winchester.EventQuery{StreamID: id, Mark: "+"}, func(found []winchester.StoredEvent) error {
		for i := range found {
			t.row("", "  "+found[i].EventType, found[i].MessageID, showTime(found[i].Timestamp))
		}
		if len(found) == pageSize { // there is more than what is worth to be lined up
			return t.flush()
		}
		return nil
	})
	return err
}

// addJSON adds a stream to a list, with its events.
func (s *streams) addJSON(ctx context.Context, st winchester.Store, list *jsonList, one *winchester.StoredStream, events bool) error {
	if !events {
		return list.add(newStreamJSON(one))
	}
	return list.object(newStreamJSON(one), "events", func(list *jsonList) error {
		_, _, err := eachEvent(ctx, st, s.eventsOf(one.ID), func(found []winchester.StoredEvent) error {
			for i := range found {
				if err := list.add(newEventJSON(&found[i].Event, found[i].Mark)); err != nil {
					return err
				}
			}
			return nil
		})
		return err
	})
}

// eventsOf is the query for the events of a stream: all those of one in a list, else
// those that are asked for.
func (s *streams) eventsOf(id int64) winchester.EventQuery {
	q := winchester.EventQuery{StreamID: id, Mark: "+"}
	if !s.details {
		q.Limit = s.limit
		q.Mark = cmp.Or(s.mark, "+")
	}
	return q
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
	mark, err := winchester.ParseMark(s.mark)
	if err := errors.Join(s.valid(), err); err != nil {
		return err
	}
	if mark.After && len(ids) > 1 {
		return usagef("--mark %s is for one stream, and %d are given", s.mark, len(ids))
	}
	return s.withStore(ctx, func(ctx context.Context, st winchester.Store) error {
		return s.again(ctx, s.options, func(ctx context.Context) error { return s.showAll(ctx, st, ids) })
	})
}

func (s *streams) showAll(ctx context.Context, st winchester.Store, ids []int64) error {
	var list *jsonList
	if s.json {
		list = s.jsonList()
	}
	var faults []error
	have := map[int64]bool{}
	_, _, err := s.each(ctx, st, winchester.StreamQuery{IDs: ids, Mark: "+"}, func(found []winchester.StoredStream) error {
		for i := range found {
			one := &found[i]
			var err error
			if s.json {
				err = s.addJSON(ctx, st, list, one, true)
			} else {
				err = s.printOne(ctx, st, one, len(have) > 0)
			}
			if err != nil {
				return err
			}
			have[one.ID] = true
			// A stream that completes is deleted, and has no events then.
			if _, err := st.StreamByID(ctx, one.ID); err != nil {
				faults = append(faults, fmt.Errorf("%w: it was deleted while it was read", err))
			}
		}
		return nil
	})
	if s.json {
		faults = append(faults, list.close())
	}
	for _, id := range ids {
		if err == nil && !have[id] {
			faults = append(faults, fmt.Errorf("%w: %d", winchester.ErrNoSuchStream, id))
		}
	}
	return errors.Join(append(faults, err)...)
}

// printOne is the table that the original's client printed.
func (s *streams) printOne(ctx context.Context, st winchester.Store, one *winchester.StoredStream, more bool) error {
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
	first := true
	n, last, err := eachEvent(ctx, st, s.eventsOf(one.ID), func(found []winchester.StoredEvent) error {
		for i := range found {
			if !first {
				fmt.Fprintln(s.out)
			}
			first = false
			if err := s.printEvent(&found[i].Event); err != nil {
				return err
			}
		}
		return nil
	})
	s.printMore(n, s.limit, last)
	return err
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
	Mark     string               `json:"mark,omitempty"`
}

func newStreamJSON(s *winchester.StoredStream) streamJSON {
	return streamJSON{
		ID: s.ID, Name: s.Name, State: s.State.String(), FirstEvent: s.FirstEvent, LastEvent: s.LastEvent,
		FireTimestamp: timeOrNil(s.FireTimestamp), ExpireTimestamp: timeOrNil(s.ExpireTimestamp),
		DistinguishingTraits: plainTraits(s.DistinguishingTraits), Attempt: s.Attempt, Owner: s.Owner, Due: timeOrNil(s.Due),
		LastError: s.LastError, LastErrorAt: timeOrNil(s.LastErrorAt), Attempts: s.Attempts, Mark: s.Mark,
	}
}
