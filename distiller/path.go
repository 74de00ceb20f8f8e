package distiller

import (
	"fmt"
	"strings"
)

// path is a compiled field path, or several of which the first that gives a
// value counts. It is immutable.
type path struct {
	alternatives []alternative
}

// alternative is one way to a value: nearly always a lookup, which needs no
// memory; anything else is a tree to be interpreted.
type alternative struct {
	source string // as written, for errors
	lookup *lookup
	tree   *node
	// fallible tells that evaluating it can fail, as indexing can. It must then
	// be evaluated even if an earlier alternative gave a value: whether a
	// notification can be distilled must not depend on that.
	fallible bool
}

// lookup is a path of names and indexes only. Where the names lead to has been
// found before anyone asks; from the first index on it goes step by step.
type lookup struct {
	text  string // the path of what is found, as plugins see it
	place int32  // of the names at its beginning
	steps []step // what comes after them
	// The fields of the request context come flat, as "_context_x", or nested,
	// as "x" of "_context". Both spellings find both: where the notification
	// has nothing at the first name, the place of the other spelling counts.
	first, other int32 // other is placeRoot if there is none
}

type step struct {
	key     string
	index   int
	indexed bool
}

// compilePath compiles one or several field paths.
func compilePath(o *outline, sources ...string) (*path, *pathError) {
	out := &path{}
	for _, source := range sources {
		tree, err := parsePath(source)
		if err != nil {
			return nil, err
		}
		out.add(o, source, tree)
	}
	return out, nil
}

// add takes the unions at the top of a path apart, so that each side can be
// looked up by itself. What lookups lead along is added to the outline.
func (p *path) add(o *outline, source string, tree *node) {
	if tree.op == opUnion {
		p.add(o, source, tree.left)
		p.add(o, source, tree.right)
		return
	}
	a := alternative{source: source, fallible: tree.fallible()}
	if steps, ok := tree.steps(nil); ok && len(steps) > 0 {
		a.lookup = newLookup(o, steps)
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

const (
	contextKey = "_context"
	payloadKey = "payload"
)

func newLookup(o *outline, steps []step) *lookup {
	parts := make([]string, len(steps))
	for i, s := range steps {
		parts[i] = s.text()
	}
	var names []string
	for _, s := range steps {
		if s.indexed {
			break
		}
		names = append(names, s.key)
	}
	out := &lookup{text: strings.Join(parts, "."), place: o.place(names...), steps: steps[len(names):]}
	if other := otherSpelling(names); other != nil {
		out.first, out.other = o.place(names[0]), o.place(other...)
	}
	return out
}

// otherSpelling turns _context.x into _context_x, and back.
func otherSpelling(names []string) []string {
	if len(names) > 1 && names[0] == contextKey {
		return append([]string{contextKey + "_" + names[1]}, names[2:]...)
	}
	if len(names) > 0 {
		if nested, ok := strings.CutPrefix(names[0], contextKey+"_"); ok && nested != "" {
			return append([]string{contextKey, nested}, names[1:]...)
		}
	}
	return nil
}

func (s step) text() string {
	if s.indexed {
		return fmt.Sprintf("[%d]", s.index)
	}
	return s.key
}

// found is a value that a path led to.
type found struct {
	value  ref
	lookup *lookup // what led there, or else
	match  *match
}

func (f found) path() string {
	if f.match != nil {
		return f.match.path()
	}
	return f.lookup.text
}

// first returns the first value that is not null; value is 0 if there is none.
func (p *path) first(s *state) (found, error) {
	var out found
	for i := range p.alternatives {
		a := &p.alternatives[i]
		switch {
		case out.value != 0 && !a.fallible:
		case a.lookup != nil:
			v, err := a.lookup.find(s)
			if err != nil {
				return found{}, fmt.Errorf("%s: %w", a.source, err)
			}
			if out.value == 0 && !s.isNull(v) {
				out = found{value: v, lookup: a.lookup}
			}
		default:
			matches, err := a.evaluate(s)
			if err != nil {
				return found{}, err
			}
			for _, m := range matches {
				if out.value == 0 && !s.isNull(m.value) {
					out = found{value: m.value, match: m}
				}
			}
		}
	}
	return out, nil
}

// all returns every value that is not null, in order.
func (p *path) all(s *state) ([]found, error) {
	out := s.found[:0]
	for i := range p.alternatives {
		a := &p.alternatives[i]
		if a.lookup != nil {
			v, err := a.lookup.find(s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", a.source, err)
			}
			if !s.isNull(v) {
				out = append(out, found{value: v, lookup: a.lookup})
			}
			continue
		}
		matches, err := a.evaluate(s)
		if err != nil {
			return nil, err
		}
		for _, m := range matches {
			if !s.isNull(m.value) {
				out = append(out, found{value: m.value, match: m})
			}
		}
	}
	s.found = out // the memory is for the next one
	return out, nil
}

// find returns where a lookup leads; 0 means that there is nothing.
func (l *lookup) find(s *state) (ref, error) {
	v := s.slots[l.place]
	if l.other != placeRoot && s.slots[l.first] == 0 {
		v = s.slots[l.other]
	}
	for i := range l.steps {
		if v == 0 {
			return 0, nil
		}
		st := &l.steps[i]
		if !st.indexed {
			v = s.member(v, st.key)
			continue
		}
		var err error
		if v, err = s.index(v, st.index); err != nil {
			return 0, err
		}
	}
	return v, nil
}
