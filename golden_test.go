package winchester_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/timex"
)

// The golden tests compare this implementation with recordings of the
// original. They read testdata/golden, or, to run another set of recorded
// cases through the same tests, the directory that WINCHESTER_GOLDEN names.

const goldenEnv = "WINCHESTER_GOLDEN"

// goldenDir returns the directory of recordings, and whether it is the
// repository's own.
func goldenDir() (dir string, own bool) {
	if dir := os.Getenv(goldenEnv); dir != "" {
		return dir, false
	}
	return filepath.Join("testdata", "golden"), true
}

func readGolden(t *testing.T, into any, path ...string) {
	t.Helper()
	dir, _ := goldenDir()
	data, err := os.ReadFile(filepath.Join(append([]string{dir}, path...)...))
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("no recording %s in %s", filepath.Join(path...), dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// typed is a typed value as the recordings write it.
type typed struct {
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
}

const goldenTime = "2006-01-02T15:04:05.000000Z"

func (v typed) decode() (any, error) {
	text := func() string {
		var s string
		_ = json.Unmarshal(v.Value, &s)
		return s
	}
	switch v.Type {
	case "none":
		return nil, nil
	case "string", "uuid":
		return text(), nil
	case "int":
		var n int64
		err := json.Unmarshal(v.Value, &n)
		return n, err
	case "float":
		var f float64
		err := json.Unmarshal(v.Value, &f)
		return f, err
	case "bool":
		var b bool
		err := json.Unmarshal(v.Value, &b)
		return b, err
	case "datetime":
		return time.Parse(goldenTime, text())
	case "timerange":
		var r struct{ Begin, End string }
		if err := json.Unmarshal(v.Value, &r); err != nil {
			return nil, err
		}
		begin, err1 := time.Parse(goldenTime, r.Begin)
		end, err2 := time.Parse(goldenTime, r.End)
		return timex.Range{Begin: begin, End: end}, errors.Join(err1, err2)
	}
	return nil, fmt.Errorf("typed value of unknown type %q", v.Type)
}

func decodeTraits(t *testing.T, in map[string]typed) winchester.Traits {
	t.Helper()
	out := winchester.Traits{}
	for name, v := range in {
		value, err := v.decode()
		if err != nil {
			t.Fatalf("trait %s: %v", name, err)
		}
		out[name] = value
	}
	return out
}

func traitsText(traits winchester.Traits) string {
	b, err := traits.AppendJSON(nil)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// goldenEvent is an event as the recordings write it. A missing key means that
// the event lacks it.
type goldenEvent struct {
	EventType string           `json:"event_type"`
	MessageID string           `json:"message_id"`
	Timestamp string           `json:"timestamp"`
	Traits    map[string]typed `json:"traits"`
}

func (e goldenEvent) decode(t *testing.T) winchester.Event {
	t.Helper()
	out := winchester.Event{EventType: e.EventType, MessageID: e.MessageID, Traits: decodeTraits(t, e.Traits)}
	if e.Timestamp != "" {
		at, err := time.Parse(goldenTime, e.Timestamp)
		if err != nil {
			t.Fatal(err)
		}
		out.Timestamp = at
	}
	return out
}

func eventText(e winchester.Event) string {
	return fmt.Sprintf("%s %s %s %s", e.MessageID, e.EventType, e.Timestamp.Format(goldenTime), traitsText(e.Traits))
}

// idsByTime lists message ids in the order of the events; among events of
// equal time, where the original has no order, by id.
func idsByTime(events []winchester.Event) []string {
	sorted := slices.Clone(events)
	for i := 0; i < len(sorted); {
		j := i + 1
		for j < len(sorted) && sorted[j].Timestamp.Equal(sorted[i].Timestamp) {
			j++
		}
		slices.SortFunc(sorted[i:j], func(a, b winchester.Event) int { return strings.Compare(a.MessageID, b.MessageID) })
		i = j
	}
	ids := make([]string, len(sorted))
	for i, e := range sorted {
		ids[i] = e.MessageID
	}
	return ids
}

// deviations collects which cases each listed deviation has excused.
type deviations map[string][]string

// check fails if a listed deviation excuses nothing any more, or is not
// explained in docs/deviations.md.
func (d deviations) check(t *testing.T, ids ...string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("docs", "deviations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, own := goldenDir()
	for _, id := range ids {
		if !strings.Contains(string(text), "| `"+id+"` |") {
			t.Errorf("deviation %s is not listed in docs/deviations.md", id)
		}
		switch cases := d[id]; {
		case len(cases) > 0:
			t.Logf("deviation %s excuses %s", id, strings.Join(cases, ", "))
		case own:
			t.Errorf("deviation %s excuses nothing any more: take it out", id)
		}
	}
}
