package distiller

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/glob"
)

// DefaultMaxSize is the size of notification that is accepted by default, in
// bytes: 1 MiB, far more than any service sends.
const DefaultMaxSize = 1 << 20

// DefaultMaxBatch is how many notifications a batch may have by default. They
// become one transaction.
const DefaultMaxBatch = 10_000

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
	// MaxSize is the largest notification that is accepted, in bytes of JSON,
	// and 2 GiB at most. Of a batch, it is the size of the whole. Default:
	// DefaultMaxSize.
	MaxSize int
	// MaxBatch is how many notifications a batch may have. Default:
	// DefaultMaxBatch.
	MaxBatch int
}

// Distiller turns notifications into events. It implements
// winchester.Distiller. All its methods are safe for concurrent use.
type Distiller struct {
	definitions []*definition // in the order in which they are tried
	outline     *outline      // of their paths
	now         func() time.Time
	maxSize     int
	maxBatch    int
	states      sync.Pool // of *state
}

// New returns a Distiller, or an error if the Config makes no sense.
func New(c Config) (*Distiller, error) {
	if c.MaxSize < 0 {
		return nil, fmt.Errorf("distiller: Config.MaxSize is %d", c.MaxSize)
	}
	if c.MaxBatch < 0 {
		return nil, fmt.Errorf("distiller: Config.MaxBatch is %d", c.MaxBatch)
	}
	d := &Distiller{now: c.Now, maxSize: cmp.Or(c.MaxSize, DefaultMaxSize), maxBatch: cmp.Or(c.MaxBatch, DefaultMaxBatch)}
	if d.now == nil {
		d.now = time.Now
	}
	if c.Definitions == nil || c.Definitions.outline == nil {
		c.Definitions = newDefinitions()
	}
	d.outline = c.Definitions.outline
	for i := len(c.Definitions.list) - 1; i >= 0; i-- {
		d.definitions = append(d.definitions, c.Definitions.list[i])
	}
	if c.CatchAll {
		d.definitions = append(d.definitions, &definition{types: glob.NewSet(nil), defaults: c.Definitions.defaults})
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
	s := d.acquire()
	defer d.release(s, len(body))
	return d.condense(s, body, c)
}

// CondenseMap is Condense for a notification that has been decoded.
func (d *Distiller) CondenseMap(body map[string]any, c Condenser) error {
	s := d.acquire()
	e := &s.encoder
	e.buf, e.keys, e.limit = e.buf[:0], e.keys[:0], d.maxSize
	err := e.encode(body, 0)
	defer d.release(s, len(e.buf))
	if err != nil {
		c.Clear()
		return malformedf("%w", err)
	}
	return d.condense(s, e.buf, c)
}

func (d *Distiller) condense(s *state, body []byte, c Condenser) error {
	c.Clear()
	if err := d.read(s, body); err != nil {
		return err
	}
	if s.kind.definition == nil {
		return s.refuse(winchester.ErrDropped, &Error{})
	}
	when, err := d.when(s)
	if err != nil {
		return s.refuse(ErrMalformed, err)
	}
	c.AddEnvelopeInfo(s.kind.becomes, s.id, when)
	defaults, traits := s.kind.definition.defaults[s.format], s.kind.definition.traits
	own, _ := c.(*EventCondenser)
	if own != nil {
		own.expected = cmp.Or(s.kind.found, min(len(defaults)+len(traits), 16))
	}
	if err := s.addTraits(c, defaults); err != nil {
		return err
	}
	if err := s.addTraits(c, traits); err != nil {
		return err
	}
	if err := c.Validate(); err != nil {
		return s.refuse(winchester.ErrInvalidEvent, &Error{Reason: err})
	}
	if own != nil {
		s.kind.found = len(own.event.Traits)
	}
	return nil
}

// addTraits returns error, not *Error: a nil one of that type is no nil error.
func (s *state) addTraits(c Condenser, traits []namedTrait) error {
	for i := range traits {
		t := &traits[i]
		v, err := t.extract(s)
		if err != nil {
			err.Trait = t.name
			return s.refuse(ErrTrait, err)
		}
		if v != nil {
			c.AddTrait(t.name, t.typ, v)
		}
	}
	return nil
}

// when is the time of the notification: timestamp, or that of the request's
// context where there is no such key, or now if it is empty. That a timestamp
// of null does not give way to the context's is the original's behaviour.
func (d *Distiller) when(s *state) (time.Time, *Error) {
	path, v := s.atName, s.at
	if path == "" {
		path, v = "timestamp", s.slots[placeTimestamp]
		if v == 0 {
			path, v = "_context_timestamp", s.field(root, "_context_timestamp")
		}
		if v == 0 {
			v = s.field(s.field(root, contextKey), "timestamp")
		}
	}
	if s.empty(v) {
		return d.now().UTC().Truncate(time.Microsecond), nil
	}
	t, err := s.time(v)
	if err != nil {
		return time.Time{}, &Error{Path: path, Value: s.decode(v).String(), Reason: err}
	}
	return t, nil
}

// empty tells what Python takes for false: null, false, 0, and what is empty.
func (d *document) empty(v ref) bool {
	switch d.form(v) {
	case formNull, formFalse:
		return true
	case formText:
		return len(d.bytes(v)) == 0
	case formNumber:
		f, _ := strconv.ParseFloat(string(d.bytes(v)), 64)
		return f == 0
	case formList, formObject:
		return d.len(v) == 0
	}
	return false
}
