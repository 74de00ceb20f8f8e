package notify_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
	"github.com/seed71495667/winchester/handlers/notify"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/internal/testrabbit"
	"github.com/seed71495667/winchester/store"
	"github.com/seed71495667/winchester/timex"
)

func TestMain(m *testing.M) {
	code := m.Run()
	notify.Close() // so that what is still there is a leak
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var at = time.Date(2026, 3, 2, 1, 2, 3, 456000, time.UTC)

func event(id, eventType string, traits winchester.Traits) winchester.Event {
	return winchester.Event{MessageID: id, EventType: eventType, Timestamp: at, Traits: traits}
}

func newEnv(own ...winchester.Event) *winchester.Env {
	return &winchester.Env{Events: own, IdempotencyKey: "key-7", Values: map[string]any{}, Logger: slog.New(slog.DiscardHandler)}
}

func on(value bool) *bool { return &value }

// run runs one handler over events, the way a pipeline does.
func run(t *testing.T, p notify.Params, events []winchester.Event, env *winchester.Env) error {
	t.Helper()
	h, err := notify.New(p)
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.HandleEvents(t.Context(), events, env)
	if err != nil {
		return err
	}
	if len(out) != len(events) {
		t.Errorf("%d events became %d", len(events), len(out))
	}
	return h.Commit(t.Context())
}

// TestPublish: the lists of the environment in their order, then the new events
// that are selected, and nothing else.
func TestPublish(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	exchange, q := b.Name("exchange"), b.Name("queue")
	own := event("own", "x.verified", nil)
	events := []winchester.Event{
		own,
		event("new", "x.verified", winchester.Traits{
			"publisher_id": "stv3", "n": int64(5), "f": 1.5, "s": "ä", "at": at, "none": nil,
			"period": timex.Range{Begin: at, End: at.Add(time.Hour)},
		}),
		event("other", "y", nil), event("excluded", "x.failed", nil),
	}
	env := newEnv(own)
	env.Values["lists"] = []map[string]any{{"message_id": "a", "event_type": "t", "payload": map[string]any{"k": 1}}, {"event_type": "no id"}}
	env.Values["mixed"] = []any{map[string]any{"message_id": "b"}, event("c", "z", nil), json.RawMessage(`{"message_id": "d"}`)}
	env.Values["events"] = []winchester.Event{event("e", "z", nil)}
	env.Values["not named"] = []any{1}
	p := notify.Params{
		URL: testrabbit.URL(t), Exchange: exchange, QueueName: q, EnvKeys: []string{"lists", "missing", "mixed", "events"},
		EventTypes: []string{"x.*", "!x.failed"},
	}
	if err := run(t, p, events, env); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "key-7-lists-1", "b", "c", "d", "e"} {
		d := b.Get(q)
		if d.MessageId != id || d.ContentType != "application/json" || d.DeliveryMode != amqp091.Persistent || d.RoutingKey != q || d.Exchange != exchange || d.AppId != "winchester" {
			t.Errorf("%s: %+v", id, d)
		}
	}
	d := b.Get(q)
	want := `{"message_id":"new","publisher_id":"stv3","event_type":"x.verified","priority":"INFO","timestamp":"2026-03-02 01:02:03.000456",` +
		`"payload":{"at":"2026-03-02T01:02:03.000456Z","f":1.5,"n":5,"none":null,"period":{"begin":"2026-03-02T01:02:03.000456Z","end":"2026-03-02T02:02:03.000456Z"},"publisher_id":"stv3","s":"ä"}}`
	if string(d.Body) != want || d.MessageId != "new" || d.Type != "x.verified" {
		t.Errorf("%s\n%s\n%+v", d.Body, want, d)
	}
	if n := b.Ready(q); n != 0 {
		t.Errorf("%d messages too many", n)
	}
	// What is published can be read again.
	reader, err := distiller.New(distiller.Config{CatchAll: true})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := reader.Distill(d.Body); err != nil || e.MessageID != "new" || e.EventType != "x.verified" || !e.Timestamp.Equal(at) {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestUnroutable: the broker throws away what no queue takes; that is an error,
// unless one says that it is none.
func TestUnroutable(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	exchange, q := b.Name("exchange"), b.Name("queue")
	env := newEnv()
	env.Values["n"] = []map[string]any{{"message_id": "lost"}}
	p := notify.Params{URL: testrabbit.URL(t), Exchange: exchange, RoutingKey: q, EnvKeys: []string{"n"}}
	if err := run(t, p, nil, env); err == nil || !strings.Contains(err.Error(), "no queue takes the message lost") || !strings.Contains(err.Error(), "NO_ROUTE") {
		t.Errorf("%v", err)
	}
	p.Mandatory = on(false)
	if err := run(t, p, nil, env); err != nil {
		t.Errorf("not mandatory: %v", err)
	}
	// A queue that someone deletes is declared anew when that was noticed.
	p.Mandatory, p.QueueName = nil, q
	if err := run(t, p, nil, env); err != nil {
		t.Error(err)
	}
	if _, err := b.Channel().QueueDelete(q, false, false, false); err != nil {
		t.Fatal(err)
	}
	if err := run(t, p, nil, env); err == nil {
		t.Error("published to a queue that is gone")
	}
	if err := run(t, p, nil, env); err != nil {
		t.Error(err)
	}
	if d := b.Get(q); d.MessageId != "lost" || b.Ready(q) != 0 {
		t.Errorf("%+v", d)
	}
}

// TestTopology: what is otherwise than described, or not there, is told.
func TestTopology(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	exchange, q := b.Name("exchange"), b.Name("queue")
	b.Queue(q)
	env := newEnv()
	env.Values["n"] = []any{map[string]any{}}
	p := notify.Params{URL: testrabbit.URL(t), Exchange: exchange, QueueName: q, EnvKeys: []string{"n"}, Declare: on(false)}
	if err := run(t, p, nil, env); err == nil || !strings.Contains(err.Error(), "no exchange '"+exchange+"'") {
		t.Errorf("%v", err)
	}
	p.Declare, p.Durable = nil, on(false)
	if err := run(t, p, nil, env); err == nil || !strings.Contains(err.Error(), "exists with another durable") {
		t.Errorf("%v", err)
	}
	p.Durable, p.Arguments = nil, map[string]any{"x-max-length": 10.0}
	if err := run(t, p, nil, env); err == nil || !strings.Contains(err.Error(), "set arguments.x-max-length to what the broker has") {
		t.Errorf("%v", err)
	}
	p.QueueName = b.Name("other")
	if err := run(t, p, nil, env); err != nil {
		t.Error(err)
	}
}

// TestRefused: a queue that is full refuses, and the broker does not confirm.
func TestRefused(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	env := newEnv()
	env.Values["n"] = []any{map[string]any{"message_id": "1"}, map[string]any{"message_id": "2"}, map[string]any{"message_id": "3"}}
	err := run(t, notify.Params{
		URL: testrabbit.URL(t), Exchange: b.Name("exchange"), QueueName: b.Name("queue"), EnvKeys: []string{"n"},
		Arguments: map[string]any{"x-max-length": 1.0, "x-overflow": "reject-publish"},
	}, nil, env)
	if err == nil || !strings.Contains(err.Error(), "refused 2 of 3 messages") {
		t.Errorf("%v", err)
	}
}

// TestManyAtOnce: handlers share one connection, and each gets its own errors.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	exchange, q := b.Name("exchange"), b.Name("queue")
	good := notify.Params{URL: testrabbit.URL(t), Exchange: exchange, QueueName: q, EnvKeys: []string{"n"}}
	bad := good
	bad.QueueName, bad.RoutingKey = "", "nobody"
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			p := good
			if i%4 == 3 {
				p = bad
			}
			env := newEnv()
			list := make([]map[string]any, 10)
			for j := range list {
				list[j] = map[string]any{"message_id": fmt.Sprintf("%d-%d", i, j)}
			}
			env.Values["n"] = list
			if err := run(t, p, nil, env); (err != nil) != (i%4 == 3) {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if n := b.Ready(q); n != 300 {
		t.Errorf("%d messages, want 300", n)
	}
}

// TestBrokerAway: while the broker is away, streams wait without counting attempts
// and without holding up workers; when it is back, each is published once in effect.
func TestBrokerAway(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	exchange, q := b.Name("exchange"), b.Name("queue")
	g := testrabbit.NewGate(t)
	g.Close(true)
	const streams = 30
	var runs atomic.Int64
	engine, clock := newEngine(t, &runs, g.URL(), exchange, q)
	for i := range streams {
		if _, err := engine.AddEvent(t.Context(), winchester.Event{
			MessageID: fmt.Sprintf("in-%d", i), EventType: "in", Timestamp: clock.Now(), Traits: winchester.Traits{"key": i},
		}); err != nil {
			t.Fatal(err)
		}
	}
	pass := func() {
		clock.Advance(time.Minute)
		if _, err := engine.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // more often than the policy allows attempts
		pass()
	}
	if n := countStreams(t, engine); n != streams || engine.Stats().Fired != 0 || engine.Stats().Errors != 0 {
		t.Fatalf("%d streams are left, %+v", n, engine.Stats())
	}
	if n := runs.Load(); n < 2*streams {
		t.Errorf("%d runs have waited for the broker", n)
	}
	g.Close(false)
	testrabbit.WaitFor(t, "all streams to complete", func() bool { pass(); return countStreams(t, engine) == 0 })
	got := map[string]int{}
	for n := b.Ready(q); n > 0; n-- {
		got[b.Get(q).MessageId]++
	}
	repeated := 0
	for i := range streams {
		id := fmt.Sprintf("out-%d", i)
		if got[id] < 1 {
			t.Errorf("%s is lost", id)
		}
		repeated += got[id] - 1
	}
	if len(got) != streams {
		t.Errorf("%d message ids, want %d: %v", len(got), streams, got)
	}
	if n := g.Accepted(); n != 1 {
		t.Errorf("%d connections, want one for all", n)
	}
	t.Logf("%d streams waited for the broker: %d runs for %d streams; %d messages were repeated", streams, runs.Load(), streams, repeated)
}

// TestConnectionCut: connections are cut in mid-publish again and again. Every
// message arrives, under the same id however often it was tried.
func TestConnectionCut(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	exchange, q := b.Name("exchange"), b.Name("queue")
	g := testrabbit.NewGate(t)
	p := notify.Params{URL: g.URL(), Exchange: exchange, QueueName: q, EnvKeys: []string{"n"}}
	const messages = 2000
	env := newEnv()
	list := make([]map[string]any, messages)
	for i := range list {
		list[i] = map[string]any{"message_id": fmt.Sprint(i), "payload": strings.Repeat("x", 1000)}
	}
	env.Values["n"] = list
	g.Limit(300_000, 900_000, 1_500_000) // of the two millions that it takes
	failed := 0
	testrabbit.WaitFor(t, "a Commit that succeeds", func() bool {
		err := run(t, p, nil, env)
		if err != nil {
			failed++
		}
		return err == nil
	})
	got := map[string]int{}
	total := b.Ready(q)
	deliveries, err := b.Channel().Consume(q, "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range total {
		got[(<-deliveries).MessageId]++
	}
	if failed < 3 || total <= messages {
		t.Errorf("%d Commits failed, %d messages have arrived: nothing was cut", failed, total)
	}
	if len(got) != messages {
		t.Errorf("%d different messages have arrived, want %d", len(got), messages)
	}
	t.Logf("%d messages; %d Commits failed; %d messages arrived more than once, with the same id", messages, failed, total-len(got))
}

// TestBlocked: a broker that is short of memory confirms nothing; Commit ends in
// time, and later ones do not even try.
func TestBlocked(t *testing.T) {
	testrabbit.NeedRestart(t) // it stops all publishers of the broker
	b := testrabbit.Open(t)
	exchange, q := b.Name("exchange"), b.Name("queue")
	env := newEnv()
	env.Values["n"] = []any{map[string]any{"message_id": "1"}}
	p := notify.Params{URL: testrabbit.URL(t) + "?heartbeat=7", Exchange: exchange, QueueName: q, EnvKeys: []string{"n"}, Timeout: notify.Duration(2 * time.Second)}
	if err := run(t, p, nil, env); err != nil {
		t.Fatal(err)
	}
	testrabbit.Ctl(t, "set_vm_memory_high_watermark", "0.000001")
	err := run(t, p, nil, env)
	again := run(t, p, nil, env)
	testrabbit.Ctl(t, "set_vm_memory_high_watermark", "0.4")
	for _, err := range []error{err, again} {
		if err == nil || !strings.Contains(err.Error(), "takes no messages") || !strings.Contains(err.Error(), "snoozed") {
			t.Errorf("%v", err)
		}
	}
	testrabbit.WaitFor(t, "the broker to take messages again", func() bool { return run(t, p, nil, env) == nil })
}

func newEngine(t *testing.T, runs *atomic.Int64, brokerURL, exchange, queue string) (*winchester.Engine, *winchester.ManualClock) {
	t.Helper()
	clock := winchester.NewManualClock(at)
	handlers := winchester.NewRegistry()
	if err := notify.Register(handlers); err != nil {
		t.Fatal(err)
	}
	winchester.MustRegister(handlers, "make", func(winchester.NoParams) (winchester.Handler, error) { return maker{runs: runs}, nil })
	engine, err := winchester.New(winchester.Config{
		Store: testdb.Open(t, store.Options{}), Handlers: handlers, Clock: clock, Logger: slog.New(slog.DiscardHandler),
		Retry: winchester.RetryPolicy{MaxAttempts: 2},
		Triggers: []winchester.TriggerDefinition{{
			Name: "each", DistinguishedBy: winchester.By("key"),
			MatchCriteria: []winchester.Criterion{{EventTypes: []string{"in"}}},
			FireCriteria:  []winchester.Criterion{{EventTypes: []string{"in"}}},
			Expiration:    "$last + 100d", FirePipeline: "p",
		}},
		Pipelines: []winchester.PipelineDefinition{{Name: "p", Handlers: []winchester.HandlerSpec{
			{Name: "make"},
			{Name: "notify", Params: map[string]any{"url": brokerURL, "exchange": exchange, "queue_name": queue, "event_types": "out", "timeout": "10s"}},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return engine, clock
}

// maker makes an event of the stream's.
type maker struct {
	winchester.HandlerDefaults
	runs *atomic.Int64
}

func (m maker) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	m.runs.Add(1)
	key, _ := env.DistinguishingTraits.Int("key")
	return append(events[:1:1], winchester.Event{
		MessageID: fmt.Sprintf("out-%d", key), EventType: "out", Timestamp: events[0].Timestamp, Traits: winchester.Traits{"n": key},
	}), nil
}

func countStreams(t *testing.T, engine *winchester.Engine) int64 {
	t.Helper()
	n, err := engine.Store().CountStreams(t.Context(), winchester.StreamQuery{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
