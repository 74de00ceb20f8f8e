// Unpaid watches orders: one that is placed and not paid within two seconds is
// reported. It keeps its state in orders.db. Run it again, and it says nothing:
// it knows these events, and has dealt with them.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// remind is a handler: it is given the events of an order whose time is up.
type remind struct {
	winchester.HandlerDefaults
	unpaid string
}

// HandleEvents has no side effects; it may be repeated. A payment that comes
// late opens a stream of its own, which expires as well and is no concern of ours.
func (r *remind) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	for _, e := range events {
		if e.EventType == "order.placed" {
			r.unpaid, _ = env.DistinguishingTraits.String("order_id")
		}
	}
	return events, nil
}

// Commit is where the outside world hears of it.
func (r *remind) Commit(context.Context) error {
	if r.unpaid != "" {
		fmt.Printf("order %s has not been paid\n", r.unpaid)
	}
	return nil
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	db, err := store.Open(ctx, "sqlite:///orders.db", store.Options{Migrate: true})
	if err != nil {
		return err
	}
	defer db.Close()

	handlers := winchester.NewRegistry()
	winchester.MustRegister(handlers, "remind", func(winchester.NoParams) (winchester.Handler, error) { return &remind{}, nil })

	engine, err := winchester.New(winchester.Config{
		Store:    db,
		Handlers: handlers,
		Triggers: []winchester.TriggerDefinition{{
			Name:            "order",
			DistinguishedBy: winchester.By("order_id"), // one stream for each order
			MatchCriteria:   []winchester.Criterion{{EventTypes: []string{"order.placed", "order.paid"}}},
			FireCriteria: []winchester.Criterion{ // complete, in whatever order they come
				{EventTypes: []string{"order.placed"}},
				{EventTypes: []string{"order.paid"}},
			},
			Expiration:     "$first + 2s", // or too late
			ExpirePipeline: "unpaid",
		}},
		Pipelines: []winchester.PipelineDefinition{{
			Name: "unpaid", Handlers: []winchester.HandlerSpec{{Name: "remind"}},
		}},
	})
	if err != nil {
		return err
	}
	if err := engine.Start(ctx); err != nil {
		return err
	}

	now := time.Now()
	for _, e := range []winchester.Event{
		{MessageID: "A-1 placed", EventType: "order.placed", Timestamp: now, Traits: winchester.Traits{"order_id": "A-1"}},
		{MessageID: "A-2 placed", EventType: "order.placed", Timestamp: now, Traits: winchester.Traits{"order_id": "A-2"}},
		{MessageID: "A-1 paid", EventType: "order.paid", Timestamp: now, Traits: winchester.Traits{"order_id": "A-1"}},
	} {
		if _, err := engine.AddEvent(ctx, e); err != nil { // durable when it returns
			return err
		}
	}

	<-time.After(3 * time.Second)
	return engine.Stop(ctx)
}
