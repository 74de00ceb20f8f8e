package amqp

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/seed71495667/winchester/internal/rabbit"
)

// letter is a message that cannot become an event, and why.
type letter struct {
	amqp091.Delivery
	body   []byte // of an item, where the message was a JSON array
	reason error
	queue  string
	at     time.Time
}

// deadLetters is where poison goes. It is used by all queues at once.
type deadLetters interface {
	// put returns nil when all the letters are safe.
	put(ctx context.Context, letters []letter) error
	close()
	String() string
}

// The headers of a dead letter.
const (
	headerReason   = "x-winchester-reason"      // why it cannot become an event
	headerQueue    = "x-winchester-queue"       // the queue it was consumed from
	headerExchange = "x-winchester-exchange"    // the exchange it was published to
	headerKey      = "x-winchester-routing-key" // and with what routing key
	headerTime     = "x-winchester-time"        // when it was put away, RFC 3339
	headerCC       = "x-winchester-cc"          // its CC header, which would route it
	headerLeftOut  = "x-winchester-headers"     // that its own headers were too large
)

// All headers must fit into a frame, which has at most 128 KiB, or less where the
// broker says so.
const (
	maxReason  = 2000
	maxHeaders = 64 << 10
)

func openDeadLetters(c Config) (deadLetters, error) {
	if c.DeadLetters.File != "" {
		return openDeadFile(c.DeadLetters.File)
	}
	// A connection of its own: one on which messages are published can be blocked by
	// the broker, and acknowledgements would be stuck behind them.
	broker := rabbit.NewBroker(rabbit.BrokerConfig{
		URL: c.URL, TLS: c.TLS, Name: c.Name + " dead letters", Heartbeat: c.Heartbeat,
		ReconnectDelay: c.ReconnectDelay, MaxWait: c.MaxWait, Logger: c.Logger,
	})
	return &deadExchange{rabbit.NewPublisher(broker), c.DeadLetters}, nil
}

func (d DeadLetters) topology() *rabbit.Topology {
	if d.File != "" || d.NoDeclare {
		return nil
	}
	return &rabbit.Topology{
		Exchange: rabbit.Exchange{Name: d.Exchange, Type: amqp091.ExchangeTopic, Durable: true},
		Queue:    &rabbit.Queue{Name: d.Queue, Durable: true, Keys: []string{"#"}},
	}
}

// deadExchange publishes dead letters.
type deadExchange struct {
	publisher *rabbit.Publisher
	cfg       DeadLetters
}

func (d *deadExchange) String() string { return "exchange " + d.cfg.Exchange }

func (d *deadExchange) close() { d.publisher.Close() }

func (d *deadExchange) put(ctx context.Context, letters []letter) error {
	messages := make([]rabbit.Message, len(letters))
	for i, l := range letters {
		messages[i] = rabbit.Message{Exchange: d.cfg.Exchange, Key: l.queue, Mandatory: true, Publishing: l.publishing()}
	}
	return d.publisher.Publish(ctx, d.cfg.topology(), messages)
}

// publishing is the message as it was, with the headers of a dead letter, and
// without what would make the broker refuse it, drop it or send it elsewhere.
func (l letter) publishing() amqp091.Publishing {
	headers := amqp091.Table{}
	if size := len(fmt.Sprint(l.Headers)); size <= maxHeaders {
		maps.Copy(headers, l.Headers)
	} else {
		headers[headerLeftOut] = fmt.Sprintf("%d bytes of headers were left out: with these they would not fit into a frame", size)
	}
	if cc, ok := headers["CC"]; ok {
		headers[headerCC] = cc
		delete(headers, "CC")
	}
	headers[headerReason] = reason(l.reason)
	headers[headerQueue] = l.queue
	headers[headerExchange] = l.Exchange
	headers[headerKey] = l.RoutingKey
	headers[headerTime] = l.at.Format(time.RFC3339Nano)
	return amqp091.Publishing{
		Headers: headers, DeliveryMode: amqp091.Persistent, Body: l.body,
		ContentType: l.ContentType, ContentEncoding: l.ContentEncoding, Priority: l.Priority, CorrelationId: l.CorrelationId,
		ReplyTo: l.ReplyTo, MessageId: l.MessageId, Timestamp: l.Timestamp, Type: l.Type, AppId: l.AppId,
	}
}

func reason(err error) string {
	if err == nil {
		return "unknown"
	}
	text := err.Error()
	if len(text) > maxReason {
		text = fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(text[:maxReason], ""), len(text))
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
