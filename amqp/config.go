package amqp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/rabbit"
	"github.com/seed71495667/winchester/internal/suggest"
)

// Sink takes notifications; a winchester.Engine is one. A host that wants to
// change or look at messages first wraps it.
type Sink interface {
	// AddNotifications stores what becomes of the notifications in one transaction,
	// in the order given, and returns a result for each. An error means that none
	// was stored, and that all may be handed in again. It is called by as many
	// goroutines at once as there are queues.
	AddNotifications(ctx context.Context, bodies [][]byte) ([]winchester.Result, error)
}

// Config is what a Consumer is made of. The zero value of each optional field
// stands for its default.
type Config struct {
	// URL is the broker's: amqp://user:password@host:5672/vhost, or amqps:// for TLS.
	// The password appears in no log and no error. Required.
	URL string
	// TLS is for amqps://. Default: the system's certificates, and what the URL
	// says by cacertfile, certfile, keyfile and server_name_indication.
	TLS *tls.Config
	// Sink takes the notifications. Required.
	Sink Sink
	// Queues are consumed at the same time, each by itself. At least one.
	Queues []Queue
	// DeadLetters says where poison messages go.
	DeadLetters DeadLetters

	// BatchWait is how long a batch that is not full waits for more. Default 0: it
	// takes what has come by the time the one before it is stored, which makes
	// batches the larger the more there is to do.
	BatchWait time.Duration
	// ReconnectDelay is the pause after a first failure to connect or to declare,
	// to the second it is twice as long, up to MaxWait. Defaults 1s and 30s.
	ReconnectDelay, MaxWait time.Duration
	// Heartbeat is how often the broker is asked for a sign of life; a connection
	// without one for three times half as long is lost. Default 10s.
	Heartbeat time.Duration
	// StopTimeout is how long Run lets batches under way come to their end. Default 30s.
	StopTimeout time.Duration
	// Name is what the broker shows of the connection and the consumers. Default
	// "winchester".
	Name string
	// StatisticsPeriod is how often a line of statistics is logged, by the machine's
	// clock. Default 10s; negative for never.
	StatisticsPeriod time.Duration
	// Logger gets all log lines. Default: slog.Default().
	Logger *slog.Logger
}

// Queue is a queue to consume, and how it and its exchange are declared. The zero
// value of each optional field stands for its default.
type Queue struct {
	// Name of the queue. Required.
	Name string
	// Exchange that the queue is bound to. Default: none, the queue is only reached
	// by its name.
	Exchange string
	// ExchangeType is topic, direct, fanout or headers. Default "topic".
	ExchangeType string
	// RoutingKeys with which the queue is bound. Default: the name of the queue.
	RoutingKeys []string
	// Transient queues and exchanges do not outlive the broker. Default: durable.
	Transient, ExchangeTransient bool
	// AutoDelete deletes the queue with its last consumer, ExchangeAutoDelete the
	// exchange with its last queue.
	AutoDelete, ExchangeAutoDelete bool
	// Arguments of the queue, such as x-queue-type. Default: none.
	Arguments map[string]any
	// NoDeclare takes queue, exchange and binding to be there, and leaves them as
	// they are. Default: what is not there is made.
	NoDeclare bool
	// Exclusive keeps other consumers out. A second one waits for its turn.
	Exclusive bool

	// MaxMessages is the most that go into one transaction. Default 500.
	MaxMessages int
	// Prefetch is how many deliveries the broker sends before the first of them is
	// acknowledged. Default: twice MaxMessages, so that the next batch comes in
	// while one is stored. At least MaxMessages, at most 65535.
	Prefetch int

	// Filters lets only notifications of these event types in, by shell globs; "!"
	// excludes. Default: all. ExcludeFilters leaves these out. What is left out
	// is acknowledged, counted, and gone.
	Filters, ExcludeFilters []string
}

