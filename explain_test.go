package winchester_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/store"
)

// onEachDatabase runs a test on SQLite and on PostgreSQL.
func onEachDatabase(t *testing.T, run func(t *testing.T, st *store.Store)) {
	t.Helper()
	t.Parallel()
	for name, open := range map[string]func(testing.TB, store.Options) *store.Store{"sqlite": testdb.Open, "postgres": testdb.OpenPostgres} {
		if name == "sqlite" && testdb.OnPostgres() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, open(t, store.Options{}))
		})
	}
}

var explainStart = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// failing is a handler that commits, of two, only the first.
type failing struct {
	winchester.HandlerDefaults
	err error
}

func (h failing) HandleEvents(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
	return events, nil
}
func (h failing) Commit(context.Context) error { return h.err }

func explainTriggers() []winchester.TriggerDefinition {
	return []winchester.TriggerDefinition{{
		Name: "order", DistinguishedBy: []winchester.Distinguisher{{Trait: "order_id"}, {Trait: "timestamp", Expression: "day"}},
		MatchCriteria: []winchester.Criterion{
			{EventTypes: []string{"order.placed"}},
			{EventTypes: []string{"order.*"}, MapDistinguishedBy: map[string]string{"timestamp": "placed_at"}},
		},
		FireCriteria: []winchester.Criterion{{EventTypes: []string{"order.item"}, Number: 3}, {EventTypes: []string{"order.paid"}}},
		Expiration:   "$last + 1h", FirePipeline: "ship", ExpirePipeline: "ship",
	}}
}

func explainEngine(t *testing.T, st *store.Store, clock winchester.Clock, change func(*winchester.Config)) *winchester.Engine {
	t.Helper()
	handlers := winchester.NewRegistry()
	winchester.MustRegister(handlers, "good", func(winchester.NoParams) (winchester.Handler, error) { return failing{}, nil })
	winchester.MustRegister(handlers, "bad", func(winchester.NoParams) (winchester.Handler, error) {
		return failing{err: errors.New("no stock\nat all")}, nil
	})
	c := winchester.Config{
		Store: st, Clock: clock, Triggers: explainTriggers(), Handlers: handlers, KeepCompleted: true, Name: "worker-1", Logger: slog.New(slog.DiscardHandler),
		Retry:     winchester.RetryPolicy{MaxAttempts: 2, InitialBackoff: time.Minute, Jitter: -1},
		Pipelines: []winchester.PipelineDefinition{{Name: "ship", Handlers: []winchester.HandlerSpec{{Name: "good"}, {Name: "bad"}}}},
	}
	if change != nil {
		change(&c)
	}
	engine, err := winchester.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

func orderEvent(id, kind string) winchester.Event {
	traits := winchester.Traits{"order_id": "A-1"}
	if kind != "placed" {
		traits["placed_at"] = explainStart
	}
	return winchester.Event{MessageID: id, EventType: "order." + kind, Timestamp: explainStart, Traits: traits}
}

func storeEvents(t *testing.T, e *winchester.Engine, events ...winchester.Event) {
	t.Helper()
	results, err := e.AddEvents(t.Context(), events)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Outcome != winchester.OutcomeStored {
			t.Fatalf("%+v", r)
		}
	}
}

