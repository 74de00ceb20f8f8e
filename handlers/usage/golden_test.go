package usage_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/handlers/usage"
	"github.com/seed71495667/winchester/internal/testgolden"
)

// TestGoldenUsage compares the handler with recordings of the original:
// testdata/golden of the repository, or the directory that WINCHESTER_GOLDEN
// names. Where the two differ, a rule in deviations_test.go must say why.
func TestGoldenUsage(t *testing.T) {
	t.Parallel()
	dir, own := os.Getenv("WINCHESTER_GOLDEN"), false
	if dir == "" {
		dir, own = filepath.Join("..", "..", "testdata", "golden"), true
	}
	cases := testgolden.Cases[goldenCase](t, filepath.Join(dir, "usage", "cases.jsonl"))
	excused := newExcuses()
	t.Run("cases", func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				c.run(t, excused)
			})
		}
	})
	for _, rule := range deviationIDs() {
		names := excused.by(rule)
		t.Logf("%s excused %d of %d cases: %q", rule, len(names), len(cases), names)
		if own && len(names) == 0 {
			t.Errorf("rule %s excuses nothing: remove it", rule)
		}
	}
}

// goldenCase is one run of the original.
type goldenCase struct {
	Name      string                        `json:"name"`
	StreamID  int64                         `json:"stream_id"`
	Events    []map[string]testgolden.Value `json:"events"`
	NewEvents []map[string]testgolden.Value `json:"new_events"`
	Warnings  []string                      `json:"warnings"`
	Codes     []*string                     `json:"codes"`
	Raised    string                        `json:"raised"`
	Detail    string                        `json:"detail"`
}

// runTime is what the clock says when the cases are run.
var runTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (c goldenCase) run(t *testing.T, excused *excuses) {
	in := make([]winchester.Event, len(c.Events))
	for i, e := range c.Events {
		in[i] = testgolden.Event(t, e)
	}
	before := canonicalAll(t, in)
	env := &winchester.Env{StreamID: c.StreamID, StreamName: "test", Now: runTime}
	out, err := usage.New(usage.Params{}).HandleEvents(t.Context(), in, env)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < len(in) || !slices.Equal(canonicalAll(t, out[:len(in)]), before) || !slices.Equal(canonicalAll(t, in), before) {
		t.Fatalf("the events handed in were changed:\n got %s\nwant %s", canonicalAll(t, out), before)
	}
	made := out[len(in):]

	checkVerdicts(t, in, made)
	if c.Raised != "" {
		c.excuseException(t, made, excused)
		return
	}
	want := make([]recorded, len(c.NewEvents))
	for i, e := range c.NewEvents {
		want[i] = canonical(t, testgolden.Event(t, e))
	}
	got := make([]recorded, len(made))
	for i, e := range made {
		got[i] = canonical(t, e)
	}
	c.excuseValues(in, got, want, excused)
	if !slices.Equal(got, want) {
		t.Errorf("new events\n got %s\nwant %s", got, want)
	}
	codes, warnings := summary(made)
	if want := fmt.Sprint(texts(c.Codes)); fmt.Sprint(codes) != want {
		t.Errorf("codes\n got %s\nwant %s", codes, want)
	}
	// A record repeats the warnings of those before it, so the last warnings
	// event of a stream has all that the recording lists.
	if last := lastOf(warnings); last != joined(c.Warnings) {
		t.Errorf("warnings\n got %s\nwant %s", last, joined(c.Warnings))
	}
}

// recorded is an event in a form that can be compared and masked.
type recorded struct{ id, eventType, timestamp, traits string }

func canonical(t *testing.T, e winchester.Event) recorded {
	t.Helper()
	traits, err := e.Traits.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := recorded{id: e.MessageID, eventType: e.EventType, traits: string(traits)}
	if !e.Timestamp.IsZero() {
		r.timestamp = e.Timestamp.Format(goldenTime)
	}
	return r
}

func (r recorded) String() string {
	return fmt.Sprintf("\n  %s %s at %s %s", r.eventType, r.id, r.timestamp, r.traits)
}

func canonicalAll(t *testing.T, events []winchester.Event) []recorded {
	t.Helper()
	out := make([]recorded, len(events))
	for i, e := range events {
		out[i] = canonical(t, e)
	}
	return out
}

const goldenTime = "2006-01-02T15:04:05.000000Z"
