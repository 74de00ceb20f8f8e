// Package yamlx reads the project's YAML files: strictly, with the position of
// everything, and safely where a file comes from a stranger.
//
// Parse gives a tree of Nodes in which aliases and merge keys are resolved. A
// Decoder walks such a tree and says what it expects; what is not as expected
// becomes a Fault, decoding goes on, and all faults are reported together:
//
//	d := yamlx.NewDecoder("pipelines.yaml")
//	for name, pipeline := range d.Parse(data).Entries() {
//		for _, handler := range pipeline.Items() {
//			m := handler.Map("name", "params")
//			use(name, m.Require("name").Text(), m.Get("params").Any())
//		}
//	}
//	return d.Err()
//
// # What a scalar is
//
// Files were first written for PyYAML, so scalars are read as it did, with
// fewer surprises. Without quotes, null and ~ are nothing, true and false
// booleans; 42, -1_000, 0x2a, 0o52, 0b101010 and 052 are integers; 1.5, 1.5e3
// and .inf are floats (1e3 is text, but a float in a file that is JSON).
// Anything else is text. yes, no, on and off are booleans where a boolean is
// expected and text elsewhere, and dates are text of which Node.Timestamp tells
// that they were times.
//
// # Maps
//
// A key may stand in a map once. A merge key (<<) takes a map or a list of
// maps: explicit keys win over merged ones wherever they stand, and the first
// of several merged maps wins, as YAML has it.
//
// # Limits
//
// A file may have MaxSize bytes, MaxTokens words and signs, MaxDepth levels
// and, with every use of an alias counted, MaxNodes values. What is beyond is
// refused before it costs more than a second or about a hundred megabytes.
// Only one document is read; directives and tags other than the standard ones
// are errors.
package yamlx

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// What a file may have at most.
const (
	MaxSize   = 1 << 20
	MaxTokens = 100_000
	MaxDepth  = 100
	MaxNodes  = 250_000
)

// Parse reads a file's one document. file is its name, for errors. The error
// is of type Faults and lists all faults; there is no Node then. A file of
// nothing is a Null node.
func Parse(file string, data []byte) (*Node, error) {
	r := &report{file: file}
	n := parse(r, data)
	if err := r.err(); err != nil {
		return nil, err
	}
	return n, nil
}

// parse returns nil where the file cannot be read at all, and else the tree,
// even where faults in it have been reported.
func parse(r *report, data []byte) (root *Node) {
	text, ok := clean(r, data)
	if !ok {
		return nil
	}
	// The library below panics on some malformed input.
	defer func() {
		if p := recover(); p != nil {
			r.add(0, 0, "", fmt.Sprintf("this is not YAML (the parser gave up: %v)", p))
			root = nil
		}
	}()
	tokens := lexer.Tokenize(text)
	if !checkTokens(r, tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return nil
	}
	b := builder{report: r, anchors: map[string]*Node{}, json: json.Valid([]byte(text))}
	root = &Node{Kind: Null, Line: 1, Column: 1}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			root = b.build(doc.Body, nil)
		}
	}
	if b.spent {
		return nil
	}
	return root
}

// syntax reports an error of the parser. Its text is not used: to make the
// excerpt in it takes time and memory without bounds.
func (r *report) syntax(err error) {
	var at interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if errors.As(err, &at) && at.GetToken() != nil && at.GetToken().Position != nil {
		p := at.GetToken().Position
		r.add(p.Line, p.Column, "", strings.ToValidUTF8(at.GetMessage(), "?"))
		return
	}
	r.add(0, 0, "", "this is not YAML")
}