// TestExplainStreamLife follows a stream from its first event to its error, and
// back.
func TestExplainStreamLife(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, st *store.Store) {
		clock := winchester.NewManualClock(explainStart)
		engine := explainEngine(t, st, clock, nil)
		explain := func(want ...string) winchester.StreamExplanation {
			t.Helper()
			x, err := engine.ExplainStream(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range want {
				if !strings.Contains(x.String(), line+"\n") {
					t.Errorf("there is no line %q in\n%s", line, x)
				}
			}
			return x
		}
		if _, err := engine.ExplainStream(t.Context(), 1); !errors.Is(err, winchester.ErrNoSuchStream) {
			t.Fatalf("no stream: %v", err)
		}
		storeEvents(t, engine, orderEvent("1", "placed"), orderEvent("2", "item"), orderEvent("3", "item"))
		x := explain(
			`Stream 1 of trigger "order": active`, "  order_id = A-1", "  timestamp = [2026-01-05T00:00:00Z, 2026-01-06T00:00:00Z) (by day)",
			"  1 by match criterion 1 (order.placed)", "  2 by match criterion 2 (order.*)",
			"  1 (order.item): has 2 of 3", `    nearest: order.placed "1" of 2026-01-05T09:00:00Z`,
			"      event_type: want order.item, got order.placed (Wrong event type)", "  2 (order.paid): has 0 of 1",
			`Next: expires once 2026-01-05T10:00:00Z has passed (in 1h0m0s), pipeline "ship"`,
		)
		if !x.Open || x.Recounted || x.Events != 3 || x.MoreEvents || len(x.Fire) != 2 || x.Fire[0].Has != 2 {
			t.Errorf("%+v", x)
		}
		storeEvents(t, engine, orderEvent("4", "item"), orderEvent("5", "paid"))
		clock.Advance(time.Second)
		explain("Fire criteria: met; it was to fire at 2026-01-05T09:00:00Z",
			`Next: fires; due since 2026-01-05T09:00:00Z (for 1s), and no worker has claimed it yet, pipeline "ship"`, "Attempts: 0 of 2")

		pass := func() {
			t.Helper()
			if n, err := engine.RunOnce(t.Context()); err != nil || n.Fire != 1 {
				t.Fatalf("%+v, %v", n, err)
			}
		}
		pass()
		x = explain(`Stream 1 of trigger "order": retry_fire`, "Attempts: 1 of 2", "  1: failed in Commit of bad: no stock (and 1 lines more)",
			`    fire, pipeline "ship", by worker-1, at 2026-01-05T09:00:01Z for 0s`, "    committed: good", "    to be tried again at 2026-01-05T09:01:01Z (after 1m0s)",
			`  committed before that, in pipeline "ship": good`, "  not to be committed again: 1 of them",
			`Next: fires; it is tried again once 2026-01-05T09:01:01Z has passed (in 1m0s), pipeline "ship"`)
		if x.Open || !reflect.DeepEqual(x.Attempts.Committed, []string{"good"}) {
			t.Errorf("%+v", x)
		}
		changed := explainEngine(t, st, clock, func(c *winchester.Config) {
			c.Pipelines[0].Handlers = c.Pipelines[0].Handlers[1:]
		})
		if x, err := changed.ExplainStream(t.Context(), 1); err != nil || x.Attempts.Skipped != 0 || len(x.Attempts.Committed) != 1 {
			t.Errorf("under another pipeline: %+v, %v", x.Attempts, err)
		}

		clock.Advance(2 * time.Minute)
		now := clock.Now()
		claim := winchester.Claim{Pass: winchester.PassFire, Owner: "worker-2", Now: now, LeaseUntil: now.Add(time.Minute), Limit: 1}
		if got, err := st.Claim(t.Context(), claim); err != nil || len(got) != 1 {
			t.Fatalf("%v, %v", got, err)
		}
		explain(`Stream 1 of trigger "order": firing`, "Attempts: 2 of 2",
			`Next: fires now; worker worker-2 holds it, with a lease until 2026-01-05T09:03:01Z (for another 1m0s), pipeline "ship"`)
		clock.Advance(2 * time.Minute)
		explain(`Next: fires; the lease of worker worker-2 ran out at 2026-01-05T09:03:01Z (1m0s ago), so any worker may take it, pipeline "ship"`)
		pass()
		explain(`Stream 1 of trigger "order": error`, `Next: nothing, until someone resets it; then it fires, pipeline "ship"`,
			"  2: lost: the lease of worker worker-2 ran out at 2026-01-05T09:03:01Z, and another one took over at 2026-01-05T09:04:01Z (after 1m0s)",
			"  3: cancelled: attempt 2 of 2 did not come to an end")
		clock.Advance(time.Hour)
		if _, err := engine.ResetStream(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		x = explain(`Stream 1 of trigger "order": retry_fire`, "Attempts: 0 of 2",
			"  3 runs before did not count: they were snoozed or given back, or the stream was reset since", "  reset at 2026-01-05T10:04:01Z: attempts are counted anew")
		if len(x.Attempts.History) != 4 || strings.Contains(x.String(), "the last failed") {
			t.Errorf("%s", x)
		}
		// A row that was written before there were histories.
		execSQL(t, st, "UPDATE winchester_streams SET attempts = ''")
		explain("  the last failed at 2026-01-05T09:04:01Z: attempt 2 of 2 did not come to an end")
		if !engine.DeleteTrigger("order") {
			t.Fatal("there is no trigger")
		}
		if x := explain(`Stream 1 of trigger "order", which is not defined here: retry_fire`, "  order_id = A-1", "  it will end in error: unknown trigger"); !x.UnknownTrigger {
			t.Errorf("%+v", x)
		}
	})
}

