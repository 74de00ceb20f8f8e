package simulate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/config"
	"github.com/seed71495667/winchester/distiller"
	"github.com/seed71495667/winchester/simulate"
)

var start = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func read(t *testing.T, parts ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestWorkedExample: docs/simulate.md shows the files of the example, what
// comes of them, and what a difference looks like.
func TestWorkedExample(t *testing.T) {
	t.Parallel()
	doc := string(read(t, "..", "docs", "simulate.md"))
	shown := func(what, text string) {
		t.Helper()
		if !strings.Contains(doc, "\n"+strings.TrimRight(text, "\n")+"\n```") {
			t.Errorf("docs/simulate.md does not show %s:\n%s", what, text)
		}
	}
	dir := filepath.Join("testdata", "orders")
	for _, file := range []string{"triggers.yaml", "events.jsonl", "expect.yaml"} {
		shown(file, string(read(t, dir, file)))
	}
	cfg, err := config.Load(filepath.Join(dir, "winchester.yaml"), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	run := func(triggers []winchester.TriggerDefinition) *simulate.Report {
		s := simulation(t, simulate.Config{Triggers: triggers, Pipelines: cfg.Pipelines})
		for line := range bytes.Lines(read(t, dir, "events.jsonl")) {
			var e winchester.Event
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			add(t, s, e)
		}
		return finish(t, s, time.Time{})
	}
	report := run(cfg.Triggers)
	shown("the report", report.String())
	x, err := simulate.ParseExpectation("expect.yaml", read(t, dir, "expect.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if diffs := x.Compare(report); len(diffs) > 0 {
		t.Errorf("%v", diffs)
	}
	wrong := cfg.Triggers[0]
	wrong.FireCriteria = append([]winchester.Criterion{}, wrong.FireCriteria...)
	wrong.FireCriteria[1].Traits = map[string]any{"state": "pending"}
	shown("the differences", x.Compare(run([]winchester.TriggerDefinition{wrong})).String())
}

func simulation(t *testing.T, c simulate.Config) *simulate.Simulation {
	t.Helper()
	s, err := simulate.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func add(t *testing.T, s *simulate.Simulation, events ...winchester.Event) {
	t.Helper()
	for _, e := range events {
		if _, err := s.AddEvent(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

func finish(t *testing.T, s *simulate.Simulation, until time.Time) *simulate.Report {
	t.Helper()
	r, err := s.Finish(t.Context(), until)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// event happens so many minutes after the start.
func event(id, kind string, minutes float64) winchester.Event {
	return winchester.Event{
		MessageID: id, EventType: kind, Timestamp: start.Add(time.Duration(minutes * float64(time.Minute))), Traits: winchester.Traits{"k": "x"},
	}
}

func of(k string, e winchester.Event) winchester.Event {
	e.Traits = winchester.Traits{"k": k}
	return e
}

func trigger(change func(*winchester.TriggerDefinition)) []winchester.TriggerDefinition {
	d := winchester.TriggerDefinition{
		Name: "t", DistinguishedBy: winchester.By("k"), MatchCriteria: []winchester.Criterion{{EventTypes: []string{"a", "z"}}},
		FireCriteria: []winchester.Criterion{{EventTypes: []string{"z"}}}, Expiration: "$last + 10m", FirePipeline: "f", ExpirePipeline: "e",
	}
	if change != nil {
		change(&d)
	}
	return []winchester.TriggerDefinition{d}
}

// lives is how each stream ends, in minutes, and with what.
func lives(r *simulate.Report) string {
	var out []string
	for _, l := range r.Streams {
		at := ""
		if !l.At.IsZero() {
			at = fmt.Sprintf(" %g", l.At.Sub(start).Minutes())
		}
		out = append(out, l.Ends+at+" "+strings.Join(l.Events, ","))
	}
	return strings.Join(out, "; ")
}

// TestClock: what is due before an event is run before it is added, at the time
// it is due.
func TestClock(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*winchester.TriggerDefinition)
		events []winchester.Event
		until  float64
		want   string
	}{
		"fires at once":                 {nil, []winchester.Event{event("1", "a", 0), event("2", "z", 3), event("3", "a", 4)}, 0, "fired 3 1,2; expired 14 3"},
		"what comes at that very time":  {nil, []winchester.Event{event("1", "z", 0), event("2", "a", 0), event("3", "a", 0.001)}, 0, "fired 0 1,2; expired 10.001 3"},
		"fires later":                   {func(d *winchester.TriggerDefinition) { d.FireDelay = 5 * time.Minute }, []winchester.Event{event("1", "z", 0), event("2", "a", 4), event("3", "a", 5), event("4", "a", 6)}, 0, "fired 5 1,2,3; expired 16 4"},
		"expires before it would fire":  {func(d *winchester.TriggerDefinition) { d.FireDelay = time.Hour }, []winchester.Event{event("1", "z", 0)}, 0, "expired 10 1"},
		"expires between two":           {nil, []winchester.Event{event("1", "a", 0), event("2", "a", 9), event("3", "a", 20)}, 0, "expired 19 1,2; expired 30 3"},
		"at the very moment of expiry":  {nil, []winchester.Event{event("1", "a", 0), event("2", "a", 10)}, 0, "expired 10 1; expired 20 2"},
		"late":                          {nil, []winchester.Event{event("2", "a", 5), event("1", "a", 0)}, 0, "expired 15 1,2"},
		"expired when it comes":         {nil, []winchester.Event{event("1", "a", 60), of("y", event("2", "a", 0)), event("3", "a", 61)}, 0, "expired 71 1,3; expired 60 2"},
		"expired when it comes, twice":  {nil, []winchester.Event{event("1", "a", 60), of("y", event("2", "a", 0)), of("y", event("3", "a", 1)), event("4", "a", 61)}, 0, "expired 71 1,4; expired 60 2; expired 60 3"},
		"ready when it has expired":     {nil, []winchester.Event{event("1", "a", 60), of("y", event("2", "z", 0)), event("3", "a", 61)}, 0, "expired 71 1,3; fired 60 2"},
		"sorted for the handlers":       {nil, []winchester.Event{event("2", "a", 1), event("1", "a", 0), event("3", "z", 1)}, 0, "fired 1 1,2,3"},
		"until a time, which is not it": {nil, []winchester.Event{event("1", "a", 0)}, 9, "active 1"},
		"until a time, which is it":     {nil, []winchester.Event{event("1", "a", 0)}, 10, "expired 10 1"},
		"by the clock":                  {func(d *winchester.TriggerDefinition) { d.Expiration = "$timestamp + 1h" }, []winchester.Event{event("1", "a", 0), event("2", "a", 30)}, 0, "expired 90 1,2"},
		"in a far future":               {func(d *winchester.TriggerDefinition) { d.Expiration = "$last + 500y" }, []winchester.Event{event("1", "a", 0)}, 0, "expired 1.5372286728091294e+08 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := simulation(t, simulate.Config{Triggers: trigger(c.change)})
			add(t, s, c.events...)
			until := time.Time{}
			if c.until > 0 {
				until = start.Add(time.Duration(c.until * float64(time.Minute)))
			}
			if got := lives(finish(t, s, until)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestPipelines: what is reported is the trigger's own, also where it has none.
func TestPipelines(t *testing.T) {
	t.Parallel()
	s := simulation(t, simulate.Config{
		Triggers: trigger(func(d *winchester.TriggerDefinition) { d.ExpirePipeline = "" }),
		Pipelines: []winchester.PipelineDefinition{{Name: "f", Handlers: []winchester.HandlerSpec{
			{Name: "not registered", Params: map[string]any{"x": 1}}, {Name: "nor this"},
		}}},
	})
	add(t, s, event("1", "z", 0), event("2", "a", 1))
	r := finish(t, s, time.Time{})
	if got := lives(r); got != "fired 0 1; expired 11 2" {
		t.Fatal(got)
	}
	for _, line := range []string{
		`  2026-01-05T09:00:00Z  fired: pipeline "f" (not registered, nor this), with 1 event: "1"`,
		`  2026-01-05T09:11:00Z  expired: no pipeline, with 1 event: "2"`,
		`    never met: fire criterion 1 (z): has 0 of 1`,
	} {
		if !strings.Contains(r.String(), line+"\n") {
			t.Errorf("there is no line %q in\n%s", line, r)
		}
	}
}

// TestManyDueAtOnce: more than one batch, and lives too long to be printed whole.
func TestManyDueAtOnce(t *testing.T) {
	t.Parallel()
	s := simulation(t, simulate.Config{Triggers: trigger(nil)})
	for i := range 1200 {
		e := event(fmt.Sprint("m", i), "a", 0)
		e.Traits = winchester.Traits{"k": i}
		add(t, s, e)
	}
	for i := range 40 {
		e := event(fmt.Sprint("n", i), "a", 0)
		e.Traits = winchester.Traits{"k": 0}
		add(t, s, e)
	}
	r := finish(t, s, time.Time{})
	for _, l := range r.Streams {
		if !l.At.Equal(start.Add(10 * time.Minute)) {
			t.Fatalf("%s at %s", l.Ends, l.At)
		}
	}
	text := r.String()
	if !strings.HasSuffix(text, "1200 streams: 0 fired, 1200 expired, 0 active in the end.\n") || !strings.Contains(text, "  ... 16 more events\n") ||
		!strings.Contains(text, " and 31 more\n") || strings.Count(text, "never met") != 20 {
		t.Errorf("%s", text[max(0, len(text)-1000):])
	}
}

// TestNotifications: with a distiller, one by one or in batches.
func TestNotifications(t *testing.T) {
	t.Parallel()
	definitions, err := distiller.LoadSources(nil, distiller.Source{File: "d.yaml", Data: []byte("- event_type: a\n  traits:\n    k: {fields: payload.k}\n")})
	if err != nil {
		t.Fatal(err)
	}
	d, err := distiller.New(distiller.Config{Definitions: definitions})
	if err != nil {
		t.Fatal(err)
	}
	body := func(id, kind string, minute int) string {
		return fmt.Sprintf(`{"message_id": %q, "event_type": %q, "timestamp": "2026-01-05 09:%02d:00", "publisher_id": "p", "priority": "INFO", "payload": {"k": "x"}}`, id, kind, minute)
	}
	s := simulation(t, simulate.Config{Triggers: trigger(nil), Distiller: d})
	for _, text := range []string{body("1", "a", 0), "[" + body("2", "a", 1) + "," + body("3", "other", 1) + "]", body("1", "a", 2)} {
		if err := s.AddNotification(t.Context(), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"{}", "[{}," + body("4", "a", 3) + "]"} {
		if err := s.AddNotification(t.Context(), []byte(text)); !errors.Is(err, winchester.ErrInvalidEvent) {
			t.Errorf("%s: %v", text, err)
		}
	}
	r := finish(t, s, time.Time{})
	if got := lives(r); got != "expired 13 1,2,4" {
		t.Error(got)
	}
	if want := (simulate.Counts{Stored: 3, Duplicates: 1, Dropped: 1, Failed: 2}); r.Counts != want {
		t.Errorf("%+v", r.Counts)
	}
	none := simulation(t, simulate.Config{Triggers: trigger(nil)})
	if err := none.AddNotification(t.Context(), []byte(body("1", "a", 0))); !errors.Is(err, winchester.ErrNoDistiller) {
		t.Error(err)
	}
}

// TestFaults: what cannot be simulated is said before anything is.
func TestFaults(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]simulate.Config{
		"there are no triggers": {},
		`trigger "t": unknown pipeline "e"`: {
			Triggers: trigger(nil), Pipelines: []winchester.PipelineDefinition{{Name: "f"}},
		},
		"expiration: is missing": {Triggers: trigger(func(d *winchester.TriggerDefinition) { d.Expiration = "" })},
		"at least one of fire_pipeline and expire_pipeline is required": {Triggers: trigger(func(d *winchester.TriggerDefinition) {
			d.FirePipeline, d.ExpirePipeline = "", ""
		})},
	} {
		if _, err := simulate.New(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
	s := simulation(t, simulate.Config{Triggers: trigger(nil)})
	if _, err := s.AddEvent(t.Context(), winchester.Event{MessageID: "1"}); !errors.Is(err, winchester.ErrInvalidEvent) {
		t.Error(err)
	}
	add(t, s, event("2", "a", 0))
	if r := finish(t, s, time.Time{}); r.Failed != 1 || r.Stored != 1 || lives(r) != "expired 10 2" {
		t.Errorf("%s", r)
	}
	empty := simulation(t, simulate.Config{Triggers: trigger(nil)})
	if r := finish(t, empty, time.Time{}); len(r.Streams) != 0 || r.Stored != 0 {
		t.Errorf("%s", r)
	}
}
