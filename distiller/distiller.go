package distiller

import (
	"errors"
	"fmt"
	"time"

	"github.com/valyala/fastjson"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/glob"
)

// DefaultMaxSize is the size of notification that is accepted by default, in
// bytes: 1 MiB, far more than any service sends.
const DefaultMaxSize = 1 << 20

// Config is what a Distiller is made of.
type Config struct {
	// Definitions say what becomes an event. Default: none, so that everything
	// is dropped unless CatchAll is set.
	Definitions *Definitions
	// CatchAll makes events also of notifications that no definition applies
	// to, with the default traits only. Default: false, they are dropped.
	CatchAll bool
	// Now is the time of notifications that have none. It must be safe for
	// concurrent use. Default: time.Now.
	Now func() time.Time
	// MaxSize is the largest notification that is accepted, in bytes of JSON.
	// Default: DefaultMaxSize.
	MaxSize int
}

// Distiller turns notifications into events. It implements
// winchester.Distiller. All its methods are safe for concurrent use.
type Distiller struct {
	definitions []*definition // in the order in which they are tried
	now         func() time.Time
	maxSize     int
}

// New returns a Distiller, or an error if the Config makes no sense.
func New(c Config) (*Distiller, error) {
	if c.MaxSize < 0 {
		return nil, fmt.Errorf("distiller: Config.MaxSize is %d", c.MaxSize)
	}
	d := &Distiller{now: c.Now, maxSize: c.MaxSize}
	if d.now == nil {
		d.now = time.Now
	}
	if d.maxSize == 0 {
		d.maxSize = DefaultMaxSize
	}
	if c.Definitions != nil {
		for i := len(c.Definitions.list) - 1; i >= 0; i-- {
			d.definitions = append(d.definitions, c.Definitions.list[i])
		}
	}
	if c.CatchAll {
		d.definitions = append(d.definitions, &definition{types: glob.NewSet(nil), traits: defaultTraits})
	}
	return d, nil
}

// Distill makes an event of a notification in JSON. Any error is an *Error:
// see there for the kinds. The event beside an error has the event type, the
// message id and the time as far as they are known, and no traits.
func (d *Distiller) Distill(body []byte) (winchester.Event, error) {
	var c EventCondenser
	return finish(&c, d.Condense(body, &c))
}

// DistillMap is Distill for a notification that has been decoded: it takes
// what encoding/json makes of JSON, with float64 or json.Number for numbers.
// The map is neither changed nor kept.
func (d *Distiller) DistillMap(body map[string]any) (winchester.Event, error) {
	var c EventCondenser
	return finish(&c, d.CondenseMap(body, &c))
}

func finish(c *EventCondenser, err error) (winchester.Event, error) {
	event := c.Event()
	if err == nil {
		return event, nil
	}
	event.Traits = nil
	var e *Error
	if errors.As(err, &e) {
		event.EventType, event.MessageID = e.EventType, e.MessageID
	}
	return event, err
}

// Condense gives what it extracts from a notification in JSON to a Condenser.
// Errors are those of Distill; what c was given before one is of no use.
func (d *Distiller) Condense(body []byte, c Condenser) error {
	s := states.Get().(*state)
	defer s.release(len(body))
	return d.condense(s, body, c)
}

// CondenseMap is Condense for a notification that has been decoded.
func (d *Distiller) CondenseMap(body map[string]any, c Condenser) error {
	s := states.Get().(*state)
	e := encoder{buf: s.buf[:0], limit: d.maxSize}
	err := e.encode(body, 0)
	s.buf = e.buf
	defer s.release(len(e.buf))
	if err != nil {
		c.Clear()
		return malformedf("%w", err)
	}
	return d.condense(s, e.buf, c)
}

func (d *Distiller) condense(s *state, body []byte, c Condenser) error {
	c.Clear()
	if err := s.read(body, d.maxSize); err != nil {
		return err
	}
	definition := d.find(s.eventType)
	if definition == nil {
		return &Error{Kind: winchester.ErrDropped, EventType: s.eventType, MessageID: s.id}
	}
	when, err := d.when(s)
	if err != nil {
		err.Kind, err.EventType, err.MessageID = ErrMalformed, s.eventType, s.id
		return err
	}
	c.AddEnvelopeInfo(s.eventType, s.id, when)
	for i := range definition.traits {
		t := &definition.traits[i]
		v, err := t.extract(s)
		if err != nil {
			err.Kind, err.EventType, err.MessageID, err.Trait = ErrTrait, s.eventType, s.id, t.name
			return err
		}
		if v != nil {
			c.AddTrait(t.name, t.typ, v)
		}
	}
	if err := c.Validate(); err != nil {
		return &Error{Kind: winchester.ErrInvalidEvent, EventType: s.eventType, MessageID: s.id, Reason: err}
	}
	return nil
}

func (d *Distiller) find(eventType string) *definition {
	for _, def := range d.definitions {
		if def.types.Match(eventType) {
			return def
		}
	}
	return nil
}

var contextTime = mustCompile("_context_timestamp").alternatives[0].lookup

// when is the time of the notification: timestamp, or that of the request's
// context where there is no such key, or now if it is empty. That a timestamp
// of null does not give way to the context's is the original's behaviour.
func (d *Distiller) when(s *state) (time.Time, *Error) {
	path := "timestamp"
	v := s.root.Get(path)
	if v == nil {
		path = contextTime.text
		v, _ = contextTime.find(s)
	}
	if v == nil || empty(v) {
		return d.now().UTC().Truncate(time.Microsecond), nil
	}
	t, err := toTime(fromJSON(v))
	if err != nil {
		return time.Time{}, &Error{Path: path, Value: fromJSON(v).String(), Reason: err}
	}
	return t.(time.Time), nil
}

// empty tells what Python takes for false: null, false, 0, and what is empty.
func empty(v *fastjson.Value) bool {
	switch v.Type() {
	case fastjson.TypeNull, fastjson.TypeFalse:
		return true
	case fastjson.TypeString:
		return len(v.GetStringBytes()) == 0
	case fastjson.TypeNumber:
		return v.GetFloat64() == 0
	case fastjson.TypeArray:
		return len(v.GetArray()) == 0
	case fastjson.TypeObject:
		return v.GetObject().Len() == 0
	}
	return false
}
