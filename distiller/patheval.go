package distiller

import (
	"fmt"
	"slices"
	"strings"
)

// match is a value within a notification, with the way that led to it.
type match struct {
	value ref
	up    *match // nil at the top
	step  step
	// context stands for the object "_context" where the notification has its
	// fields flat; the value is 0 then.
	context bool
	// literal: of this value, names see what was sent, not what a wrapper has;
	// ".." comes to that by itself.
	literal bool
}

func (m *match) path() string {
	var parts []string
	for ; m.up != nil; m = m.up {
		parts = append(parts, m.step.text())
	}
	slices.Reverse(parts)
	return strings.Join(parts, ".")
}

// maxVisits bounds the values that the paths of one definition may lead to in
// one notification. Each ".." and "*" multiplies.
const maxVisits = 250_000

var errVisits = fmt.Errorf("the path leads to more than %d values", maxVisits)

// evaluate finds all that a tree leads to.
func (a *alternative) evaluate(s *state) ([]*match, error) {
	out, err := s.find(a.tree, &match{value: root}, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.source, err)
	}
	kept := out[:0]
	for _, m := range out {
		if !m.context {
			kept = append(kept, m)
		}
	}
	return kept, nil
}

func (s *state) child(m *match, v ref, st step) (*match, error) {
	if s.visits++; s.visits > maxVisits {
		return nil, errVisits
	}
	return &match{value: v, up: m, step: st}, nil
}

// find appends to out what n leads to from m, in the order of jsonpath_rw.
func (s *state) find(n *node, m *match, out []*match) ([]*match, error) {
	if s.visits++; s.visits > maxVisits {
		return nil, errVisits
	}
	switch n.op {
	case opRoot:
		for m.up != nil {
			m = m.up
		}
		return append(out, m), nil
	case opThis:
		return append(out, m), nil
	case opParent:
		if m.up == nil {
			return out, nil
		}
		return append(out, m.up), nil
	case opFields:
		return s.fields(n, m, out)
	case opIndex:
		if m.context {
			return out, nil
		}
		v, err := s.index(m.value, n.index)
		if err != nil || v == 0 {
			return out, err
		}
		c, err := s.child(m, v, step{index: n.index, indexed: true})
		return append(out, c), err
	case opSlice:
		return s.slice(n, m, out)
	case opUnion:
		out, err := s.find(n.left, m, out)
		if err != nil {
			return nil, err
		}
		return s.find(n.right, m, out)
	}
	left, err := s.find(n.left, m, nil)
	if err != nil {
		return nil, err
	}
	switch n.op {
	case opIntersect:
		return s.intersect(n, m, left, out)
	case opWhere:
		return s.where(n, left, out)
	}
	for _, l := range left {
		if n.op == opDescendant {
			out, err = s.descend(n.right, l, out)
		} else {
			out, err = s.find(n.right, l, out)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// where keeps what the right side leads anywhere from, if only to null.
func (s *state) where(n *node, left, out []*match) ([]*match, error) {
	for _, l := range left {
		right, err := s.find(n.right, l, nil)
		if err != nil {
			return nil, err
		}
		if len(right) > 0 {
			out = append(out, l)
		}
	}
	return out, nil
}

// intersect keeps what both sides lead to. (jsonpath_rw has the sign, but
// fails when it is used.)
func (s *state) intersect(n *node, m *match, left, out []*match) ([]*match, error) {
	right, err := s.find(n.right, m, nil)
	if err != nil {
		return nil, err
	}
	in := make(map[ref]bool, len(right))
	for _, r := range right {
		in[r.value] = true
	}
	for _, l := range left {
		if in[l.value] {
			out = append(out, l)
		}
	}
	return out, nil
}

// descend is "..": what n leads to from m, and then from all that is in m.
func (s *state) descend(n *node, m *match, out []*match) ([]*match, error) {
	m.literal = true
	out, err := s.find(n, m, out)
	if err != nil {
		return nil, err
	}
	err = s.children(m, func(c *match) (err error) {
		out, err = s.descend(n, c, out)
		return err
	})
	return out, err
}

// children visits the values in an object or a list, in the order written.
func (s *state) children(m *match, visit func(*match) error) error {
	switch s.form(m.value) {
	case formList:
		for i, v := range s.items(m.value) {
			c, err := s.child(m, v, step{index: i, indexed: true})
			if err == nil {
				err = visit(c)
			}
			if err != nil {
				return err
			}
		}
	case formObject:
		for key, v := range s.members(m.value) {
			c, err := s.child(m, v, step{key: string(s.bytes(key))})
			if err == nil {
				err = visit(c)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *state) fields(n *node, m *match, out []*match) ([]*match, error) {
	switch {
	case m.context:
		return s.contextFields(n, m, out)
	case n.all:
		if s.form(m.value) != formObject {
			return out, nil
		}
		err := s.children(m, func(c *match) error {
			out = append(out, c)
			return nil
		})
		return out, err
	}
	for _, name := range n.names {
		v := s.field(m.value, name)
		switch {
		case v != 0:
		case m.up != nil:
			if !m.literal {
				v = s.member(m.value, name)
			}
		case name == payloadKey:
			v = s.slots[placePayload]
		case name == contextKey:
			out = append(out, &match{up: m, step: step{key: name}, context: true})
		default:
			if nested, ok := strings.CutPrefix(name, contextKey+"_"); ok {
				v = s.field(s.field(m.value, contextKey), nested)
			}
		}
		if v == 0 {
			continue
		}
		c, err := s.child(m, v, step{key: name})
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// contextFields finds the fields of a context whose fields are flat.
func (s *state) contextFields(n *node, m *match, out []*match) ([]*match, error) {
	for key, v := range s.members(root) {
		name, ok := strings.CutPrefix(string(s.bytes(key)), contextKey+"_")
		if !ok || !n.all && !slices.Contains(n.names, name) {
			continue
		}
		c, err := s.child(m, v, step{key: name})
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}
