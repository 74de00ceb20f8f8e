package notify_test

import (
	"context"
	"fmt"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/handlers/notify"
)

// report leaves a notification for those behind it.
type report struct{ winchester.HandlerDefaults }

func (report) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	env.Values["reports"] = []map[string]any{{
		"message_id": env.IdempotencyKey + "-report", "event_type": "orders.report", "payload": map[string]any{"orders": len(events)},
	}}
	return events, nil
}

// A pipeline whose last handler publishes what the one before it has to say.
func Example() {
	handlers := winchester.NewRegistry()
	winchester.MustRegister(handlers, "report", func(winchester.NoParams) (winchester.Handler, error) { return report{}, nil })
	if err := notify.Register(handlers); err != nil {
		panic(err)
	}
	defer notify.Close()

	pipeline := winchester.PipelineDefinition{Name: "daily", Handlers: []winchester.HandlerSpec{
		{Name: "report"},
		{Name: "notify", Params: map[string]any{"exchange": "reports", "queue_name": "daily", "env_key": "reports"}},
	}}
	_, err := handlers.Factory("notify", pipeline.Handlers[1].Params)
	fmt.Println(err)
	// Output:
	// handler "notify": parameters: env_key: there is no such parameter (did you mean "env_keys"?)
}
