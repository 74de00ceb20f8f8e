package distiller

import (
	"fmt"
	"strings"

	"github.com/valyala/fastjson"
)

// path is a compiled field path, or several of which the first that gives a
// value counts. It is immutable.
type path struct {
	alternatives []alternative
}

// alternative is one way to a value: nearly always a lookup, step by step,
// which needs no memory; anything else is a tree to be interpreted.
type alternative struct {
	source string // as written, for errors
	lookup *lookup
	tree   *node
	// fallible tells that evaluating it can fail, as indexing can. It must then
	// be evaluated even if an earlier alternative gave a value: whether a
	// notification can be distilled must not depend on that.
	fallible bool
}

// lookup is a path of names and indexes only.
type lookup struct {
	steps []step
	text  string // the path of what is found, as plugins see it
	// The fields of the request context come flat, as "_context_x", or nested,
	// as "x" of "_context". Both spellings find both.
	flat   string // the spelling of "_context.x" at the top, else ""
	nested string // "x" for "_context_x", else ""
}

type step struct {
	key     string
	index   int
	indexed bool
}

// compilePath compiles one or several field paths.
func compilePath(sources ...string) (*path, *pathError) {
	out := &path{}
	for _, source := range sources {
		tree, err := parsePath(source)
		if err != nil {
			return nil, err
		}
		out.add(source, tree)
	}
	return out, nil
}

// add takes the unions at the top of a path apart, so that each side can be
// looked up by itself.
func (p *path) add(source string, tree *node) {
	if tree.op == opUnion {
		p.add(source, tree.left)
		p.add(source, tree.right)
		return
	}
	a := alternative{source: source, fallible: tree.fallible()}
	if steps, ok := tree.steps(nil); ok && len(steps) > 0 {
		a.lookup = newLookup(steps)
	} else {
		a.tree = tree
	}
	p.alternatives = append(p.alternatives, a)
}

// steps turns a tree into steps, if it is made of nothing else.
func (n *node) steps(to []step) ([]step, bool) {
	switch n.op {
	case opRoot:
		return to, len(to) == 0
	case opThis:
		return to, true
	case opFields:
		if n.all || len(n.names) != 1 {
			return nil, false
		}
		return append(to, step{key: n.names[0]}), true
	case opIndex:
		return append(to, step{index: n.index, indexed: true}), true
	case opChild:
		to, ok := n.left.steps(to)
		if !ok {
			return nil, false
		}
		return n.right.steps(to)
	}
	return nil, false
}

func (n *node) fallible() bool {
	switch n.op {
	case opIndex, opSlice:
		return true
	case opRoot, opThis, opParent, opFields:
		return false
	}
	return n.left.fallible() || n.right.fallible()
}

const contextKey = "_context"

func newLookup(steps []step) *lookup {
	out := &lookup{steps: steps}
	parts := make([]string, len(steps))
	for i, s := range steps {
		parts[i] = s.text()
	}
	out.text = strings.Join(parts, ".")
	if len(steps) > 1 && steps[0].key == contextKey && !steps[1].indexed {
		out.flat = contextKey + "_" + steps[1].key
	}
	out.nested, _ = strings.CutPrefix(steps[0].key, contextKey+"_")
	if out.nested == steps[0].key {
		out.nested = ""
	}
	return out
}

func (s step) text() string {
	if s.indexed {
		return fmt.Sprintf("[%d]", s.index)
	}
	return s.key
}

// found is a value that a path led to.
type found struct {
	value *fastjson.Value
	path  string
}

// first returns the first value that is not null; value is nil if there is
// none.
func (p *path) first(s *state) (found, error) {
	var out found
	for i := range p.alternatives {
		a := &p.alternatives[i]
		switch {
		case out.value != nil && !a.fallible:
		case a.lookup != nil:
			v, err := a.lookup.find(s)
			if err != nil {
				return found{}, fmt.Errorf("%s: %w", a.source, err)
			}
			if out.value == nil && v != nil && v.Type() != fastjson.TypeNull {
				out = found{v, a.lookup.text}
			}
		default:
			matches, err := a.evaluate(s)
			if err != nil {
				return found{}, err
			}
			for _, m := range matches {
				if out.value == nil && m.value.Type() != fastjson.TypeNull {
					out = found{m.value, m.path()}
				}
			}
		}
	}
	return out, nil
}

// all returns every value that is not null, in order.
func (p *path) all(s *state) ([]found, error) {
	var out []found
	for i := range p.alternatives {
		a := &p.alternatives[i]
		if a.lookup != nil {
			v, err := a.lookup.find(s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", a.source, err)
			}
			if v != nil && v.Type() != fastjson.TypeNull {
				out = append(out, found{v, a.lookup.text})
			}
			continue
		}
		matches, err := a.evaluate(s)
		if err != nil {
			return nil, err
		}
		for _, m := range matches {
			if m.value.Type() != fastjson.TypeNull {
				out = append(out, found{m.value, m.path()})
			}
		}
	}
	return out, nil
}

// find goes the steps of a lookup; nil means that there is nothing.
func (l *lookup) find(s *state) (*fastjson.Value, error) {
	v, steps := s.root, l.steps
	if first := &steps[0]; !first.indexed {
		v = field(v, first.key)
		switch {
		case v != nil:
		case l.nested != "":
			v = field(field(s.root, contextKey), l.nested)
		case l.flat != "":
			v = field(s.root, l.flat)
			steps = steps[1:]
		}
		steps = steps[1:]
	}
	for i := range steps {
		if v == nil {
			return nil, nil
		}
		st := &steps[i]
		if !st.indexed {
			v = field(v, st.key)
			continue
		}
		var err error
		if v, err = s.index(v, st.index); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// field returns the value of a key of an object, and nil for all else. (The
// library's own Get takes "0" for an index of an array.)
func field(v *fastjson.Value, key string) *fastjson.Value {
	if v == nil || v.Type() != fastjson.TypeObject {
		return nil
	}
	o, err := v.Object()
	if err != nil {
		return nil
	}
	return o.Get(key)
}
