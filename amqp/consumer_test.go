package amqp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/amqp"
	"github.com/seed71495667/winchester/internal/testrabbit"
)

func TestConsume(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	exchange, one, two := b.Name("exchange"), b.Name("one"), b.Name("two")
	engine := newEngine(t)
	dead := b.Name("dead")
	c, stop := start(t, amqp.Config{
		Sink: engine, DeadLetters: amqp.DeadLetters{Exchange: dead},
		Queues: []amqp.Queue{
			{Name: one, Exchange: exchange, RoutingKeys: []string{"notifications.info", "notifications.error"}, MaxMessages: 7},
			{Name: two, Exchange: exchange, RoutingKeys: []string{"audit.#"}},
		},
	})
	testrabbit.WaitFor(t, "both queues", func() bool { return b.Consumed(one) && b.Consumed(two) })
	b.Publish(exchange, "notifications.info", notifications("info", 150)...)
	b.Publish(exchange, "notifications.error", notifications("error", 20)...)
	b.Publish(exchange, "audit.info.x", notifications("audit", 30)...)
	b.Publish(exchange, "notifications.debug", notifications("debug", 5)...) // nobody wants them
	b.Publish(exchange, "notifications.info", notifications("info", 10)...)  // again
	waitAcknowledged(t, c, 210)
	stop()
	s := c.Stats()
	if s.Received != 210 || s.Stored != 200 || s.Duplicates != 10 || s.Redelivered != 0 || s.Connections != 1 || s.Connected {
		t.Errorf("%+v", s)
	}
	for id, n := range stored(t, engine) {
		if n != 1 || strings.HasPrefix(id, "debug") {
			t.Errorf("%s is stored %d times", id, n)
		}
	}
	if n := countStored(t, engine); n != 200 {
		t.Errorf("%d events are stored", n)
	}
	if n := b.Ready(one) + b.Ready(two); n != 0 {
		t.Errorf("%d messages are left", n)
	}
	if s.Batches >= 210 {
		t.Errorf("no message shared a transaction: %d batches", s.Batches)
	}
}

// TestFilters: what nobody wants is acknowledged, and counted.
func TestFilters(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q, engine := b.Name("queue"), newEngine(t)
	c, stop := start(t, amqp.Config{
		Sink: engine, DeadLetters: amqp.DeadLetters{Exchange: b.Name("dead")},
		Queues: []amqp.Queue{{Name: q, Filters: []string{"compute.*", "!compute.instance.update"}, ExcludeFilters: []string{"*.start"}}},
	})
	testrabbit.WaitFor(t, "the queue", func() bool { return b.Consumed(q) })
	b.Publish("", q, notification("1", "compute.instance.exists"), notification("2", "compute.instance.update"),
		notification("3", "image.upload"), notification("4", "compute.instance.delete.start"), "no JSON")
	waitAcknowledged(t, c, 5)
	stop()
	if s := c.Stats(); s.Stored != 1 || s.Filtered != 3 || s.DeadLettered != 1 {
		t.Errorf("%+v", s)
	}
	if got := stored(t, engine); got["1"] != 1 || len(got) != 1 {
		t.Errorf("stored: %v", got)
	}
}

