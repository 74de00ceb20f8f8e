package winchester_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/store"
)

// lines is a log of which each line can be waited for.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// waitFor lets periods pass until a line comes that has the text.
func (l lines) waitFor(t *testing.T, clock *winchester.ManualClock, text string) {
	t.Helper()
	patience, tick := time.After(time.Minute), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case line := <-l:
			if strings.Contains(line, text) {
				return
			}
		case <-tick.C:
			clock.Advance(10 * time.Second)
		case <-patience:
			t.Fatalf("waited a minute in vain for %q", text)
		}
	}
}

// TestStatisticsOfLongRuns: a stream that is loaded in one period and has fired in
// another is told of in both.
func TestStatisticsOfLongRuns(t *testing.T) {
	t.Parallel()
	clock := winchester.NewManualClock(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	log, running, release := make(lines, 1000), make(chan struct{}), make(chan struct{})
	handlers := winchester.NewRegistry()
	winchester.MustRegister(handlers, "slow", func(winchester.NoParams) (winchester.Handler, error) {
		return handlerFunc(func(events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
			close(running)
			<-release
			return events, nil
		}), nil
	})
	engine, err := winchester.New(winchester.Config{
		Store: testdb.Open(t, store.Options{}), Clock: clock, Handlers: handlers, Lease: 24 * time.Hour, StatisticsPeriod: 10 * time.Second,
		Logger: slog.New(slog.NewTextHandler(log, nil)),
		Triggers: []winchester.TriggerDefinition{{
			Name: "all", DistinguishedBy: winchester.By("id"), Expiration: "$first + 1d", FirePipeline: "slow",
			MatchCriteria: []winchester.Criterion{{EventTypes: []string{"*"}}}, FireCriteria: []winchester.Criterion{{EventTypes: []string{"*"}}},
		}},
		Pipelines: []winchester.PipelineDefinition{{Name: "slow", Handlers: []winchester.HandlerSpec{{Name: "slow"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	e := winchester.Event{MessageID: "1", EventType: "x", Timestamp: clock.Now(), Traits: winchester.Traits{"id": "1"}}
	if _, err := engine.AddEvent(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Second)
	if err := engine.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	<-running
	log.waitFor(t, clock, "Loaded 1 streams. Fired 0, Expired 0.")
	close(release)
	log.waitFor(t, clock, "Loaded 0 streams. Fired 1, Expired 0.")
	if err := engine.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}
