package cmd

import (
	"bytes"
	"encoding/json"
	"io"
)

// pageSize is how many rows of a list are in memory at a time, and so many go into
// one query.
const pageSize = 200

// pages calls f with rows, a page at a time, from a mark on and up to a limit, 0
// for all. It returns how many there were, and the mark of the last one.
func pages[T any](mark string, limit int, find func(mark string, limit int) ([]T, error), markOf func(*T) string, f func([]T) error) (n int, last string, err error) {
	for {
		size := pageSize
		if limit > 0 {
			size = min(size, limit-n)
		}
		rows, err := find(mark, size)
		if err != nil || len(rows) == 0 {
			return n, last, err
		}
		if err := f(rows); err != nil {
			return n, last, err
		}
		n += len(rows)
		last = markOf(&rows[len(rows)-1])
		if mark = last; len(rows) < size || n == limit {
			return n, last, nil
		}
	}
}

// jsonList writes a JSON array as its elements come, in the form of printJSON.
type jsonList struct {
	o      *options
	indent string // of the elements
	n      int
}

// jsonList begins an array.
func (o *options) jsonList() *jsonList {
	_, _ = io.WriteString(o.out, "[")
	return &jsonList{o: o, indent: "  "}
}

func (l *jsonList) add(v any) error {
	text, err := l.o.encode(v, l.indent)
	if err != nil {
		return err
	}
	l.next()
	_, err = l.o.out.Write(text)
	return err
}

// object adds an object that ends with a list of its own, which fill fills.
func (l *jsonList) object(v any, name string, fill func(*jsonList) error) error {
	text, err := l.o.encode(v, l.indent)
	if err != nil {
		return err
	}
	l.next()
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("}")), []byte("\n"+l.indent))
	_, _ = l.o.out.Write(text)
	_, _ = io.WriteString(l.o.out, ",")
	inner := &jsonList{o: l.o, indent: l.indent + "  "}
	inner.line()
	space := " "
	if l.o.watching {
		space = ""
	}
	_, _ = io.WriteString(l.o.out, `"`+name+`":`+space+"[")
	inner.indent += "  "
	if err := fill(inner); err != nil {
		return err
	}
	inner.end()
	l.line()
	_, err = io.WriteString(l.o.out, "}")
	return err
}

func (l *jsonList) next() {
	if l.n++; l.n > 1 {
		_, _ = io.WriteString(l.o.out, ",")
	}
	l.line()
}

// line begins a line, where JSON is written on several.
func (l *jsonList) line() {
	if !l.o.watching {
		_, _ = io.WriteString(l.o.out, "\n"+l.indent)
	}
}

func (l *jsonList) end() {
	if l.n > 0 {
		l.indent = l.indent[2:]
		l.line()
	}
	_, _ = io.WriteString(l.o.out, "]")
}

// close ends the outermost list.
func (l *jsonList) close() error {
	l.end()
	_, err := io.WriteString(l.o.out, "\n")
	return err
}

// encode is the JSON of a value that stands at an indentation.
func (o *options) encode(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if !o.watching {
		e.SetIndent(indent, "  ")
	}
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
