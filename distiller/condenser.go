package distiller

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/seed71495667/winchester"
)

// Condenser collects what a Distiller extracts from one notification, and
// makes of it whatever the application needs. A Distiller calls Clear, then
// AddEnvelopeInfo once, AddTrait for each trait, and Validate. A Condenser
// serves one notification at a time and need not be safe for concurrent use.
type Condenser interface {
	// Clear forgets the notification before.
	Clear()
	// AddEnvelopeInfo gives what every notification has. Either text may be
	// empty. The time is in UTC and truncated to microseconds.
	AddEnvelopeInfo(eventType, messageID string, when time.Time)
	// AddTrait gives one trait, of the Go type that belongs to its Type. It is
	// called at most once for each name.
	AddTrait(name string, t Type, value any)
	// Validate tells whether what was collected is complete. An error refuses
	// the notification.
	Validate() error
}

// EventCondenser makes a winchester.Event, and is what Distill uses.
type EventCondenser struct {
	event    winchester.Event
	expected int // traits, about
}

// Clear forgets the event. One that was handed out stays as it is.
func (c *EventCondenser) Clear() { c.event = winchester.Event{} }

// AddEnvelopeInfo implements Condenser.
func (c *EventCondenser) AddEnvelopeInfo(eventType, messageID string, when time.Time) {
	c.event.EventType, c.event.MessageID, c.event.Timestamp = eventType, messageID, when
}

// AddTrait implements Condenser.
func (c *EventCondenser) AddTrait(name string, _ Type, value any) {
	if c.event.Traits == nil {
		c.event.Traits = make(winchester.Traits, c.expected)
	}
	c.event.Traits[name] = value
}

// Validate wants what the engine wants of a notification: a type, a message id
// and at least one trait.
func (c *EventCondenser) Validate() error {
	var faults []error
	if c.event.EventType == "" {
		faults = append(faults, errors.New("it has no event_type"))
	}
	if c.event.MessageID == "" {
		faults = append(faults, errors.New("it has no message_id"))
	}
	if len(c.event.Traits) == 0 {
		faults = append(faults, errors.New("it has no traits"))
	}
	return errors.Join(faults...)
}

// Event returns the event.
func (c *EventCondenser) Event() winchester.Event { return c.event }

// MapCondenser makes one flat map of traits and envelope: the form that
// notifications had in the original. The envelope is in event_type,
// message_id and when (a time.Time); it wins over traits of those names.
type MapCondenser struct{ traits, envelope map[string]any }

// Clear forgets the notification. A map that was handed out stays as it is.
func (c *MapCondenser) Clear() { c.traits, c.envelope = nil, nil }

// AddEnvelopeInfo implements Condenser.
func (c *MapCondenser) AddEnvelopeInfo(eventType, messageID string, when time.Time) {
	c.envelope = map[string]any{"event_type": eventType, "message_id": messageID, "when": when}
}

// AddTrait implements Condenser.
func (c *MapCondenser) AddTrait(name string, _ Type, value any) {
	if c.traits == nil {
		c.traits = map[string]any{}
	}
	c.traits[name] = value
}

// Validate accepts everything.
func (c *MapCondenser) Validate() error { return nil }

// Map returns a new map.
func (c *MapCondenser) Map() map[string]any {
	out := make(map[string]any, len(c.traits)+len(c.envelope))
	maps.Copy(out, c.traits)
	maps.Copy(out, c.envelope)
	return out
}

var (
	_ Condenser            = (*EventCondenser)(nil)
	_ Condenser            = (*MapCondenser)(nil)
	_ fmt.Stringer         = Text
	_ winchester.Distiller = (*Distiller)(nil)
)
