package winchester

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Debug levels of a trigger.
const (
	DebugOff     = 0 // nothing is counted
	DebugCounts  = 1 // checks and counters
	DebugReasons = 2 // and why checks failed
)

// NoTrigger is the name under which streams whose trigger is unknown are
// counted.
const NoTrigger = "n/a"

// DebugReport is what has been counted about one trigger since the last reset.
type DebugReport struct {
	Trigger  string
	Level    int
	Match    DebugGroup       // the match criteria
	Fire     DebugGroup       // the fire criteria
	Counters map[string]int64 // by name, such as "New stream" or "Commit error"
}

// DebugGroup counts checks. A check is one test of a criterion, or of the
// trigger as a whole.
type DebugGroup struct {
	Passed  int64
	Failed  int64
	Reasons map[string]int64 // why checks failed; they add up to Failed
}

// debugger counts for one trigger name. It outlives the trigger. A nil
// debugger, and the nil groups it gives, count nothing and cost nothing.
type debugger struct {
	mu       sync.Mutex
	trigger  string
	level    int
	match    debugGroup
	fire     debugGroup
	counters map[string]int64
}

type debugGroup struct {
	mu      *sync.Mutex
	passed  int64
	failed  int64
	reasons map[string]int64
	// watch is told of each check that failed; only set by explanations, which
	// have a group of their own.
	watch func(Mismatch)
}

func (d *debugger) matchGroup() *debugGroup {
	if d == nil {
		return nil
	}
	return &d.match
}

func (d *debugger) fireGroup() *debugGroup {
	if d == nil {
		return nil
	}
	return &d.fire
}

func (d *debugger) bump(counter string) { d.add(counter, 1) }

func (d *debugger) add(counter string, n int64) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counters[counter] += n
}

// matched counts a passed check and returns true.
func (g *debugGroup) matched() bool {
	if g != nil {
		g.mu.Lock()
		g.passed++
		g.mu.Unlock()
	}
	return true
}

// mismatch counts a failed check with its reason and returns false.
func (g *debugGroup) mismatch(reason string) bool {
	if g != nil {
		g.fail(Mismatch{Reason: reason})
	}
	return false
}

func (g *debugGroup) fail(m Mismatch) {
	g.mu.Lock()
	g.failed++
	g.reasons[m.Reason]++
	g.mu.Unlock()
	if g.watch != nil {
		g.watch(m)
	}
}

// unmet counts a failed check of one of the event's fields and returns false.
// The reason may have a %s for the field's name, and want may be anything that
// tells what was asked of it: they are only looked at if someone counts.
func (g *debugGroup) unmet(reason string, e *Event, field string, want any) bool {
	if g != nil {
		g.note(reason, e, field, want)
	}
	return false
}

func (g *debugGroup) note(reason string, e *Event, field string, want any) {
	m := Mismatch{Reason: strings.Replace(reason, "%s", field, 1)}
	if g.watch != nil {
		m.describe(e, field, want)
	}
	g.fail(m)
}

// debuggers hands out one debugger for each trigger name.
type debuggers struct {
	mu     sync.Mutex
	byName map[string]*debugger
}

// get returns the debugger of a trigger; nil if its level is 0.
func (ds *debuggers) get(trigger string, level int) *debugger {
	if level <= DebugOff {
		return nil
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	d := ds.byName[trigger]
	if d == nil {
		d = &debugger{trigger: trigger}
		d.match.mu, d.fire.mu = &d.mu, &d.mu
		d.clear()
		if ds.byName == nil {
			ds.byName = map[string]*debugger{}
		}
		ds.byName[trigger] = d
	}
	d.level = level
	return d
}

func (d *debugger) clear() {
	d.match = debugGroup{mu: &d.mu, reasons: map[string]int64{}}
	d.fire = debugGroup{mu: &d.mu, reasons: map[string]int64{}}
	d.counters = map[string]int64{}
}

// report copies what has been counted, by trigger name, and with reset begins
// anew.
func (ds *debuggers) report(reset bool) []DebugReport {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	reports := make([]DebugReport, 0, len(ds.byName))
	for _, name := range slices.Sorted(maps.Keys(ds.byName)) {
		d := ds.byName[name]
		d.mu.Lock()
		reports = append(reports, DebugReport{
			Trigger:  name,
			Level:    d.level,
			Match:    d.match.copy(),
			Fire:     d.fire.copy(),
			Counters: maps.Clone(d.counters),
		})
		if reset {
			d.clear()
		}
		d.mu.Unlock()
	}
	return reports
}

func (g *debugGroup) copy() DebugGroup {
	return DebugGroup{Passed: g.passed, Failed: g.failed, Reasons: maps.Clone(g.reasons)}
}

// Lines writes the report as the original logged it: a frame, the checks of
// each group, from DebugReasons on the reasons, and the counters.
func (r DebugReport) Lines() []string {
	if r.Level <= DebugOff {
		return nil
	}
	lines := []string{"---- Trigger Definition: " + r.Trigger + " ----"}
	for _, g := range []struct {
		name string
		DebugGroup
	}{{"Fire", r.Fire}, {"Match", r.Match}} {
		if g.Passed+g.Failed == 0 {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s Criteria: %d checks, %d passed", g.name, g.Passed+g.Failed, g.Passed))
		if r.Level >= DebugReasons {
			for _, reason := range slices.Sorted(maps.Keys(g.Reasons)) {
				lines = append(lines, fmt.Sprintf(" - %s = %d", reason, g.Reasons[reason]))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Counters)) {
		lines = append(lines, fmt.Sprintf("Counter %q = %d", name, r.Counters[name]))
	}
	return append(lines, strings.Repeat("-", 28))
}

func logDebugReports(logger *slog.Logger, reports []DebugReport) {
	for _, r := range reports {
		for _, line := range r.Lines() {
			logger.Info(line, "trigger", r.Trigger)
		}
	}
}