// TestExplainRedefined: what was counted under another definition is counted
// anew, and what it distinguished by is told apart.
func TestExplainRedefined(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, st *store.Store) {
		engine := explainEngine(t, st, winchester.NewManualClock(explainStart), nil)
		storeEvents(t, engine, orderEvent("1", "placed"), orderEvent("2", "item"))
		def := explainTriggers()[0]
		def.DistinguishedBy = winchester.By("customer", "order_id")
		def.MatchCriteria = []winchester.Criterion{{EventTypes: []string{"order.item"}}}
		def.FireCriteria = []winchester.Criterion{{EventTypes: []string{"order.placed"}}, {EventTypes: []string{"order.item"}, Number: 2}}
		if err := engine.ReplaceTrigger(def); err != nil {
			t.Fatal(err)
		}
		x, err := engine.ExplainStream(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if !x.Recounted || x.Fire[0].Has != 1 || !x.Fire[0].Met || x.Fire[1].Has != 1 || x.Unmatched != 1 || len(x.MatchedBy) != 1 {
			t.Errorf("%s", x)
		}
		for _, line := range []string{"  customer: missing; the trigger distinguishes by it only since", "  order_id = A-1",
			"  timestamp = [2026-01-05T00:00:00Z, 2026-01-06T00:00:00Z) (the trigger does not distinguish by it any more)",
			"  1 that no match criterion takes any more", "  counted anew: since the last event came, the trigger has been defined anew or events were deleted"} {
			if !strings.Contains(x.String(), line+"\n") {
				t.Errorf("there is no line %q in\n%s", line, x)
			}
		}
	})
}

// TestExplainMetBefore: criteria that have been met stay so.
func TestExplainMetBefore(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, st *store.Store) {
		engine := explainEngine(t, st, winchester.NewManualClock(explainStart), func(c *winchester.Config) {
			c.Triggers[0].FireCriteria, c.Triggers[0].FireDelay = []winchester.Criterion{{EventTypes: []string{"order.placed"}}}, time.Hour
			c.Triggers[0].Expiration = "$last + 1m"
		})
		storeEvents(t, engine, orderEvent("1", "placed"))
		if err := engine.ReplaceTrigger(explainTriggers()...); err != nil {
			t.Fatal(err)
		}
		x, err := engine.ExplainStream(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if x.Recounted || !x.Redefined || x.Fire[0].Nearest != nil {
			t.Errorf("%+v", x)
		}
		for _, line := range []string{"Fire criteria: met; it was to fire at 2026-01-05T10:00:00Z", "  the trigger has been defined anew since; by the present definition it is so:",
			"  2 (order.paid): has 0 of 1", `Next: expires once 2026-01-05T09:01:00Z has passed (in 1m0s), pipeline "ship"`} {
			if !strings.Contains(x.String(), line+"\n") {
				t.Errorf("there is no line %q in\n%s", line, x)
			}
		}
		// What strangers have named begins no line of its own.
		odd := orderEvent("2", "paid\n\x1b[2JStream 7")
		storeEvents(t, engine, odd)
		y, err := engine.ExplainEvent(t.Context(), "2")
		if text := y.String(); err != nil || strings.ContainsAny(text, "\x1b") || strings.Contains(text, "\nStream 7") {
			t.Errorf("%q, %v", text, err)
		}
	})
}

// countingStore counts how many events a query returns at most.
type countingStore struct {
	winchester.Store
	pages, most int
}

func (s *countingStore) FindEvents(ctx context.Context, q winchester.EventQuery) ([]winchester.StoredEvent, error) {
	found, err := s.Store.FindEvents(ctx, q)
	s.pages, s.most = s.pages+1, max(s.most, len(found))
	return found, err
}

// TestExplainLongStream: what is looked at has a bound, and it is said.
func TestExplainLongStream(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, st *store.Store) {
		counting := &countingStore{Store: st, pages: -1}
		engine := explainEngine(t, st, winchester.NewManualClock(explainStart), func(c *winchester.Config) { c.Store = counting })
		const n = winchester.MaxExplainedEvents + 1500
		events := []winchester.Event{orderEvent("first", "paid")}
		for i := range n - 1 {
			kind := "placed"
			if i >= 5000 && i < 5007 {
				kind = "other"
			}
			events = append(events, orderEvent(fmt.Sprint("more-", i), kind))
		}
		for len(events) > 0 {
			k := min(len(events), 2000)
			storeEvents(t, engine, events[:k]...)
			if events = events[k:]; n-len(events) == winchester.MaxExplainedEvents { // at the very bound
				if x, err := engine.ExplainStream(t.Context(), 1); err != nil || x.MoreEvents || x.Events != winchester.MaxExplainedEvents {
					t.Errorf("%d events, more: %v, %v", x.Events, x.MoreEvents, err)
				}
				counting.pages = 0
			}
		}
		if counting.pages != 0 {
			t.Fatal("the bound was not met")
		}
		x, err := engine.ExplainStream(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if x.Events != winchester.MaxExplainedEvents || !x.MoreEvents || counting.pages != 10 || counting.most != 1001 {
			t.Errorf("%d events, more: %v, %d pages of at most %d", x.Events, x.MoreEvents, counting.pages, counting.most)
		}
		if m := x.MatchedBy; len(m) != 2 || m[0].Events != winchester.MaxExplainedEvents-7 || m[1].Events != 7 {
			t.Errorf("%+v", m)
		}
		if x.Fire[1].Has != 1 { // of the first event, which was not looked at
			t.Errorf("%s", x)
		}
		if line := "  the rest is about the last 10000 of them\n"; !strings.Contains(x.String(), line) {
			t.Errorf("there is no line %q in\n%s", line, x)
		}
	})
}

