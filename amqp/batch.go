package amqp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/rabbit"
)

// message is a delivery on its way into the database.
type message struct {
	amqp091.Delivery
	body   []byte // what is handed in
	result winchester.Result
}

// pending is a batch that has not been acknowledged.
type pending struct {
	deliveries []amqp091.Delivery
	size       int       // bytes of the bodies
	messages   []message // of the deliveries, those that the database is to take
	letters    []letter  // and those that it is not
	filtered   int
}

// read looks at a delivery and takes it in.
func (s *session) read(b *pending, d amqp091.Delivery) {
	n := &s.w.c.counters
	n.received.Add(1)
	if d.Redelivered {
		n.redelivered.Add(1)
	}
	b.deliveries, b.size = append(b.deliveries, d), b.size+len(d.Body)
	body, err := cloudEvent(d)
	if err != nil {
		b.letters = append(b.letters, letter{Delivery: d, body: d.Body, reason: err})
		return
	}
	body, left := s.w.filter.apply(body)
	b.filtered += left
	if body != nil {
		b.messages = append(b.messages, message{Delivery: d, body: body})
	}
}

// handle takes a batch through the database, puts poison away, and acknowledges.
// An error means that its channel is done for; nothing of the batch has then been
// acknowledged, and all of it will be delivered again.
func (s *session) handle(batch []amqp091.Delivery) error {
	b := &pending{deliveries: make([]amqp091.Delivery, 0, len(batch)), messages: make([]message, 0, len(batch))}
	for _, d := range batch {
		s.read(b, d)
	}
	if err := s.add(b); err != nil {
		return err
	}
	tally := tally{filtered: b.filtered}
	letters := b.letters
	for i := range b.messages {
		letters = append(letters, tally.take(&b.messages[i])...)
	}
	if err := s.putAway(letters); err != nil {
		return err
	}
	// All that was delivered before on this channel has been handled before.
	if err := s.acknowledge(b.deliveries[len(b.deliveries)-1].DeliveryTag); err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	n := &s.w.c.counters
	n.stored.Add(int64(tally.stored))
	n.duplicates.Add(int64(tally.duplicates))
	n.dropped.Add(int64(tally.dropped))
	n.filtered.Add(int64(tally.filtered))
	n.dead.Add(int64(len(letters)))
	n.acked.Add(int64(len(b.deliveries)))
	return nil
}

// add stores the messages and sets their results. It does not come back before
// the database has committed, unless the channel closes or it is time to stop.
//
// Whether the fault is the database's or a message's shows by other messages. So
// those that have come meanwhile join the ones that were all refused, or one that
// came alone would hold up its queue for ever.
func (s *session) add(b *pending) error {
	for failures := 0; len(b.messages) > 0; failures++ {
		messages := b.messages
		err := s.try(messages)
		if err == nil {
			return nil
		}
		if errors.Is(err, winchester.ErrNoDistiller) || s.hard.Err() != nil {
			return err
		}
		refused := !isAway(err)
		if len(messages) > 1 && refused {
			if s.tryEach(messages) {
				return nil
			}
		}
		wait := rabbit.Backoff(failures, 100*time.Millisecond, s.w.c.cfg.MaxWait)
		s.w.log.Error("Messages could not be stored; they are kept and tried again", "messages", len(messages), "err", err,
			"retry_in", wait.Round(time.Millisecond))
		s.w.c.counters.note(fmt.Errorf("queue %q: store: %w", s.w.q.Name, err))
		s.w.c.counters.retries.Add(1)
		if err := s.rest(wait); err != nil {
			return err
		}
		if refused {
			s.join(b)
		}
	}
	return nil
}

// join adds what has been delivered meanwhile to a batch, as far as it has room.
func (s *session) join(b *pending) {
	for len(b.deliveries) < s.w.q.MaxMessages && b.size < maxBatchBytes {
		select {
		case d, ok := <-s.queue:
			if !ok {
				return
			}
			s.read(b, d)
		default:
			return
		}
	}
}

// rest waits before something is tried again. An error means that it must not be.
func (s *session) rest(d time.Duration) error {
	ctx, cancel := context.WithCancel(s.soft)
	defer cancel()
	defer context.AfterFunc(s.alive, cancel)()
	switch {
	case pause(ctx, d):
		return nil
	case s.soft.Err() != nil:
		return errStopping
	}
	return context.Cause(s.alive) // what is kept here is being delivered to someone else
}

