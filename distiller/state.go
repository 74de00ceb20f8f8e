package distiller

// state is what one notification is read with. Its memory is used again for
// the next: nothing of it may be kept beyond the call.
type state struct {
	*document             // the notification itself: one of the next two
	outer, inner document // what came, and what its envelope held, if there was one
	slots        []ref    // where the document has the places of the outline

	format format
	kind   *eventKind
	id     string
	at     ref // its time, in formats other than notifications
	atName string

	encoder encoder // for one that was decoded already
	scratch []byte  // for what is put together
	visits  int     // see maxVisits
	found   []found
	matches []Match

	kinds map[string]*eventKind
	texts texts
}

// eventKind is what there is to know of an event type.
type eventKind struct {
	eventType  string      // of the notification
	becomes    string      // that of the event
	definition *definition // nil: dropped
	found      int         // how many traits the last one had: the next one has about as many
}

var noKind eventKind

// keepable is the size of notification whose memory is worth keeping, and how
// many values its paths may have led to: memory stays as large as what needed
// most of it, and a tape may have eight times the size of its text.
const keepable = 64 << 10

// maxKinds and maxKindSize bound what is remembered of event types: they are
// what strangers make them.
const (
	maxKinds    = 1000
	maxKindSize = 256
)

func (d *Distiller) acquire() *state {
	if s, ok := d.states.Get().(*state); ok {
		return s
	}
	return &state{kinds: map[string]*eventKind{}}
}

func (d *Distiller) release(s *state, size int) {
	if size > keepable || s.visits > keepable {
		return
	}
	s.document, s.outer.text, s.inner.text = nil, nil, nil
	s.kind, s.id, s.visits = nil, "", 0
	s.format, s.at, s.atName = 0, 0, ""
	d.states.Put(s)
}
