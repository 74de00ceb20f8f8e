// Quickstart shows the engine at work: two days of a small cloud's
// notifications, some out of order, one twice, one broken, become events; the
// events fill streams; streams fire when they are complete and expire when
// they never will be; and handlers hear of both.
//
// It is configured by the files in etc, and keeps everything in a SQLite file
// in a temporary directory. Instead of waiting for two days it moves a clock.
package main

import (
	"context"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/config"
	"github.com/seed71495667/winchester/timex"
)

//go:embed etc/*.yaml
var files embed.FS

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "winchester-quickstart-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := unpack(dir); err != nil {
		return err
	}

	day := time.Date(2026, 8, 20, 0, 0, 0, 0, time.UTC)
	clock := winchester.NewManualClock(day)
	handlers := winchester.NewRegistry()
	if err := register(handlers, out); err != nil {
		return err
	}
	cfg, err := config.Load(filepath.Join(dir, "winchester.yaml"), config.Options{
		Handlers: handlers, Clock: clock, Logger: slog.New(slog.DiscardHandler),
		LookupEnv: func(name string) (string, bool) { return dir, name == "QUICKSTART_DIR" },
	})
	if err != nil {
		return err
	}
	engine, err := cfg.Open(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()

	s := &simulation{ctx: ctx, out: out, clock: clock, engine: engine.Engine}
	fmt.Fprintf(out, "Two days of notifications (▸ is a handler speaking)\n\n")
	for _, d := range deliveries(day) {
		if err := s.until(d.at); err != nil {
			return err
		}
		s.deliver(d)
	}
	if err := s.until(day.AddDate(0, 1, 0)); err != nil {
		return err
	}
	return s.summary()
}

// unpack writes the configuration where a service would have it.
func unpack(dir string) error {
	return fs.WalkDir(files, "etc", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := files.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, filepath.Base(path)), data, 0o600)
	})
}

// simulation plays what a running service does by itself: Engine.Start would
// wake up whenever a stream is due; here we move the clock there.
type simulation struct {
	ctx    context.Context
	out    io.Writer
	clock  *winchester.ManualClock
	engine *winchester.Engine
}

func (s *simulation) line(format string, args ...any) {
	fmt.Fprintf(s.out, "%s  %s\n", s.clock.Now().Format("Jan 02 15:04"), fmt.Sprintf(format, args...))
}

// until moves the clock to a time, with a stop at every time between at which
// streams are due.
func (s *simulation) until(to time.Time) error {
	for {
		due, err := s.engine.Store().NextDue(s.ctx)
		if err != nil {
			return err
		}
		if due.IsZero() || !due.Before(to) {
			s.clock.Set(to)
			return nil
		}
		if due.After(s.clock.Now()) {
			s.clock.Set(due)
		}
		s.clock.Advance(time.Microsecond) // a stream is due once the time has passed
		if err := s.announce(); err != nil {
			return err
		}
		if _, err := s.engine.RunOnce(s.ctx); err != nil {
			return err
		}
	}
}

// announce says which streams are about to be run, and why.
func (s *simulation) announce() error {
	streams, err := s.engine.Store().FindStreams(s.ctx, winchester.StreamQuery{State: winchester.StateActive, Mark: "+"})
	if err != nil {
		return err
	}
	now := s.clock.Now()
	for _, st := range streams {
		switch {
		case !st.FireTimestamp.IsZero() && st.FireTimestamp.Before(now):
			s.line("stream %d FIRES: %s %s has all it needs", st.ID, st.Name, traits(st.DistinguishingTraits))
		case st.ExpireTimestamp.Before(now):
			s.line("stream %d EXPIRES: %s %s had until %s", st.ID, st.Name, traits(st.DistinguishingTraits), st.ExpireTimestamp.Format("Jan 02 15:04"))
		}
	}
	return nil
}

func (s *simulation) deliver(d delivery) {
	r, err := s.engine.AddNotification(s.ctx, d.body)
	what := r.EventType
	if what == "" {
		what = "notification"
	}
	if d.note != "" {
		what += " (" + d.note + ")"
	}
	switch {
	case err != nil:
		s.line("%-48s %s: %v", what, r.Outcome, err)
		return
	case r.Outcome != winchester.OutcomeStored:
		s.line("%-48s %s", what, r.Outcome)
		return
	}
	var joined []string
	for _, j := range r.Streams {
		text := "joins"
		if j.Opened {
			text = "opens"
		}
		text = fmt.Sprintf("%s %s #%d", text, j.Trigger, j.StreamID)
		if j.Ready {
			text += ", which is complete"
		}
		joined = append(joined, text)
	}
	s.line("%-48s %s", what, strings.Join(joined, "; "))
}

func (s *simulation) summary() error {
	streams, err := s.engine.Store().FindStreams(s.ctx, winchester.StreamQuery{IncludeEvents: true, Mark: "+"})
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "\nStreams at the end\n\n")
	for _, st := range streams {
		why := "fired"
		switch {
		case st.State == winchester.StateActive:
			why = "waits until " + st.ExpireTimestamp.Format("Jan 02 15:04")
		case st.FireTimestamp.IsZero():
			why = "expired"
		}
		fmt.Fprintf(s.out, "%4d  %-13s %-10s %3d events  %-27s %s\n", st.ID, st.Name, st.State, len(st.Events), traits(st.DistinguishingTraits), why)
	}
	n := s.engine.Stats()
	fmt.Fprintf(s.out, "\n%d notifications received: %d events saved (some of them by pipelines), %d duplicate, %d dropped, %d refused.\n%d streams fired, %d expired.\n",
		n.Received, n.Saved, n.Duplicates, n.Dropped, n.Failed, n.Fired, n.Expired)
	return nil
}

func traits(t winchester.Traits) string {
	var parts []string
	for _, name := range []string{"tenant_id", "instance_id", "timestamp"} {
		switch v := t[name].(type) {
		case nil:
		case timex.Range:
			parts = append(parts, v.Begin.Format(time.DateOnly))
		default:
			parts = append(parts, fmt.Sprint(v))
		}
	}
	return "[" + strings.Join(parts, " ") + "]"
}
