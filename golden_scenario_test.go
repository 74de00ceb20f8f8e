package winchester_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/config"
	"github.com/seed71495667/winchester/distiller"
	"github.com/seed71495667/winchester/handlers/usage"
	"github.com/seed71495667/winchester/internal/glob"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/store"
)

// scenario is one recorded run of the original's engine.
type scenario struct {
	Name     string
	Note     string
	Optional string
	Start    string
	Config   struct {
		PurgeCompletedStreams bool `json:"purge_completed_streams"`
		CatchAll              bool `json:"catch_all_notifications"`
	}
	Triggers  []json.RawMessage
	Pipelines json.RawMessage
	Distiller json.RawMessage
	Steps     []struct {
		Op           string
		To           string
		Name         string
		Event        goldenEvent
		Notification json.RawMessage
		Trigger      json.RawMessage
	}
	After []struct {
		Step    int
		Streams []goldenStream
	}
	Results      []goldenResult
	HandlerCalls []goldenRun   `json:"handler_calls"`
	FinalEvents  []goldenEvent `json:"final_events"`
}

type goldenStream struct {
	Trigger         string
	State           string
	DistinguishedBy map[string]typed `json:"distinguished_by"`
	FirstEvent      string           `json:"first_event"`
	LastEvent       string           `json:"last_event"`
	FireTimestamp   string           `json:"fire_timestamp"`
	ExpireTimestamp string           `json:"expire_timestamp"`
	Events          []string
}

func (s goldenStream) text(t *testing.T) string {
	return fmt.Sprint(s.Trigger, " ", traitsText(decodeTraits(t, s.DistinguishedBy)), " ", s.State, " first ", s.FirstEvent,
		" last ", s.LastEvent, " fire ", s.FireTimestamp, " expire ", s.ExpireTimestamp, " ", s.Events)
}

func streamText(s winchester.StoredStream) string {
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(goldenTime)
	}
	return fmt.Sprint(s.Name, " ", traitsText(s.DistinguishingTraits), " ", s.State, " first ", at(s.FirstEvent),
		" last ", at(s.LastEvent), " fire ", at(s.FireTimestamp), " expire ", at(s.ExpireTimestamp), " ", idsByTime(s.Events))
}

type goldenResult struct {
	Step         int
	Saved        *bool
	LoadedFire   *int `json:"loaded_fire"`
	LoadedExpire *int `json:"loaded_expire"`
	Raised       string
}

type goldenRun struct {
	Step            int
	Pass            string
	Pipeline        string
	StreamTrigger   string           `json:"stream_trigger"`
	DistinguishedBy map[string]typed `json:"distinguished_by"`
	Calls           []goldenCall

	key string // DistinguishedBy as text
}

type goldenCall struct {
	Handler, Name, Method string
	EventIDs              []string `json:"event_ids"`
	Raised                bool
}

func (c goldenCall) text() string {
	return fmt.Sprint(c.Handler, "/", c.Name, ".", c.Method, " ", c.EventIDs, " raised=", c.Raised)
}

func (r goldenRun) text(t *testing.T) string {
	if r.key == "" {
		r.key = traitsText(decodeTraits(t, r.DistinguishedBy))
	}
	lines := []string{fmt.Sprint("step ", r.Step, " ", r.Pass, " ", r.Pipeline, " ", r.StreamTrigger, " ", r.key)}
	if len(r.Calls) == 0 {
		lines[0] = fmt.Sprint("step ", r.Step, " no calls")
	}
	for _, c := range r.Calls {
		lines = append(lines, "    "+c.text())
	}
	return strings.Join(lines, "\n")
}

