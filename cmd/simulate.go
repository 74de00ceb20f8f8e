package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/config"
	"github.com/seed71495667/winchester/internal/suggest"
	"github.com/seed71495667/winchester/simulate"
)

// simulation tries triggers on files.
type simulation struct {
	*options
	events       bool
	triggers     []string
	until        string
	expect, save string

	sim *simulate.Simulation
	bad int
}

func newSimulate(o *options) *cobra.Command {
	s := &simulation{options: o}
	c := &cobra.Command{
		Use:   "simulate FILE...",
		Short: "Try triggers on a file of events, and tell the life of each stream",
		Long: `Run the configuration's triggers over notifications, or with --events events, from
files of JSON Lines, on a database in memory. The clock follows the events; handlers are
not run. What is printed is the life of each stream: what opened it, what joined, when it
fired or expired and with what, and what it lacked if it was never ready.

With --expect FILE it is a test: what is not as expected is printed, and the exit code is
1. See docs/simulate.md for the form. Lines that cannot be an event are named, and the
exit code is 3.`,
		Example: `  winchester simulate notifications.jsonl
  winchester simulate --events --trigger order orders.jsonl --save expect.yaml
  winchester simulate --events --expect expect.yaml orders.jsonl`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return s.run(c.Context(), args) },
	}
	f := c.Flags()
	f.BoolVar(&s.events, "events", false, "the lines are events, not notifications")
	f.StringArrayVar(&s.triggers, "trigger", nil, "only the trigger of this `name`; may be repeated")
	f.StringVar(&s.until, "until", "", "the `time` at which to end, such as 2026-05-01T12:00:00Z; default: when nothing is left to happen")
	f.StringVar(&s.expect, "expect", "", "a `file` that says what ought to come of it")
	f.StringVar(&s.save, "save", "", "write a `file` for --expect that says what has come of it")
	c.MarkFlagsMutuallyExclusive("expect", "save")
	_ = c.RegisterFlagCompletionFunc("trigger", s.completeTriggers)
	_ = c.MarkFlagFilename("expect", "yaml", "yml", "json")
	_ = c.MarkFlagFilename("save", "yaml", "yml")
	return c
}

func (s *simulation) run(ctx context.Context, files []string) (err error) {
	until, expectation, err := s.arguments()
	if err != nil {
		return err
	}
	cfg, err := s.load()
	if err != nil {
		return err
	}
	if !s.events && cfg.Distiller == nil {
		return configError{errors.New(cfg.File + ": distiller_config is missing, which says what notifications become; if the lines are events, use --events")}
	}
	triggers, err := s.chosen(cfg)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	logger, err := s.logger()
	if err != nil {
		return err
	}
	s.sim, err = simulate.New(ctx, simulate.Config{Triggers: triggers, Pipelines: cfg.Pipelines, Distiller: cfg.Distiller, Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.sim.Close()) }()
	report, err := s.play(ctx, files, until)
	switch {
	case ctx.Err() != nil && !errors.Is(err, errInterrupted):
		return errInterrupted
	case err != nil:
		return err
	}
	return s.report(report, expectation)
}

func (s *simulation) play(ctx context.Context, files []string, until time.Time) (*simulate.Report, error) {
	for _, file := range files {
		if err := s.file(ctx, file); err != nil {
			return nil, err
		}
	}
	return s.sim.Finish(ctx, until)
}

// arguments reads what can be read before anything is done.
func (s *simulation) arguments() (until time.Time, x *simulate.Expectation, err error) {
	if s.until != "" {
		if until, err = parseTime(s.until, time.Now()); err != nil {
			return until, nil, usagef("--until: %w", err)
		}
	}
	if s.save != "" {
		if _, err := os.Lstat(s.save); err == nil {
			return until, nil, usagef("--save: there is a %s already", s.save)
		}
	}
	if s.expect == "" {
		return until, nil, nil
	}
	data, err := os.ReadFile(s.expect)
	if err != nil {
		return until, nil, configError{err}
	}
	if x, err = simulate.ParseExpectation(s.expect, data); err != nil {
		return until, nil, configError{err}
	}
	return until, x, nil
}

// chosen are the triggers to try.
func (s *simulation) chosen(cfg *config.Config) ([]winchester.TriggerDefinition, error) {
	if len(cfg.Triggers) == 0 {
		return nil, configError{errors.New(cfg.File + ": there are no triggers to try: trigger_definitions is missing, or its file is empty")}
	}
	if len(s.triggers) == 0 {
		return cfg.Triggers, nil
	}
	byName := map[string]winchester.TriggerDefinition{}
	var names []string
	for _, t := range cfg.Triggers {
		byName[t.Name] = t
		names = append(names, t.Name)
	}
	var out []winchester.TriggerDefinition
	var faults []error
	for _, name := range s.triggers {
		t, ok := byName[name]
		if !ok {
			faults = append(faults, usagef("--trigger: there is no trigger %q in %s%s", name, cfg.TriggerFile, suggest.DidYouMean(name, names)))
			continue
		}
		out = append(out, t)
	}
	return out, errors.Join(faults...)
}

func (s *simulation) file(ctx context.Context, name string) error {
	return s.eachLine(ctx, name, func(int64) {}, func(file string, no int, text []byte, fault error) error {
		if fault == nil {
			fault = s.line(ctx, text)
		}
		if fault != nil && !isLineFault(fault) {
			return fmt.Errorf("%s:%d: %w", file, no, fault)
		}
		s.note(file, no, fault)
		return nil
	})
}

func isLineFault(err error) bool {
	return errors.As(err, new(lineFault)) || errors.Is(err, winchester.ErrInvalidEvent)
}

func (s *simulation) line(ctx context.Context, body []byte) error {
	if !s.events {
		return s.sim.AddNotification(ctx, body)
	}
	e, err := parseEvent(body)
	if err != nil {
		return lineFault{err}
	}
	_, err = s.sim.AddEvent(ctx, e)
	return err
}

// note names a line that cannot be an event.
func (s *simulation) note(file string, no int, err error) {
	if err == nil {
		return
	}
	if s.bad++; s.bad <= maxBadLines {
		fmt.Fprintf(s.errs, "%s: %s:%d: %s\n", s.host.Name, file, no, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
}

// simulationJSON is the report for programs.
type simulationJSON struct {
	*simulate.Report
	Differences *simulate.Differences `json:"differences,omitempty"`
}

func (s *simulation) report(r *simulate.Report, x *simulate.Expectation) error {
	if s.bad > maxBadLines {
		fmt.Fprintf(s.errs, "%s: and %d more such lines\n", s.host.Name, s.bad-maxBadLines)
	}
	r.Failed = max(r.Failed, int64(s.bad)) // what is no event at all has not come to the simulation
	var diffs simulate.Differences
	out := simulationJSON{Report: r}
	if x != nil {
		diffs = append(simulate.Differences{}, x.Compare(r)...)
		out.Differences = &diffs
	}
	if s.save != "" {
		if err := os.WriteFile(s.save, r.Expectation(), 0o600); err != nil {
			return err
		}
	}
	switch {
	case s.json:
		if err := s.printJSON(out); err != nil {
			return err
		}
	case x == nil:
		fmt.Fprint(s.out, r)
	case len(diffs) > 0:
		fmt.Fprint(s.out, diffs)
	default:
		fmt.Fprint(s.out, r.Summary())
	}
	switch {
	case len(diffs) > 0:
		return silentError{ExitFailed}
	case s.bad > 0:
		return silentError{ExitPartial}
	}
	return nil
}
