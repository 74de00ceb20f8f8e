package winchester_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed71495667/winchester"
)

// Events of a day long past: the order expires when the events say so.
func ExampleReplayClock() {
	ctx := context.Background()
	st, closeStore := exampleStore()
	defer closeStore()
	quiet := slog.New(slog.DiscardHandler)
	clock, err := winchester.NewReplayClock(ctx, winchester.ReplayConfig{Store: st, Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer clock.Close(ctx)
	engine, err := winchester.New(winchester.Config{
		Store: st, Clock: clock, Logger: quiet,
		Triggers: []winchester.TriggerDefinition{{
			Name: "order", DistinguishedBy: winchester.By("order_id"), MatchCriteria: []winchester.Criterion{{EventTypes: []string{"order.*"}}},
			FireCriteria: []winchester.Criterion{{EventTypes: []string{"order.paid"}}}, Expiration: "$last + 2h",
			FirePipeline: "log", ExpirePipeline: "log",
		}},
		Pipelines: []winchester.PipelineDefinition{{Name: "log", Handlers: []winchester.HandlerSpec{{Name: winchester.LoggingHandlerName}}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	day := time.Date(2014, 12, 24, 0, 0, 0, 0, time.UTC)
	for i, hour := range []int{9, 10, 13} {
		_, err := engine.AddEvent(ctx, winchester.Event{
			MessageID: fmt.Sprint(i), EventType: "order.placed", Timestamp: day.Add(time.Duration(hour) * time.Hour),
			Traits: winchester.Traits{"order_id": "A-1"},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	loaded, err := engine.RunOnce(ctx)
	fmt.Println(clock.Now(), loaded.Expire, err)
	_, _ = clock.Advance(ctx, day.Add(24*time.Hour)) // no event comes any more
	loaded, err = engine.RunOnce(ctx)
	fmt.Println(clock.Now(), loaded.Expire, err)
	// Output:
	// 2014-12-24 13:00:00 +0000 UTC 1 <nil>
	// 2014-12-25 00:00:00 +0000 UTC 1 <nil>
}