// DeadLetters says where messages go that cannot become events. The zero value is
// an exchange and a queue named "winchester.dead_letters" on the same broker: of
// it nothing is lost, and nothing comes back by itself.
type DeadLetters struct {
	// Exchange they are published to, with the name of the queue they came from as
	// the routing key. It is declared as a durable topic exchange. Default
	// "winchester.dead_letters".
	Exchange string
	// Queue is declared, durable, and bound to the exchange for all keys. Default:
	// the name of the exchange.
	Queue string
	// NoDeclare takes the exchange and a queue behind it to be there.
	NoDeclare bool
	// File they are appended to instead, one JSON object a line, each on disk
	// before its message is acknowledged. Default: none.
	File string
}

// DefaultDeadLetters is the name of the exchange and the queue for dead letters
// where nothing else is said.
const DefaultDeadLetters = "winchester.dead_letters"

const (
	defaultMaxMessages = 500
	maxPrefetch        = 65535
	maxName            = 255 // bytes that AMQP has for a name
)

func (c Config) withDefaults() Config {
	c.ReconnectDelay = cmp.Or(c.ReconnectDelay, time.Second)
	c.MaxWait = cmp.Or(c.MaxWait, 30*time.Second)
	c.Heartbeat = cmp.Or(c.Heartbeat, 10*time.Second)
	c.StopTimeout = cmp.Or(c.StopTimeout, 30*time.Second)
	c.Name = cmp.Or(c.Name, "winchester")
	c.StatisticsPeriod = cmp.Or(c.StatisticsPeriod, 10*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	c.Queues = slices.Clone(c.Queues)
	for i := range c.Queues {
		c.Queues[i] = c.Queues[i].withDefaults()
	}
	c.DeadLetters = c.DeadLetters.withDefaults()
	return c
}

func (q Queue) withDefaults() Queue {
	q.ExchangeType = cmp.Or(q.ExchangeType, amqp091.ExchangeTopic)
	if len(q.RoutingKeys) == 0 {
		q.RoutingKeys = []string{q.Name}
	}
	if q.MaxMessages == 0 {
		if q.MaxMessages = defaultMaxMessages; q.Prefetch > 0 {
			q.MaxMessages = min(q.MaxMessages, q.Prefetch)
		}
	}
	q.Prefetch = min(cmp.Or(q.Prefetch, 2*q.MaxMessages), maxPrefetch)
	return q
}

func (d DeadLetters) withDefaults() DeadLetters {
	if d.File == "" {
		d.Exchange = cmp.Or(d.Exchange, DefaultDeadLetters)
		d.Queue = cmp.Or(d.Queue, d.Exchange)
	}
	return d
}

// Validate reports all faults of the configuration together.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("amqp: Config."+format, args...)) }
	if c.URL == "" {
		fault("URL is required")
	} else if err := rabbit.CheckURL(c.URL); err != nil {
		fault("URL: %w", err)
	}
	if c.Sink == nil {
		fault("Sink is required")
	}
	if len(c.Queues) == 0 {
		fault("Queues is empty: at least one is required")
	}
	for name, d := range map[string]time.Duration{
		"BatchWait": c.BatchWait, "ReconnectDelay": c.ReconnectDelay, "MaxWait": c.MaxWait,
		"Heartbeat": c.Heartbeat, "StopTimeout": c.StopTimeout,
	} {
		if d < 0 {
			fault("%s is negative", name)
		}
	}
	seen := map[string]bool{}
	for i, q := range c.Queues {
		if err := q.Validate(); err != nil {
			fault("Queues[%d] (%s): %w", i, q.Name, err)
		}
		if seen[q.Name] {
			fault("Queues[%d]: %s is listed twice", i, q.Name)
		}
		seen[q.Name] = true
		if err := c.DeadLetters.Conflicts(q); err != nil {
			fault("Queues[%d]: %w", i, err)
		}
	}
	if err := c.DeadLetters.Validate(); err != nil {
		fault("DeadLetters: %w", err)
	}
	return errors.Join(faults...)
}

