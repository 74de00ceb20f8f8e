package distiller

import (
	"bytes"
	"errors"
	"iter"
)

// MaxDepth is how deeply the values of a notification may be nested.
const MaxDepth = 300

// maxText is how long a document may be for its tape's numbers.
const maxText = 1<<31 - 1

var errUTF8 = errors.New("it is not valid UTF-8")

// document is a JSON document that has been scanned. Its tape has an entry for
// each value, in the order of the text: a list is followed by its items, an
// object by its keys and values in turn. Nothing is decoded but escapes, and
// the memory is used again for the next document.
type document struct {
	text    []byte // not ours
	decoded []byte // the texts that had escapes, without them
	tape    []entry
	high    uint64 // all bytes of texts, or-ed
}

// form is what kind of JSON value an entry is.
type form uint8

const (
	formNull form = iota
	formFalse
	formTrue
	formNumber
	formText
	formList
	formObject

	decoded form = 1 << 7 // with formText: the text is in document.decoded
)

// entry is 16 bytes, and has no more than four fields: the compiler keeps such
// a struct in registers, and appending one takes half the time.
type entry struct {
	form       form
	start, end uint32 // where its text is; of a list or an object, end is how many it has
	next       ref    // what comes after it and all that is in it
}

// ref is a value in a document: its place in the tape. 0 is none.
type ref uint32

const root ref = 1

func (d *document) add(f form, start, end int) {
	d.tape = append(d.tape, entry{f, uint32(start), uint32(end), ref(len(d.tape) + 1)})
}

// close ends a list or an object.
func (d *document) close(self, n int) {
	d.tape[self].end, d.tape[self].next = uint32(n), ref(len(d.tape))
}

func (d *document) form(v ref) form { return d.tape[v].form &^ decoded }

// len is the number of items of a list or of members of an object.
func (d *document) len(v ref) int { return int(d.tape[v].end) }

// bytes is a text, or a number as it is written. It is to be copied before the
// document is scanned anew.
func (d *document) bytes(v ref) []byte {
	e := &d.tape[v]
	if e.form&decoded != 0 {
		return d.decoded[e.start:e.end]
	}
	return d.text[e.start:e.end]
}

// members gives the keys and values of an object.
func (d *document) members(v ref) iter.Seq2[ref, ref] {
	return func(yield func(key, value ref) bool) {
		for k := v + 1; k < d.tape[v].next; k = d.tape[k+1].next {
			if !yield(k, k+1) {
				return
			}
		}
	}
}

// items gives the items of a list, by their index.
func (d *document) items(v ref) iter.Seq2[int, ref] {
	return func(yield func(i int, item ref) bool) {
		i := 0
		for item := v + 1; item < d.tape[v].next; item = d.tape[item].next {
			if !yield(i, item) {
				return
			}
			i++
		}
	}
}

// field is the value of a key of an object, and none for all else. Where a key
// comes twice, the first counts.
func (d *document) field(v ref, key string) ref {
	if d.form(v) != formObject {
		return 0
	}
	for k, value := range d.members(v) {
		if string(d.bytes(k)) == key {
			return value
		}
	}
	return 0
}

// member is field, but what the object has not itself it may have in a wrapper:
// see isWrapper.
func (d *document) member(v ref, key string) ref {
	for v != 0 && d.form(v) == formObject {
		if found := d.field(v, key); found != 0 {
			return found
		}
		v = d.wrapped(v)
	}
	return 0
}

// wrapped is the object in which a versioned object of OpenStack has its
// fields: see isWrapper. 0 is none.
func (d *document) wrapped(v ref) ref {
	wrapper := ref(0)
	for key := range d.members(v) {
		if isWrapper(d.bytes(key)) {
			wrapper = d.wrapper(wrapper, key)
		}
	}
	if wrapper == 0 {
		return 0
	}
	return wrapper + 1
}

// wrapper chooses between two keys of wrappers, of which the first may be 0.
// There is never more than one, but if there is, the order in which they are
// written must make no difference.
func (d *document) wrapper(chosen, key ref) ref {
	if d.form(key+1) != formObject || chosen != 0 && bytes.Compare(d.bytes(chosen), d.bytes(key)) <= 0 {
		return chosen
	}
	return key
}

// isWrapper tells of nova_object.data and its like. A versioned object of
// OpenStack (oslo.versionedobjects) is sent as an object of four keys, of which
// this has the fields, and the others tell its name and version.
func isWrapper(key []byte) bool {
	const suffix = "_object.data"
	return len(key) > len(suffix) && key[len(key)-1] == 'a' && string(key[len(key)-len(suffix):]) == suffix
}

// item is one item of a list, which it must have.
func (d *document) item(v ref, index int) ref {
	for i, item := range d.items(v) {
		if i == index {
			return item
		}
	}
	return 0
}

// piece makes a value of a part of a text.
func (d *document) piece(v ref, from, to int) ref {
	e := d.tape[v]
	d.add(e.form, int(e.start)+from, int(e.start)+to)
	return ref(len(d.tape) - 1)
}

func (d *document) isNull(v ref) bool { return d.form(v) == formNull }