// scenarioRules are the listed deviations. applies looks at a whole scenario.
var scenarioRules = []struct {
	id                string
	applies           func(*scenarioRun) bool
	changesDefinition bool // the recorded definitions cannot be loaded as they are
}{
	{"scenario-expiration-checked-at-load", refused("undefined variable", "unknown function", "refused"), true},
	{"scenario-unknown-operator", refused("unknown operator"), true},
	{"scenario-unknown-key", refused("unknown key"), true},
	{"scenario-useless-mapping", refused("useless mapping"), true},
	{"scenario-mapped-trait", func(r *scenarioRun) bool {
		raised := slices.ContainsFunc(r.s.Results, func(g goldenResult) bool { return g.Raised == "KeyError" })
		return raised && r.definitionsContain("map_distinguished_by")
	}, false},
	{"scenario-new-operators", func(r *scenarioRun) bool {
		return r.definitionsContain(`">= `) || r.definitionsContain(`"<= `) || r.definitionsContain(`"!= `)
	}, false},
}

func refused(reasons ...string) func(*scenarioRun) bool {
	return func(r *scenarioRun) bool {
		return slices.ContainsFunc(reasons, func(reason string) bool { return r.refused[reason] })
	}
}

func (r *scenarioRun) definitionsContain(text string) bool {
	return slices.ContainsFunc(r.s.Triggers, func(d json.RawMessage) bool { return strings.Contains(string(d), text) })
}

