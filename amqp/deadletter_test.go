package amqp_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/amqp"
	"github.com/seed71495667/winchester/internal/testrabbit"
)

// TestDeadLetters: what cannot become an event goes to the dead-letter queue as
// it was, once, with its reason and where it came from.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	exchange, q, dead, engine := b.Name("exchange"), b.Name("queue"), b.Name("dead"), newEngine(t)
	c, stop := start(t, amqp.Config{
		Sink: engine, DeadLetters: amqp.DeadLetters{Exchange: dead},
		Queues: []amqp.Queue{{Name: q, Exchange: exchange, RoutingKeys: []string{"n.*"}}},
	})
	testrabbit.WaitFor(t, "the queue", func() bool { return b.Consumed(q) })
	b.Publish(exchange, "n.info", notifications("good", 3)...)
	b.PublishMessage(exchange, "n.error", amqp091.Publishing{
		Headers: amqp091.Table{"x-mine": "kept", "CC": []any{q}}, MessageId: "m-1", CorrelationId: "c-1", Expiration: "60000",
		UserId: "guest", ContentType: "text/plain", Body: []byte("no JSON at all"),
	})
	b.Publish(exchange, "n.info", `{"event_type":"x","payload":{}}`, notification("good-9", "x"))
	waitAcknowledged(t, c, 6)
	stop()
	if s := c.Stats(); s.Stored != 4 || s.DeadLettered != 2 || s.Redelivered != 0 {
		t.Errorf("%+v", s)
	}
	if n := b.Ready(q); n != 0 {
		t.Errorf("%d messages have come back", n)
	}
	d := b.Get(dead)
	for header, want := range map[string]string{
		"x-winchester-queue": q, "x-winchester-exchange": exchange, "x-winchester-routing-key": "n.error", "x-mine": "kept",
	} {
		if got := d.Headers[header]; got != want {
			t.Errorf("%s is %v, want %q", header, got, want)
		}
	}
	if at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(d.Headers["x-winchester-time"])); err != nil || time.Since(at) > time.Minute {
		t.Errorf("time: %v, %v", d.Headers["x-winchester-time"], err)
	}
	if reason := fmt.Sprint(d.Headers["x-winchester-reason"]); !strings.Contains(reason, "JSON") {
		t.Errorf("reason: %s", reason)
	}
	if string(d.Body) != "no JSON at all" || d.MessageId != "m-1" || d.CorrelationId != "c-1" || d.ContentType != "text/plain" ||
		d.Expiration != "" || d.DeliveryMode != amqp091.Persistent || d.RoutingKey != q || d.Headers["CC"] != nil {
		t.Errorf("%+v", d)
	}
	if d := b.Get(dead); !strings.Contains(fmt.Sprint(d.Headers["x-winchester-reason"]), "message_id") {
		t.Errorf("%+v", d.Headers)
	}
	if n := b.Ready(dead); n != 0 {
		t.Errorf("%d dead letters too many", n)
	}
}

// TestLargeHeaders: headers that fill a frame by themselves do not keep a message
// from being put away.
func TestLargeHeaders(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q, dead := b.Name("queue"), b.Name("dead")
	b.Queue(q)
	b.PublishMessage("", q, amqp091.Publishing{Body: []byte("no JSON"), Headers: amqp091.Table{"large": strings.Repeat("x", 130_900)}})
	c, stop := start(t, amqp.Config{Sink: newEngine(t), DeadLetters: amqp.DeadLetters{Exchange: dead}, Queues: []amqp.Queue{{Name: q}}})
	waitAcknowledged(t, c, 1)
	stop()
	if d := b.Get(dead); string(d.Body) != "no JSON" || d.Headers["large"] != nil || !strings.Contains(fmt.Sprint(d.Headers["x-winchester-headers"]), "130") {
		t.Errorf("%.200v", d.Headers)
	}
}

