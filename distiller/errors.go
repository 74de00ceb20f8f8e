package distiller

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed71495667/winchester"
)

// Why a notification was refused, for errors.Is. All but winchester.ErrDropped
// are also a winchester.ErrInvalidEvent: sending the notification again cannot
// help.
var (
	// ErrMalformed: it is not JSON, lacks a part that every notification has,
	// has one of the wrong type, or is beyond a limit.
	ErrMalformed = errors.New("malformed notification")
	// ErrUnknownFormat: it is JSON, but nothing in it looks like a notification
	// of any format. The text names the keys, or headers, that it has instead.
	ErrUnknownFormat = errors.New("unknown notification format")
	// ErrTrait: a trait cannot be made of what the notification has. One such
	// trait refuses the whole notification, as half an event would be filed as
	// if it were all.
	ErrTrait = errors.New("trait cannot be extracted")
)

// Error is why a notification did not become an event. All errors of Distill,
// DistillMap, Condense, CondenseMap, Split and CloudEvent are of this type.
type Error struct {
	// Kind is ErrMalformed, ErrUnknownFormat, ErrTrait, or
	// winchester.ErrDropped or winchester.ErrInvalidEvent.
	Kind error
	// EventType and MessageID are those of the notification, as far as known.
	EventType, MessageID string
	// Trait, Path and Value are set for ErrTrait: the trait's name, where its
	// value was found, and the value in JSON, shortened. Path and Value are
	// empty if the failure was in getting there.
	Trait, Path, Value string
	// Reason is what exactly is wrong.
	Reason error
}

// Error gives it all in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Kind.Error())
	if e.EventType != "" || e.MessageID != "" {
		fmt.Fprintf(&b, ": %s %s", orNone(e.EventType), orNone(e.MessageID))
	}
	if e.Trait != "" {
		fmt.Fprintf(&b, ": trait %q", e.Trait)
	}
	if e.Path != "" {
		fmt.Fprintf(&b, ": %s is %s", e.Path, e.Value)
	}
	if e.Reason != nil {
		fmt.Fprintf(&b, ": %v", e.Reason)
	}
	return b.String()
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return shorten(s)
}

// shorten keeps a stranger's text from filling the log.
func shorten(s string) string {
	const most = 100
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// Unwrap gives the kind, winchester.ErrInvalidEvent, and the reason.
func (e *Error) Unwrap() []error {
	out := []error{e.Kind}
	if !errors.Is(e.Kind, winchester.ErrDropped) && !errors.Is(e.Kind, winchester.ErrInvalidEvent) {
		out = append(out, winchester.ErrInvalidEvent)
	}
	if e.Reason != nil {
		out = append(out, e.Reason)
	}
	return out
}

// definitionError is all that is wrong with a file of definitions, a line for
// each fault. It is a winchester.ErrDefinition.
type definitionError struct{ faults error }

func (e *definitionError) Error() string { return e.faults.Error() }

// Unwrap gives winchester.ErrDefinition and the faults.
func (e *definitionError) Unwrap() []error { return []error{winchester.ErrDefinition, e.faults} }

func malformedf(format string, args ...any) *Error {
	return &Error{Kind: ErrMalformed, Reason: fmt.Errorf(format, args...)}
}