func TestGoldenScenarios(t *testing.T) {
	t.Parallel()
	dir, _ := goldenDir()
	files, err := filepath.Glob(filepath.Join(dir, "scenarios", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("no recorded scenarios in " + dir)
	}
	excused := deviations{}
	t.Run("scenarios", func(t *testing.T) {
		for _, file := range files {
			name := filepath.Base(file)
			t.Run(strings.TrimSuffix(name, ".json"), func(t *testing.T) {
				var s scenario
				readGolden(t, &s, "scenarios", name)
				r := newScenarioRun(t, &s)
				r.play(nil)
				r.report(t, excused)
			})
		}
	})
	ids := make([]string, len(scenarioRules))
	for i, rule := range scenarioRules {
		ids[i] = rule.id
	}
	excused.check(t, ids...)
}

// scenarioRun plays a scenario on this implementation.
type scenarioRun struct {
	t        *testing.T
	s        *scenario
	clock    *winchester.ManualClock
	store    winchester.Store
	triggers *winchester.TriggerManager
	workers  *winchester.PipelineManager
	recorder *callRecorder
	refused  map[string]bool // why definitions were refused that the original took
	diffs    []string
}

func newScenarioRun(t *testing.T, s *scenario) *scenarioRun {
	t.Helper()
	start, err := time.Parse(goldenTime, s.Start)
	if err != nil {
		t.Fatal(err)
	}
	st := testdb.Open(t, store.Options{})
	r := &scenarioRun{t: t, s: s, clock: winchester.NewManualClock(start), store: st, recorder: &callRecorder{fails: map[string]int{}}, refused: map[string]bool{}}
	quiet := slog.New(slog.DiscardHandler)
	tc := winchester.TriggerConfig{Store: st, Clock: r.clock, Logger: quiet}
	if len(s.Distiller) > 0 {
		defs, err := distiller.Load("event_definitions", s.Distiller, nil)
		if err != nil {
			t.Fatal(err)
		}
		d, err := distiller.New(distiller.Config{Definitions: defs, CatchAll: s.Config.CatchAll, Now: r.clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		tc.Distiller = d
	}
	if r.triggers, err = winchester.NewTriggerManager(tc); err != nil {
		t.Fatal(err)
	}
	pipelines, err := config.ParsePipelines("pipelines", s.Pipelines)
	if err != nil {
		t.Fatal(err)
	}
	r.workers, err = winchester.NewPipelineManager(winchester.PipelineConfig{
		Triggers: r.triggers, Pipelines: pipelines, Handlers: r.recorder.registry(t), BatchSize: 1000,
		KeepCompleted: !s.Config.PurgeCompletedStreams,
		Retry:         winchester.RetryPolicy{MaxAttempts: 1, OnCommitError: winchester.CommitErrorIgnore},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *scenarioRun) differ(format string, args ...any) {
	r.diffs = append(r.diffs, fmt.Sprintf(format, args...))
}

// addTrigger adds a definition as recorded. One that this implementation
// refuses is noted, and added without what it objects to if that can be.
func (r *scenarioRun) addTrigger(text json.RawMessage, debugLevel *int) {
	r.t.Helper()
	defs, refusal := parseRecordedTrigger(r.t, text)
	if refusal != "" {
		r.refused[refusal] = true
	}
	for _, d := range defs {
		if debugLevel != nil {
			d.DebugLevel = *debugLevel
		}
		if err := r.triggers.AddTrigger(d); err != nil && !errors.Is(err, winchester.ErrTriggerExists) {
			r.t.Fatal(err)
		}
	}
}

// parseRecordedTrigger loads one definition. If it is refused for a listed
// reason, that is returned; unknown keys are taken out and it is tried again.
func parseRecordedTrigger(t *testing.T, text json.RawMessage) ([]winchester.TriggerDefinition, string) {
	t.Helper()
	parse := func(text []byte) ([]winchester.TriggerDefinition, error) {
		return config.ParseTriggers("triggers", append(append([]byte("["), text...), ']'))
	}
	defs, err := parse(text)
	if err == nil {
		return defs, ""
	}
	for _, reason := range []string{"undefined variable", "unknown function", "unknown operator"} {
		if strings.Contains(strings.ToLower(err.Error()), reason) {
			return nil, reason
		}
	}
	var def map[string]any
	if json.Unmarshal(text, &def) != nil {
		t.Fatal(err)
	}
	reason := ""
	for key := range def {
		if !slices.Contains(triggerKeys, key) {
			delete(def, key)
			reason = "unknown key"
		}
	}
	if removeUselessMappings(def) {
		reason = "useless mapping"
	}
	text, _ = json.Marshal(def)
	if defs, err = parse(text); err != nil {
		t.Logf("%s is refused: %v", text, err)
		return nil, "refused"
	}
	return defs, reason
}

// removeUselessMappings takes traits out of map_distinguished_by that are not
// in distinguished_by.
func removeUselessMappings(def map[string]any) (removed bool) {
	distinguishing := map[string]bool{}
	by, _ := def["distinguished_by"].([]any)
	for _, d := range by {
		switch d := d.(type) {
		case string:
			distinguishing[d] = true
		case map[string]any:
			for name := range d {
				distinguishing[name] = true
			}
		}
	}
	criteria, _ := def["match_criteria"].([]any)
	for _, c := range criteria {
		c, _ := c.(map[string]any)
		mapping, _ := c["map_distinguished_by"].(map[string]any)
		for name := range mapping {
			if !distinguishing[name] {
				delete(mapping, name)
				removed = true
			}
		}
	}
	return removed
}

var triggerKeys = []string{
	"name", "debug_level", "distinguished_by", "match_criteria", "fire_criteria", "load_criteria",
	"expiration", "fire_delay", "fire_pipeline", "expire_pipeline",
}

// play runs all steps and collects differences; after is called behind each.
func (r *scenarioRun) play(after func(step int), debugLevels ...int) {
	t := r.t
	ctx := context.Background()
	for i, d := range r.s.Triggers {
		r.addTrigger(d, level(debugLevels, i))
	}
	results := map[int]goldenResult{}
	for _, res := range r.s.Results {
		results[res.Step] = res
	}
	var runs []string
	for i, step := range r.s.Steps {
		want := results[i]
		switch step.Op {
		case "clock":
			to, err := time.Parse(goldenTime, step.To)
			if err != nil {
				t.Fatal(err)
			}
			r.clock.Set(to)
		case "add_event", "add_notification":
			var res winchester.Result
			var err error
			if step.Op == "add_event" {
				res, err = r.triggers.AddEvent(ctx, step.Event.decode(t))
			} else {
				res, err = r.triggers.AddNotification(ctx, step.Notification)
			}
			saved := res.Outcome == winchester.OutcomeStored
			if want.Saved != nil && saved != *want.Saved {
				r.differ("step %d: saved %v (%v), want %v", i, saved, err, *want.Saved)
			}
			if want.Raised != "" {
				r.differ("step %d: the original raised %s", i, want.Raised)
			}
		case "run_worker":
			r.recorder.begin()
			loaded, err := r.workers.RunOnce(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if want.LoadedFire != nil && loaded.Fire != *want.LoadedFire {
				r.differ("step %d: loaded %d to fire, want %d", i, loaded.Fire, *want.LoadedFire)
			}
			if want.LoadedExpire != nil && loaded.Expire != *want.LoadedExpire {
				r.differ("step %d: loaded %d to expire, want %d", i, loaded.Expire, *want.LoadedExpire)
			}
			if want.Raised != "" {
				r.differ("step %d: the original raised %s", i, want.Raised)
			}
			for _, run := range r.recorder.end(i) {
				runs = append(runs, run.text(t))
			}
		case "add_trigger":
			r.addTrigger(step.Trigger, level(debugLevels, 0))
		case "delete_trigger":
			r.triggers.DeleteTrigger(step.Name)
		case "reset_errors":
			for _, state := range []winchester.State{winchester.StateError, winchester.StateExpireError} {
				found, err := r.store.FindStreams(ctx, winchester.StreamQuery{State: state})
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range found {
					if _, err := r.workers.ResetStream(ctx, s.ID); err != nil {
						t.Fatal(err)
					}
				}
			}
		default:
			t.Fatalf("unknown op %q", step.Op)
		}
		for _, a := range r.s.After {
			if a.Step == i {
				r.compareStreams(i, a.Streams)
			}
		}
		if after != nil {
			after(i)
		}
	}
	var wantRuns []string
	for _, run := range r.s.HandlerCalls {
		wantRuns = append(wantRuns, run.text(t))
	}
	r.compare("handler calls", runs, wantRuns)
	r.compareFinalEvents()
}

func level(levels []int, i int) *int {
	if len(levels) == 0 {
		return nil
	}
	return &levels[i%len(levels)]
}

func (r *scenarioRun) compareStreams(step int, want []goldenStream) {
	found, err := r.store.FindStreams(context.Background(), winchester.StreamQuery{IncludeEvents: true})
	if err != nil {
		r.t.Fatal(err)
	}
	var got, wanted []string
	for _, s := range found {
		got = append(got, streamText(s))
	}
	for _, s := range want {
		wanted = append(wanted, s.text(r.t))
	}
	r.compare(fmt.Sprintf("step %d: streams", step), got, wanted)
}

func (r *scenarioRun) compareFinalEvents() {
	found, err := r.store.FindEvents(context.Background(), winchester.EventQuery{})
	if err != nil {
		r.t.Fatal(err)
	}
	var got, wanted []string
	for _, e := range found {
		got = append(got, eventText(e.Event))
	}
	for _, e := range r.s.FinalEvents {
		wanted = append(wanted, eventText(e.decode(r.t)))
	}
	r.compare("final events", got, wanted)
}

var uuidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

func uuids(text string) []string { return uuidPattern.FindAllString(text, -1) }

// uuid4 stands in the recordings for an id that the original drew by lot.
const uuid4 = "<uuid4>"

// compare compares two lists as multisets.
func (r *scenarioRun) compare(what string, got, want []string) {
	recorded := strings.Join(want, "\n")
	if strings.Contains(recorded, uuid4) {
		// Ids that the recording does not know are those that were random there.
		for i, text := range got {
			for _, id := range uuids(text) {
				if !strings.Contains(recorded, id) {
					got[i] = strings.ReplaceAll(got[i], id, uuid4)
				}
			}
		}
	}
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	var missing, extra []string
	for _, w := range want {
		if i := slices.Index(got, w); i >= 0 {
			got = slices.Delete(got, i, i+1)
		} else {
			missing = append(missing, w)
		}
	}
	extra = got
	if len(missing)+len(extra) > 0 {
		r.differ("%s:\n  only here:\n    %s\n  only in the recording:\n    %s", what, strings.Join(extra, "\n    "), strings.Join(missing, "\n    "))
	}
}

// report passes, excuses or fails. A scenario that differs is excused if a rule
// applies to it; one with the recorded outcome although a definition had to be
// changed is put down to its rule as well.
func (r *scenarioRun) report(t *testing.T, excused deviations) {
	t.Helper()
	text := strings.Join(r.diffs, "\n")
	if text != "" && (r.s.Optional != "" || strings.HasPrefix(r.s.Note, "bug")) {
		t.Logf("differs, which the recording allows (%s):\n%s", r.s.Optional, text)
		return
	}
	var rules []string
	for _, rule := range scenarioRules {
		if rule.applies(r) && (text != "" || rule.changesDefinition) {
			rules = append(rules, rule.id)
			excused[rule.id] = append(excused[rule.id], r.s.Name)
		}
	}
	switch {
	case text != "" && rules == nil:
		t.Error(text)
	case text != "":
		t.Logf("differs by deviation %s:\n%s", strings.Join(rules, ", "), text)
	}
}

// callRecorder makes the handlers that the scenarios name and records their
// calls. RunOnce runs one stream at a time, so handlers that are created
// belong to the run that comes next.
type callRecorder struct {
	current *recordedRun
	runs    []*recordedRun
	fails   map[string]int // of flaky handlers, by label and first event
}

type recordedRun struct {
	goldenRun
	begun bool
}

func (c *callRecorder) begin() { c.current, c.runs = nil, nil }

func (c *callRecorder) end(step int) []goldenRun {
	var out []goldenRun
	for _, r := range c.runs {
		r.Step = step
		out = append(out, r.goldenRun)
	}
	return out
}

func (c *callRecorder) create() *recordedRun {
	if c.current == nil || c.current.begun {
		c.current = &recordedRun{}
		c.runs = append(c.runs, c.current)
	}
	return c.current
}

// testParams are the parameters of all recorded handlers.
type testParams struct {
	Name      string           `json:"name"`
	Drop      string           `json:"drop"`
	EventType string           `json:"event_type"`
	Suffix    *string          `json:"suffix"`
	Count     *int             `json:"count"`
	Offset    *float64         `json:"offset"`
	Copy      []string         `json:"copy"`
	Set       map[string]typed `json:"set"`
	OnlyIf    *string          `json:"only_if"`
	FixedID   string           `json:"fixed_id"`
	NoID      bool             `json:"no_id"`
	Fail      int              `json:"fail"`
}

type testHandler struct {
	rec  *callRecorder
	run  *recordedRun
	kind string
	p    testParams
	do   func([]winchester.Event) ([]winchester.Event, error)
}

var errOnPurpose = errors.New("on purpose")

func (h *testHandler) log(method string, ids []string, err error) {
	h.run.Calls = append(h.run.Calls, goldenCall{Handler: h.kind, Name: h.p.Name, Method: method, EventIDs: ids, Raised: err != nil})
}

func (h *testHandler) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	h.run.begun = true
	h.run.Pass, h.run.Pipeline, h.run.StreamTrigger = string(env.Pass), env.Pipeline, env.StreamName
	h.run.key = traitsText(env.DistinguishingTraits)
	out, err := h.do(events)
	h.log("handle_events", idsByTime(events), err)
	return out, err
}

func (h *testHandler) Commit(context.Context) error {
	var err error
	if h.kind == "badcommit" {
		err = errOnPurpose
	}
	h.log("commit", nil, err)
	return err
}

func (h *testHandler) Rollback(context.Context) error {
	var err error
	if h.kind == "badrollback" {
		err = errOnPurpose
	}
	h.log("rollback", nil, err)
	return err
}

func (c *callRecorder) registry(t *testing.T) *winchester.Registry {
	r := &winchester.Registry{}
	pass := func(events []winchester.Event) ([]winchester.Event, error) { return events, nil }
	kinds := map[string]func(p testParams) func([]winchester.Event) ([]winchester.Event, error){
		"recorder": nil, "logger": nil, "badcommit": nil, "badrollback": nil,
		"filter":    filterEvents,
		"adder":     func(p testParams) func([]winchester.Event) ([]winchester.Event, error) { return addEvents(t, p) },
		"flaky":     c.flaky,
		"stringify": func(testParams) func([]winchester.Event) ([]winchester.Event, error) { return stringify },
	}
	for kind, do := range kinds {
		winchester.MustRegister(r, kind, func(p testParams) (winchester.Handler, error) {
			h := &testHandler{rec: c, run: c.create(), kind: kind, p: p, do: pass}
			if do != nil {
				h.do = do(p)
			}
			return h, nil
		})
	}
	winchester.MustRegister(r, "badinit", func(testParams) (winchester.Handler, error) {
		c.create().begun = true
		return nil, errOnPurpose
	})
	if err := usage.Register(r); err != nil {
		t.Fatal(err)
	}
	return r
}

func filterEvents(p testParams) func([]winchester.Event) ([]winchester.Event, error) {
	drop := glob.Compile(p.Drop)
	return func(events []winchester.Event) ([]winchester.Event, error) {
		var out []winchester.Event
		for _, e := range events {
			if !drop.Match(e.EventType) {
				out = append(out, e)
			}
		}
		return out, nil
	}
}

func addEvents(t *testing.T, p testParams) func([]winchester.Event) ([]winchester.Event, error) {
	return func(events []winchester.Event) ([]winchester.Event, error) {
		if len(events) == 0 {
			return events, nil
		}
		if p.OnlyIf != nil {
			only := glob.Compile(*p.OnlyIf)
			if !slices.ContainsFunc(events, func(e winchester.Event) bool { return only.Match(e.EventType) }) {
				return events, nil
			}
		}
		suffix, count, offset := "n", 1, 1.0
		if p.Suffix != nil {
			suffix = *p.Suffix
		}
		if p.Count != nil {
			count = *p.Count
		}
		if p.Offset != nil {
			offset = *p.Offset
		}
		out := slices.Clone(events)
		first, last := events[0], events[len(events)-1]
		for i := range count {
			e := winchester.Event{
				EventType: p.EventType, MessageID: fmt.Sprintf("%s-%s%d", first.MessageID, suffix, i), Traits: winchester.Traits{},
				Timestamp: last.Timestamp.Add(time.Duration(offset * float64(i+1) * float64(time.Second))),
			}
			if p.FixedID != "" {
				e.MessageID = p.FixedID
			}
			if p.NoID {
				e.MessageID = ""
			}
			for _, name := range p.Copy {
				if v, ok := first.Traits[name]; ok {
					e.Traits[name] = v
				}
			}
			for name, v := range decodeTraits(t, p.Set) {
				e.Traits[name] = v
			}
			out = append(out, e)
		}
		return out, nil
	}
}

func (c *callRecorder) flaky(p testParams) func([]winchester.Event) ([]winchester.Event, error) {
	return func(events []winchester.Event) ([]winchester.Event, error) {
		if len(events) == 0 {
			return events, nil
		}
		key := p.Name + "/" + events[0].MessageID
		if c.fails[key]++; c.fails[key] <= p.Fail {
			return nil, errOnPurpose
		}
		return events, nil
	}
}

func stringify(events []winchester.Event) ([]winchester.Event, error) {
	out := slices.Clone(events)
	for i, e := range out {
		if _, ok := e.Traits["stream_id"]; ok {
			traits := winchester.Traits{}
			for k, v := range e.Traits {
				traits[k] = v
			}
			traits["stream_id"] = int64(0)
			out[i].Traits = traits
		}
	}
	return out, nil
}
