package winchester_test

import (
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/store"
)

// BenchmarkMatch is what finding the streams of an event costs before its
// transaction begins, by triggers whose criteria look at traits and times and
// mostly fail.
func BenchmarkMatch(b *testing.B) {
	trigger := func(name string, traits map[string]any) winchester.TriggerDefinition {
		return winchester.TriggerDefinition{
			Name: name, DistinguishedBy: winchester.By("instance_id"), Expiration: "$last + 1d", FirePipeline: "p",
			MatchCriteria: []winchester.Criterion{
				{EventTypes: []string{"compute.*", "!*.exists"}, Timestamp: "day($launched_at)"},
				{EventTypes: []string{"compute.*"}, Traits: traits},
			},
			FireCriteria: []winchester.Criterion{},
		}
	}
	m, err := winchester.NewTriggerManager(winchester.TriggerConfig{
		Store: testdb.Open(b, store.Options{}),
		Triggers: []winchester.TriggerDefinition{
			trigger("constant", map[string]any{"state": "error"}),
			trigger("number", map[string]any{"memory_mb": winchester.Compare{Type: "int", Value: "> 100000"}}),
			trigger("time", map[string]any{"launched_at": winchester.Compare{Type: "datetime", Value: "day($timestamp)"}}),
			trigger("missing", map[string]any{"no_such_trait": 1}),
			trigger("all", map[string]any{"state": "active", "memory_mb": winchester.Compare{Type: "int", Value: ">= 512"}}),
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	var events []winchester.Event
	for i := range 100 {
		events = append(events, benchEvent(i, 10, time.Millisecond))
	}
	found := map[string]int{}
	b.ReportAllocs()
	for b.Loop() {
		winchester.Match(m, events, found)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(events)), "ns/event")
	if found["all"] == 0 || found["constant"]+found["number"]+found["time"]+found["missing"] != 0 {
		b.Fatalf("%v", found)
	}
}