// TestCloudEvents: in binary mode and in structured mode they share a transaction.
func TestCloudEvents(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q, dead := b.Name("queue"), b.Name("dead")
	b.Queue(q)
	b.PublishMessage("", q, amqp091.Publishing{ContentType: "application/json", Body: []byte(`{"n":1}`), Headers: amqp091.Table{
		"cloudEvents:specversion": "1.0", "cloudEvents:id": "1", "cloudEvents:source": "/s", "cloudEvents:type": "a.b",
		"cloudEvents:time": time.Date(2026, 4, 5, 17, 31, 0, 0, time.UTC),
	}})
	structured := `{"specversion":"1.0","id":"2","source":"/s","type":"a.c"}`
	b.PublishMessage("", q, amqp091.Publishing{ContentType: "application/cloudevents+json", Body: []byte(structured)})
	b.PublishMessage("", q, amqp091.Publishing{ContentType: "application/json", Body: []byte(`{`), Headers: amqp091.Table{
		"cloudEvents_specversion": "1.0",
	}})
	s := &sink{}
	c, stop := start(t, amqp.Config{Sink: s, DeadLetters: amqp.DeadLetters{Exchange: dead}, Queues: []amqp.Queue{{Name: q, Filters: []string{"a.*"}}}})
	waitAcknowledged(t, c, 3)
	stop()
	want := []string{`{"data":{"n":1},"datacontenttype":"application/json","id":"1","source":"/s","specversion":"1.0","time":"2026-04-05T17:31:00Z","type":"a.b"}`, structured}
	if got := s.seen(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if d := b.Get(dead); string(d.Body) != "{" || !strings.Contains(fmt.Sprint(d.Headers["x-winchester-reason"]), "not the JSON") {
		t.Errorf("%+v", d)
	}
}

// TestDatabaseAway: while the database is away, messages
// stay with the broker, and are tried again with pauses in between.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q, engine := b.Name("queue"), newEngine(t)
	b.Queue(q)
	b.Publish("", q, notifications("n", 20)...)
	away := make(chan struct{})
	var logged syncBuffer
	s := &sink{to: engine, before: func(int, [][]byte) error {
		select {
		case <-away:
			return nil
		default:
			return fmt.Errorf("insert: %w: connection refused", winchester.ErrUnavailable)
		}
	}}
	c, stop := start(t, amqp.Config{
		Sink: s, Queues: []amqp.Queue{{Name: q}}, DeadLetters: amqp.DeadLetters{Exchange: b.Name("dead")},
		Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	testrabbit.WaitFor(t, "three retries", func() bool { return c.Stats().Retries >= 3 })
	if st := c.Stats(); st.Acknowledged != 0 || st.DeadLettered != 0 || !strings.Contains(st.LastError, "connection refused") {
		t.Errorf("%+v", st)
	}
	if n := s.calls.Load(); n > 8 {
		t.Errorf("%d attempts: a busy loop", n)
	}
	close(away)
	waitAcknowledged(t, c, 20)
	stop()
	if n := countStored(t, engine); n != 20 {
		t.Errorf("%d events are stored", n)
	}
	if strings.Contains(logged.String(), "guest:guest") {
		t.Error("the password is in the log")
	}
}

// TestStopWhileAway: a Stop does not wait for a database that is away, and what
// was not stored is delivered again.
func TestStopWhileAway(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q := b.Name("queue")
	b.Queue(q)
	b.Publish("", q, notifications("n", 5)...)
	s := &sink{before: func(int, [][]byte) error { return winchester.ErrUnavailable }}
	c, stop := start(t, amqp.Config{Sink: s, Queues: []amqp.Queue{{Name: q}}, DeadLetters: amqp.DeadLetters{Exchange: b.Name("dead")}})
	testrabbit.WaitFor(t, "a retry", func() bool { return c.Stats().Retries >= 1 })
	stop()
	testrabbit.WaitFor(t, "the messages to come back", func() bool { return b.Ready(q) == 5 })
	if d := b.Get(q); !d.Redelivered {
		t.Error("not marked as redelivered")
	}
}

// TestStopDrains: the batch under way is stored and acknowledged, what came
// behind it goes back.
func TestStopDrains(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q, engine := b.Name("queue"), newEngine(t)
	b.Queue(q)
	b.Publish("", q, notifications("n", 30)...)
	inside, goOn := make(chan struct{}), make(chan struct{})
	s := &sink{to: engine, before: func(call int, _ [][]byte) error {
		if call == 1 {
			close(inside)
			<-goOn
		}
		return nil
	}}
	c, stop := start(t, amqp.Config{Sink: s, Queues: []amqp.Queue{{Name: q, MaxMessages: 10}}, DeadLetters: amqp.DeadLetters{Exchange: b.Name("dead")}})
	<-inside
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	select {
	case <-stopped:
		t.Error("Stop did not wait for the batch")
	case <-time.After(50 * time.Millisecond):
	}
	close(goOn)
	<-stopped
	acked := c.Stats().Acknowledged
	if acked < 1 || acked > 10 || countStored(t, engine) != acked || s.calls.Load() != 1 {
		t.Errorf("%d acknowledged, %d stored, %d batches", acked, countStored(t, engine), s.calls.Load())
	}
	testrabbit.WaitFor(t, "the rest to come back", func() bool { return int64(b.Ready(q)) == 30-acked })
}

// TestStopWithoutPatience: what is under way is given up when the context ends.
func TestStopWithoutPatience(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q := b.Name("queue")
	b.Queue(q)
	b.Publish("", q, notifications("n", 3)...)
	inside := make(chan struct{})
	c, err := amqp.New(amqp.Config{
		URL: testrabbit.URL(t), Sink: hanging{inside}, Queues: []amqp.Queue{{Name: q, MaxMessages: 1}},
		DeadLetters: amqp.DeadLetters{Exchange: b.Name("dead")}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); !errors.Is(err, amqp.ErrRunning) {
		t.Errorf("a second Start: %v", err)
	}
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stop: %v", err)
	}
	testrabbit.WaitFor(t, "the messages to come back", func() bool { return b.Ready(q) == 3 })
	if err := c.Stop(t.Context()); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
}

// hanging is a Sink whose database never answers.
type hanging struct{ inside chan struct{} }

func (h hanging) AddNotifications(ctx context.Context, _ [][]byte) ([]winchester.Result, error) {
	close(h.inside)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestRun: Run drains when its context ends, and a consumer whose engine has
// no distiller does not try for ever.
func TestRun(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q := b.Name("queue")
	b.Queue(q)
	b.Publish("", q, notifications("n", 1)...)
	config := amqp.Config{
		URL: testrabbit.URL(t), Queues: []amqp.Queue{{Name: q}}, DeadLetters: amqp.DeadLetters{Exchange: b.Name("dead")},
		Logger: slog.New(slog.DiscardHandler),
	}
	config.Sink = &sink{before: func(int, [][]byte) error { return winchester.ErrNoDistiller }}
	c, err := amqp.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context()); !errors.Is(err, winchester.ErrNoDistiller) {
		t.Errorf("run: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	config.Sink = &sink{after: func(int, []winchester.Result) { cancel() }}
	if c, err = amqp.New(config); err != nil {
		t.Fatal(err)
	}
	if err := c.Run(ctx); err != nil {
		t.Errorf("run: %v", err)
	}
	if n := c.Stats().Acknowledged; n != 1 {
		t.Errorf("%d acknowledged", n)
	}
	if err := c.Start(t.Context()); err != nil { // it can be started again
		t.Fatal(err)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestPreconditionFailed: what differs is named, in the words of the configuration,
// and other queues go on.
func TestPreconditionFailed(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q, exchange, other, engine := b.Name("queue"), b.Name("exchange"), b.Name("other"), newEngine(t)
	b.Queue(q)
	if err := b.Channel().ExchangeDeclare(exchange, "topic", false, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	config := amqp.Config{Sink: engine, DeadLetters: amqp.DeadLetters{Exchange: b.Name("dead")}, Queues: []amqp.Queue{
		{Name: q, Transient: true},
		{Name: b.Name("never"), Exchange: exchange},
		{Name: other},
	}}
	c, stop := start(t, config)
	testrabbit.WaitFor(t, "the other queue", func() bool { return b.Consumed(other) })
	b.Publish("", other, notification("1", "x"))
	waitAcknowledged(t, c, 1)
	err := c.Check(t.Context())
	if err == nil {
		t.Fatal("no fault found")
	}
	for _, part := range []string{
		fmt.Sprintf(`the queue %q exists with another durable: 'true' on the broker, 'false' here; set durable to what the broker has`, q),
		fmt.Sprintf(`the exchange %q exists with another durable: 'false' on the broker, 'true' here; set exchange_durable to what the broker has`, exchange),
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v\ndoes not say\n%s", err, part)
		}
	}
	if s := c.Stats(); !strings.Contains(s.LastError, "exists with another durable") {
		t.Errorf("last error: %s", s.LastError)
	}
	// Once the cause is gone, consuming begins by itself.
	if _, err := b.Channel().QueueDelete(q, false, false, false); err != nil {
		t.Fatal(err)
	}
	testrabbit.WaitFor(t, "the queue to be made", func() bool {
		return b.TryPublish("", q, amqp091.Publishing{Body: []byte(notification("2", "x"))}) == nil && stored(t, engine)["2"] == 1
	})
	stop()
}

// TestExclusive: a second consumer of a queue waits until the first is gone.
func TestExclusive(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q := b.Name("queue")
	config := amqp.Config{Sink: &sink{}, DeadLetters: amqp.DeadLetters{Exchange: b.Name("dead")}, Queues: []amqp.Queue{{Name: q, Exclusive: true}}}
	first, stop := start(t, config)
	testrabbit.WaitFor(t, "the queue", func() bool { return b.Consumed(q) })
	b.Publish("", q, "1")
	waitAcknowledged(t, first, 1)
	second, _ := start(t, config)
	testrabbit.WaitFor(t, "the second to be refused", func() bool { return strings.Contains(second.Stats().LastError, "exclusive") })
	stop()
	b.Publish("", q, "2")
	waitAcknowledged(t, second, 1)
}

// TestQueueDeleted: the broker cancels the consumer; the queue is made anew.
func TestQueueDeleted(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q := b.Name("queue")
	c, _ := start(t, amqp.Config{Sink: &sink{}, DeadLetters: amqp.DeadLetters{Exchange: b.Name("dead")}, Queues: []amqp.Queue{{Name: q}}})
	testrabbit.WaitFor(t, "the queue", func() bool { return b.Consumed(q) })
	b.Publish("", q, "1")
	waitAcknowledged(t, c, 1)
	if _, err := b.Channel().QueueDelete(q, false, false, false); err != nil {
		t.Fatal(err)
	}
	testrabbit.WaitFor(t, "the queue to be made anew", func() bool { return b.Consumed(q) })
	b.Publish("", q, "2")
	waitAcknowledged(t, c, 2)
	if s := c.Stats(); !strings.Contains(s.LastError, "cancelled the consumer") || s.Connections != 1 {
		t.Errorf("%+v", s)
	}
}

// TestUnreachable: a broker that is not there is no error of Start, and Stop is
// quick all the same.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	var logged syncBuffer
	c, stop := start(t, amqp.Config{
		URL: "amqp://someone:hush@127.0.0.1:1/", Sink: &sink{}, Queues: []amqp.Queue{{Name: "q"}},
		Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	testrabbit.WaitFor(t, "two attempts", func() bool { return strings.Count(logged.String(), "RabbitMQ cannot be reached") >= 2 })
	if err := c.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "amqp://someone@127.0.0.1:1") {
		t.Errorf("check: %v", err)
	}
	stop()
	if text := logged.String() + c.Stats().LastError; strings.Contains(text, "hush") || !strings.Contains(text, "connection refused") {
		t.Error(text)
	}
}

// TestStatistics: the line has what was done since the last one.
func TestStatistics(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q := b.Name("queue")
	b.Queue(q)
	b.Publish("", q, notifications("n", 4)...)
	var logged syncBuffer
	start(t, amqp.Config{
		Sink: &sink{}, DeadLetters: amqp.DeadLetters{Exchange: b.Name("dead")},
		Queues: []amqp.Queue{{Name: q, MaxMessages: 4}}, BatchWait: time.Minute, // so that there is one batch, and one line
		StatisticsPeriod: 20 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	testrabbit.WaitFor(t, "the line", func() bool {
		return strings.Contains(logged.String(), "4 stored, 0 duplicates, 0 dropped, 0 filtered, 0 dead letters. Messages per second: ")
	})
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
