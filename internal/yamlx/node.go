package yamlx

import (
	"fmt"
	"time"
)

// Kind is the shape of a Node.
type Kind uint8

// The kinds of nodes. Null is what stands after a key that has no value, and
// what an empty file is.
const (
	Null Kind = iota
	Scalar
	List
	Map
)

// Node is a value in a file. Nodes are never changed once parsed. One that is
// used several times, through an alias or a merge, is the same Node each time,
// so that its compiled form can be remembered by its address.
type Node struct {
	Kind Kind
	// Line and Column say where it is written, from 1. Columns count
	// characters, not bytes.
	Line, Column int
	// Entries are those of a Map, in the order written, merged ones where the
	// merge key stands. Keys are unique.
	Entries []Entry
	// Items are those of a List.
	Items []*Node
	// Value is a string, an int64, a float64 or a bool: what a Scalar is by the
	// rules in the package comment.
	Value any
	// Text is a Scalar as written, without quotes and with escapes resolved.
	Text string
	// Quoted tells that a Scalar is text because the file says so: by quotes, a
	// block (| or >) or a !!str tag.
	Quoted bool

	size, depth int  // nodes in it, shared ones counted at each use, and levels
	inPlace     bool // the text stands in the file as it is, perhaps in quotes
	expanded    bool // the text is what Expand made of the file's
	failed      bool // Expand could make nothing of it
}

// Entry is a key of a Map and its value.
type Entry struct {
	Key          string
	Line, Column int // of the key
	Value        *Node
}

// Get returns the value of a key of a Map, or nil.
func (n *Node) Get(key string) *Node {
	for i := range n.Entries {
		if n.Entries[i].Key == key {
			return n.Entries[i].Value
		}
	}
	return nil
}

// Any returns the node as plain Go values: map[string]any, []any, string,
// int64, float64, bool and nil.
func (n *Node) Any() any {
	switch n.Kind {
	case Map:
		out := make(map[string]any, len(n.Entries))
		for _, e := range n.Entries {
			out[e.Key] = e.Value.Any()
		}
		return out
	case List:
		out := make([]any, len(n.Items))
		for i, item := range n.Items {
			out[i] = item.Any()
		}
		return out
	case Scalar:
		return n.Value
	}
	return nil
}

// timestamps are the spellings that PyYAML took for a time, without the
// fraction, which time.Parse accepts by itself.
var timestamps = []string{
	"2006-1-2",
	"2006-1-2T15:4:5", "2006-1-2t15:4:5", "2006-1-2 15:4:5",
	"2006-1-2T15:4:5Z07:00", "2006-1-2t15:4:5Z07:00", "2006-1-2 15:4:5Z07:00", "2006-1-2 15:4:5 Z07:00",
	"2006-1-2T15:4:5-07", "2006-1-2 15:4:5-07", "2006-1-2 15:4:5 -07",
}

// Timestamp tells whether a scalar is a time by the rules of YAML 1.1, which
// old files were written for: an ISO date or date and time that is not in
// quotes. The time is in UTC; one without a zone means UTC. In Value such a
// scalar is text.
func (n *Node) Timestamp() (time.Time, bool) {
	text, ok := n.Value.(string)
	if !ok || n.Quoted || len(text) < len("2006-1-2") || text[0] < '0' || text[0] > '9' {
		return time.Time{}, false
	}
	for _, layout := range timestamps {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// describe says what a node is, to stand after "found".
func (n *Node) describe() string {
	switch n.Kind {
	case Map:
		return "a map"
	case List:
		return "a list"
	case Null:
		return "nothing"
	}
	switch v := n.Value.(type) {
	case int64:
		return "the integer " + shorten(n.Text)
	case float64:
		return "the number " + shorten(n.Text)
	case bool:
		return "the boolean " + n.Text
	default:
		return fmt.Sprintf("the text %q", shorten(v.(string)))
	}
}