// TestDeadLetterFile: the same, in a file that someone left half a line in.
func TestDeadLetterFile(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q, path := b.Name("queue"), filepath.Join(t.TempDir(), "dead.jsonl")
	if err := os.WriteFile(path, []byte(`{"half`), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Queue(q)
	b.Publish("", q, "[]no JSON", "\xff\xfe", notification("good", "x"))
	c, stop := start(t, amqp.Config{Sink: newEngine(t), DeadLetters: amqp.DeadLetters{File: path}, Queues: []amqp.Queue{{Name: q}}})
	waitAcknowledged(t, c, 3)
	stop()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var lines []map[string]any
	for s := bufio.NewScanner(f); s.Scan(); {
		var line map[string]any
		if err := json.Unmarshal(s.Bytes(), &line); err != nil && s.Text() != `{"half` {
			t.Errorf("%s: %v", s.Text(), err)
		}
		lines = append(lines, line)
	}
	if len(lines) != 3 {
		t.Fatalf("%d lines", len(lines))
	}
	if l := lines[1]; l["body"] != "[]no JSON" || l["queue"] != q || l["routing_key"] != q || l["reason"] == "" || l["time"] == "" {
		t.Errorf("%v", l)
	}
	if l := lines[2]; l["body_base64"] != "//4=" || l["body"] != nil {
		t.Errorf("%v", l)
	}
	if s := c.Stats(); s.Stored != 1 || s.DeadLettered != 2 {
		t.Errorf("%+v", s)
	}
}

// TestNowhereToGo: as long as dead letters cannot be put away, nothing is
// acknowledged, and the reason is told.
func TestNowhereToGo(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q, dead := b.Name("queue"), b.Name("dead")
	b.Queue(q)
	b.Publish("", q, "no JSON", notification("good", "x"))
	c, stop := start(t, amqp.Config{
		Sink: newEngine(t), DeadLetters: amqp.DeadLetters{Exchange: dead, NoDeclare: true}, Queues: []amqp.Queue{{Name: q}},
	})
	testrabbit.WaitFor(t, "the missing exchange to be noticed", func() bool { return strings.Contains(c.Stats().LastError, "no exchange") })
	if err := b.Channel().ExchangeDeclare(dead, "fanout", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	testrabbit.WaitFor(t, "the missing queue to be noticed", func() bool { return strings.Contains(c.Stats().LastError, "NO_ROUTE") })
	if n := c.Stats().Acknowledged; n != 0 {
		t.Errorf("%d acknowledged", n)
	}
	b.Queue(dead)
	if err := b.Channel().QueueBind(dead, "", dead, false, nil); err != nil {
		t.Fatal(err)
	}
	waitAcknowledged(t, c, 2)
	stop()
	b.Get(dead)
	if n := b.Ready(q); n != 0 {
		t.Errorf("%d messages are left", n)
	}
}

// TestOneThatTheDatabaseRefuses: a message that spoils every transaction it is in
// is found, and the others are stored.
func TestOneThatTheDatabaseRefuses(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q, dead, engine := b.Name("queue"), b.Name("dead"), newEngine(t)
	b.Queue(q)
	b.Publish("", q, notification("1", "x"), notification("spoils it", "x"), notification("2", "x"))
	s := &sink{to: engine, before: func(_ int, bodies [][]byte) error {
		for _, body := range bodies {
			if strings.Contains(string(body), "spoils it") {
				return errors.New("ERROR: value out of range")
			}
		}
		return nil
	}}
	c, stop := start(t, amqp.Config{Sink: s, DeadLetters: amqp.DeadLetters{Exchange: dead}, Queues: []amqp.Queue{{Name: q}}, BatchWait: 50 * time.Millisecond})
	waitAcknowledged(t, c, 3)
	stop()
	if got := stored(t, engine); got["1"] != 1 || got["2"] != 1 || len(got) != 2 {
		t.Errorf("stored: %v", got)
	}
	if d := b.Get(dead); !strings.Contains(fmt.Sprint(d.Headers["x-winchester-reason"]), "value out of range") {
		t.Errorf("%v", d.Headers)
	}
}

// TestEverythingFails: if the database takes nothing at all, it is not the
// messages' fault, and none becomes a dead letter.
func TestEverythingFails(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q := b.Name("queue")
	b.Queue(q)
	b.Publish("", q, notifications("n", 3)...)
	s := &sink{before: func(int, [][]byte) error { return errors.New("disk full") }}
	c, stop := start(t, amqp.Config{Sink: s, DeadLetters: amqp.DeadLetters{Exchange: b.Name("dead")}, Queues: []amqp.Queue{{Name: q}}, BatchWait: 50 * time.Millisecond})
	testrabbit.WaitFor(t, "two retries", func() bool { return c.Stats().Retries >= 2 })
	stop()
	if st := c.Stats(); st.Acknowledged != 0 || st.DeadLettered != 0 {
		t.Errorf("%+v", st)
	}
}

// TestItems: of a JSON array, only the items that failed become dead letters.
func TestItems(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q, dead := b.Name("queue"), b.Name("dead")
	b.Queue(q)
	b.Publish("", q, `[{"n":1},{"n":2},{"n":3}]`)
	b.Publish("", q, `[]`) // nothing in it can be wrong
	batch := 0
	s := &sink{after: func(_ int, results []winchester.Result) {
		items := [][]winchester.Result{{
			{Outcome: winchester.OutcomeStored}, {Outcome: winchester.OutcomeFailed, Err: winchester.ErrInvalidEvent}, {Outcome: winchester.OutcomeDuplicate},
		}, nil}
		for i := range results {
			results[i] = winchester.Result{Outcome: winchester.OutcomeBatch, Items: items[batch]}
			batch++
		}
	}}
	c, stop := start(t, amqp.Config{Sink: s, DeadLetters: amqp.DeadLetters{Exchange: dead}, Queues: []amqp.Queue{{Name: q}}})
	waitAcknowledged(t, c, 2)
	stop()
	if d := b.Get(dead); string(d.Body) != `{"n":2}` || d.Headers["x-winchester-reason"] != "item 1: invalid event" {
		t.Errorf("%s %v", d.Body, d.Headers)
	}
	if st := c.Stats(); st.Stored != 1 || st.Duplicates != 1 || st.DeadLettered != 1 || b.Ready(dead) != 0 {
		t.Errorf("%+v", st)
	}
}
