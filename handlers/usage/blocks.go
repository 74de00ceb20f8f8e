package usage

import (
	"strings"

	"github.com/seed71495667/winchester"
)

// kind is what an event means to the verification. All other events only show
// that something was heard of the instance.
type kind int

const (
	other     kind = iota
	exists         // the record to verify
	operation      // changes what the instance is, so it must agree with the record
	deletion       // must agree with the record's deleted_at
)

// The event types that mean something, in both vocabularies of Nova: the
// unversioned notifications that the original knew, and the versioned ones,
// where a finished resize has another name.
var (
	existsTypes    = []string{"compute.instance.exists", "instance.exists"}
	operationTypes = []string{
		"compute.instance.rebuild.end", "compute.instance.finish_resize.end", "compute.instance.rescue.end",
		"instance.rebuild.end", "instance.resize_finish.end", "instance.rescue.end",
	}
	deleteTypes = []string{"compute.instance.delete.end", "instance.delete.end"}
)

// kinds tells what event types mean.
type kinds map[string]kind

func kindsOf(existsTypes, operationTypes, deleteTypes []string) kinds {
	k := kinds{}
	for of, types := range map[kind][]string{exists: existsTypes, operation: operationTypes, deletion: deleteTypes} {
		for _, t := range types {
			k[t] = of
		}
	}
	return k
}

var defaultKinds = kindsOf(existsTypes, operationTypes, deleteTypes)

// isVersioned tells whether a record is one of Nova's versioned notifications.
func isVersioned(record winchester.Event) bool {
	return strings.HasPrefix(record.EventType, "instance.")
}

// block is one record and what was heard since the record before it. The last
// block of a stream may lack its record.
type block struct {
	start  int // where in the stream it begins
	events []winchester.Event
	kinds  kinds
}

// record returns the exists event, for which the block was cut.
func (b block) record() winchester.Event { return b.events[len(b.events)-1] }

// last returns the last event of a kind, and how many there are.
func (b block) last(k kind) (last winchester.Event, count int) {
	for _, e := range b.events {
		if b.kinds[e.EventType] == k {
			last = e
			count++
		}
	}
	return last, count
}

// cut ends a block at every exists event. rest is what follows the last of
// them, or nil.
func (k kinds) cut(events []winchester.Event) (blocks []block, rest *block) {
	start := 0
	for i, e := range events {
		if k[e.EventType] == exists {
			blocks = append(blocks, block{start, events[start : i+1], k})
			start = i + 1
		}
	}
	if start < len(events) {
		rest = &block{start, events[start:], k}
	}
	return blocks, rest
}
