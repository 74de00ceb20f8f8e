package rabbit

import (
	"context"
	"fmt"
	"strings"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

// Exchange is an exchange to declare. One without a name is the default
// exchange, which exists.
type Exchange struct {
	Name       string
	Type       string // topic, direct, fanout or headers, or that of a plugin
	Durable    bool
	AutoDelete bool
	Arguments  map[string]any
}

// Queue is a queue to declare.
type Queue struct {
	Name       string
	Durable    bool
	AutoDelete bool
	Arguments  map[string]any
	Keys       []string // with which it is bound to the topology's exchange
}

// Topology is an exchange and, perhaps, a queue that is bound to it.
type Topology struct {
	Exchange Exchange
	Queue    *Queue
}

// key is the same for topologies that are the same.
func (t *Topology) key() string {
	if t.Queue == nil {
		return fmt.Sprintf("%+v", t.Exchange)
	}
	return fmt.Sprintf("%+v %+v", t.Exchange, *t.Queue)
}

// Declare makes what is not there, and finds out whether what is there is as it
// is described. The broker closes the channel with an error, which says what
// differs.
func (t *Topology) Declare(ctx context.Context, c *Conn, ch *amqp091.Channel) error {
	e := t.Exchange
	if e.Name != "" && !reserved(e.Name) {
		err := c.Do(ctx, func() error {
			return ch.ExchangeDeclare(e.Name, e.Type, e.Durable, e.AutoDelete, false, false, e.Arguments)
		})
		if err != nil {
			return fmt.Errorf("declare exchange %q: %w", e.Name, Explain(err))
		}
	}
	q := t.Queue
	if q == nil {
		return nil
	}
	err := c.Do(ctx, func() error {
		_, err := ch.QueueDeclare(q.Name, q.Durable, q.AutoDelete, false, false, q.Arguments)
		return err
	})
	if err != nil {
		return fmt.Errorf("declare queue %q: %w", q.Name, Explain(err))
	}
	if e.Name == "" {
		return nil
	}
	for _, key := range q.Keys {
		if err := c.Do(ctx, func() error { return ch.QueueBind(q.Name, key, e.Name, false, nil) }); err != nil {
			return fmt.Errorf("bind queue %q to exchange %q with routing key %q: %w", q.Name, e.Name, key, Explain(err))
		}
	}
	return nil
}

// reserved tells whether an exchange is one of those that every broker has and
// nobody may declare otherwise.
func reserved(name string) bool { return strings.HasPrefix(name, "amq.") }
