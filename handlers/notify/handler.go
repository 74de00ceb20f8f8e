// Package notify publishes notifications to RabbitMQ when a pipeline commits: the
// lists that other handlers have left in the environment, as the Python
// Winchester's NotabeneHandler did, and the events that they have made, selected
// by type.
//
//	report:
//	  - usage
//	  - name: notify
//	    params:
//	      url: ${RABBITMQ_URL}
//	      exchange: winchester
//	      queue_name: verified_usage
//	      event_types: compute.instance.exists.verified
//
// A message is JSON. For an event it is a notification as OpenStack's services send
// them, with the event's traits as its payload, so that Winchester can read it
// again; a notification from the environment is published as it is. Exchange and
// queue are declared when the first message is published. docs/handlers.md lists
// the parameters.
//
// # What is promised
//
// Commit succeeds when the broker has confirmed every message: those that a
// durable queue takes are then on its disk. In every other case it fails, and the
// engine tries again, with the same message ids in the same order. So a message
// arrives at least once; a receiver that knows message ids, as Winchester does,
// sees each once.
//
//	what happens                                  | what Commit returns
//	----------------------------------------------|-------------------------------------------------
//	the broker is away, or takes no messages      | an error that snoozes: no attempt is counted
//	no queue takes a message (with mandatory)     | an error that counts, by the retry policy
//	the broker refuses, or confirms nothing in    | an error that counts
//	time, or exchange or queue are other than     |
//	described                                     |
//	a value in the environment is no list of      | HandleEvents fails for good (winchester.Cancel)
//	notifications                                 |
//
// # Connections
//
// All handlers of a process that publish to the same broker as the same user share
// one connection. It is made when first needed, made anew with a back-off when it
// was lost, and closed when it was not used for a minute, or by [Close].
//
// params.go has the parameters, message.go the form of the messages. The package
// stands on the root package and internal/rabbit; other handlers, stores and the
// distiller are not known here.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/rabbit"
)

// Name is the name under which Register makes the handler known.
const Name = "notify"

// connections are those of the process.
var connections rabbit.Pool

// Close closes the connections that no Commit is using, and those in use when it
// is through. A Commit that comes later opens one anew, so a program may call it
// at any time; it is meant for its end.
func Close() { connections.Close() }

// Register makes the handler known to r as "notify". It returns an error if that
// name is taken.
func Register(r *winchester.Registry) error {
	return winchester.Register(r, Name, func(p Params) (winchester.Handler, error) { return newHandler(p) })
}

// New returns a Handler for one run of a pipeline, for a host that wraps it in a
// handler of its own. It returns winchester.Faults if the parameters are wrong.
func New(p Params) (*Handler, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return newHandler(p)
}

func newHandler(p Params) (*Handler, error) {
	if p.target == nil {
		return nil, errNotValidated
	}
	return &Handler{target: p.target, envKeys: p.EnvKeys}, nil
}

// Handler publishes what one run of a pipeline has to say. It is made by New or
// Register; the zero value is of no use.
type Handler struct {
	winchester.HandlerDefaults
	target   *target
	envKeys  []string
	log      *slog.Logger
	messages []rabbit.Message
}

var _ winchester.Handler = (*Handler)(nil)

// HandleEvents collects what is to be published and returns the events as they
// are. It sees what the handlers before it have left and made, so it belongs
// behind them. First come the lists of the environment, in the order of env_keys,
// then the selected events.
func (h *Handler) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	h.messages = nil
	if h.log = env.Logger; h.log == nil {
		h.log = slog.Default()
	}
	for _, key := range h.envKeys {
		messages, err := h.target.ofValue(env.Values[key], env.IdempotencyKey+"-"+key)
		if err != nil {
			return nil, winchester.Cancel(fmt.Errorf("env key %q: %w", key, err))
		}
		h.messages = append(h.messages, messages...)
	}
	if !h.target.selects {
		return events, nil
	}
	for _, e := range env.New(events) {
		if !h.target.types.Match(e.EventType) {
			continue
		}
		m, err := h.target.ofEvent(e)
		if err != nil {
			return nil, winchester.Cancel(err)
		}
		h.messages = append(h.messages, m)
	}
	return events, nil
}

// leastSnooze is the shortest pause before a broker that is away is tried again.
const leastSnooze = time.Second

// Commit publishes, and waits for the broker to confirm.
func (h *Handler) Commit(ctx context.Context) error {
	if len(h.messages) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.target.timeout)
	defer cancel()
	publisher, release, err := connections.Get(h.target.key, h.connect)
	if err != nil {
		return err
	}
	defer release()
	err = publisher.Publish(ctx, h.target.topology, h.messages)
	switch {
	case err == nil:
		for _, m := range h.messages {
			h.log.Debug(fmt.Sprintf("Published '%s' to '%s' with routing_key '%s'", m.Type, m.Exchange, m.Key), "message_id", m.MessageId)
		}
		return nil
	case errors.Is(err, rabbit.ErrUnavailable):
		again := rabbit.RetryAfter(err, leastSnooze)
		h.log.Warn("Notifications wait for RabbitMQ", "messages", len(h.messages), "err", err, "retry_in", again.Round(time.Millisecond))
		return fmt.Errorf("publish %d messages: %w; %w", len(h.messages), err, winchester.Snooze(again))
	}
	return fmt.Errorf("publish %d messages to exchange %q: %w", len(h.messages), h.target.exchange, err)
}

func (h *Handler) connect() (*rabbit.Publisher, error) {
	// What happens to the connection is told by the errors of those who wanted it.
	return rabbit.NewPublisher(rabbit.NewBroker(rabbit.BrokerConfig{
		URL: h.target.url, TLS: h.target.tls, Name: "winchester notify", Logger: slog.New(slog.DiscardHandler),
	})), nil
}
