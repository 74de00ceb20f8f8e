// Package testrabbit gives tests names of their own on a RabbitMQ.
//
// WINCHESTER_RABBITMQ is the URL of a broker on which tests may declare what they
// like; without it, tests that need one are skipped. Those that look behind the
// broker's scenes need rabbitmqctl as well, and those that stop it ask for
// WINCHESTER_RABBITMQ_RESTART=1, since they stop it for everybody.
package testrabbit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

// URL returns the broker's URL, or skips the test.
func URL(t testing.TB) string {
	t.Helper()
	url := os.Getenv("WINCHESTER_RABBITMQ")
	if url == "" {
		t.Skip("set WINCHESTER_RABBITMQ=amqp://guest:guest@127.0.0.1:5672/ to run tests of RabbitMQ")
	}
	return url
}

// Broker is a connection of the test's own.
type Broker struct {
	t    testing.TB
	url  string
	conn *amqp091.Connection
	ch   *amqp091.Channel
}

// Open connects to the broker, or skips the test.
func Open(t testing.TB) *Broker {
	t.Helper()
	b := &Broker{t: t, url: URL(t)}
	t.Cleanup(b.close)
	return b
}

func (b *Broker) close() {
	if b.conn != nil {
		b.conn.Close()
	}
}

// Channel returns a channel in confirm mode, a new one if the last one is gone.
func (b *Broker) Channel() *amqp091.Channel {
	b.t.Helper()
	var err error
	if b.conn == nil || b.conn.IsClosed() {
		if b.conn, err = amqp091.Dial(b.url); err != nil {
			b.t.Fatal(err)
		}
		b.ch = nil
	}
	if b.ch == nil || b.ch.IsClosed() {
		if b.ch, err = b.conn.Channel(); err != nil {
			b.t.Fatal(err)
		}
		if err := b.ch.Confirm(false); err != nil {
			b.t.Fatal(err)
		}
	}
	return b.ch
}

// Name returns a name that nothing else has. A queue and an exchange of that
// name are deleted with the test.
func (b *Broker) Name(what string) string {
	name := fmt.Sprintf("winchester-test.%s.%d.%08x", what, os.Getpid(), rand.Uint32())
	b.t.Cleanup(func() {
		conn, err := amqp091.Dial(b.url)
		if err != nil {
			return
		}
		defer conn.Close()
		if ch, err := conn.Channel(); err == nil {
			_, _ = ch.QueueDelete(name, false, false, false)
		}
		if ch, err := conn.Channel(); err == nil {
			_ = ch.ExchangeDelete(name, false, false)
		}
	})
	return name
}

// Queue declares a durable queue that is bound to nothing.
func (b *Broker) Queue(name string) {
	b.t.Helper()
	if _, err := b.Channel().QueueDeclare(name, true, false, false, false, nil); err != nil {
		b.t.Fatal(err)
	}
}

// Publish publishes persistent JSON messages and waits until all are safe.
func (b *Broker) Publish(exchange, key string, bodies ...string) {
	b.t.Helper()
	confirms := make([]*amqp091.DeferredConfirmation, len(bodies))
	for i, body := range bodies {
		var err error
		confirms[i], err = b.Channel().PublishWithDeferredConfirm(exchange, key, false, false,
			amqp091.Publishing{ContentType: "application/json", DeliveryMode: amqp091.Persistent, Body: []byte(body)})
		if err != nil {
			b.t.Fatal(err)
		}
	}
	for _, c := range confirms {
		if !c.Wait() {
			b.t.Fatal("the broker has not confirmed")
		}
	}
}

// PublishMessage publishes a message and waits until it is safe.
func (b *Broker) PublishMessage(exchange, key string, m amqp091.Publishing) {
	b.t.Helper()
	if err := b.TryPublish(exchange, key, m); err != nil {
		b.t.Fatal(err)
	}
}

// TryPublish is PublishMessage for a broker that may be away.
func (b *Broker) TryPublish(exchange, key string, m amqp091.Publishing) error {
	var err error
	if b.conn == nil || b.conn.IsClosed() {
		if b.conn, err = amqp091.Dial(b.url); err != nil {
			return err
		}
		b.ch = nil
	}
	if b.ch == nil || b.ch.IsClosed() {
		if b.ch, err = b.conn.Channel(); err != nil {
			return err
		}
		if err := b.ch.Confirm(false); err != nil {
			return err
		}
	}
	c, err := b.ch.PublishWithDeferredConfirm(exchange, key, false, false, m)
	if err != nil {
		return err
	}
	if !c.Wait() {
		return fmt.Errorf("the broker has not confirmed")
	}
	return nil
}

// Get takes a message from a queue, waiting for it.
func (b *Broker) Get(queue string) amqp091.Delivery {
	b.t.Helper()
	var out amqp091.Delivery
	WaitFor(b.t, "a message in "+queue, func() bool {
		d, ok, err := b.Channel().Get(queue, true)
		if err == nil && ok {
			out = d
		}
		return err == nil && ok
	})
	return out
}

// Ready tells how many messages wait in a queue; -1 if it cannot be seen.
func (b *Broker) Ready(queue string) int {
	q, err := b.Channel().QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		return -1
	}
	return q.Messages
}

// Consumed tells whether a queue has a consumer.
func (b *Broker) Consumed(queue string) bool {
	q, err := b.Channel().QueueDeclarePassive(queue, true, false, false, false, nil)
	return err == nil && q.Consumers > 0
}

// WaitFor waits for a condition that others bring about.
func WaitFor(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited a minute in vain for %s", what)
		}
	}
}

// Ctl runs rabbitmqctl, and skips the test where there is none that works.
func Ctl(t testing.TB, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("rabbitmqctl"); err != nil {
		t.Skip("rabbitmqctl is not installed")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "rabbitmqctl", append([]string{"-q"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("rabbitmqctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// CloseConnections has the broker close all connections whose name has the text,
// and returns how many those were.
func CloseConnections(t testing.TB, name string) int {
	t.Helper()
	n := 0
	for line := range strings.Lines(Ctl(t, "list_connections", "pid", "client_properties")) {
		if pid, properties, ok := strings.Cut(line, "\t"); ok && strings.Contains(properties, name) {
			Ctl(t, "close_connection", pid, "closed by a test")
			n++
		}
	}
	return n
}

// NeedRestart skips the test unless it may stop the broker.
func NeedRestart(t testing.TB) {
	t.Helper()
	URL(t)
	if os.Getenv("WINCHESTER_RABBITMQ_RESTART") != "1" {
		t.Skip("set WINCHESTER_RABBITMQ_RESTART=1 to run tests that stop RabbitMQ, for everybody who uses it")
	}
}

// Kill kills the broker's process with SIGKILL and starts it again. It returns
// when the broker is up.
func Kill(t testing.TB) {
	t.Helper()
	NeedRestart(t)
	out := Ctl(t, "eval", "os:getpid().")
	pid, err := strconv.Atoi(strings.Trim(out, "\"\n "))
	if err != nil {
		t.Fatalf("the process id of RabbitMQ: %q", out)
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	alive := func() bool {
		conn, err := amqp091.Dial(URL(t))
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	WaitFor(t, "RabbitMQ to be dead", func() bool { return !alive() })
	t.Logf("killed RabbitMQ, process %d", pid)
	if out, err := exec.Command("rabbitmq-server", "-detached").CombinedOutput(); err != nil {
		t.Fatalf("rabbitmq-server: %v\n%s", err, out)
	}
	WaitFor(t, "RabbitMQ to be up again", alive)
}
