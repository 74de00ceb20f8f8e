package winchester_test

import (
	"context"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
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

// addUp lets periods pass until the numbers in lines of the pattern add up to
// what is wanted.
func (l lines) addUp(t *testing.T, clock *winchester.ManualClock, pattern string, want ...int) {
	t.Helper()
	re, got := regexp.MustCompile(pattern), make([]int, len(want))
	patience, tick := time.After(time.Minute), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !slices.Equal(got, want) {
		select {
		case line := <-l:
			for i, text := range re.FindStringSubmatch(line) {
				if n, err := strconv.Atoi(text); err == nil {
					got[i-1] += n
				}
			}
		case <-tick.C:
			clock.Advance(10 * time.Second)
		case <-patience:
			t.Fatalf("waited a minute in vain for lines like %q to add up to %v: they do to %v", pattern, want, got)
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
	log.waitFor(t, clock, "Received 0 notifications. Saved 0 events.")
	log.waitFor(t, clock, "Loaded 0 streams. Fired 0, Expired 0.") // also if nothing happens
	if err := engine.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// wants is a distiller of which every other notification is dropped.
type wants struct{ winchester.Distiller }

func (wants) Split([]byte) ([][]byte, bool, error) { return nil, false, nil }

func (wants) Distill(body []byte) (winchester.Event, error) {
	e := winchester.Event{MessageID: string(body), EventType: "x", Timestamp: time.Now(), Traits: winchester.Traits{"id": "1"}}
	if strings.HasPrefix(string(body), "drop") {
		return e, winchester.ErrDropped
	}
	return e, nil
}

// TestStatisticsOfIngest: a process that only takes notifications logs the
// original's line and its debug counts, which begin anew after each dump. What is
// no notification counts as saved only.
func TestStatisticsOfIngest(t *testing.T) {
	t.Parallel()
	clock := winchester.NewManualClock(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	log := make(lines, 1000)
	engine, err := winchester.New(winchester.Config{
		Store: testdb.Open(t, store.Options{}), Clock: clock, StatisticsPeriod: 10 * time.Second, Distiller: wants{},
		Logger: slog.New(slog.NewTextHandler(log, nil)),
		Triggers: []winchester.TriggerDefinition{{
			Name: "all", DistinguishedBy: winchester.By("id"), Expiration: "$first + 100y", DebugLevel: 1, FirePipeline: "none",
			MatchCriteria: []winchester.Criterion{{EventTypes: []string{"*"}}}, FireCriteria: []winchester.Criterion{{EventTypes: []string{"y"}}},
		}},
		Pipelines: []winchester.PipelineDefinition{{Name: "none"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); engine.LogStatistics(ctx) }()
	if _, err := engine.AddNotifications(t.Context(), [][]byte{[]byte("a"), []byte("drop b")}); err != nil {
		t.Fatal(err)
	}
	if _, err := engine.AddEvent(t.Context(), winchester.Event{
		MessageID: "c", EventType: "x", Timestamp: clock.Now(), Traits: winchester.Traits{"id": "1"},
	}); err != nil {
		t.Fatal(err)
	}
	// The lines of several periods together, since nobody says when one begins.
	log.addUp(t, clock, `Received (\d+) notifications\. Saved (\d+) events\.`, 2, 2) // an event is no notification
	log.waitFor(t, clock, "---- Trigger Definition: all ----")
	if _, err := engine.AddNotification(t.Context(), []byte("d")); err != nil {
		t.Fatal(err)
	}
	log.addUp(t, clock, `Match Criteria: (\d+) checks, (\d+) passed`, 6, 6) // of the criterion, and of the trigger
	stop()
	<-ended
	for len(log) > 0 {
		if line := <-log; strings.Contains(line, "Loaded") {
			t.Errorf("a process that does not work logs %s", line)
		}
	}
}
