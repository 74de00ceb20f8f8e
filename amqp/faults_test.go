package amqp_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/amqp"
	"github.com/seed71495667/winchester/internal/testrabbit"
)

// TestConnectionClosed has the broker close the consumer's connection again and
// again while messages flow, also between commit and acknowledgement.
func TestConnectionClosed(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q, dead, engine := b.Name("queue"), b.Name("dead"), newEngine(t)
	b.Queue(q)
	const total, cuts = 600, 3
	name := fmt.Sprintf("winchester-cut-%d", rand.Uint32())
	cut := 0
	s := &sink{to: engine, after: func(call int, _ []winchester.Result) {
		if call%4 == 2 && cut < cuts { // the batch is stored, and not acknowledged yet
			cut += testrabbit.CloseConnections(t, name)
		}
	}}
	c, stop := start(t, amqp.Config{Sink: s, Name: name, DeadLetters: amqp.DeadLetters{Exchange: dead}, Queues: []amqp.Queue{{Name: q, MaxMessages: 40}}})
	b.Publish("", q, notifications("n", total)...)
	testrabbit.WaitFor(t, "an empty queue", func() bool {
		st := c.Stats()
		return countStored(t, engine) == total && st.Connections == cuts+1 && b.Ready(q) == 0 && st.Acknowledged >= total
	})
	stop()
	checkOnce(t, engine, total)
	st := c.Stats()
	t.Logf("%d messages, connection closed %d times, %d deliveries, %d of them redelivered, %d duplicates", total, cut, st.Received, st.Redelivered, st.Duplicates)
	if st.Duplicates == 0 || st.Redelivered == 0 || st.Acknowledged != total || st.DeadLettered != 0 || b.Ready(q) != 0 {
		t.Errorf("%+v", st)
	}
}

func checkOnce(t *testing.T, engine *winchester.Engine, total int) {
	t.Helper()
	got := stored(t, engine)
	for i := range total {
		if n := got[fmt.Sprintf("n-%d", i)]; n != 1 {
			t.Errorf("n-%d is stored %d times", i, n)
		}
	}
	if len(got) != total {
		t.Errorf("%d events are stored, want %d", len(got), total)
	}
}

// TestHeartbeat: a connection over which nothing comes any more is given up, even
// though nobody has closed it.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	g := testrabbit.NewGate(t)
	q := b.Name("queue")
	c, stop := start(t, amqp.Config{
		URL: g.URL(), Sink: &sink{}, Heartbeat: time.Second, DeadLetters: amqp.DeadLetters{Exchange: b.Name("dead")}, Queues: []amqp.Queue{{Name: q}},
	})
	testrabbit.WaitFor(t, "the queue", func() bool { return b.Consumed(q) })
	g.Stall(true)
	testrabbit.WaitFor(t, "the connection to be given up", func() bool { return !c.Stats().Connected })
	g.Close(false)
	g.Stall(false)
	b.Publish("", q, "1")
	waitAcknowledged(t, c, 1)
	stop()
	if s := c.Stats(); s.Connections < 2 {
		t.Errorf("%+v", s)
	}
}

