package distiller

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// read scans a notification, takes its envelope off, and checks what every
// notification must have.
func (d *Distiller) read(s *state, body []byte) *Error {
	if err := d.scan(s, &s.outer, body); err != nil {
		return err
	}
	if version, message := s.slots[placeOsloVersion], s.slots[placeOsloMessage]; version != 0 || message != 0 {
		if err := d.open(s, version, message); err != nil {
			return err
		}
	}
	return d.identify(s)
}

func (d *Distiller) scan(s *state, to *document, body []byte) *Error {
	if limit := min(d.maxSize, maxText); len(body) > limit {
		return malformedf("it has %d bytes, at most %d are allowed", len(body), limit)
	}
	if err := to.scan(body); err != nil {
		return malformedf("%w", err)
	}
	switch to.form(root) {
	case formObject:
	case formList:
		return malformedf("expected a JSON object, found a list: batches do not nest")
	default:
		return malformedf("expected a JSON object, found %s", to.describe(root))
	}
	s.document, s.slots = to, d.outline.locate(to, s.slots)
	return nil
}

// open takes off the envelope of oslo.messaging, in which a notification is a
// text of JSON. There is one at most.
func (d *Distiller) open(s *state, version, message ref) *Error {
	switch {
	case version == 0:
		return malformedf("oslo.message without oslo.version")
	case message == 0:
		return malformedf("oslo.version without oslo.message")
	case s.form(version) != formText:
		return malformedf("oslo.version: expected a text, found %s", s.describe(version))
	case s.form(message) != formText:
		return malformedf("oslo.message: expected a text of JSON, found %s", s.describe(message))
	}
	text := string(s.bytes(version))
	if major, _, _ := strings.Cut(text, "."); major != "2" {
		return malformedf("oslo.version %q is not supported, only 2.x is", shorten(text))
	}
	if err := d.scan(s, &s.inner, s.bytes(message)); err != nil {
		err.Reason = fmt.Errorf("oslo.message: %w", err.Reason)
		return err
	}
	if s.slots[placeOsloMessage] != 0 {
		return malformedf("oslo.message: an envelope in an envelope")
	}
	return nil
}

// notification finds the event type, with its definition, and the message id.
// An id that is a number is taken as text; one that is null is found missing
// later, with all else that is missing.
func (d *Distiller) notification(s *state) *Error {
	eventType, id := s.slots[placeEventType], s.slots[placeMessageID]
	var faults []error
	switch {
	case eventType == 0:
		faults = append(faults, errors.New("event_type is missing"))
	case s.form(eventType) != formText:
		faults = append(faults, fmt.Errorf("event_type: expected a text, found %s", s.describe(eventType)))
	default:
		s.kind = d.kindOf(s, s.bytes(eventType))
	}
	switch {
	case id == 0:
		faults = append(faults, errors.New("message_id is missing"))
	case s.form(id) == formText:
		s.id = string(s.bytes(id))
	case s.form(id) == formNumber:
		s.id = toText(s.decode(id))
	case s.form(id) != formNull:
		faults = append(faults, fmt.Errorf("message_id: expected a text, found %s", s.describe(id)))
	}
	if len(faults) > 0 {
		return s.refuse(ErrMalformed, &Error{Reason: errors.Join(faults...)})
	}
	if s.isCADF(s.slots[placePayloadTypeURI]) {
		s.format = formatCADF
	}
	return nil
}

// kindOf finds the definition of an event type, which may mean to try hundreds
// of patterns, and remembers it.
func (d *Distiller) kindOf(s *state, eventType []byte) *eventKind {
	if k, ok := s.kinds[string(eventType)]; ok {
		return k
	}
	k := &eventKind{eventType: string(eventType)}
	k.becomes = k.eventType
	for _, def := range d.definitions {
		if def.types.Match(k.eventType) {
			k.definition, k.becomes = def, def.becomes.apply(k.eventType)
			break
		}
	}
	if len(k.eventType) <= maxKindSize {
		if len(s.kinds) >= maxKinds {
			clear(s.kinds)
		}
		s.kinds[k.eventType] = k
	}
	return k
}

// refuse completes an error with what is known of the notification.
func (s *state) refuse(why error, e *Error) *Error {
	e.Kind, e.EventType, e.MessageID = why, s.kind.eventType, s.id
	return e
}

// keys lists the first keys of the notification, for people to recognise it by.
func (s *state) keys() string {
	const most = 20
	var out []string
	for key := range s.members(root) {
		if len(out) == most {
			break
		}
		out = append(out, strconv.Quote(shorten(string(s.bytes(key)))))
	}
	switch n := s.len(root); {
	case n == 0:
		return "there are none"
	case n > most:
		out = append(out, fmt.Sprintf("and %d more", n-most))
	}
	return strings.Join(out, ", ")
}
