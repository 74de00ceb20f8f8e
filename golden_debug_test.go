package winchester_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed71495667/winchester"
)

// goldenDebugger is what the original had counted about one trigger.
type goldenDebugger struct {
	Groups map[string]struct {
		Match    int64
		Mismatch int64
		Reasons  map[string]int64
	}
	Counters map[string]int64
}

// comparable is what must be equal: the counters and the Match group. The
// Fire group counts checks that incremental criteria no longer make.
type comparableDebugger struct {
	Passed, Failed int64
	Reasons        map[string]int64
	Counters       map[string]int64
}

func (d goldenDebugger) comparable() comparableDebugger {
	m := d.Groups["Match"]
	return comparableDebugger{m.Match, m.Mismatch, orEmpty(m.Reasons), orEmpty(d.Counters)}
}

func comparableReport(r winchester.DebugReport) comparableDebugger {
	return comparableDebugger{r.Match.Passed, r.Match.Failed, orEmpty(r.Match.Reasons), orEmpty(r.Counters)}
}

func orEmpty(m map[string]int64) map[string]int64 {
	if m == nil {
		return map[string]int64{}
	}
	return m
}

func TestGoldenDebug(t *testing.T) {
	t.Parallel()
	var golden struct {
		Cases []struct {
			Scenario   string
			DebugLevel int `json:"debug_level"`
			Final      map[string]goldenDebugger
			Steps      []struct {
				Step      int
				Debuggers map[string]goldenDebugger
			}
			Note, Optional string
		}
		Dumps []struct {
			Scenario   string
			DebugLevel json.RawMessage `json:"debug_level"`
			Lines      []string
			SecondDump []string `json:"second_dump"`
		}
	}
	readGolden(t, &golden, "debug", "cases.json")
	excused := deviations{}
	t.Run("cases", func(t *testing.T) {
		for _, c := range golden.Cases {
			t.Run(strings.TrimSuffix(c.Scenario, ".json"), func(t *testing.T) {
				r := newScenarioRun(t, readScenario(t, c.Scenario))
				r.play(func(step int) {
					for _, s := range c.Steps {
						if s.Step == step {
							r.compareDebuggers(fmt.Sprintf("after step %d", step), s.Debuggers)
						}
					}
				}, c.DebugLevel)
				r.diffs = slices.DeleteFunc(r.diffs, func(d string) bool { return !strings.HasPrefix(d, "debug ") })
				r.compareDebuggers("at the end", c.Final)
				if r.s.Optional == "" {
					r.s.Optional = c.Optional
				}
				r.report(t, excused)
			})
		}
	})
	t.Run("dumps", func(t *testing.T) {
		for i, d := range golden.Dumps {
			t.Run(fmt.Sprintf("%d_%s", i, strings.TrimSuffix(d.Scenario, ".json")), func(t *testing.T) {
				var levels []int
				if json.Unmarshal(d.DebugLevel, &levels) != nil {
					levels = make([]int, 1)
					if err := json.Unmarshal(d.DebugLevel, &levels[0]); err != nil {
						t.Fatal(err)
					}
				}
				r := newScenarioRun(t, readScenario(t, d.Scenario))
				r.play(nil, levels...)
				for _, want := range [][]string{d.Lines, d.SecondDump} {
					var got []string
					for _, report := range r.triggers.Debug(true) {
						got = append(got, report.Lines()...)
					}
					if g, w := dumpSections(got), dumpSections(want); !reflect.DeepEqual(g, w) {
						t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
					}
				}
			})
		}
	})
	for id, cases := range excused { // they are checked for staleness by the scenarios themselves
		t.Logf("deviation %s excuses %s", id, strings.Join(cases, ", "))
	}
}

func readScenario(t *testing.T, file string) *scenario {
	t.Helper()
	dir, _ := goldenDir()
	if _, err := os.Stat(filepath.Join(dir, "scenarios", file)); err != nil {
		t.Skipf("scenario %s is not in %s; name a full set of recordings with %s", file, dir, goldenEnv)
	}
	var s scenario
	readGolden(t, &s, "scenarios", file)
	return &s
}

func (r *scenarioRun) compareDebuggers(when string, want map[string]goldenDebugger) {
	got := map[string]winchester.DebugReport{}
	for _, report := range r.triggers.Debug(false) {
		got[report.Trigger] = report
	}
	for name, w := range want {
		if g, w := comparableReport(got[name]), w.comparable(); !reflect.DeepEqual(g, w) {
			r.differ("debug %s: trigger %s:\n got %+v\nwant %+v", when, name, g, w)
		}
	}
}

// dumpSections sorts the lines of a dump by trigger, without those about the
// fire criteria.
func dumpSections(lines []string) map[string][]string {
	out := map[string][]string{}
	section, fire := "", false
	for _, line := range lines {
		switch {
		case strings.HasPrefix(line, "---- Trigger Definition: "):
			section, fire = line, false
			out[section] = []string{}
			continue
		case strings.HasPrefix(line, "Fire Criteria: "):
			fire = true
			continue
		case !strings.HasPrefix(line, " - "):
			fire = false
		}
		if !fire {
			out[section] = append(out[section], line)
		}
	}
	for _, s := range out {
		slices.Sort(s)
	}
	return out
}
