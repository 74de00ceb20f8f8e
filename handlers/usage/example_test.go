package usage_test

import (
	"context"
	"fmt"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/handlers/usage"
)

// A pipeline gives the handler all that was heard of one instance in one day:
// here that it was rebuilt under another flavor than the record claims.
func Example() {
	handlers := winchester.NewRegistry()
	if err := usage.Register(handlers); err != nil {
		panic(err)
	}
	newHandler, err := handlers.Factory("usage", map[string]any{"core_fields": []string{"launched_at", "instance_flavor_id"}})
	if err != nil {
		panic(err)
	}
	handler, err := newHandler()
	if err != nil {
		panic(err)
	}

	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	events := []winchester.Event{{
		MessageID: "b3c1c9a0-6f5e-4d58-8c1e-0c8d1d0f0b02",
		EventType: "compute.instance.rebuild.end",
		Timestamp: day.Add(9 * time.Hour),
		Traits: winchester.Traits{
			"instance_id": "i-1", "launched_at": day.Add(-time.Hour), "instance_flavor_id": int64(3),
		},
	}, {
		MessageID: "6d2f0d5e-7d5c-4f0e-9a8e-3a1f6f3f0a01",
		EventType: "compute.instance.exists",
		Timestamp: day.Add(24*time.Hour + 2*time.Minute),
		Traits: winchester.Traits{
			"instance_id": "i-1", "launched_at": day.Add(-time.Hour), "instance_flavor_id": int64(2), "state": "active",
			"audit_period_beginning": day, "audit_period_ending": day.AddDate(0, 0, 1),
		},
	}}
	out, err := handler.HandleEvents(context.Background(), events, &winchester.Env{StreamID: 7})
	if err != nil {
		panic(err)
	}
	for _, e := range out {
		fmt.Println(e.EventType)
	}
	verdict := out[2]
	fmt.Println(verdict.MessageID)
	fmt.Println(verdict.Traits["error_code"], verdict.Traits["error"])
	// Output:
	// compute.instance.rebuild.end
	// compute.instance.exists
	// compute.instance.exists.failed
	// c0c33eb6-9d1a-56c4-9018-efb2bf71dc95
	// U2 Conflicting 'instance_flavor_id' values ('3' != '2')
}

// regional compares the region as well, but only where records have one.
type regional struct{ usage.Handler }

func (h *regional) HandleEvents(ctx context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	h.CoreFields = usage.DefaultCoreFields()
	if _, ok := env.DistinguishingTraits["region"]; ok {
		h.CoreFields = append(h.CoreFields, "region")
	}
	return h.Handler.HandleEvents(ctx, events, env)
}

// A host can embed the handler and choose the core fields stream by stream.
func Example_embedding() {
	handlers := winchester.NewRegistry()
	err := winchester.Register(handlers, "regional_usage", func(winchester.NoParams) (winchester.Handler, error) {
		return new(regional), nil
	})
	fmt.Println(handlers.Names(), err)
	// Output: [logger regional_usage] <nil>
}
