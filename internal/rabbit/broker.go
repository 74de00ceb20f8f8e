package rabbit

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

// BrokerConfig is what a Broker is made of. The zero value of each optional field
// stands for its default.
type BrokerConfig struct {
	URL  string      // amqp:// or amqps://. Required
	TLS  *tls.Config // for amqps://. Default: the system's certificates, and what the URL says
	Name string      // what the broker shows as connection_name. Default "winchester"

	Heartbeat      time.Duration // Default 10s, unless the URL says otherwise
	DialTimeout    time.Duration // of connecting, all in all. Default 30s
	ReconnectDelay time.Duration // after the first failure; it doubles. Default 1s
	MaxWait        time.Duration // the longest pause. Default 30s

	Logger *slog.Logger // Default: slog.Default()
}

// Broker is a broker and the one connection that a process, or a part of it, has
// to it. The connection is made when it is first asked for, and made anew when
// it is asked for after it was lost. All methods are safe for concurrent use.
type Broker struct {
	cfg BrokerConfig
	log *slog.Logger

	mu       sync.Mutex
	conn     *Conn
	dialling chan struct{} // closed when the attempt under way has ended; nil if there is none
	failures int           // in a row
	retryAt  time.Time     // of the machine's clock, whatever the engine's is
	lastErr  error
	dials    int64 // that succeeded
	closed   bool
}

// NewBroker returns a Broker that is not connected.
func NewBroker(c BrokerConfig) *Broker {
	c.Name = cmp.Or(c.Name, "winchester")
	c.DialTimeout = cmp.Or(c.DialTimeout, 30*time.Second)
	c.ReconnectDelay = cmp.Or(c.ReconnectDelay, time.Second)
	c.MaxWait = max(cmp.Or(c.MaxWait, 30*time.Second), c.ReconnectDelay)
	return &Broker{cfg: c, log: cmp.Or(c.Logger, slog.Default()).With("broker", Redact(c.URL))}
}

// String is the broker's URL without the password.
func (b *Broker) String() string { return Redact(b.cfg.URL) }

// Dials tells how often a connection was made.
func (b *Broker) Dials() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dials
}

// Connected tells whether there is a connection right now.
func (b *Broker) Connected() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conn != nil && b.conn.Err() == nil
}

// Connect returns the connection, making one if there is none. While an attempt
// is under way, others wait for it. After one that failed it returns an
// UnavailableError at once until the back-off is over, so that nobody is held up
// by a broker that is known to be away. ErrClosed after Close.
func (b *Broker) Connect(ctx context.Context) (*Conn, error) {
	for {
		b.mu.Lock()
		if b.closed {
			b.mu.Unlock()
			return nil, ErrClosed
		}
		if c := b.conn; c != nil {
			if c.Err() == nil {
				b.mu.Unlock()
				return c, nil
			}
			b.conn = nil
			b.log.Warn("The connection to RabbitMQ was lost", "err", c.err)
		}
		if wait := time.Until(b.retryAt); wait > 0 {
			err := &UnavailableError{b.String(), wait, b.lastErr}
			b.mu.Unlock()
			return nil, err
		}
		if b.dialling == nil {
			break
		}
		dialling := b.dialling
		b.mu.Unlock()
		select {
		case <-dialling:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	ended := make(chan struct{})
	b.dialling = ended
	b.mu.Unlock()

	c, err := b.dial(ctx)

	b.mu.Lock()
	defer b.mu.Unlock()
	defer close(ended)
	b.dialling = nil
	if err == nil && b.closed {
		c.close()
		return nil, ErrClosed
	}
	if err == nil {
		b.conn, b.failures, b.lastErr = c, 0, nil
		b.dials++
		b.log.Info("Connected to RabbitMQ")
		return c, nil
	}
	if errors.Is(ctx.Err(), context.Canceled) { // the caller is not interested any more
		return nil, ctx.Err()
	}
	b.lastErr = err
	wait := Backoff(b.failures, b.cfg.ReconnectDelay, b.cfg.MaxWait)
	b.failures++
	b.retryAt = time.Now().Add(wait)
	b.log.Warn("RabbitMQ cannot be reached", "err", err, "retry_in", wait.Round(time.Millisecond))
	return nil, &UnavailableError{b.String(), wait, err}
}

func (b *Broker) dial(ctx context.Context) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.DialTimeout)
	defer cancel()
	c := &Conn{lost: make(chan struct{})}
	stop := func() bool { return true }
	properties := amqp091.NewConnectionProperties()
	properties["product"] = "winchester"
	properties.SetClientConnectionName(b.cfg.Name)
	cfg := amqp091.Config{
		Heartbeat: b.cfg.Heartbeat, Properties: properties,
		Dial: func(network, addr string) (net.Conn, error) {
			raw, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err == nil {
				c.raw = raw
				stop = context.AfterFunc(ctx, func() { raw.Close() })
			}
			return raw, err
		},
	}
	if b.cfg.TLS != nil {
		cfg.TLSClientConfig = b.cfg.TLS.Clone()
	}
	var err error
	c.AMQP, err = amqp091.DialConfig(b.cfg.URL, cfg)
	if !stop() && ctx.Err() != nil { // which is why it failed
		err = ctx.Err()
	}
	if err != nil {
		if c.raw != nil {
			c.raw.Close()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = errors.New("no answer in time")
		}
		return nil, Explain(err)
	}
	c.watch(b.log)
	return c, nil
}

// Close closes the connection and ends everything that goes on over it.
func (b *Broker) Close() {
	b.mu.Lock()
	c := b.conn
	b.conn, b.closed = nil, true
	b.mu.Unlock()
	if c != nil {
		c.close()
	}
}

// Backoff is the pause after a number of earlier failures: it doubles, and is
// then made shorter or longer by up to a fifth, so that those who lost the same
// broker do not all come back at once.
func Backoff(failures int, first, longest time.Duration) time.Duration {
	d := longest
	if failures < 20 {
		d = min(first<<failures, longest)
	}
	return d + time.Duration((rand.Float64()*0.4-0.2)*float64(d))
}
