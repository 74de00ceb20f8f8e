package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/suggest"
)

// add puts the lines of files into the database.
type add struct {
	*options
	events bool
	batch  int

	engine  *winchester.Engine
	bar     *progressbar.ProgressBar
	lines   []line // of the batch that is being gathered
	summary addSummary
	shown   int // bad lines that were named
}

// line is one line of a file, on its way into the database.
type line struct {
	file  string
	no    int
	body  []byte
	event winchester.Event // with --events
	fault error            // it cannot be added
}

// addSummary counts what became of the lines.
type addSummary struct {
	Lines      int64 `json:"lines"`      // that are not empty
	Stored     int64 `json:"stored"`     // events that were new
	Duplicates int64 `json:"duplicates"` // events that were stored before
	Dropped    int64 `json:"dropped"`    // notifications that no event definition applies to
	Failed     int64 `json:"failed"`     // what could not be an event
	Joined     int64 `json:"joined"`     // memberships in streams that came of it
}

const (
	maxLine     = 16 << 20 // bytes
	maxBadLines = 100      // that are named
)

func newAdd(o *options) *cobra.Command {
	a := &add{options: o}
	c := &cobra.Command{
		Use:   "add FILE...",
		Short: "Add notifications or events from files",
		Long: `Add notifications, or with --events events, from files of JSON Lines: one on each line,
in any of the formats that docs/event-definitions.md lists. A file named - is standard
input. Files may be added again: what is stored already counts as a duplicate.

An event looks like this, on one line; a trait that is a time is {"$time": "..."}:
  {"message_id": "1", "event_type": "order.placed", "timestamp": "2026-05-01T12:00:00Z",
   "traits": {"order_id": "A-1", "amount": 12.5}}

Lines that cannot be an event are named with their file and number; the others are
added all the same, and the exit code is 3. When it is interrupted, it stores what it
has read and says before which line that was; a second time it ends at once.`,
		Example: `  winchester add notifications.jsonl
  zcat archive.gz | winchester add -
  winchester add --events orders.jsonl`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.run(c.Context(), args) },
	}
	c.Flags().BoolVar(&a.events, "events", false, "the lines are events, not notifications")
	c.Flags().IntVar(&a.batch, "batch", 500, "how many lines share a transaction")
	return c
}

func (a *add) run(ctx context.Context, files []string) (err error) {
	if a.batch < 1 || a.batch > 10_000 {
		return usagef("--batch %d: expected 1 to 10000", a.batch)
	}
	size := int64(0)
	for _, file := range files { // before anything is added
		if file == "-" {
			size = -1
			continue
		}
		info, err := os.Stat(file)
		switch {
		case err != nil:
			return err
		case info.IsDir():
			return usagef("%s is a directory", file)
		case !info.Mode().IsRegular():
			size = -1
		case size >= 0:
			size += info.Size()
		}
	}
	cfg, err := a.load()
	if err != nil {
		return err
	}
	if !a.events && cfg.Distiller == nil {
		return configError{errors.New(cfg.File + ": distiller_config is missing, which says what notifications become; if the lines are events, use --events")}
	}
	engine, closeAll, err := openEngine(ctx, cfg)
	if err != nil {
		return err
	}
	a.engine = engine
	defer func() { err = errors.Join(err, closeAll()) }()
	ctx, stop := untilSignal(ctx)
	defer stop()
	if isTerminal(a.errs) && !a.json {
		a.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(a.errs), progressbar.OptionShowBytes(true),
			progressbar.OptionSetDescription("adding"), progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth())
		_ = a.bar.RenderBlank() // what is to come may take its time
	}
	for _, file := range files {
		if err = a.file(ctx, file); err != nil {
			break
		}
	}
	if err == nil || errors.Is(err, errInterrupted) {
		err = errors.Join(err, a.flush(ctx))
	}
	if a.bar != nil {
		_ = a.bar.Finish()
	}
	return errors.Join(err, a.report(err == nil))
}

func (a *add) file(ctx context.Context, name string) error {
	progress := func(n int64) {
		if a.bar != nil {
			_ = a.bar.Add64(n)
		}
	}
	return a.eachLine(ctx, name, progress, func(file string, no int, text []byte, fault error) error {
		a.summary.Lines++
		return a.gather(ctx, line{file: file, no: no, body: text, fault: fault})
	})
}

// gather adds a line to the batch, and stores that when it is full.
func (a *add) gather(ctx context.Context, l line) error {
	if a.events && l.fault == nil {
		l.event, l.fault = parseEvent(l.body)
		l.body = nil
	}
	if a.lines = append(a.lines, l); len(a.lines) < a.batch {
		return nil
	}
	return a.flush(ctx)
}

func (a *add) flush(ctx context.Context) error {
	if len(a.lines) == 0 {
		return nil
	}
	defer func() { a.lines = a.lines[:0] }()
	ctx = context.WithoutCancel(ctx) // what has been read is stored, so that it can be said how far it got
	results, err := a.store(ctx)
	if err != nil {
		l := a.lines[0]
		return fmt.Errorf("%s:%d and what follows it was not added: %w", l.file, l.no, err)
	}
	for _, l := range a.lines {
		if l.fault != nil {
			a.bad(l.file, l.no, l.fault)
			continue
		}
		a.count(l, results[0])
		results = results[1:]
	}
	return nil
}

