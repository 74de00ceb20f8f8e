//go:build unix

package chaos

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/seed71495667/winchester/internal/chaos/check"
	"github.com/seed71495667/winchester/internal/chaos/scenario"
)

// Result is what a run has found.
type Result struct {
	Summary   check.Summary
	Injected  map[string]int // faults, by kind
	Restarts  int            // of processes
	Counts    map[string]int // of what the workers did
	Deadlocks int64          // that the server counted
	Took      time.Duration

	// What the checker went by, to check the data once more.
	Plan      scenario.Plan
	Histories []scenario.History

	database *database
	faults   []string
}

// Faults are all that must not be, in full.
func (r *Result) Faults() []string { return r.faults }

// Database is the name of the run's database.
func (r *Result) Database() string { return r.database.name }

// URL is that of the run's database.
func (r *Result) URL() string { return r.database.url }

// Close closes the run's database, and deletes it unless it is to be kept.
func (r *Result) Close(ctx context.Context, keep bool) error {
	if keep {
		r.database.close()
		return nil
	}
	return r.database.drop(ctx)
}

// Print prints what the run has found: the faults in full, then a table.
func (r *Result) Print(out io.Writer) {
	for _, f := range r.faults {
		fmt.Fprintln(out, f)
	}
	s := &r.Summary
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(what string, format string, args ...any) { fmt.Fprintf(t, what+"\t"+format+"\n", args...) }
	line("events", "%d handed in, %d made by pipelines, %d memberships", s.Events, s.Made, s.Memberships)
	line("deliveries", "%d acknowledged, %d of them duplicates, %.0f a second", s.Deliveries, s.Duplicates, float64(s.Deliveries)/r.Took.Seconds())
	streams := 0
	for _, rule := range slices.Sorted(maps.Keys(s.Streams)) {
		line("streams of "+rule, "%s", counts(s.Streams[rule]))
		for _, n := range s.Streams[rule] {
			streams += n
		}
	}
	line("streams", "%d, %.0f a second", streams, float64(streams)/r.Took.Seconds())
	line("ledger", "%d bookings, after %d attempts", s.Bookings, s.Attempts)
	line("outside", "%d effects, %d of them repeated", s.Effects, s.Effects-s.Bookings)
	line("workers", "%s", counts(r.Counts))
	line("faults injected", "%s", counts(r.Injected))
	line("restarts", "%d of processes", r.Restarts)
	line("deadlocks", "%d", r.Deadlocks)
	line("time", "%s", r.Took.Round(time.Second/10))
	line("violations", "%d", len(r.faults))
	_ = t.Flush()
}

func counts(m map[string]int) string {
	parts := make([]string, 0, len(m))
	for _, what := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%d %s", m[what], what))
	}
	return strings.Join(parts, ", ")
}