// TestExplainEvent: who took it, who did not and why, and who would now.
func TestExplainEvent(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, st *store.Store) {
		clock := winchester.NewManualClock(explainStart)
		engine := explainEngine(t, st, clock, func(c *winchester.Config) {
			simple := func(name string, match winchester.Criterion, by ...string) winchester.TriggerDefinition {
				return winchester.TriggerDefinition{
					Name: name, DistinguishedBy: winchester.By(by...), MatchCriteria: []winchester.Criterion{{EventTypes: []string{"nothing"}}, match},
					FireCriteria: []winchester.Criterion{{EventTypes: []string{"never"}}}, Expiration: "$last + 1h", FirePipeline: "ship",
				}
			}
			c.Triggers = append(c.Triggers,
				simple("changes", winchester.Criterion{EventTypes: []string{"order.*"}}),
				simple("goes", winchester.Criterion{EventTypes: []string{"order.*"}}),
				simple("moves", winchester.Criterion{EventTypes: []string{"order.*"}}, "order_id"),
				simple("lacks", winchester.Criterion{EventTypes: []string{"order.*"}}, "customer"),
				simple("wrong", winchester.Criterion{EventTypes: []string{"order.*"}, Traits: map[string]any{"order_id": "A-2"}}),
				winchester.TriggerDefinition{
					Name: "deaf", MatchCriteria: []winchester.Criterion{}, FireCriteria: []winchester.Criterion{}, Expiration: "$last", FirePipeline: "ship",
				},
			)
		})
		if _, err := engine.ExplainEvent(t.Context(), "1"); !errors.Is(err, winchester.ErrNoSuchEvent) {
			t.Fatalf("no event: %v", err)
		}
		storeEvents(t, engine, orderEvent("1", "placed"))
		late := explainTriggers()[0]
		late.Name = "late"
		changed, moved := engine.Triggers()[1], engine.Triggers()[3]
		changed.MatchCriteria = []winchester.Criterion{{EventTypes: []string{"order.*"}, Traits: map[string]any{"x": 1}}}
		moved.DistinguishedBy = winchester.By("event_type")
		if err := errors.Join(engine.AddTrigger(late), engine.ReplaceTrigger(changed, moved)); err != nil {
			t.Fatal(err)
		}
		engine.DeleteTrigger("goes")
		x, err := engine.ExplainEvent(t.Context(), "1")
		if err != nil {
			t.Fatal(err)
		}
		const want = `Event "1": order.placed of 2026-01-05T09:00:00Z
Trigger "order" took it into stream N (active): order_id = A-1, timestamp = [2026-01-05T00:00:00Z, 2026-01-06T00:00:00Z)
  by match criterion 1 (order.placed)
Trigger "changes" took it into stream N (active)
  it would not take it now: traits.x: want 1, got nothing (not x)
Trigger "goes" took it into stream N (active)
  the trigger is not defined here
Trigger "moves" took it into stream N (active): order_id = A-1
  it would take it into another stream now: event_type = order.placed
Trigger "lacks" did not take it: traits.customer: want any value, got nothing (not 'customer')
Trigger "wrong" did not take it: No matching criteria; traits.order_id: want A-2, got A-1 (== failed)
Trigger "deaf" did not take it: No matching criteria
Trigger "late" has no stream with it, but would take it now, by match criterion 1 (order.placed)
  its stream was deleted, or the trigger was not there when the event came, or was another
`
		got := x.String()
		for _, took := range x.Took {
			got = strings.Replace(got, fmt.Sprintf("into stream %d ", took.StreamID), "into stream N ", 1)
		}
		if blocks(got) != blocks(want) {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if n := x.Others[1]; n.Reason != "No matching criteria" || len(n.Checks) != 2 || n.Checks[0].Reason != "Wrong event type" || n.Checks[1].Got != "A-1" {
			t.Errorf("%+v", n)
		}

		// What completes is deleted by default, and then nobody can tell any more.
		deleting := explainEngine(t, st, clock, func(c *winchester.Config) {
			c.KeepCompleted, c.Triggers[0].Expiration = false, "$last + 2h"
			c.Pipelines[0].Handlers = c.Pipelines[0].Handlers[:1]
		})
		clock.Advance(2 * time.Hour)
		if _, err := deleting.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		x, err = deleting.ExplainEvent(t.Context(), "1")
		if err != nil || !strings.Contains(x.String(), "  its stream has completed and was deleted, or the trigger ") {
			t.Errorf("%s, %v", x, err)
		}
	})
}

