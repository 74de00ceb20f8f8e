package amqp_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/seed71495667/winchester/amqp"
	"github.com/seed71495667/winchester/internal/testrabbit"
)

// BenchmarkDrain takes what has piled up in a queue: b.N messages. The floor is a
// client that only acknowledges, 500 at a time.
func BenchmarkDrain(b *testing.B) {
	broker := testrabbit.Open(b)
	fill := func(b *testing.B) string {
		q := broker.Name("bench")
		broker.Queue(q)
		bodies := notifications(q, b.N)
		for len(bodies) > 0 {
			n := min(len(bodies), 1000)
			broker.Publish("", q, bodies[:n]...)
			bodies = bodies[n:]
		}
		return q
	}
	b.Run("floor: acknowledge only", func(b *testing.B) {
		q := fill(b)
		conn, err := amqp091.Dial(testrabbit.URL(b))
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		ch, err := conn.Channel()
		if err != nil {
			b.Fatal(err)
		}
		if err := ch.Qos(1000, 0, false); err != nil {
			b.Fatal(err)
		}
		b.ResetTimer()
		deliveries, err := ch.Consume(q, "", false, false, false, false, nil)
		if err != nil {
			b.Fatal(err)
		}
		for i := range b.N {
			d := <-deliveries
			if i%500 == 499 || i == b.N-1 {
				if err := ch.Ack(d.DeliveryTag, true); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("floor: AddNotifications only, 500 at a time", func(b *testing.B) {
		engine := newEngine(b)
		bodies := notifications("n", b.N)
		b.ResetTimer()
		for len(bodies) > 0 {
			n := min(len(bodies), 500)
			batch := make([][]byte, n)
			for i := range batch {
				batch[i] = []byte(bodies[i])
			}
			if _, err := engine.AddNotifications(context.Background(), batch); err != nil {
				b.Fatal(err)
			}
			bodies = bodies[n:]
		}
	})
	for _, c := range []struct {
		size, prefetch int
		wait           time.Duration
	}{{1, 2, 0}, {100, 200, 0}, {500, 500, 0}, {500, 1000, 0}, {500, 1000, 10 * time.Millisecond}, {500, 2000, 0}, {2000, 4000, 0}} {
		b.Run(fmt.Sprintf("max_messages=%d,prefetch=%d,batch_wait=%v", c.size, c.prefetch, c.wait), func(b *testing.B) {
			q, engine := fill(b), newEngine(b)
			b.ResetTimer()
			consumer, stop := start(b, amqp.Config{
				Sink: engine, BatchWait: c.wait, DeadLetters: amqp.DeadLetters{Exchange: broker.Name("dead")},
				Queues: []amqp.Queue{{Name: q, MaxMessages: c.size, Prefetch: c.prefetch}},
			})
			waitAcknowledged(b, consumer, int64(b.N))
			b.StopTimer()
			b.ReportMetric(float64(b.N)/float64(consumer.Stats().Batches), "messages/batch")
			stop()
		})
	}
}

// BenchmarkTrickle: messages come one by one, each when the one before is safe with
// the broker. What counts is how long the last one takes to be stored.
func BenchmarkTrickle(b *testing.B) {
	broker := testrabbit.Open(b)
	for _, wait := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond} {
		b.Run(fmt.Sprintf("batch_wait=%v", wait), func(b *testing.B) {
			q := broker.Name("bench")
			broker.Queue(q)
			consumer, stop := start(b, amqp.Config{
				Sink: newEngine(b), BatchWait: wait, DeadLetters: amqp.DeadLetters{Exchange: broker.Name("dead")},
				Queues: []amqp.Queue{{Name: q}},
			})
			testrabbit.WaitFor(b, "the queue", func() bool { return broker.Consumed(q) })
			b.ResetTimer()
			for _, body := range notifications(q, b.N) {
				broker.Publish("", q, body)
			}
			begun := time.Now()
			for consumer.Stats().Acknowledged < int64(b.N) {
				<-time.After(100 * time.Microsecond)
			}
			b.StopTimer()
			b.ReportMetric(float64(time.Since(begun).Microseconds()), "µs-behind")
			b.ReportMetric(float64(b.N)/float64(consumer.Stats().Batches), "messages/batch")
			stop()
		})
	}
}
