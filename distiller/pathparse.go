package distiller

// op is what a node of a path does to each value that it is given.
type op uint8

const (
	opRoot       op = iota // $
	opThis                 // `this`
	opParent               // `parent`
	opFields               // a  'a'  a,b  *
	opIndex                // [0]  [-1]
	opSlice                // [*]  [1:3]
	opChild                // a.b  a[b]
	opDescendant           // a..b
	opUnion                // a|b
	opIntersect            // a&b
	opWhere                // a where b
)

type node struct {
	op          op
	left, right *node    // of those with two sides
	names       []string // opFields
	all         bool     // opFields: one of the names is *
	index       int      // opIndex
	start, end  *int     // opSlice
}

// infix gives the signs with two sides, and how strongly they bind. This is
// the precedence of jsonpath_rw, surprising as it is: a|b.c is (a|b).c.
var infix = map[string]struct {
	op    op
	binds int
}{
	"..":    {opDescendant, 1},
	".":     {opChild, 2},
	"|":     {opUnion, 3},
	"&":     {opIntersect, 4},
	"where": {opWhere, 5},
}

// maxPathDepth bounds nested parentheses.
const maxPathDepth = 50

// parsePath reads a path by the grammar of jsonpath_rw 1.4.
func parsePath(s string) (*node, *pathError) {
	tokens, err := lexPath(s)
	if err != nil {
		return nil, err
	}
	p := pathParser{tokens: tokens}
	out, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokEnd {
		return nil, pathErrorf(t.offset, "unexpected %s", t)
	}
	return out, nil
}

type pathParser struct {
	tokens []token
	at     int
	depth  int
}

func (p *pathParser) peek() token { return p.tokens[p.at] }

func (p *pathParser) next() token {
	t := p.tokens[p.at]
	if t.kind != tokEnd {
		p.at++
	}
	return t
}

// accept takes the next token if it is that sign.
func (p *pathParser) accept(sign string) bool {
	t := p.peek()
	if t.kind != tokSign || t.text != sign {
		return false
	}
	p.at++
	return true
}

// expression reads operands joined by signs that bind more strongly than the
// one to their left. Brackets behind an operand bind weakest of all, so that
// a.b[0] is (a.b)[0].
func (p *pathParser) expression(binds int) (*node, *pathError) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		if t.kind != tokSign {
			return left, nil
		}
		if t.text == "[" && binds == 0 {
			right, err := p.brackets()
			if err != nil {
				return nil, err
			}
			left = &node{op: opChild, left: left, right: right}
			continue
		}
		sign, ok := infix[t.text]
		if !ok || sign.binds <= binds {
			return left, nil
		}
		p.next()
		right, err := p.expression(sign.binds)
		if err != nil {
			return nil, err
		}
		left = &node{op: sign.op, left: left, right: right}
	}
}

func (p *pathParser) operand() (*node, *pathError) {
	t := p.peek()
	switch {
	case t.kind == tokName:
		return p.names()
	case t.kind == tokOperator:
		p.next()
		switch t.text {
		case "this":
			return &node{op: opThis}, nil
		case "parent":
			return &node{op: opParent}, nil
		}
		return nil, pathErrorf(t.offset, "unknown operator `%s`, expected `this` or `parent`", t.text)
	case t.kind == tokSign && t.text == "[":
		return p.brackets()
	case p.accept("$"):
		return &node{op: opRoot}, nil
	case p.accept("*"):
		return fieldsNode([]string{"*"}), nil
	case p.accept("("):
		if p.depth++; p.depth > maxPathDepth {
			return nil, pathErrorf(t.offset, "too many parentheses")
		}
		defer func() { p.depth-- }()
		out, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		if t := p.peek(); !p.accept(")") {
			return nil, pathErrorf(t.offset, "expected \")\", found %s", t)
		}
		return out, nil
	case t.kind == tokNumber:
		return nil, pathErrorf(t.offset, "expected a field name, found the number %s; put it in brackets as an index, in quotes as a name", t.text)
	case t.kind == tokSign && t.text == "where":
		return nil, pathErrorf(t.offset, "expected a field name, found %s; a field of that name must be in quotes", t)
	}
	return nil, pathErrorf(t.offset, "expected a field name, found %s", t)
}

// names reads a field name, or several with commas between them.
func (p *pathParser) names() (*node, *pathError) {
	var names []string
	for {
		t := p.next()
		if t.kind != tokName {
			return nil, pathErrorf(t.offset, "expected a field name, found %s", t)
		}
		if names = append(names, t.text); !p.accept(",") {
			return fieldsNode(names), nil
		}
	}
}

func fieldsNode(names []string) *node {
	out := &node{op: opFields, names: names}
	for _, n := range names {
		out.all = out.all || n == "*" // also in quotes: jsonpath_rw does not tell them apart
	}
	return out
}

// brackets reads an index, a slice, or names in brackets.
func (p *pathParser) brackets() (*node, *pathError) {
	p.next()
	out, err := p.inBrackets()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); !p.accept("]") {
		return nil, pathErrorf(t.offset, "expected \"]\", found %s", t)
	}
	return out, nil
}

func (p *pathParser) inBrackets() (*node, *pathError) {
	t := p.peek()
	if t.kind == tokName {
		return p.names()
	}
	if p.accept("*") {
		return &node{op: opSlice}, nil
	}
	start := p.number()
	if p.accept(":") {
		return &node{op: opSlice, start: start, end: p.number()}, nil
	}
	if start == nil {
		return nil, pathErrorf(t.offset, "expected an index, a slice, * or field names in brackets, found %s", t)
	}
	return &node{op: opIndex, index: *start}, nil
}

func (p *pathParser) number() *int {
	t := p.peek()
	if t.kind != tokNumber {
		return nil
	}
	p.next()
	return &t.number
}
