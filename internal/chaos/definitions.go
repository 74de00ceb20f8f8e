//go:build unix

package chaos

import (
	"log/slog"
	"os"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/chaos/scenario"
)

// triggers are the scenario's rules as the engine is given them.
var triggers = []winchester.TriggerDefinition{{
	Name: "assembly", DistinguishedBy: winchester.By("cell"),
	MatchCriteria: []winchester.Criterion{{EventTypes: []string{"part.*"}}},
	FireCriteria:  []winchester.Criterion{{EventTypes: []string{"part.*"}, Number: 5}},
	Expiration:    "$timestamp + 2s",
	FirePipeline:  string(scenario.Report), ExpirePipeline: string(scenario.Book),
}, {
	Name: "order", DistinguishedBy: winchester.By("order", "tenant"),
	MatchCriteria: []winchester.Criterion{{EventTypes: []string{"order.*"}}},
	FireCriteria:  []winchester.Criterion{{EventTypes: []string{"order.placed"}}, {EventTypes: []string{"order.closed"}}},
	Expiration:    "$first + 4s",
	FirePipeline:  string(scenario.Report), ExpirePipeline: string(scenario.Report),
}, {
	Name: "alarm", DistinguishedBy: winchester.By("host"),
	MatchCriteria: []winchester.Criterion{{EventTypes: []string{"sample"}, Traits: loadAbove("0.5")}},
	FireCriteria:  []winchester.Criterion{{Traits: loadAbove("0.8"), Number: 3}},
	Expiration:    "$timestamp + 2s", FireDelay: 300 * time.Millisecond,
	FirePipeline: string(scenario.Book), ExpirePipeline: string(scenario.Nothing),
}, {
	Name: "digest", DistinguishedBy: winchester.By("region"),
	MatchCriteria: []winchester.Criterion{{EventTypes: []string{"!" + scenario.ReportType}}},
	FireCriteria:  []winchester.Criterion{{Number: 40}},
	Expiration:    "$timestamp + 3s",
	FirePipeline:  string(scenario.Book), ExpirePipeline: string(scenario.Book),
}, {
	Name: "summary", DistinguishedBy: winchester.By("of", "shard"),
	MatchCriteria: []winchester.Criterion{{EventTypes: []string{scenario.ReportType}}},
	FireCriteria:  []winchester.Criterion{{EventTypes: []string{scenario.ReportType}, Number: 4}},
	Expiration:    "$timestamp + 1s",
	FirePipeline:  string(scenario.Book), ExpirePipeline: string(scenario.Book),
}}

func loadAbove(limit string) map[string]any {
	return map[string]any{"load": winchester.Compare{Type: "float", Value: "> " + limit}}
}

var pipelines = []winchester.PipelineDefinition{
	{Name: string(scenario.Book), Handlers: []winchester.HandlerSpec{{Name: "outside"}, {Name: "ledger"}, {Name: "moody"}}},
	{Name: string(scenario.Report), Handlers: []winchester.HandlerSpec{{Name: "outside"}, {Name: "ledger"}, {Name: "report"}, {Name: "moody"}}},
}

// newEngine makes the engine of a feeder or a worker. Leases and pauses are
// short, so that what is lost is soon found.
func newEngine(st winchester.Store, lease time.Duration, handlers *winchester.Registry) (*winchester.Engine, error) {
	return winchester.New(winchester.Config{
		Store: st, Triggers: triggers, Pipelines: pipelines, Handlers: handlers,
		Logger:           slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		StatisticsPeriod: -1, KeepCompleted: true, Workers: 4, BatchSize: 20,
		Lease: lease, PollInterval: 200 * time.Millisecond,
		// A stream must never run out of attempts by bad luck.
		Retry: winchester.RetryPolicy{MaxAttempts: 1_000_000, InitialBackoff: 20 * time.Millisecond, MaxBackoff: 500 * time.Millisecond},
	})
}
