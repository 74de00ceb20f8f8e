package winchester_test

import (
	"context"
	"fmt"
	"time"

	"github.com/seed71495667/winchester"
)

// explainedEngine has two orders, of which one is waiting and the other one's
// pipeline has failed.
func explainedEngine() (*winchester.Engine, func()) {
	st, cleanup := exampleStore()
	clock := winchester.NewManualClock(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC))
	engine, err := winchester.New(winchester.Config{
		Store: st, Clock: clock,
		Triggers: []winchester.TriggerDefinition{{
			Name:            "order",
			DistinguishedBy: winchester.By("order_id"),
			MatchCriteria:   []winchester.Criterion{{EventTypes: []string{"order.*"}}},
			FireCriteria: []winchester.Criterion{
				{EventTypes: []string{"order.placed"}},
				{EventTypes: []string{"order.paid"}, Traits: map[string]any{
					"state": "active", "amount": winchester.Compare{Type: "int", Value: "> 0"},
				}},
			},
			Expiration: "$first + 2h", FirePipeline: "ship",
		}, {
			Name:            "session",
			DistinguishedBy: winchester.By("user"),
			MatchCriteria:   []winchester.Criterion{{EventTypes: []string{"user.*"}}, {EventTypes: []string{"order.*"}}},
			FireCriteria:    []winchester.Criterion{},
			Expiration:      "$last + 30m", FirePipeline: "ship",
		}},
		Pipelines: []winchester.PipelineDefinition{{Name: "ship", Handlers: []winchester.HandlerSpec{{Name: "logger"}}}},
	})
	if err != nil {
		panic(err)
	}
	for i, e := range []struct {
		what   string
		traits winchester.Traits
	}{
		{"placed", nil},
		{"paid", winchester.Traits{"state": "error", "amount": 20}},
		{"returned", nil},
	} {
		traits := winchester.Traits{"order_id": "A-1"}
		for name, v := range e.traits {
			traits[name] = v
		}
		if _, err := engine.AddEvent(context.Background(), winchester.Event{
			MessageID: fmt.Sprintf("m-%d", i+1), EventType: "order." + e.what, Timestamp: clock.Now(), Traits: traits,
		}); err != nil {
			panic(err)
		}
		clock.Advance(time.Minute)
	}
	return engine, cleanup
}

// Why has the order not been shipped?
func ExampleEngine_ExplainStream() {
	engine, cleanup := explainedEngine()
	defer cleanup()
	x, err := engine.ExplainStream(context.Background(), 1)
	if err != nil {
		panic(err)
	}
	fmt.Print(x)
	// Output:
	// Stream 1 of trigger "order": active
	//   order_id = A-1
	// Events: 3, from 2026-01-05T09:00:00Z to 2026-01-05T09:02:00Z
	//   3 by match criterion 1 (order.*)
	// Fire criteria: not met
	//   1 (order.placed): has 1 of 1
	//   2 (order.paid, traits.amount > 0, traits.state = active): has 0 of 1
	//     nearest: order.paid m-2 of 2026-01-05T09:01:00Z
	//       traits.state: want active, got error (== failed)
	// Next: expires once 2026-01-05T11:00:00Z has passed (in 1h57m0s), with no pipeline to run
	// Attempts: 0 of 20
}

// What became of the payment?
func ExampleEngine_ExplainEvent() {
	engine, cleanup := explainedEngine()
	defer cleanup()
	x, err := engine.ExplainEvent(context.Background(), "m-2")
	if err != nil {
		panic(err)
	}
	fmt.Print(x)
	// Output:
	// Event m-2: order.paid of 2026-01-05T09:01:00Z
	// Trigger "order" took it into stream 1 (active): order_id = A-1
	//   by match criterion 1 (order.*)
	// Trigger "session" did not take it: traits.user: want any value, got nothing (not 'user')
}
