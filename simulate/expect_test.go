package simulate_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/simulate"
)

// TestCompare: whatever is not as expected is said, and nothing else.
func TestCompare(t *testing.T) {
	t.Parallel()
	s := simulation(t, simulate.Config{Triggers: trigger(nil)})
	add(t, s, event("m1", "a", 0), event("m2", "z", 1), of("y", event("m3", "a", 2)), event("m4", "a", 3), of("w", event("m5", "a", 30)), event("m6", "other", 30))
	r := finish(t, s, start.Add(35*time.Minute))
	if got := lives(r); got != "fired 1 m1,m2; expired 12 m3; expired 13 m4; active m5" {
		t.Fatal(got)
	}
	const whole = `
  - {trigger: t, traits: {k: x}, ends: fired, at: "2026-01-05T09:01:00Z", pipeline: f, events: [m1, m2]}
  - {trigger: t, traits: {k: y}, ends: expired, at: "2026-01-05T10:12:00+01:00", pipeline: e, events: [m3]}
  - {trigger: t, traits: {k: x}, ends: expired}
  - {trigger: t, traits: {k: w}, ends: active, events: [m5]}
`
	for name, c := range map[string]struct{ expect, want string }{
		"all":                       {"events: {stored: 6, duplicates: 0, dropped: 0, failed: 0, unfiled: 1}\nstreams:" + whole, ""},
		"counts":                    {"events: {stored: 5, unfiled: 1}\nstreams:" + whole, "x.yaml: Events: stored: want 5, got 6"},
		"of several, one that fits": {"streams:\n  - {trigger: t, events: [m4]}\n  - {trigger: t, traits: {k: x}}\n  - {trigger: t, traits: {k: w}}\n  - {trigger: t}", ""},
		"others":                    {"others: allowed\nstreams:\n  - {trigger: t, ends: active}", ""},
		"not expected": {"others: forbidden\nstreams:\n  - {trigger: t, traits: {k: x}}\n  - {trigger: t, traits: {k: x}}\n  - {trigger: t, traits: {k: y}}",
			`x.yaml: Stream 4 of trigger "t": k = w: not expected: active; fire criterion 1 (z) has 0 of 1 ` +
				`(nearest m5: event_type: want z, got a (Wrong event type))`},
		"missing": {"others: allowed\nstreams:\n  - {trigger: u, traits: {k: x}}\n  - {trigger: t, traits: {k: 5}}\n  - {trigger: t, traits: {q: x}}",
			`x.yaml:3: Stream of trigger "u": k = x: expected, but there is none, or none left` + "\n" +
				`x.yaml:4: Stream of trigger "t": k = 5: expected, but there is none, or none left` + "\n" +
				`x.yaml:5: Stream of trigger "t": q = x: expected, but there is none, or none left`},
		"ends": {"others: allowed\nstreams:\n  - {trigger: t, traits: {k: y}, ends: fired}",
			`x.yaml:3: Stream 2 of trigger "t": k = y: ends: want fired, got expired at 2026-01-05T09:12:00Z; fire criterion 1 (z) has 0 of 1 ` +
				`(nearest m3: event_type: want z, got a (Wrong event type))`},
		"at": {"others: allowed\nstreams:\n  - {trigger: t, traits: {k: y}, at: '2026-01-05T09:12:01Z'}\n  - {trigger: t, traits: {k: w}, at: '2026-01-05T09:12:01Z'}",
			`x.yaml:3: Stream 2 of trigger "t": k = y: at: want 2026-01-05T09:12:01Z, got 2026-01-05T09:12:00Z` + "\n" +
				`x.yaml:4: Stream 4 of trigger "t": k = w: at: want 2026-01-05T09:12:01Z, got never`},
		"pipeline": {"others: allowed\nstreams:\n  - {trigger: t, traits: {k: y}, pipeline: f}\n  - {trigger: t, traits: {k: w}, pipeline: e}",
			`x.yaml:3: Stream 2 of trigger "t": k = y: pipeline: want f, got e` + "\n" + `x.yaml:4: Stream 4 of trigger "t": k = w: pipeline: want e, got none`},
		"events": {"others: allowed\nstreams:\n  - {trigger: t, traits: {k: x}, events: [m2, m1]}\n  - {trigger: t, traits: {k: y}, events: [m3, m9]}\n  - {trigger: t, traits: {k: w}, events: []}",
			`x.yaml:3: Stream 1 of trigger "t": k = x: events: want [m2, m1], got [m1, m2] (in another order)` + "\n" +
				`x.yaml:4: Stream 2 of trigger "t": k = y: events: want [m3, m9], got [m3] (lacks [m9])` + "\n" +
				`x.yaml:5: Stream 4 of trigger "t": k = w: events: want [], got [m5] (has besides [m5])`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, err := simulate.ParseExpectation("x.yaml", []byte(c.expect))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range x.Compare(r) {
				got = append(got, d.String())
			}
			if got := strings.Join(got, "\n"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestExpectationFaults: what is wrong with the file is said, with its place.
func TestExpectationFaults(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                    "x.yaml:1:1: expected a map with the key streams, found nothing",
		"streams:":                            "x.yaml:1:1: streams is missing",
		"stream: []":                          `x.yaml:1:1: unknown key "stream" (did you mean "streams"?)`,
		"streams: [{ends: fired}]":            "x.yaml:1:11: streams[0]: trigger is missing",
		"streams:\n  - ":                      "x.yaml:2:5: streams[0]: expected a map, found nothing",
		"streams: [{trigger: t, ends: fire}]": `x.yaml:1:30: streams[0].ends: expected one of fired, expired, active, found "fire" (did you mean "fired"?)`,
		"streams: [{trigger: t, at: noon}]":   `x.yaml:1:28: streams[0].at: expected a time such as 2026-01-05T09:00:00Z, found "noon"`,
		"streams: [{trigger: t, traits: {k: [1]}}]":  "x.yaml:1:36: streams[0].traits.k: expected a value; a range of times is text, as begin/end",
		"streams: []\nothers: some":                  `x.yaml:2:9: others: expected one of allowed, forbidden, found "some"`,
		"streams: []\nevents: {stored: -1, drop: 0}": `x.yaml:2:18: events.stored: expected an integer from 0 to`,
		"streams: [": "x.yaml:1:",
	} {
		_, err := simulate.ParseExpectation("x.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}

// TestSavedExpectation: what a report would expect is what it is, however odd
// the names and values.
func TestSavedExpectation(t *testing.T) {
	t.Parallel()
	s := simulation(t, simulate.Config{Triggers: []winchester.TriggerDefinition{{
		Name: "yes: \"t\" #1", DistinguishedBy: []winchester.Distinguisher{{Trait: "k: 1"}, {Trait: "timestamp", Expression: "day"}, {Trait: "event_type"}},
		MatchCriteria: []winchester.Criterion{{}}, FireCriteria: []winchester.Criterion{{EventTypes: []string{"z"}}},
		Expiration: "$last + 1h", ExpirePipeline: "null",
	}}})
	values := []any{"", "x", "5", 5, 5.0, 5.5, 1e21, 1e-7, -1e300, math.Inf(1), true, "true", "null", "052", "a: b", "#", "é\u2028<", "back\\slash\n", start, nil, "2026-01-05T09:00:00Z"}
	for i, v := range values {
		add(t, s, winchester.Event{
			MessageID: "0x" + string(rune('A'+i)) + ", ]", EventType: "a", Timestamp: start.Add(time.Duration(i) * time.Second), Traits: winchester.Traits{"k: 1": v},
		})
	}
	r := finish(t, s, start.Add(time.Hour+5*time.Second))
	saved := r.Expectation()
	x, err := simulate.ParseExpectation("saved.yaml", saved)
	if err != nil {
		t.Fatalf("%v\n%s", err, saved)
	}
	if len(r.Streams) != len(values) {
		t.Fatalf("%d streams", len(r.Streams))
	}
	for _, d := range x.Compare(r) {
		t.Errorf("%s", d)
	}
	for i := range x.Streams {
		if s := &x.Streams[i]; len(s.Traits) != 3 || s.Ends == "" || s.Events == nil {
			t.Errorf("%+v", s)
		}
	}
	empty := simulation(t, simulate.Config{Triggers: trigger(nil)})
	if x, err := simulate.ParseExpectation("empty.yaml", finish(t, empty, time.Time{}).Expectation()); err != nil || len(x.Streams) != 0 {
		t.Errorf("%v, %v", x, err)
	}
}