// TestConsumerTimeout: a broker takes a channel away on which a delivery has not
// been acknowledged for long. What the consumer kept is delivered again, and takes
// effect once.
func TestConsumerTimeout(t *testing.T) {
	testrabbit.NeedRestart(t) // it changes the timeout for everybody
	b := testrabbit.Open(t)
	q, engine := b.Name("queue"), newEngine(t)
	b.Queue(q)
	b.Publish("", q, notifications("n", 10)...)
	testrabbit.Ctl(t, "eval", "application:set_env(rabbit, consumer_timeout, 500), application:set_env(rabbit, channel_tick_interval, 200).")
	defer testrabbit.Ctl(t, "eval", "application:set_env(rabbit, consumer_timeout, 1800000), application:set_env(rabbit, channel_tick_interval, 60000).")
	away := make(chan struct{})
	s := &sink{to: engine, before: func(int, [][]byte) error {
		select {
		case <-away:
			return nil
		default:
			return winchester.ErrUnavailable
		}
	}}
	var logged syncBuffer
	c, stop := start(t, amqp.Config{
		Sink: s, DeadLetters: amqp.DeadLetters{Exchange: b.Name("dead")}, Queues: []amqp.Queue{{Name: q}}, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	testrabbit.WaitFor(t, "the timeout", func() bool { return strings.Contains(logged.String(), "see consumer_timeout of the broker") })
	if n := c.Stats().Acknowledged; n != 0 {
		t.Errorf("%d acknowledged", n)
	}
	close(away)
	waitAcknowledged(t, c, 10)
	stop()
	checkOnce(t, engine, 10)
	if st := c.Stats(); st.Redelivered == 0 || b.Ready(q) != 0 {
		t.Errorf("%+v", st)
	}
}

// TestBrokerKilled kills RabbitMQ with SIGKILL in mid-stream, and starts it again,
// while messages are published and consumed. A publisher that gets no confirm
// publishes again.
func TestBrokerKilled(t *testing.T) {
	testrabbit.NeedRestart(t)
	b := testrabbit.Open(t)
	q, dead, engine := b.Name("queue"), b.Name("dead"), newEngine(t)
	b.Queue(q)
	const total, kills = 3000, 2
	var consumed atomic.Int64
	s := &sink{to: engine, after: func(_ int, r []winchester.Result) { consumed.Add(int64(len(r))) }}
	c, stop := start(t, amqp.Config{Sink: s, DeadLetters: amqp.DeadLetters{Exchange: dead}, Queues: []amqp.Queue{{Name: q, MaxMessages: 50}}})
	repeated := make(chan int)
	go func() {
		n := 0
		for i, body := range notifications("n", total) {
			for b.TryPublish("", q, amqp091.Publishing{DeliveryMode: amqp091.Persistent, Body: []byte(body)}) != nil {
				n++
				<-time.After(50 * time.Millisecond)
			}
			if i%100 == 0 {
				<-time.After(10 * time.Millisecond)
			}
		}
		repeated <- n
	}()
	for kill := range kills {
		testrabbit.WaitFor(t, "the stream to flow", func() bool { return consumed.Load() > int64(total/4*(kill+1)) })
		testrabbit.Kill(t)
	}
	again := <-repeated
	testrabbit.WaitFor(t, "all of them", func() bool { return countStored(t, engine) == total && b.Ready(q) == 0 })
	stop()
	checkOnce(t, engine, total)
	st := c.Stats()
	t.Logf("%d messages, RabbitMQ killed %d times, %d attempts to publish failed, %d deliveries, %d of them redelivered, %d duplicates, %d connections",
		total, kills, again, st.Received, st.Redelivered, st.Duplicates, st.Connections)
	if st.Connections != kills+1 || st.DeadLettered != 0 || b.Ready(q) != 0 {
		t.Errorf("%+v", st)
	}
}

const (
	killChildEnv = "WINCHESTER_AMQP_CHILD"       // the directory of a child process
	killQueueEnv = "WINCHESTER_AMQP_CHILD_QUEUE" // and what it consumes
)

// TestConsumerKilled kills the consumer's process with SIGKILL between the commit
// of a batch and its acknowledgement, and lets another one take over.
func TestConsumerKilled(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q, dead := b.Name("queue"), b.Name("dead")
	b.Queue(q)
	dir := t.TempDir()
	const total, kills = 200, 5
	b.Publish("", q, notifications("n", total)...)
	for range kills {
		out := runChild(t, dir, q, dead)
		if !strings.Contains(out.text, "committed") || !out.killed {
			t.Fatalf("the child says %q, killed: %t", out.text, out.killed)
		}
	}
	engine, st := killEngine(dir)
	defer st.Close()
	before := countStored(t, engine)
	if before == 0 || before >= total {
		t.Fatalf("%d events are stored after %d kills", before, kills)
	}
	c, stop := start(t, amqp.Config{Sink: engine, DeadLetters: amqp.DeadLetters{Exchange: dead}, Queues: []amqp.Queue{{Name: q}}})
	waitAcknowledged(t, c, total) // none was acknowledged before
	stop()
	checkOnce(t, engine, total)
	s := c.Stats()
	t.Logf("%d messages, consumer killed %d times between commit and acknowledgement: %d redelivered to the last one, of which %d were stored already",
		total, kills, s.Redelivered, s.Duplicates)
	if s.Duplicates != before || s.Stored != total-before || s.DeadLettered != 0 || b.Ready(q) != 0 {
		t.Errorf("%+v", s)
	}
}

type childEnd struct {
	text   string
	killed bool
}

// runChild runs a process that consumes until it says that a batch is committed,
// and kills it then.
func runChild(t *testing.T, dir, queue, dead string) childEnd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killChildEnv+"="+dir, killQueueEnv+"="+queue+" "+dead)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	word := make([]byte, 64)
	n, _ := out.Read(word)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	return childEnd{string(word[:n]), err != nil && strings.Contains(err.Error(), "killed")}
}
