package distiller_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
)

// The golden tests compare this implementation with recordings of the
// original. They read testdata/golden of the repository, or, to run another
// set of recorded cases through the same tests, the directory that
// WINCHESTER_GOLDEN names.

func goldenDir() (dir string, own bool) {
	if dir := os.Getenv("WINCHESTER_GOLDEN"); dir != "" {
		return filepath.Join(dir, "distiller"), false
	}
	return filepath.Join("..", "testdata", "golden", "distiller"), true
}

// goldenFile skips the test if there is no such file: the recordings that were
// made of another project's notifications are not in the repository.
func goldenFile(t testing.TB, name string) []byte {
	t.Helper()
	dir, _ := goldenDir()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("%s is not in %s; let WINCHESTER_GOLDEN name a complete set of recordings", name, dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func goldenJSON(t testing.TB, name string, into any) {
	t.Helper()
	if err := json.Unmarshal(goldenFile(t, name), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func goldenLines(t testing.TB, name string, count int) [][]byte {
	t.Helper()
	var out [][]byte
	scanner := bufio.NewScanner(bytes.NewReader(goldenFile(t, name)))
	scanner.Buffer(nil, 1<<24)
	for scanner.Scan() {
		out = append(out, bytes.Clone(scanner.Bytes()))
	}
	if len(out) < count {
		t.Fatalf("%s has %d lines, want %d", name, len(out), count)
	}
	return out[:count]
}

type goldenCase struct {
	Name, Definitions, Notifications, Expected string
	CatchAll                                   bool
	Now                                        time.Time
	Count                                      int
}

func TestGolden(t *testing.T) {
	t.Parallel()
	var cases []goldenCase
	goldenJSON(t, "cases.json", &cases)
	excused := &tally{}
	t.Run("cases", func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				runGoldenCase(t, c, excused)
			})
		}
	})
	t.Run("definitions", func(t *testing.T) { runGoldenDefinitions(t, excused) })
	excused.report(t)
}

func runGoldenCase(t *testing.T, c goldenCase, excused *tally) {
	definitions, err := distiller.Load(c.Definitions, goldenFile(t, c.Definitions), nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := distiller.New(distiller.Config{Definitions: definitions, CatchAll: c.CatchAll, Now: func() time.Time { return c.Now }})
	if err != nil {
		t.Fatal(err)
	}
	notifications, expected := goldenLines(t, c.Notifications, c.Count), goldenLines(t, c.Expected, c.Count)
	for i := range notifications {
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			t.Parallel()
			var want recorded
			decodeNumbers(t, expected[i], &want)
			got := distil(t, d, notifications[i])
			faults := compare(want, got)
			if len(faults) == 0 {
				return
			}
			if excused.cover(t.Name(), want, got, faults) {
				return
			}
			t.Errorf("%s\nnotification %s\nrecorded     %s\ngot          %+v %v", strings.Join(faults, "\n"), notifications[i], expected[i], got.event, got.err)
		})
	}
}

func decodeNumbers(t *testing.T, data []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
}

// distil goes all the ways there are, and insists that they lead to the same.
func distil(t *testing.T, d *distiller.Distiller, body []byte) outcome {
	t.Helper()
	event, err := d.Distill(body)
	var decoded map[string]any
	decodeNumbers(t, body, &decoded)
	same(t, "the decoded notification", event, err)(d.DistillMap(decoded))
	wrapped, wrapErr := json.Marshal(map[string]string{"oslo.version": "2.0", "oslo.message": string(body)})
	if wrapErr != nil {
		t.Fatal(wrapErr)
	}
	same(t, "the notification in an envelope", event, err)(d.Distill(wrapped))
	types := typeCondenser{types: map[string]distiller.Type{}}
	if condenseErr := d.Condense(body, &types); (condenseErr == nil) != (err == nil) && !errors.Is(err, winchester.ErrInvalidEvent) {
		t.Errorf("Condense: %v, Distill: %v", condenseErr, err)
	}
	return outcome{event, types.types, err}
}

func same(t *testing.T, what string, event winchester.Event, err error) func(winchester.Event, error) {
	return func(other winchester.Event, otherErr error) {
		t.Helper()
		if fmt.Sprint(err) != fmt.Sprint(otherErr) || fmt.Sprint(event) != fmt.Sprint(other) {
			t.Errorf("%s gives %+v, %v\nbut bare it is %+v, %v", what, other, otherErr, event, err)
		}
	}
}

// typeCondenser notes what type each trait was announced with.
type typeCondenser struct {
	distiller.MapCondenser
	types map[string]distiller.Type
}

func (c *typeCondenser) AddTrait(name string, t distiller.Type, _ any) { c.types[name] = t }

var goldenFault = regexp.MustCompile(`^f\.yaml:[0-9]+:[0-9]+: \[0\]`)

func runGoldenDefinitions(t *testing.T, excused *tally) {
	var cases []struct {
		Name, Why, Error, Detail string
		Definitions              json.RawMessage
		OK                       bool
	}
	goldenJSON(t, "definition_errors.json", &cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			_, err := distiller.Load("f.yaml", c.Definitions, nil)
			if (err == nil) == c.OK {
				if err != nil && (!errors.Is(err, winchester.ErrDefinition) || !goldenFault.MatchString(err.Error())) {
					t.Errorf("%v is no ErrDefinition with a position", err)
				}
				return
			}
			faults := []string{fmt.Sprintf("definition: recorded ok=%t (%s), got %v", c.OK, c.Detail, err)}
			if !excused.cover(t.Name(), recorded{}, outcome{err: err}, faults) {
				t.Errorf("%s\n%s", faults[0], c.Definitions)
			}
		})
	}
}

// tally counts what each rule has excused.
type tally struct {
	mu    sync.Mutex
	cases map[string][]string
}

// cover tells whether every difference of a case is covered by a rule.
func (y *tally) cover(name string, want recorded, got outcome, faults []string) bool {
	var used []string
	for _, f := range faults {
		covered := false
		for _, r := range deviations {
			if r.excuses(f, want, got) {
				used, covered = append(used, r.id), true
				break
			}
		}
		if !covered {
			return false
		}
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.cases == nil {
		y.cases = map[string][]string{}
	}
	for _, id := range used {
		if list := y.cases[id]; len(list) == 0 || list[len(list)-1] != name {
			y.cases[id] = append(list, name)
		}
	}
	return true
}

// report logs what was excused, and fails the test if a rule has become
// useless.
func (y *tally) report(t *testing.T) {
	_, own := goldenDir()
	listed, err := os.ReadFile(filepath.Join("..", "docs", "deviations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range deviations {
		if !strings.Contains(string(listed), "| `"+r.id+"` |") {
			t.Errorf("deviation %s is not in docs/deviations.md", r.id)
		}
		list := y.cases[r.id]
		t.Logf("deviation %s excused %d: %s", r.id, len(list), strings.Join(list, " "))
		if own && len(list) == 0 {
			t.Errorf("deviation %s excuses nothing", r.id)
		}
	}
}