// isAway tells whether an error is about the database as a whole.
func isAway(err error) bool {
	return errors.Is(err, winchester.ErrUnavailable) || errors.Is(err, winchester.ErrConflict) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

func (s *session) try(messages []message) error {
	s.w.c.counters.batches.Add(1)
	bodies := make([][]byte, len(messages))
	for i := range messages {
		bodies[i] = messages[i].body
	}
	results, err := s.w.c.cfg.Sink.AddNotifications(s.hard, bodies)
	if err != nil {
		return err
	}
	if len(results) != len(messages) {
		return fmt.Errorf("the sink returned %d results for %d messages", len(results), len(messages))
	}
	for i, r := range results {
		if r.Outcome == winchester.OutcomeFailed && isAway(r.Err) {
			return r.Err
		}
		messages[i].result = r
	}
	return nil
}

// tryEach finds out which messages it is that the database does not take: each
// gets a transaction of its own. It reports false if the database took none, or
// does not take any more what it took before, as then it is the database and not
// they.
func (s *session) tryEach(messages []message) bool {
	taken, sure := -1, false // the last one that was written, and whether none was refused since
	for i := range messages {
		m := &messages[i]
		switch err := s.try(messages[i : i+1]); {
		case err == nil && isWritten(m.result):
			taken, sure = i, true
		case err == nil:
		case isAway(err) || s.hard.Err() != nil:
			return false
		default:
			m.result = winchester.Result{Outcome: winchester.OutcomeFailed, Err: fmt.Errorf("the database does not take it: %w", err)}
			sure = false
		}
	}
	if taken < 0 || sure {
		return sure
	}
	again := messages[taken] // a copy: what became of it is known
	return s.try([]message{again}) == nil
}

// isWritten tells whether a result proves that the database takes something: of
// what is dropped or malformed it never hears.
func isWritten(r winchester.Result) bool {
	return r.Outcome == winchester.OutcomeStored || r.Outcome == winchester.OutcomeDuplicate || slices.ContainsFunc(r.Items, isWritten)
}

// tally counts outcomes.
type tally struct{ stored, duplicates, dropped, filtered int }

// take counts a message's outcome and returns what of it is poison: itself, or
// those items of the JSON array that it is.
func (t *tally) take(m *message) []letter {
	r := m.result
	if r.Outcome != winchester.OutcomeBatch {
		if t.count(r) {
			return nil
		}
		return []letter{{Delivery: m.Delivery, body: m.Delivery.Body, reason: r.Err}}
	}
	var bodies []json.RawMessage
	if err := json.Unmarshal(m.body, &bodies); err != nil || len(bodies) != len(r.Items) {
		bodies = nil
	}
	var letters []letter
	for i, item := range r.Items {
		if t.count(item) {
			continue
		}
		if bodies == nil {
			return []letter{{Delivery: m.Delivery, body: m.Delivery.Body, reason: fmt.Errorf("item %d: %w", i, item.Err)}}
		}
		letters = append(letters, letter{Delivery: m.Delivery, body: bodies[i], reason: fmt.Errorf("item %d: %w", i, item.Err)})
	}
	return letters
}

// count reports false for an outcome that is the message's fault.
func (t *tally) count(r winchester.Result) bool {
	switch r.Outcome {
	case winchester.OutcomeStored:
		t.stored++
	case winchester.OutcomeDuplicate:
		t.duplicates++
	case winchester.OutcomeDropped:
		t.dropped++
	default:
		return false
	}
	return true
}

// putAway puts dead letters where they are safe. As long as it does not succeed
// the messages are kept.
func (s *session) putAway(letters []letter) error {
	for failures := 0; len(letters) > 0; failures++ {
		for i := range letters {
			letters[i].queue, letters[i].at = s.w.q.Name, time.Now().UTC()
		}
		ctx, cancel := context.WithTimeout(s.hard, rpcTimeout)
		err := s.w.dead.put(ctx, letters)
		cancel()
		if err == nil {
			for _, l := range letters {
				s.w.log.Warn("A message cannot become an event; it is a dead letter now", "message_id", l.MessageId, "to", s.w.dead.String(), "err", l.reason)
			}
			return nil
		}
		if s.hard.Err() != nil {
			return s.hard.Err()
		}
		wait := rabbit.RetryAfter(err, rabbit.Backoff(failures, time.Second, s.w.c.cfg.MaxWait))
		s.w.log.Error("Dead letters could not be put away; the messages are kept, and the queue waits for them", "messages", len(letters),
			"to", s.w.dead.String(), "err", err, "retry_in", wait.Round(time.Millisecond))
		s.w.c.counters.note(fmt.Errorf("queue %q: dead letters: %w", s.w.q.Name, err))
		if err := s.rest(wait); err != nil {
			return err
		}
	}
	return nil
}

// acknowledge tells the broker that it may forget all deliveries up to a tag.
func (s *session) acknowledge(tag uint64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.hard), rpcTimeout)
	defer cancel()
	err := s.conn.Do(ctx, func() error { return s.ch.Ack(tag, true) })
	if err != nil && s.alive.Err() != nil {
		err = context.Cause(s.alive)
	}
	return err
}
