package amqp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/seed71495667/winchester/internal/rabbit"
)

// Consumer consumes queues of one broker. All its methods are safe for concurrent
// use.
type Consumer struct {
	cfg      Config
	log      *slog.Logger
	counters counters

	mu          sync.Mutex
	broker      *rabbit.Broker // of the current run
	connections int64          // of earlier runs
	running     *running
}

// running is what goes on between a Start and its end.
type running struct {
	drain  context.CancelFunc // begin no more batches
	abort  context.CancelFunc // and give up those under way
	done   chan struct{}      // closed when nothing goes on any more
	failed error              // what nothing but a change of the program can mend; set before done is closed
	once   sync.Once
}

// ErrRunning tells that Start was called twice.
var ErrRunning = errors.New("amqp: the consumer is running already")

// New returns a Consumer that has not been started. All faults of the
// configuration are reported together.
func New(c Config) (*Consumer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	return &Consumer{cfg: c, log: c.Logger}, nil
}

// Start begins to consume and returns at once: whether the broker is there is
// seen later, in the log and in Stats, and is tried again for ever. It goes on
// until Stop is called or ctx ends; that ctx ends is a Stop without patience. It
// returns ErrRunning if it was called before and not stopped since.
func (c *Consumer) Start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running != nil {
		select {
		case <-c.running.done: // its context has ended
		default:
			return ErrRunning
		}
	}
	dead, err := openDeadLetters(c.cfg)
	if err != nil {
		return fmt.Errorf("amqp: %w", err)
	}
	if c.broker != nil {
		c.connections += c.broker.Dials()
	}
	broker := c.newBroker("consumer")
	hard, abort := context.WithCancel(ctx)
	soft, drain := context.WithCancel(hard)
	r := &running{drain: drain, abort: abort, done: make(chan struct{})}
	c.broker, c.running = broker, r

	var workers sync.WaitGroup
	for _, q := range c.cfg.Queues {
		w := newWorker(c, r, broker, dead, q)
		workers.Go(func() { w.run(soft, hard) })
	}
	var statistics sync.WaitGroup
	statistics.Go(func() { c.logStatistics(soft) })
	go func() {
		workers.Wait()
		drain()
		statistics.Wait()
		broker.Close()
		dead.close()
		abort()
		close(r.done)
	}()
	return nil
}

func (c *Consumer) newBroker(part string) *rabbit.Broker {
	return rabbit.NewBroker(rabbit.BrokerConfig{
		URL: c.cfg.URL, TLS: c.cfg.TLS, Name: c.cfg.Name + " " + part, Heartbeat: c.cfg.Heartbeat,
		ReconnectDelay: c.cfg.ReconnectDelay, MaxWait: c.cfg.MaxWait, Logger: c.log,
	})
}

// Stop drains: no batch is begun any more, those under way are stored and
// acknowledged, and what had been delivered beyond them goes back to its queue.
// When ctx ends before that, they are given up, to be delivered again, and Stop
// returns ctx's error. When it returns nothing goes on any more. Without a Start
// it does nothing. What had made the consumer stop by itself is returned as well.
func (c *Consumer) Stop(ctx context.Context) error {
	c.mu.Lock()
	r := c.running
	c.mu.Unlock()
	if r == nil {
		return nil
	}
	r.drain()
	var err error
	select {
	case <-r.done:
	case <-ctx.Done():
		err = ctx.Err()
		r.abort()
		<-r.done
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == r {
		c.running = nil
	}
	return errors.Join(err, r.failed)
}

// Run consumes until ctx ends, and then drains, for at most StopTimeout. It
// returns nil after that, or what has made it impossible to go on.
func (c *Consumer) Run(ctx context.Context) error {
	if err := c.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	c.mu.Lock()
	r := c.running
	c.mu.Unlock()
	if r != nil {
		select {
		case <-ctx.Done():
		case <-r.done:
		}
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.StopTimeout)
	defer cancel()
	return c.Stop(stop)
}

// Wait returns when ctx ends, or when nothing goes on any more of what Start has
// begun; without a Start, at once. What there is to say is said by Stop.
func (c *Consumer) Wait(ctx context.Context) {
	c.mu.Lock()
	r := c.running
	c.mu.Unlock()
	if r == nil {
		return
	}
	select {
	case <-ctx.Done():
	case <-r.done:
	}
}

// Check connects to the broker, declares what is to be declared, and disconnects:
// for a command that wants to fail at its start rather than try for ever. The
// error has all that is wrong with the queues, and says what differs from what
// the broker has.
func (c *Consumer) Check(ctx context.Context) error {
	broker := c.newBroker("check")
	defer broker.Close()
	conn, err := broker.Connect(ctx)
	if err != nil {
		return fmt.Errorf("amqp: %w", err)
	}
	var faults []error
	check := func(t *rabbit.Topology) {
		if t == nil {
			return
		}
		ch, err := conn.Channel(ctx) // the broker closes it with the first fault
		if err == nil {
			err = t.Declare(ctx, conn, ch)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("amqp: %w", err))
		}
	}
	for _, q := range c.cfg.Queues {
		check(q.topology())
	}
	check(c.cfg.DeadLetters.topology())
	return errors.Join(faults...)
}

// fail ends the run for a reason that no repetition mends.
func (r *running) fail(err error) {
	r.once.Do(func() { r.failed = err })
	r.drain()
}

// pause waits, and reports false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