// store adds the lines without a fault.
func (a *add) store(ctx context.Context) ([]winchester.Result, error) {
	var batch []winchester.Event
	var bodies [][]byte
	for _, l := range a.lines {
		switch {
		case l.fault != nil:
		case a.events:
			batch = append(batch, l.event)
		default:
			bodies = append(bodies, l.body)
		}
	}
	switch {
	case len(batch) > 0:
		return a.engine.AddEvents(ctx, batch)
	case len(bodies) > 0:
		return a.engine.AddNotifications(ctx, bodies)
	}
	return nil, nil
}

func (a *add) count(l line, r winchester.Result) {
	a.summary.Joined += int64(len(r.Streams))
	switch r.Outcome {
	case winchester.OutcomeStored:
		a.summary.Stored++
	case winchester.OutcomeDuplicate:
		a.summary.Duplicates++
	case winchester.OutcomeDropped:
		a.summary.Dropped++
	case winchester.OutcomeBatch:
		for _, item := range r.Items {
			a.count(l, item)
		}
	case winchester.OutcomeFailed:
		a.bad(l.file, l.no, r.Err)
	}
}

// bad names a line that cannot be an event.
func (a *add) bad(file string, no int, err error) {
	a.summary.Failed++
	if a.shown++; a.shown > maxBadLines {
		return
	}
	if a.bar != nil {
		_ = a.bar.Clear()
	}
	fmt.Fprintf(a.errs, "%s: %s:%d: %s\n", a.host.Name, file, no, strings.ReplaceAll(err.Error(), "\n", "; "))
}

func (a *add) report(whole bool) error {
	s := a.summary
	if a.shown > maxBadLines {
		fmt.Fprintf(a.errs, "%s: and %d more such lines\n", a.host.Name, a.shown-maxBadLines)
	}
	if a.json {
		if err := a.printJSON(s); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.out, "%d lines: %d stored, %d duplicates, %d dropped, %d failed. Streams were joined %d times.\n",
			s.Lines, s.Stored, s.Duplicates, s.Dropped, s.Failed, s.Joined)
	}
	if whole && s.Failed > 0 {
		return silentError{ExitPartial}
	}
	return nil
}

var eventKeys = []string{"message_id", "event_type", "timestamp", "traits"}

// parseEvent reads an event strictly: a key that is misspelt must not be lost.
func parseEvent(body []byte) (e winchester.Event, err error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(body, &keys); err != nil || keys == nil {
		hint := ""
		switch {
		case body[0] == '[':
			hint = "; jq -c '.[]' makes lines of an array"
		case string(body) == "{":
			hint = "; jq -c . puts each object on one line"
		}
		if json.Valid(body) {
			return e, fmt.Errorf("expected an object with the keys %v, found %s%s", eventKeys, shortened(body), hint)
		}
		return e, fmt.Errorf("this is not a JSON object on one line: %w%s", err, hint)
	}
	var faults []error
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !slices.Contains(eventKeys, key) {
			faults = append(faults, fmt.Errorf("unknown key %q%s", key, suggest.DidYouMean(key, eventKeys)))
		}
	}
	if len(faults) > 0 {
		return e, fmt.Errorf("%w; an event has %v, and all else belongs in traits", errors.Join(faults...), eventKeys)
	}
	text := func(key string) (out string) {
		if raw, given := keys[key]; given && json.Unmarshal(raw, &out) != nil {
			faults = append(faults, fmt.Errorf("%s: expected text, found %s", key, shortened(raw)))
		}
		return out
	}
	e.MessageID, e.EventType = text("message_id"), text("event_type")
	if at := text("timestamp"); at != "" {
		var ok bool
		if e.Timestamp, ok = readTime(at); !ok {
			faults = append(faults, fmt.Errorf("timestamp: %q is not a time such as 2026-05-01T12:00:00Z", at))
		}
	}
	if e.Traits, err = parseEventTraits(keys["traits"]); err != nil {
		faults = append(faults, err)
	}
	return e, errors.Join(faults...)
}

// shortened is what was found, for an error.
func shortened(raw []byte) string {
	if r := []rune(string(raw)); len(r) > 40 {
		return string(r[:40]) + "..."
	}
	return string(raw)
}

// parseEventTraits reads traits in their typed form, but takes any usual spelling
// of a time.
func parseEventTraits(text json.RawMessage) (winchester.Traits, error) {
	if len(text) == 0 {
		return nil, nil
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("traits: expected an object, found %s", shortened(text))
	}
	out := make(winchester.Traits, len(raw))
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		var tagged map[string]string
		if json.Unmarshal(raw[name], &tagged) == nil && len(tagged) == 1 && tagged["$time"] != "" {
			at, ok := readTime(tagged["$time"])
			if !ok {
				faults = append(faults, fmt.Errorf("trait %q: %q is not a time such as 2026-05-01T12:00:00Z", name, tagged["$time"]))
			}
			out[name] = at
			continue
		}
		one, err := json.Marshal(map[string]json.RawMessage{name: raw[name]})
		if err == nil {
			var t winchester.Traits
			if err = json.Unmarshal(one, &t); err == nil {
				out[name] = t[name]
			}
		}
		if err != nil {
			faults = append(faults, err)
		}
	}
	return out, errors.Join(faults...)
}
