package yamlx

import (
	"fmt"
	"iter"

	"github.com/seed71495667/winchester/internal/suggest"
)

// Decoder collects the faults of one file while it is being decoded. It is not
// safe for concurrent use.
type Decoder struct{ report report }

// NewDecoder begins to decode a file; the name is for errors.
func NewDecoder(file string) *Decoder { return &Decoder{report{file: file}} }

// Parse reads the file and returns its top. Faults of the file as such are
// collected like all others, so callers go on decoding what could be read; of
// a file that could not be read at all the top is absent.
func (d *Decoder) Parse(data []byte) Value {
	if n := parse(&d.report, data); n != nil {
		return d.At(n)
	}
	return Value{}
}

// At returns the top of a tree that was parsed before.
func (d *Decoder) At(n *Node) Value { return Value{d: d, node: n, line: n.Line, column: n.Column} }

// Err returns all the faults so far, as Faults, or nil.
func (d *Decoder) Err() error { return d.report.err() }

// Value is a place in the file and what stands there. Its methods say what is
// expected; what is not as expected becomes a fault of the Decoder and is read
// as the zero value.
//
// A Value may be absent: a key that is not there, or one with nothing behind
// it, which means the same. All methods of an absent Value return zero values
// and find no fault, so optional settings need no conditions.
type Value struct {
	d            *Decoder
	node         *Node
	at           *path
	line, column int // of the value, or of the key if there is no value
}

// Exists tells whether there is a value.
func (v Value) Exists() bool { return v.node != nil && v.node.Kind != Null }

// Node returns what stands there, or nil.
func (v Value) Node() *Node { return v.node }

// Path says where the value is, from the top of the file, as faults give it.
func (v Value) Path() string { return v.at.String() }

// Faultf reports a fault of this value.
func (v Value) Faultf(format string, args ...any) { v.faultAt(v.line, v.column, format, args) }

// FaultAtf reports a fault at a byte offset within a scalar's text. Where the
// text is not written in one piece, the fault is at its beginning.
func (v Value) FaultAtf(offset int, format string, args ...any) {
	column := v.column
	if n := v.node; n != nil && n.Kind == Scalar && n.inPlace && offset <= len(n.Text) {
		column += len([]rune(n.Text[:offset]))
		if n.Quoted {
			column++
		}
	}
	v.faultAt(v.line, column, format, args)
}

func (v Value) faultAt(line, column int, format string, args []any) {
	if v.node != nil && v.node.failed {
		return
	}
	if v.d != nil && !v.d.report.full() {
		v.d.report.add(line, column, v.at.String(), fmt.Sprintf(format, args...))
	}
}

func (v Value) expected(what string) { v.Faultf("expected %s, found %s", what, v.node.describe()) }

// Items goes over the items of a list.
func (v Value) Items() iter.Seq2[int, Value] {
	return func(yield func(int, Value) bool) {
		if !v.Exists() {
			return
		}
		if v.node.Kind != List {
			v.expected("a list")
			return
		}
		for i, n := range v.node.Items {
			if !yield(i, v.child(n, &path{up: v.at, index: i}, n.Line, n.Column)) {
				return
			}
		}
	}
}

// Entries goes over a map whose keys are the user's own names.
func (v Value) Entries() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if !v.Exists() {
			return
		}
		if v.node.Kind != Map {
			v.expected("a map")
			return
		}
		for i := range v.node.Entries {
			if e := &v.node.Entries[i]; !yield(e.Key, v.entry(e)) {
				return
			}
		}
	}
}

func (v Value) child(n *Node, at *path, line, column int) Value {
	return Value{d: v.d, node: n, at: at, line: line, column: column}
}

func (v Value) entry(e *Entry) Value {
	line, column := e.Value.Line, e.Value.Column
	if e.Value.Kind == Null {
		line, column = e.Line, e.Column
	}
	return v.child(e.Value, &path{up: v.at, key: e.Key, index: -1}, line, column)
}

// Fields is a map whose keys are fixed.
type Fields struct{ v Value }

// Map expects a map that has none but the given keys; any other is a fault
// that suggests which one was meant.
func (v Value) Map(keys ...string) Fields {
	if !v.Exists() {
		return Fields{}
	}
	if v.node.Kind != Map {
		v.expected("a map")
		return Fields{}
	}
next:
	for i := range v.node.Entries {
		e := &v.node.Entries[i]
		for _, key := range keys {
			if e.Key == key {
				continue next
			}
		}
		if !v.d.report.full() {
			v.d.report.add(e.Line, e.Column, v.at.String(),
				fmt.Sprintf("unknown key %q%s", shorten(e.Key), suggest.DidYouMean(e.Key, keys)))
		}
	}
	return Fields{v}
}

// Get returns the value of a key, which may be absent.
func (f Fields) Get(key string) Value {
	if f.v.node == nil {
		return Value{}
	}
	for i := range f.v.node.Entries {
		if e := &f.v.node.Entries[i]; e.Key == key {
			return f.v.entry(e)
		}
	}
	return Value{}
}

// Require returns the value of a key, and reports a fault if it is absent.
func (f Fields) Require(key string) Value {
	out := f.Get(key)
	if !out.Exists() && f.v.node != nil {
		f.v.Faultf("%s is missing", key)
	}
	return out
}

// Value returns the map as a value, for faults that concern all of it.
func (f Fields) Value() Value { return f.v }