// blocks brings the streams into the order of their triggers' names: they are
// made in the order of their keys.
func blocks(text string) string {
	parts := strings.Split(text, "\nTrigger ")
	head, rest := parts[0], parts[1:]
	for i := range rest {
		rest[i] = strings.TrimSuffix(rest[i], "\n")
	}
	slices.Sort(rest)
	return head + "\n" + strings.Join(rest, "\n")
}

// TestExplanationsAsJSON: what programs get has the names of the fields, and no
// times that are none.
func TestExplanationsAsJSON(t *testing.T) {
	t.Parallel()
	engine := explainEngine(t, testdb.Open(t, store.Options{}), winchester.NewManualClock(explainStart), nil)
	storeEvents(t, engine, orderEvent("1", "placed"))
	stream, err := engine.ExplainStream(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	event, err := engine.ExplainEvent(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	for want, v := range map[string]any{
		`{"now":"2026-01-05T09:00:00Z","stream_id":1,"trigger":"order","state":"active","open":true,"distinguished_by":[{"trait":"order_id","value":"A-1"},` +
			`{"trait":"timestamp","expression":"day","value":"[2026-01-05T00:00:00Z, 2026-01-06T00:00:00Z)"}],"first_event":"2026-01-05T09:00:00Z",` +
			`"last_event":"2026-01-05T09:00:00Z","events":1,"matched_by":[{"number":1,"criterion":"order.placed","events":1}],` +
			`"fire_criteria":[{"number":1,"criterion":"order.item","needs":3,"has":0,"met":false,"nearest":{"message_id":"1","event_type":"order.placed",` +
			`"timestamp":"2026-01-05T09:00:00Z","failed":[{"reason":"Wrong event type","field":"event_type","want":"order.item","got":"order.placed"}]}},` +
			`{"number":2,"criterion":"order.paid","needs":1,"has":0,"met":false,"nearest":{"message_id":"1","event_type":"order.placed",` +
			`"timestamp":"2026-01-05T09:00:00Z","failed":[{"reason":"Wrong event type","field":"event_type","want":"order.paid","got":"order.placed"}]}}],` +
			`"expire_at":"2026-01-05T10:00:00Z","next":{"what":"waits","pass":"expire","at":"2026-01-05T10:00:00Z","pipeline":"ship"},` +
			`"attempts":{"begun":0,"max":2}}`: stream,
		`{"now":"2026-01-05T09:00:00Z","event":{"message_id":"1","event_type":"order.placed","timestamp":"2026-01-05T09:00:00Z","traits":{"order_id":"A-1"}},` +
			`"took":[{"stream_id":1,"trigger":"order","state":"active","distinguishing_traits":{"order_id":"A-1","timestamp":{"$range":` +
			`["2026-01-05T00:00:00.000000Z","2026-01-06T00:00:00.000000Z"]}},"matched_by":{"number":1,"criterion":"order.placed"}}],"others":[]}`: event,
	} {
		got, err := json.Marshal(v)
		if err != nil || string(got) != want {
			t.Errorf("got  %s, %v\nwant %s", got, err, want)
		}
	}
}

// TestExplainDoc: docs/explain.md shows what the examples print.
func TestExplainDoc(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("docs/explain.md")
	if err != nil {
		t.Fatal(err)
	}
	engine, cleanup := explainedEngine()
	defer cleanup()
	stream, err := engine.ExplainStream(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	event, err := engine.ExplainEvent(t.Context(), "m-2")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{stream.String(), event.String()} {
		if !strings.Contains(string(doc), "```text\n"+text+"```") {
			t.Errorf("docs/explain.md does not show\n%s", text)
		}
	}
}
