package atompub_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/handlers/atompub"
	"github.com/seed71495667/winchester/handlers/usage"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/store"
)

// engine verifies usage and publishes the verdicts to a feed.
func engine(t *testing.T, f *feed, change func(*winchester.Config)) (*winchester.Engine, *winchester.ManualClock) {
	t.Helper()
	handlers := winchester.NewRegistry()
	for _, register := range []func() error{
		func() error { return usage.Register(handlers) },
		func() error { return atompub.Register(handlers) },
	} {
		if err := register(); err != nil {
			t.Fatal(err)
		}
	}
	clock := winchester.NewManualClock(noon)
	c := winchester.Config{
		Store: testdb.Open(t, store.Options{}), Handlers: handlers, Clock: clock, Logger: slog.New(slog.DiscardHandler), KeepCompleted: true,
		Workers: 1,
		Triggers: []winchester.TriggerDefinition{{
			Name: "usage", DistinguishedBy: winchester.By("instance_id"), Expiration: "$last + 1d", FirePipeline: "verify",
			MatchCriteria: []winchester.Criterion{{EventTypes: []string{"compute.instance.exists"}}},
			FireCriteria:  []winchester.Criterion{{}},
		}},
		Pipelines: []winchester.PipelineDefinition{{Name: "verify", Handlers: []winchester.HandlerSpec{
			{Name: "usage"},
			{Name: "atompub", Params: map[string]any{
				"url": f.URL + "/feed", "event_types": "compute.instance.exists.*", "http_timeout": 0.1,
				"auth_server": f.URL + "/tokens", "auth_user": user, "auth_key": key,
			}},
		}}},
	}
	if change != nil {
		change(&c)
	}
	e, err := winchester.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return e, clock
}

func exists(i int) winchester.Event {
	return winchester.Event{
		MessageID: fmt.Sprintf("6d2f0d5e-7d5c-4f0e-9a8e-%012d", i), EventType: "compute.instance.exists", Timestamp: noon,
		Traits: winchester.Traits{"instance_id": fmt.Sprint("i-", i), "state": "stopped"},
	}
}

func pass(t *testing.T, e *winchester.Engine, clock *winchester.ManualClock, d time.Duration) {
	t.Helper()
	clock.Advance(d)
	if _, err := e.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// states counts the streams by state.
func states(t *testing.T, e *winchester.Engine) string {
	t.Helper()
	streams, err := e.Store().FindStreams(t.Context(), winchester.StreamQuery{})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[winchester.State]int{}
	for _, s := range streams {
		counts[s.State]++
	}
	return fmt.Sprint(counts)
}

// TestEngineWaitsForServer: one worker, many streams, and a server that does not
// answer: one request finds out. All is delivered once it is back, once each.
func TestEngineWaitsForServer(t *testing.T) {
	t.Parallel()
	const n = 20
	f := newFeed(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	f.misbehaves(func(http.ResponseWriter, *http.Request, int) bool { <-release; return true })
	e, clock := engine(t, f, nil)
	for i := range n {
		if _, err := e.AddEvent(t.Context(), exists(i)); err != nil {
			t.Fatal(err)
		}
	}
	pass(t, e, clock, time.Second)
	expect(t, "states", states(t, e), fmt.Sprintf("map[%s:%d]", winchester.StateRetryFire, n))
	posts, _, _ := f.counts()
	expect(t, "posts", posts, 1)

	f.misbehaves(nil)
	for range 3 { // the first pass may have one that tries while others pass by
		pass(t, e, clock, 31*time.Second)
	}
	expect(t, "states", states(t, e), fmt.Sprintf("map[%s:%d]", winchester.StateCompleted, n))
	posts, _, kept := f.counts()
	expect(t, "kept", kept, n)
	expect(t, "posts", posts, n+1)
	for _, entry := range f.entries {
		if entry.Title != usage.EventVerified {
			t.Errorf("published %+v", entry)
		}
	}
}

// TestEngineRefused: by default the stream waits for someone; the original's
// policy lets it pass.
func TestEngineRefused(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]winchester.State{
		winchester.CommitErrorRetry: winchester.StateError, winchester.CommitErrorIgnore: winchester.StateCompleted,
	} {
		f := newFeed(t)
		f.misbehaves(func(w http.ResponseWriter, _ *http.Request, n int) bool {
			status := map[int]int{1: 503, 2: 400}[n]
			if status != 0 {
				w.WriteHeader(status)
			}
			return status != 0
		})
		e, clock := engine(t, f, func(c *winchester.Config) { c.Retry.OnCommitError = policy })
		res, err := e.AddEvent(t.Context(), exists(1))
		if err != nil {
			t.Fatal(err)
		}
		pass(t, e, clock, time.Second)
		expect(t, policy+": after 503", states(t, e), fmt.Sprintf("map[%s:1]", winchester.StateRetryFire))
		pass(t, e, clock, time.Minute)
		expect(t, policy+": after 400", states(t, e), fmt.Sprintf("map[%s:1]", want))
		if want != winchester.StateError {
			continue
		}
		if _, err := e.ResetStream(t.Context(), res.Streams[0].StreamID); err != nil {
			t.Fatal(err)
		}
		pass(t, e, clock, time.Second)
		expect(t, policy+": after the reset", states(t, e), fmt.Sprintf("map[%s:1]", winchester.StateCompleted))
	}
}
