package yamlx

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// builder turns the library's syntax tree into Nodes. Aliases become the Node
// they stand for, so that memory is bounded by the file; what walking the
// result would cost, with every use counted, is bounded by MaxNodes.
type builder struct {
	*report
	anchors map[string]*Node // nil while the anchored value is being read
	json    bool             // the file is JSON, too, and its numbers are
	visited int              // entries looked at by merges
	spent   bool             // over a limit, reported
}

func (b *builder) faultf(tk *token.Token, at *path, format string, args ...any) {
	if !b.full() {
		b.add(tk.Position.Line, tk.Position.Column, at.String(), fmt.Sprintf(format, args...))
	}
}

// contain counts a child into its parent, and stops at what would expand
// without bounds: an alias is a small thing to write, and so is a deep one.
func (b *builder) contain(parent, child *Node, tk *token.Token, at *path) (ok bool) {
	parent.size += 1 + child.size
	parent.depth = max(parent.depth, 1+child.depth)
	if parent.depth > MaxDepth && !b.spent {
		b.spent = true
		b.faultf(tk, at, "nested deeper than %d levels", MaxDepth)
	}
	return b.within(parent.size, tk, at)
}

func (b *builder) within(nodes int, tk *token.Token, at *path) bool {
	if nodes > MaxNodes && !b.spent {
		b.spent = true
		b.faultf(tk, at, "aliases and merges make this more than %d values", MaxNodes)
	}
	return !b.spent
}

func newNode(kind Kind, tk *token.Token) *Node {
	return &Node{Kind: kind, Line: tk.Position.Line, Column: tk.Position.Column, size: 1}
}

func (b *builder) build(node ast.Node, at *path) *Node {
	switch n := node.(type) {
	case *ast.MappingNode:
		return b.mapping(n, at)
	case *ast.SequenceNode:
		out := newNode(List, n.Start)
		for i, value := range n.Values {
			item := b.build(value, &path{up: at, index: i})
			if !b.contain(out, item, n.Start, at) {
				return out
			}
			out.Items = append(out.Items, item)
		}
		return out
	case *ast.AnchorNode:
		name := n.Name.GetToken().Value
		b.anchors[name] = nil
		out := b.build(n.Value, at)
		b.anchors[name] = out
		return out
	case *ast.AliasNode:
		return b.alias(n, at)
	case *ast.TagNode:
		return b.tagged(n, at)
	case *ast.LiteralNode:
		return textNode(n.Start, n.Value.Value)
	case *ast.StringNode:
		if t := n.Token.Type; t == token.SingleQuoteType || t == token.DoubleQuoteType {
			return textNode(n.Token, n.Value)
		}
		return b.plain(n.Token, n.Value, at)
	case *ast.NullNode:
		out := newNode(Null, n.Token)
		if n.Token.Type == token.NullType {
			out.Text = n.Token.Value
		}
		return out
	}
	if tk := node.GetToken(); tk != nil {
		if _, ok := node.(ast.ScalarNode); ok {
			return b.plain(tk, tk.Value, at)
		}
		b.faultf(tk, at, "unexpected %s", node.Type())
		return newNode(Null, tk)
	}
	return &Node{size: 1}
}

func textNode(tk *token.Token, text string) *Node {
	out := newNode(Scalar, tk)
	out.Value, out.Text, out.Quoted = text, text, true
	written := strings.TrimSpace(tk.Origin)
	out.inPlace = len(written) == len(text)+2 && written[1:len(written)-1] == text
	return out
}

func (b *builder) plain(tk *token.Token, text string, at *path) *Node {
	out := newNode(Scalar, tk)
	out.Text = text
	out.inPlace = strings.TrimSpace(tk.Origin) == text
	var err error
	resolve := resolve
	if b.json {
		resolve = resolveJSON
	}
	if out.Value, err = resolve(text); err != nil {
		b.faultf(tk, at, "%v", err)
		out.Value = text
	}
	if out.Value == nil {
		out.Kind = Null
	}
	return out
}

func (b *builder) alias(n *ast.AliasNode, at *path) *Node {
	name := n.Value.GetToken().Value
	target, known := b.anchors[name]
	switch {
	case !known:
		b.faultf(n.Start, at, "there is no anchor &%s before this; put *%[1]s in quotes if text is meant", shorten(name))
	case target == nil:
		b.faultf(n.Start, at, "the alias *%s stands inside of what it names", shorten(name))
	default:
		return target
	}
	return newNode(Null, n.Start)
}

