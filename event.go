package winchester

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxMessageID is the longest message id, in bytes, that is accepted. The
// original stopped at 50; identifiers made of a source and an id are longer.
const MaxMessageID = 255

// MaxEventType is the longest event type, in bytes, that is accepted.
const MaxEventType = 255

// Event is something that happened: a type, a time, and the flat, typed facts
// (traits) that triggers look at. It is a plain value; the library never
// changes the Traits map of an event that a caller hands in.
type Event struct {
	// MessageID identifies the event. An id is stored once: as long as the event
	// is, a second one with the same id is a duplicate, whatever else it says.
	// Trimming old events forgets their ids. Required.
	MessageID string `json:"message_id"`
	// EventType is what triggers match with shell globs, say
	// "compute.instance.create.end". Required.
	EventType string `json:"event_type"`
	// Timestamp is when it happened, by the clock of whoever saw it. Kept in
	// UTC, truncated to microseconds. Required.
	Timestamp time.Time `json:"timestamp"`
	// Traits are the facts. May be empty.
	Traits Traits `json:"traits,omitempty"`
}

// normalize returns the event as it will be stored and matched: times in UTC
// and truncated, numbers widened. Traits that are present but nil are kept,
// since a null counts as present for distinguished_by; the store drops them.
// All faults of the event are reported together, wrapped in ErrInvalidEvent.
func (e Event) normalize() (Event, error) {
	var faults []error
	switch {
	case e.MessageID == "":
		faults = append(faults, errors.New("message_id is missing"))
	case len(e.MessageID) > MaxMessageID:
		faults = append(faults, fmt.Errorf("message_id has %d bytes, at most %d are allowed", len(e.MessageID), MaxMessageID))
	case !validText(e.MessageID):
		faults = append(faults, errors.New("message_id is not UTF-8 text without NUL characters"))
	}
	switch {
	case e.EventType == "":
		faults = append(faults, errors.New("event_type is missing"))
	case len(e.EventType) > MaxEventType:
		faults = append(faults, fmt.Errorf("event_type has %d bytes, at most %d are allowed", len(e.EventType), MaxEventType))
	case !validText(e.EventType):
		faults = append(faults, errors.New("event_type is not UTF-8 text without NUL characters"))
	}
	if e.Timestamp = microUTC(e.Timestamp); e.Timestamp.IsZero() {
		faults = append(faults, errors.New("timestamp is missing"))
	} else if !storableTime(e.Timestamp) {
		faults = append(faults, fmt.Errorf("timestamp %s is outside the years 1 to 9999", e.Timestamp))
	}
	traits, err := e.Traits.normalize(false)
	if err != nil {
		faults = append(faults, err)
	}
	e.Traits = traits
	if len(faults) > 0 {
		return e, fmt.Errorf("%w %q: %w", ErrInvalidEvent, e.MessageID, errors.Join(faults...))
	}
	return e, nil
}

// stored is the event without the traits that are nil: what the database
// keeps, and so what fire criteria and handlers see.
func (e Event) stored() Event {
	for _, v := range e.Traits {
		if v == nil {
			kept := make(Traits, len(e.Traits))
			for k, v := range e.Traits {
				if v != nil {
					kept[k] = v
				}
			}
			e.Traits = kept
			break
		}
	}
	return e
}

// validText tells whether every supported database can keep s as text.
func validText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// microUTC brings a time to what every supported database keeps, and strips
// the monotonic reading so that times compare with ==.
func microUTC(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func storableTime(t time.Time) bool { y := t.Year(); return y >= 1 && y <= 9999 }