// Conflicts returns an error if the dead letters of a queue would be consumed from it again, and become dead
// letters again, for ever.
func (d DeadLetters) Conflicts(q Queue) error {
	d = d.withDefaults()
	if d.File == "" && (q.Name == d.Queue || q.Exchange == d.Exchange) {
		return fmt.Errorf("%s gets the dead letters of this consumer: it would run in a circle", q.Name)
	}
	return nil
}

// Validate reports all faults of the queue together, as winchester.Faults whose
// fields have the names that package config reads.
func (q Queue) Validate() error {
	var faults winchester.Faults
	fault := func(field, format string, args ...any) {
		faults = append(faults, winchester.Fault{Field: field, Message: fmt.Sprintf(format, args...)})
	}
	name := func(field, s string) {
		if len(s) > maxName {
			fault(field, "%d bytes are too many: at most %d are possible", len(s), maxName)
		}
	}
	if q.Name == "" {
		fault("name", "is required")
	}
	name("name", q.Name)
	name("exchange", q.Exchange)
	for _, key := range q.RoutingKeys {
		name("routing_key", key)
	}
	if len(q.RoutingKeys) > 0 && q.Exchange == "" {
		fault("routing_key", "is of no use without an exchange: messages reach the queue by its name")
	}
	kinds := []string{amqp091.ExchangeTopic, amqp091.ExchangeDirect, amqp091.ExchangeFanout, amqp091.ExchangeHeaders}
	if t := q.ExchangeType; t != "" && !slices.Contains(kinds, t) && !isPlugin(t) {
		fault("exchange_type", "unknown type %q%s: expected topic, direct, fanout, headers, or one of a plugin, which begins with x-", t, suggest.DidYouMean(t, kinds))
	}
	if q.MaxMessages < 0 || q.MaxMessages > maxPrefetch {
		fault("max_messages", "%d: expected a number from 1 to %d", q.MaxMessages, maxPrefetch)
	}
	switch {
	case q.Prefetch < 0 || q.Prefetch > maxPrefetch:
		fault("prefetch", "%d: expected a number from 1 to %d", q.Prefetch, maxPrefetch)
	case q.Prefetch > 0 && q.Prefetch < q.MaxMessages:
		fault("prefetch", "%d is less than max_messages, %d: no batch could ever be full", q.Prefetch, q.MaxMessages)
	}
	if err := amqp091.Table(q.Arguments).Validate(); err != nil {
		fault("arguments", "%v", err)
	}
	if slices.Contains(q.Filters, "") {
		fault("filters", "an empty pattern matches nothing")
	}
	if slices.ContainsFunc(q.ExcludeFilters, func(s string) bool { return s == "" || s[0] == '!' }) {
		fault("exclude_filters", "expected patterns that are not empty and do not begin with !")
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

func isPlugin(exchangeType string) bool { return len(exchangeType) > 2 && exchangeType[:2] == "x-" }

// Validate reports what contradicts itself.
func (d DeadLetters) Validate() error {
	if d.File != "" && (d.Exchange != "" || d.Queue != "") {
		return errors.New("dead letters go to a file or to an exchange, not to both")
	}
	if len(d.Exchange) > maxName || len(d.Queue) > maxName {
		return fmt.Errorf("a name has at most %d bytes", maxName)
	}
	return nil
}

func (q Queue) topology() *rabbit.Topology {
	if q.NoDeclare {
		return nil
	}
	return &rabbit.Topology{
		Exchange: rabbit.Exchange{Name: q.Exchange, Type: q.ExchangeType, Durable: !q.ExchangeTransient, AutoDelete: q.ExchangeAutoDelete},
		Queue:    &rabbit.Queue{Name: q.Name, Durable: !q.Transient, AutoDelete: q.AutoDelete, Arguments: q.Arguments, Keys: q.RoutingKeys},
	}
}
