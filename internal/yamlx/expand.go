package yamlx

// Expand returns the value with the text of every scalar in it, but of no key,
// passed through f; an error of f is a fault of that scalar, and the only one
// that is reported of it. What f returns is never read as YAML, so it cannot
// add or end anything. A scalar without quotes whose text has changed is read
// anew: it may have become a number, a boolean or nothing, and is still
// accepted where text is expected.
func (v Value) Expand(f func(text string) (string, error)) Value {
	if v.node == nil {
		return v
	}
	x := expander{f: f, done: map[*Node]*Node{}}
	v.node = x.expand(v, v.node)
	if v.at == nil {
		v.line, v.column = v.node.Line, v.node.Column
	}
	return v
}

// expander remembers what nodes have become, so that shared ones stay shared.
type expander struct {
	f    func(string) (string, error)
	done map[*Node]*Node
}

func (x *expander) expand(v Value, n *Node) *Node {
	if out, ok := x.done[n]; ok {
		return out
	}
	out := *n
	switch n.Kind {
	case Scalar:
		x.scalar(v, &out)
	case List:
		out.Items = make([]*Node, len(n.Items))
		for i, item := range n.Items {
			out.Items[i] = x.expand(v.child(item, &path{up: v.at, index: i}, item.Line, item.Column), item)
		}
	case Map:
		out.Entries = make([]Entry, len(n.Entries))
		for i := range n.Entries {
			e := n.Entries[i]
			e.Value = x.expand(v.entry(&n.Entries[i]), e.Value)
			out.Entries[i] = e
		}
	}
	x.done[n] = &out
	return &out
}

func (x *expander) scalar(v Value, n *Node) {
	text, err := x.f(n.Text)
	if err != nil {
		v.Faultf("%v", err)
		n.failed = true
		return
	}
	if text == n.Text {
		return
	}
	n.Text, n.inPlace = text, false
	if n.Quoted {
		n.Value = text
		return
	}
	n.expanded = true
	if n.Value, err = resolve(text); err != nil {
		n.Value = text // a large number; where text is expected it will do
	}
	if n.Value == nil {
		n.Kind = Null
	}
}

// text returns the text of a scalar that is text, or that may as well be.
func (n *Node) text() (string, bool) {
	if n.expanded && n.Kind == Scalar {
		return n.Text, true
	}
	text, ok := n.Value.(string)
	return text, ok
}

// Expected reports that something else was expected than what is there.
func (v Value) Expected(what string) {
	if v.node == nil {
		v.Faultf("expected %s, found nothing", what)
		return
	}
	v.expected(what)
}

// Count tells how many faults there are so far.
func (d *Decoder) Count() int { return len(d.report.faults) + d.report.missed }