func (b *builder) tagged(n *ast.TagNode, at *path) *Node {
	tag := strings.TrimSpace(n.Start.Value)
	out := b.build(n.Value, at)
	switch tag {
	case "!!str", "!!python/str", "!!python/unicode":
		if out.Kind == Scalar || out.Kind == Null {
			return textNode(n.Start, out.Text)
		}
		b.faultf(n.Start, at, "%s stands before %s", tag, out.describe())
	case "!!map", "!!seq", "!!int", "!!float", "!!bool", "!!null":
		// What they say is what the value is without them.
	default:
		b.faultf(n.Start, at, "the tag %s is not supported", shorten(tag))
	}
	return out
}

// mapping reads a map and resolves its merge key. The merged entries stand
// where the merge key stood, without those that the map has itself.
func (b *builder) mapping(n *ast.MappingNode, at *path) *Node {
	out := newNode(Map, n.Start)
	if len(n.Values) > 0 && !n.IsFlowStyle {
		p := n.Values[0].Key.GetToken().Position
		out.Line, out.Column = p.Line, p.Column
	}
	own := make(map[string]int, len(n.Values)) // the line of each key
	merged, mergeAt := []*Node(nil), -1
	for _, value := range n.Values {
		tk := value.Key.GetToken()
		if isMergeKey(value.Key) {
			if mergeAt >= 0 {
				b.faultf(tk, at, "a second merge key; write one with a list: <<: [*a, *b]")
				continue
			}
			merged, mergeAt = b.mergeSources(value, at), len(out.Entries)
			continue
		}
		key, ok := b.key(value.Key, at)
		if !ok {
			continue
		}
		if line, twice := own[key]; twice {
			b.faultf(tk, at, "duplicate key %q, first on line %d", shorten(key), line)
			continue
		}
		own[key] = tk.Position.Line
		e := Entry{key, tk.Position.Line, tk.Position.Column, b.build(value.Value, &path{up: at, key: key, index: -1})}
		if !b.contain(out, e.Value, tk, at) {
			return out
		}
		out.Entries = append(out.Entries, e)
	}
	if merged != nil {
		b.merge(out, merged, mergeAt, own, n.Start, at)
	}
	return out
}

func (b *builder) merge(out *Node, sources []*Node, where int, own map[string]int, tk *token.Token, at *path) {
	entries := append([]Entry(nil), out.Entries[:where]...)
	for _, source := range sources {
		for _, e := range source.Entries {
			if b.visited++; !b.within(b.visited, tk, at) {
				return
			}
			if _, have := own[e.Key]; have {
				continue
			}
			own[e.Key] = e.Line
			if !b.contain(out, e.Value, tk, at) {
				return
			}
			entries = append(entries, e)
		}
	}
	out.Entries = append(entries, out.Entries[where:]...)
}

// mergeSources returns the maps that a merge key names.
func (b *builder) mergeSources(value *ast.MappingValueNode, at *path) []*Node {
	n := b.build(value.Value, &path{up: at, key: "<<", index: -1})
	var out []*Node
	switch n.Kind {
	case Map:
		return []*Node{n}
	case List:
		for _, item := range n.Items {
			if item.Kind == Map {
				out = append(out, item)
				continue
			}
			b.faultf(value.Key.GetToken(), at, "expected maps to merge, found %s among them", item.describe())
		}
	default:
		b.faultf(value.Key.GetToken(), at, "expected a map or a list of maps to merge, found %s", n.describe())
	}
	return out
}

func isMergeKey(key ast.MapKeyNode) bool {
	_, ok := key.(*ast.MergeKeyNode)
	return ok
}

// key returns the text of a key. Numbers and booleans are taken as written:
// "5:" is the key "5" and "on:" is "on".
func (b *builder) key(node ast.Node, at *path) (string, bool) {
	if explicit, ok := node.(*ast.MappingKeyNode); ok && explicit.Value != nil {
		node = explicit.Value
	}
	tk := node.GetToken()
	switch node.(type) {
	case *ast.MappingNode, *ast.SequenceNode:
	default:
		if n := b.build(node, at); n.Kind == Scalar {
			return n.Text, true
		} else if n.Kind == Null && tk.Value != "" && tk.Type != token.ImplicitNullType {
			return tk.Value, true
		}
	}
	b.faultf(tk, at, "a key must be a word")
	return "", false
}
