package amqp_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/amqp"
	"github.com/seed71495667/winchester/distiller"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/internal/testrabbit"
	"github.com/seed71495667/winchester/store"
)

// orders has an engine that knows orders and nothing else: a stream is complete
// once its order is placed and paid.
func orders(t *testing.T) *winchester.Engine {
	t.Helper()
	definitions, err := distiller.Load("orders.yaml", []byte(`
- event_type: order.*
  traits:
    order_id: {fields: [data.order_id, payload.order_id]}
    cents: {fields: data.cents, type: int}
    tenant: {fields: tenant}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := distiller.New(distiller.Config{Definitions: definitions})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := winchester.New(winchester.Config{
		Store: testdb.Open(t, store.Options{}), Distiller: d, Logger: slog.New(slog.DiscardHandler), KeepCompleted: true,
		Triggers: []winchester.TriggerDefinition{{
			Name: "order", DistinguishedBy: winchester.By("order_id"), Expiration: "$first + 9999d", FirePipeline: "log",
			MatchCriteria: []winchester.Criterion{{EventTypes: []string{"order.*"}}},
			FireCriteria:  []winchester.Criterion{{EventTypes: []string{"order.placed"}}, {EventTypes: []string{"order.paid"}}},
		}},
		Pipelines: []winchester.PipelineDefinition{{Name: "log", Handlers: []winchester.HandlerSpec{{Name: "logger"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

func binary(id, eventType string, more amqp091.Table) amqp091.Table {
	headers := amqp091.Table{
		"cloudEvents:specversion": "1.0", "cloudEvents:id": id, "cloudEvents:source": "/shop", "cloudEvents:type": eventType,
		"cloudEvents:time": time.Date(2026, 4, 5, 17, 31, 0, 0, time.UTC),
	}
	for name, value := range more {
		headers[name] = value
	}
	return headers
}

// TestCloudEventsInBinaryMode: attributes from headers and data from the body become
// an event, which joins its stream beside one in structured mode; an event that comes
// in both is one.
func TestCloudEventsInBinaryMode(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q, dead, engine := b.Name("queue"), b.Name("dead"), orders(t)
	b.Queue(q)
	send := func(contentType string, headers amqp091.Table, body string) {
		b.PublishMessage("", q, amqp091.Publishing{ContentType: contentType, Headers: headers, DeliveryMode: amqp091.Persistent, Body: []byte(body)})
	}
	send("application/json", binary("1", "order.placed", amqp091.Table{"cloudEvents:tenant": "acme"}), `{"order_id": "A-1", "cents": 250}`)
	send("application/cloudevents+json", nil, `{"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.placed", "data": {"order_id": "A-1"}}`)
	send("application/cloudevents+json", nil, `{"specversion": "1.0", "id": "2", "source": "/shop", "type": "order.paid", "data": {"order_id": "A-1"}}`)
	send("application/json", binary("3", "invoice.sent", nil), `{}`)                                              // nobody asked for it
	send("application/json", binary("4", "order.placed", amqp091.Table{"cloudEvents:specversion": "0.3"}), `{}`)  // of another version
	send("application/json", binary("5", "order.placed", nil), `{"order_id": `)                                   // broken
	send("application/json", binary("", "order.placed", amqp091.Table{"other": "header"}), `{"order_id": "A-2"}`) // has no id
	c, stop := start(t, amqp.Config{                                                                              // one by one, since what is broken is put away before what is malformed in the same batch
		Sink: engine, DeadLetters: amqp.DeadLetters{Exchange: dead}, Queues: []amqp.Queue{{Name: q, MaxMessages: 1}},
	})
	waitAcknowledged(t, c, 7)
	stop()

	if s := c.Stats(); s.Stored != 2 || s.Duplicates != 1 || s.Dropped != 1 || s.DeadLettered != 3 || s.Acknowledged != 7 {
		t.Errorf("%+v", s)
	}
	streams, err := engine.Store().FindStreams(t.Context(), winchester.StreamQuery{IncludeEvents: true})
	if err != nil || len(streams) != 1 || len(streams[0].Events) != 2 || streams[0].FireTimestamp.IsZero() {
		t.Fatalf("%+v, %v", streams, err)
	}
	var got winchester.Event
	for _, e := range streams[0].Events {
		if e.EventType == "order.placed" {
			got = e
		}
	}
	want := winchester.Event{
		MessageID: "/shop 1", EventType: "order.placed", Timestamp: time.Date(2026, 4, 5, 17, 31, 0, 0, time.UTC),
		Traits: winchester.Traits{"order_id": "A-1", "cents": int64(250), "tenant": "acme", "service": "/shop"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, reason := range []string{`specversion "0.3" is not supported`, "not the JSON that its content type", "id is empty"} {
		d := b.Get(dead)
		text := fmt.Sprint(d.Headers["x-winchester-reason"])
		if !strings.Contains(text, reason) {
			t.Errorf("a dead letter says %q, expected %q", text, reason)
		}
		if d.Headers["cloudEvents:specversion"] == nil || d.ContentType != "application/json" {
			t.Errorf("a dead letter has headers %v and content type %q", d.Headers, d.ContentType)
		}
	}
}

// TestBatchInOneDelivery: a JSON array is one delivery and one transaction; what
// cannot become an event leaves it alone, and when it comes again nothing happens
// twice.
func TestBatchInOneDelivery(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q, engine := b.Name("queue"), orders(t)
	b.Queue(q)
	placed := `{"message_id": "m-1", "event_type": "order.placed", "publisher_id": "shop", "timestamp": "2026-04-05 17:31:00", "payload": {"order_id": "A-1"}}`
	paid := `{"specversion": "1.0", "id": "2", "source": "/shop", "type": "order.paid", "time": "2026-04-05T17:32:00Z", "data": {"order_id": "A-1"}}`
	other := `{"message_id": "m-3", "event_type": "invoice.sent", "timestamp": "2026-04-05 17:31:00", "payload": {}}`
	batch := "[" + strings.Join([]string{placed, `{"event_type": "order.placed", "n": 7}`, paid, other, placed}, ",\n") + "]"
	file := filepath.Join(t.TempDir(), "dead.jsonl")
	c, stop := start(t, amqp.Config{
		Sink: engine, DeadLetters: amqp.DeadLetters{File: file}, Queues: []amqp.Queue{{Name: q, ExcludeFilters: []string{"invoice.*"}}},
	})
	b.Publish("", q, batch)
	waitAcknowledged(t, c, 1)
	if s := c.Stats(); s.Stored != 2 || s.Duplicates != 1 || s.Filtered != 1 || s.DeadLettered != 1 || s.Batches != 1 || s.Acknowledged != 1 {
		t.Errorf("%+v", s)
	}
	b.Publish("", q, batch, "[]", `[{"message_id":`)
	waitAcknowledged(t, c, 4)
	stop()
	if s := c.Stats(); s.Stored != 2 || s.Duplicates != 4 || s.Filtered != 2 || s.DeadLettered != 3 {
		t.Errorf("%+v", s)
	}
	streams, err := engine.Store().FindStreams(t.Context(), winchester.StreamQuery{IncludeEvents: true})
	if err != nil || len(streams) != 1 || len(streams[0].Events) != 2 || streams[0].FireTimestamp.IsZero() {
		t.Fatalf("%+v, %v", streams, err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], `\"n\":7`) || strings.Contains(lines[0], "A-1") || !strings.Contains(lines[2], `[{\"message_id\":`) {
		t.Errorf("dead letters are\n%s", data)
	}
}
