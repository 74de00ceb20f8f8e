package rabbit

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

// Conn is one connection, until it is lost.
type Conn struct {
	AMQP *amqp091.Connection

	raw      net.Conn
	lost     chan struct{} // closed when it is lost or closed
	err      error         // why; set before lost is closed
	blocked  atomic.Pointer[string]
	declared sync.Map // keys of topologies
}

// watch follows the connection until its end.
func (c *Conn) watch(log *slog.Logger) {
	closed := c.AMQP.NotifyClose(make(chan *amqp091.Error, 1))
	blocks := c.AMQP.NotifyBlocked(make(chan amqp091.Blocking, 1))
	go func() {
		defer close(c.lost)
		for {
			select {
			case b, ok := <-blocks:
				switch {
				case !ok:
					blocks = nil
				case b.Active:
					c.blocked.Store(&b.Reason)
					log.Warn("RabbitMQ takes no messages for the time being", "reason", b.Reason)
				default:
					c.blocked.Store(nil)
					log.Info("RabbitMQ takes messages again")
				}
			case err, ok := <-closed:
				c.err = ErrClosed
				if ok && err != nil {
					c.err = err
				}
				return
			}
		}
	}()
}

// Lost is closed when the connection is.
func (c *Conn) Lost() <-chan struct{} { return c.lost }

// Err tells why the connection was lost, once it is.
func (c *Conn) Err() error {
	if !c.AMQP.IsClosed() {
		return nil
	}
	<-c.lost // the library is about to say why
	return c.err
}

// Blocked tells why the broker takes no messages on this connection, or "".
func (c *Conn) Blocked() string {
	if reason := c.blocked.Load(); reason != nil {
		return *reason
	}
	return ""
}

// Do calls f, which asks the broker for something. The library's calls know no
// context, and one can wait for as long as the broker is short of memory; so if
// ctx ends first, the connection is given up.
func (c *Conn) Do(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.raw.Close() })
	err := f()
	stop()
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if lost := c.Err(); err != nil && lost != nil && errors.Is(err, amqp091.ErrClosed) {
		return lost
	}
	return err
}

// Channel opens a channel.
func (c *Conn) Channel(ctx context.Context) (ch *amqp091.Channel, err error) {
	err = c.Do(ctx, func() error {
		ch, err = c.AMQP.Channel()
		return err
	})
	return ch, err
}

// closeTimeout bounds how long a farewell may take.
const closeTimeout = 2 * time.Second

func (c *Conn) close() {
	_ = c.AMQP.CloseDeadline(time.Now().Add(closeTimeout)) // it counts as closed in any case
	c.raw.Close()
	<-c.lost
}
