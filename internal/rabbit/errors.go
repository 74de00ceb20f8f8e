package rabbit

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

// Errors that callers match with errors.Is.
var (
	// ErrUnavailable: the broker cannot be reached, has gone away, or takes no
	// messages for the time being. It will pass by itself.
	ErrUnavailable = errors.New("RabbitMQ is unavailable")
	// ErrUnroutable: no queue is bound for a message. The broker has thrown it away.
	ErrUnroutable = errors.New("no queue takes the message")
	// ErrUnconfirmed: the broker has refused a message, or has not said in time
	// that it is safe.
	ErrUnconfirmed = errors.New("not confirmed")
	// ErrClosed: Close was called.
	ErrClosed = errors.New("closed")
)

// UnavailableError is ErrUnavailable, with the reason and when to try again.
type UnavailableError struct {
	Broker     string // without password
	RetryAfter time.Duration
	Err        error
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("%v (%s): %v", ErrUnavailable, e.Broker, e.Err)
}

// Unwrap returns the reason.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Is tells that it is an ErrUnavailable.
func (e *UnavailableError) Is(target error) bool { return target == ErrUnavailable }

// RetryAfter tells when to try again after an ErrUnavailable: at least least.
func RetryAfter(err error, least time.Duration) time.Duration {
	if u := (*UnavailableError)(nil); errors.As(err, &u) {
		return max(least, u.RetryAfter)
	}
	return least
}

var inequivalent = regexp.MustCompile(`inequivalent arg '([^']*)' for (queue|exchange) '([^']*)'.*: received (.*) but current is (.*)`)

// Explain says in words of the configuration what an exception of the broker
// means. Errors that are none are returned as they are.
func Explain(err error) error {
	var e *amqp091.Error
	if !errors.As(err, &e) || !e.Server {
		return err
	}
	if m := inequivalent.FindStringSubmatch(e.Reason); m != nil {
		field, kind, name, here, there := m[1], m[2], m[3], m[4], m[5]
		key := field
		if kind == "exchange" {
			key = map[string]string{"type": "exchange_type", "durable": "exchange_durable", "auto_delete": "exchange_auto_delete"}[field]
		}
		if key == "" || len(field) > 1 && field[:2] == "x-" {
			key = "arguments." + field
		}
		return fmt.Errorf("the %s %q exists with another %s: %s on the broker, %s here; set %s to what the broker has, "+
			"or delete the %s, or let it be as it is with declare: false: %w", kind, name, field, there, here, key, kind, err)
	}
	var hint string
	switch e.Code {
	case amqp091.ResourceLocked:
		hint = "another connection has it for itself (exclusive); this one waits for its turn"
	case amqp091.AccessRefused:
		hint = "the user lacks the right, or the password is wrong, or another consumer has the queue for itself"
	case amqp091.NotFound:
		hint = "it does not exist: with declare: true it would be made"
	case amqp091.NotAllowed:
		hint = "the virtual host does not exist, or the user may not use it, or has too many connections"
	case amqp091.PreconditionFailed:
		hint = "if deliveries were not acknowledged in time: see consumer_timeout of the broker"
	default:
		return err
	}
	return fmt.Errorf("%w (%s)", err, hint)
}
