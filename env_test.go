package winchester_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/store"
)

// TestEnvNew: a handler can tell what others have made from what its stream has,
// also of what was left out on the way and came back.
func TestEnvNew(t *testing.T) {
	t.Parallel()
	clock := winchester.NewManualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	seen := make(chan []string, 2)
	handlers := winchester.NewRegistry()
	winchester.MustRegister(handlers, "make", func(winchester.NoParams) (winchester.Handler, error) {
		return handlerFunc(func(events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
			seen <- ids(env.New(events))
			return []winchester.Event{event("made"), events[1]}, nil
		}), nil
	})
	winchester.MustRegister(handlers, "look", func(winchester.NoParams) (winchester.Handler, error) {
		return handlerFunc(func(events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
			seen <- ids(env.New(append(slices.Clone(events), env.Events...)))
			env.Events = nil // which is of no effect on what is stored
			return events, nil
		}), nil
	})
	engine, err := winchester.New(winchester.Config{
		Store: testdb.Open(t, store.Options{}), Clock: clock, Handlers: handlers,
		Triggers: []winchester.TriggerDefinition{{
			Name: "t", MatchCriteria: []winchester.Criterion{{EventTypes: []string{"in"}}},
			FireCriteria: []winchester.Criterion{{EventTypes: []string{"in"}, Number: 2}}, Expiration: "$last + 1d", FirePipeline: "p",
		}},
		Pipelines: []winchester.PipelineDefinition{{Name: "p", Handlers: []winchester.HandlerSpec{{Name: "make"}, {Name: "look"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.AddEvents(t.Context(), []winchester.Event{event("a"), event("b")}); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Minute)
	if n, err := engine.RunOnce(t.Context()); err != nil || n.Fire != 1 {
		t.Fatalf("%+v, %v", n, err)
	}
	if got := <-seen; len(got) != 0 {
		t.Errorf("the first handler sees %q", got)
	}
	if got := <-seen; !slices.Equal(got, []string{"made"}) {
		t.Errorf("the second handler sees %q", got)
	}
	if n, err := engine.Store().CountEvents(t.Context(), winchester.EventQuery{}); err != nil || n != 3 {
		t.Errorf("%d events are stored, %v", n, err)
	}
}

type handlerFunc func([]winchester.Event, *winchester.Env) ([]winchester.Event, error)

func (f handlerFunc) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	return f(events, env)
}
func (handlerFunc) Commit(context.Context) error   { return nil }
func (handlerFunc) Rollback(context.Context) error { return nil }

func event(id string) winchester.Event {
	return winchester.Event{MessageID: id, EventType: "in", Timestamp: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func ids(events []winchester.Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.MessageID
	}
	return out
}
