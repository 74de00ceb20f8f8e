package rabbit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

// Message is a message to publish.
type Message struct {
	Exchange, Key string
	// Mandatory: it is an error if no queue takes the message.
	Mandatory bool
	amqp091.Publishing
}

// Publisher publishes messages over a Broker and waits for the confirms. Its
// methods are safe for concurrent use; each call has a channel for itself.
type Publisher struct {
	broker *Broker

	mu   sync.Mutex
	free []*pubChannel
}

// pubChannel is a channel in confirm mode.
type pubChannel struct {
	conn    *Conn
	ch      *amqp091.Channel
	returns chan amqp091.Return
	closed  chan *amqp091.Error
}

const (
	// inFlight bounds the messages of a call that wait for their confirms, and
	// with them the returns that the library may have to hand over: it stops
	// reading from the connection while nobody takes them.
	inFlight = 256
	// maxFree bounds the channels that are kept for later.
	maxFree = 8
)

// NewPublisher returns a Publisher over the broker.
func NewPublisher(b *Broker) *Publisher { return &Publisher{broker: b} }

// Publish publishes messages in the order given. It returns nil when the broker
// has confirmed all of them: those that a durable queue takes and that are
// persistent are then on disk. After an error any number of them may have been
// published; publishing all of them again is for the receivers to recognise, by
// the message id.
//
// The topology, if there is one, is declared first, once per connection, and
// again after a message that no queue took.
//
// The errors are ErrUnavailable, ErrUnroutable, ErrUnconfirmed, those of ctx and
// what the broker says to the topology.
func (p *Publisher) Publish(ctx context.Context, t *Topology, messages []Message) error {
	conn, err := p.broker.Connect(ctx)
	if err != nil {
		return err
	}
	if reason := conn.Blocked(); reason != "" {
		return &UnavailableError{p.broker.String(), 0, fmt.Errorf("it takes no messages: %s", reason)}
	}
	pc, err := p.channel(ctx, conn)
	if err != nil {
		return p.fault(ctx, conn, err)
	}
	if err := p.publish(ctx, pc, t, messages); err != nil {
		err = p.fault(ctx, conn, err)
		pc.discard() // it may have confirms to come that nobody waits for
		return err
	}
	p.putBack(pc)
	return nil
}

// fault tells a broker that has gone away from all else.
func (p *Publisher) fault(ctx context.Context, conn *Conn, err error) error {
	switch lost := conn.Err(); {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		if reason := conn.Blocked(); reason != "" {
			return &UnavailableError{p.broker.String(), 0, fmt.Errorf("it takes no messages: %s: %w", reason, err)}
		}
		return fmt.Errorf("%w in time by %s: %w", ErrUnconfirmed, p.broker, err)
	case lost != nil:
		return &UnavailableError{p.broker.String(), 0, lost}
	}
	return err
}

func (p *Publisher) publish(ctx context.Context, pc *pubChannel, t *Topology, messages []Message) error {
	var key string
	if t != nil {
		key = t.key()
		if _, done := pc.conn.declared.Load(key); !done {
			if err := t.Declare(ctx, pc.conn, pc.ch); err != nil {
				return err
			}
			pc.conn.declared.Store(key, true)
		}
	}
	for chunk := range slices.Chunk(messages, inFlight) {
		if err := pc.publish(ctx, chunk); err != nil {
			if errors.Is(err, ErrUnroutable) {
				pc.conn.declared.Delete(key) // perhaps someone has deleted the queue
			}
			return err
		}
	}
	return nil
}

func (pc *pubChannel) publish(ctx context.Context, messages []Message) error {
	confirms := make([]*amqp091.DeferredConfirmation, len(messages))
	err := pc.conn.Do(ctx, func() (err error) {
		for i := range messages {
			m := &messages[i]
			confirms[i], err = pc.ch.PublishWithDeferredConfirm(m.Exchange, m.Key, m.Mandatory, false, m.Publishing)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return pc.reason(err)
	}
	refused := 0
	for _, c := range confirms {
		acked, err := c.WaitContext(ctx)
		if err != nil {
			return err
		}
		if !acked {
			refused++
		}
	}
	// The broker returns a message before it confirms it, and the library hands
	// the one over before it takes note of the other.
	var unroutable error
	for n := len(pc.returns); n > 0; n-- {
		r := <-pc.returns
		if unroutable == nil {
			unroutable = fmt.Errorf("%w %s: exchange %q, routing key %q (%s)", ErrUnroutable, r.MessageId, r.Exchange, r.RoutingKey, r.ReplyText)
		}
	}
	if refused > 0 {
		return pc.reason(fmt.Errorf("%w: the broker has refused %d of %d messages", ErrUnconfirmed, refused, len(messages)))
	}
	return unroutable
}

// reason returns why the channel was closed, if it was, and otherwise err.
func (pc *pubChannel) reason(err error) error {
	if !pc.ch.IsClosed() {
		return err
	}
	if e := <-pc.closed; e != nil { // the library closes it in any case
		return fmt.Errorf("publish: %w", Explain(e))
	}
	return err
}

func (p *Publisher) channel(ctx context.Context, conn *Conn) (*pubChannel, error) {
	p.mu.Lock()
	for len(p.free) > 0 {
		pc := p.free[len(p.free)-1]
		p.free = p.free[:len(p.free)-1]
		if pc.conn == conn && !pc.ch.IsClosed() {
			p.mu.Unlock()
			return pc, nil
		}
	}
	p.mu.Unlock()
	ch, err := conn.Channel(ctx)
	if err != nil {
		return nil, err
	}
	pc := &pubChannel{
		conn: conn, ch: ch,
		returns: ch.NotifyReturn(make(chan amqp091.Return, inFlight)),
		closed:  ch.NotifyClose(make(chan *amqp091.Error, 1)),
	}
	if err := conn.Do(ctx, func() error { return ch.Confirm(false) }); err != nil {
		pc.discard()
		return nil, err
	}
	return pc, nil
}

// discard closes the channel. On a connection that is blocked the broker would not
// hear of it: there the channel is left to end with its connection, which would
// otherwise be given up, and the next one be found to be blocked all over again.
func (pc *pubChannel) discard() {
	if pc.conn.Blocked() != "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = pc.conn.Do(ctx, pc.ch.Close) // if that fails, the connection is gone, and the channel with it
}

func (p *Publisher) putBack(pc *pubChannel) {
	p.mu.Lock()
	keep := len(p.free) < maxFree
	if keep {
		p.free = append(p.free, pc)
	}
	p.mu.Unlock()
	if !keep {
		pc.discard()
	}
}

// Close closes the broker's connection.
func (p *Publisher) Close() { p.broker.Close() }

// Idle is how long a Pool keeps a connection that nobody uses.
const Idle = time.Minute
