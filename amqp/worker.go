package amqp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/rabbit"
)

// worker consumes one queue, one batch after the other.
type worker struct {
	c       *Consumer
	running *running
	broker  *rabbit.Broker
	dead    deadLetters
	q       Queue
	filter  filter
	log     *slog.Logger
}

func newWorker(c *Consumer, r *running, b *rabbit.Broker, dead deadLetters, q Queue) *worker {
	return &worker{c: c, running: r, broker: b, dead: dead, q: q, filter: newFilter(q), log: c.log.With("queue", q.Name)}
}

// session is a channel on which the queue is consumed, until one of the two ends.
type session struct {
	w     *worker
	conn  *rabbit.Conn
	ch    *amqp091.Channel
	soft  context.Context // begin no more batches
	hard  context.Context // give up
	alive context.Context // ends with the channel, and then what it delivered is someone else's
	queue chan amqp091.Delivery
}

// rpcTimeout bounds what the broker may take for an answer.
const rpcTimeout = 30 * time.Second

// errStopping: it is time to stop; what is not acknowledged goes back.
var errStopping = errors.New("stopping")

// run keeps a session going until it is time to stop.
func (w *worker) run(soft, hard context.Context) {
	for failures := 0; soft.Err() == nil; failures++ {
		begun := time.Now()
		err := w.consume(soft, hard)
		if soft.Err() != nil {
			return
		}
		if errors.Is(err, winchester.ErrNoDistiller) {
			w.running.fail(fmt.Errorf("amqp: queue %q: %w", w.q.Name, err))
			return
		}
		w.c.counters.note(fmt.Errorf("queue %q: %w", w.q.Name, err))
		first := w.c.cfg.ReconnectDelay
		if time.Since(begun) > first { // it went well for a while
			failures, first = 0, min(first, 100*time.Millisecond)
		}
		wait := rabbit.RetryAfter(err, rabbit.Backoff(failures, first, w.c.cfg.MaxWait))
		if !errors.Is(err, rabbit.ErrUnavailable) { // of which the broker's own log line tells
			w.log.Warn("The queue is not consumed for the time being", "err", err, "retry_in", wait.Round(time.Millisecond))
		}
		if !pause(soft, wait) {
			return
		}
	}
}

// consume opens a session and stays in it until it ends.
func (w *worker) consume(soft, hard context.Context) error {
	conn, err := w.broker.Connect(soft)
	if err != nil {
		return err
	}
	rpc, cancel := context.WithTimeout(hard, rpcTimeout)
	defer cancel()
	ch, err := conn.Channel(rpc)
	if err != nil {
		return err
	}
	closed := ch.NotifyClose(make(chan *amqp091.Error, 1))
	cancelled := ch.NotifyCancel(make(chan string, 1))
	deliveries, err := w.open(rpc, conn, ch)
	if err != nil {
		closeChannel(hard, conn, ch)
		return err
	}
	alive, end := context.WithCancelCause(hard)
	s := &session{w: w, conn: conn, ch: ch, soft: soft, hard: hard, alive: alive, queue: make(chan amqp091.Delivery, w.q.Prefetch)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err, ok := <-closed
		if ok && err != nil {
			end(rabbit.Explain(err))
		}
		end(errors.New("the channel was closed"))
	}()
	go func() { // never waits for long: no more than Prefetch deliveries are unacknowledged
		defer close(s.queue)
		for d := range deliveries {
			s.queue <- d
		}
	}()
	err = s.work()
	closeChannel(hard, conn, ch) // what is not acknowledged goes back to the queue
	<-ended
	for range s.queue { // until the goroutine above has ended
	}
	select {
	case tag, ok := <-cancelled:
		if ok && errors.Is(err, errEnded) {
			return fmt.Errorf("the broker has cancelled the consumer %s: the queue was deleted, or its node is gone", tag)
		}
	default:
	}
	if errors.Is(err, errEnded) {
		err = context.Cause(alive)
	}
	return err
}

func (w *worker) open(ctx context.Context, conn *rabbit.Conn, ch *amqp091.Channel) (deliveries <-chan amqp091.Delivery, err error) {
	if t := w.q.topology(); t != nil {
		if err := t.Declare(ctx, conn, ch); err != nil {
			return nil, err
		}
	}
	err = conn.Do(ctx, func() (err error) {
		if err = ch.Qos(w.q.Prefetch, 0, false); err != nil {
			return err
		}
		deliveries, err = ch.Consume(w.q.Name, w.c.cfg.Name, false, w.q.Exclusive, false, false, nil)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("consume: %w", rabbit.Explain(err))
	}
	w.log.Info("Consuming", "prefetch", w.q.Prefetch, "max_messages", w.q.MaxMessages)
	return deliveries, nil
}

// errEnded: nothing will be delivered any more.
var errEnded = errors.New("no more deliveries")

// work handles batch after batch, until the channel closes or it is time to stop.
func (s *session) work() error {
	for {
		select {
		case <-s.soft.Done():
			return errStopping
		case first, ok := <-s.queue:
			switch {
			case !ok:
				return errEnded
			case s.soft.Err() != nil:
				return errStopping
			}
			if err := s.handle(s.gather(first)); err != nil {
				return err
			}
		}
	}
}

// maxBatchBytes bounds the bodies of a batch, so that large messages do not make
// for huge transactions.
const maxBatchBytes = 16 << 20

// gather makes a batch of a delivery and what has come behind it.
func (s *session) gather(first amqp091.Delivery) []amqp091.Delivery {
	batch, size := []amqp091.Delivery{first}, len(first.Body)
	var patience <-chan time.Time
	if wait := s.w.c.cfg.BatchWait; wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		patience = timer.C
	}
	for len(batch) < s.w.q.MaxMessages && size < maxBatchBytes {
		var d amqp091.Delivery
		var ok bool
		select {
		case d, ok = <-s.queue:
		default:
			if patience == nil {
				return batch
			}
			select {
			case d, ok = <-s.queue:
			case <-patience:
				return batch
			case <-s.soft.Done():
				return batch
			}
		}
		if !ok {
			return batch
		}
		batch, size = append(batch, d), size+len(d.Body)
	}
	return batch
}

// farewell bounds what is still said when it is time to go.
const farewell = 2 * time.Second

func closeChannel(ctx context.Context, conn *rabbit.Conn, ch *amqp091.Channel) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	_ = conn.Do(ctx, ch.Close) // if that fails the connection is gone, and the channel with it
}
