package distiller

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/valyala/fastjson"
)

// MaxDepth is how deeply the objects and lists of a notification may be nested.
const MaxDepth = fastjson.MaxDepth

// state is what one notification is read with. All values in it belong to its
// parsers: nothing of them may be kept beyond the call.
type state struct {
	root          *fastjson.Value
	outer, inner  fastjson.Parser
	arena         fastjson.Arena // values that are not in the notification itself
	buf           []byte         // a decoded notification, encoded again
	visits        int
	eventType, id string
}

var states = sync.Pool{New: func() any { return new(state) }}

// keepable is the size of notification whose parser is worth keeping. A parser
// keeps fifty times the size of the largest thing that it ever read.
const keepable = 64 << 10

func (s *state) release(size int) {
	if size > keepable {
		return
	}
	s.root, s.visits, s.eventType, s.id = nil, 0, "", ""
	s.arena.Reset()
	states.Put(s)
}

// read parses a notification, takes its envelope off, and checks what every
// notification must have.
func (s *state) read(body []byte, limit int) *Error {
	v, err := parse(&s.outer, body, limit)
	if err != nil {
		return err
	}
	if version, message := v.Get("oslo.version"), v.Get("oslo.message"); version != nil || message != nil {
		if v, err = s.open(version, message, limit); err != nil {
			return err
		}
	}
	s.root = v
	return s.identify()
}

func parse(p *fastjson.Parser, body []byte, limit int) (*fastjson.Value, *Error) {
	if len(body) > limit {
		return nil, malformedf("it has %d bytes, at most %d are allowed", len(body), limit)
	}
	if !utf8.Valid(body) {
		return nil, malformedf("it is not valid UTF-8")
	}
	v, err := p.ParseBytes(body)
	if err != nil {
		return nil, malformedf("it is not JSON: %w", errors.New(shorten(err.Error())))
	}
	// The parser is lenient; the validator is not, but has no limit of depth,
	// so it comes second.
	if err := fastjson.ValidateBytes(body); err != nil {
		return nil, malformedf("it is not JSON: %w", errors.New(shorten(err.Error())))
	}
	if v.Type() != fastjson.TypeObject {
		return nil, malformedf("expected a JSON object, found %s", describe(v))
	}
	return v, nil
}

// open takes off the envelope of oslo.messaging, in which a notification is a
// text of JSON. There is one at most.
func (s *state) open(version, message *fastjson.Value, limit int) (*fastjson.Value, *Error) {
	switch {
	case version == nil:
		return nil, malformedf("oslo.message without oslo.version")
	case message == nil:
		return nil, malformedf("oslo.version without oslo.message")
	case version.Type() != fastjson.TypeString:
		return nil, malformedf("oslo.version: expected a text, found %s", describe(version))
	case message.Type() != fastjson.TypeString:
		return nil, malformedf("oslo.message: expected a text of JSON, found %s", describe(message))
	}
	text := string(version.GetStringBytes())
	if major, _, _ := strings.Cut(text, "."); major != "2" {
		return nil, malformedf("oslo.version %q is not supported, only 2.x is", shorten(text))
	}
	v, err := parse(&s.inner, message.GetStringBytes(), limit)
	if err != nil {
		err.Reason = fmt.Errorf("oslo.message: %w", err.Reason)
		return nil, err
	}
	if v.Get("oslo.message") != nil {
		return nil, malformedf("oslo.message: an envelope in an envelope")
	}
	return v, nil
}

// identify finds the event type and the message id. An id that is a number is
// taken as text; one that is null is found missing later, with all else that
// is missing.
func (s *state) identify() *Error {
	eventType, id := s.root.Get("event_type"), s.root.Get("message_id")
	if eventType == nil && id == nil {
		return &Error{Kind: ErrUnknownFormat, Reason: fmt.Errorf("neither event_type nor oslo.message among its keys: %s", keys(s.root))}
	}
	var faults []error
	switch {
	case eventType == nil:
		faults = append(faults, errors.New("event_type is missing"))
	case eventType.Type() != fastjson.TypeString:
		faults = append(faults, fmt.Errorf("event_type: expected a text, found %s", describe(eventType)))
	default:
		s.eventType = string(eventType.GetStringBytes())
	}
	switch {
	case id == nil:
		faults = append(faults, errors.New("message_id is missing"))
	case id.Type() == fastjson.TypeString:
		s.id = string(id.GetStringBytes())
	case id.Type() == fastjson.TypeNumber:
		s.id = toText(fromJSON(id))
	case id.Type() != fastjson.TypeNull:
		faults = append(faults, fmt.Errorf("message_id: expected a text, found %s", describe(id)))
	}
	if len(faults) > 0 {
		return &Error{Kind: ErrMalformed, EventType: s.eventType, MessageID: s.id, Reason: errors.Join(faults...)}
	}
	return nil
}

// keys lists the first keys of an object, for people to recognise it by.
func keys(v *fastjson.Value) string {
	const most = 20
	var out []string
	n := 0
	v.GetObject().Visit(func(key []byte, _ *fastjson.Value) {
		if n++; n <= most {
			out = append(out, strconv.Quote(shorten(string(key))))
		}
	})
	switch {
	case n == 0:
		return "there are none"
	case n > most:
		out = append(out, fmt.Sprintf("and %d more", n-most))
	}
	return strings.Join(out, ", ")
}
