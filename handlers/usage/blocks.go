package usage

import "github.com/seed71495667/winchester"

// kind is what an event means to the verification. All other events only show
// that something was heard of the instance.
type kind int

const (
	other     kind = iota
	exists         // the record to verify
	operation      // changes what the instance is, so it must agree with the record
	deletion       // must agree with the record's deleted_at
)

// kinds lists both vocabularies of Nova: the unversioned notifications that the
// original knew, and the versioned ones, where a finished resize has another
// name.
var kinds = map[string]kind{
	"compute.instance.exists":            exists,
	"compute.instance.rebuild.end":       operation,
	"compute.instance.finish_resize.end": operation,
	"compute.instance.rescue.end":        operation,
	"compute.instance.delete.end":        deletion,

	"instance.exists":            exists,
	"instance.rebuild.end":       operation,
	"instance.resize_finish.end": operation,
	"instance.rescue.end":        operation,
	"instance.delete.end":        deletion,
}

// block is one record and what was heard since the record before it. The last
// block of a stream may lack its record.
type block struct {
	start  int // where in the stream it begins
	events []winchester.Event
}

// record returns the exists event, for which the block was cut.
func (b block) record() winchester.Event { return b.events[len(b.events)-1] }

// last returns the last event of a kind, and how many there are.
func (b block) last(k kind) (last winchester.Event, count int) {
	for _, e := range b.events {
		if kinds[e.EventType] == k {
			last = e
			count++
		}
	}
	return last, count
}

// cut ends a block at every exists event. rest is what follows the last of
// them, or nil.
func cut(events []winchester.Event) (blocks []block, rest *block) {
	start := 0
	for i, e := range events {
		if kinds[e.EventType] == exists {
			blocks = append(blocks, block{start, events[start : i+1]})
			start = i + 1
		}
	}
	if start < len(events) {
		rest = &block{start, events[start:]}
	}
	return blocks, rest
}
