package glob

import "strings"

// Overlaps tells whether there may be a text that both patterns match. It says
// so where finding out would cost too much.
func (p Pattern) Overlaps(q Pattern) bool {
	a, b := p.single(), q.single()
	if len(a)*len(b) > 100_000 {
		return true
	}
	// reach[j]: the rest of a, from i, and the rest of b, from j, have a text in
	// common; worked out from the end.
	reach := make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		after := false // reach[j+1] of the row before
		for j := len(b); j >= 0; j-- {
			below := reach[j] // of the row before: i+1
			switch {
			case i == len(a) && j == len(b):
				reach[j] = true
			case i < len(a) && a[i].kind == anyRun:
				reach[j] = below || j < len(b) && reach[j+1]
			case j < len(b) && b[j].kind == anyRun:
				reach[j] = reach[j+1] || i < len(a) && below
			default:
				reach[j] = i < len(a) && j < len(b) && after && meet(&a[i], &b[j])
			}
			after = below
		}
	}
	return reach[0]
}

// single splits literals into steps of one character each.
func (p Pattern) single() []step {
	var out []step
	for _, s := range p.steps {
		if s.kind != literal {
			out = append(out, s)
			continue
		}
		for _, r := range s.text {
			out = append(out, step{kind: literal, text: string(r)})
		}
	}
	return out
}

// meet tells whether two steps of one character have one in common; that of two
// sets it takes for granted, but for those that are small.
func meet(a, b *step) bool {
	switch {
	case a.kind == anyOne || b.kind == anyOne:
		return true
	case a.kind == literal && b.kind == literal:
		return a.text == b.text
	case a.kind == literal:
		return b.prefix(a.text) > 0
	case b.kind == literal:
		return a.prefix(b.text) > 0
	}
	if a.set.negate {
		a, b = b, a
	}
	if a.set.negate {
		return true
	}
	for _, s := range a.set.ranges {
		if s.high-s.low > 256 {
			return true
		}
		for r := s.low; r <= s.high; r++ {
			if b.set.has(r) {
				return true
			}
		}
	}
	return false
}

// covers tells of a pattern whose only wildcard is the star that it matches all
// that another one, given as its text, matches. Of any other it does not tell.
func covers(pattern, text string) bool {
	return !strings.ContainsAny(pattern, "?[") && Compile(pattern).Match(text)
}

// Overlaps tells whether there may be a name that both sets match.
func (s Set) Overlaps(t Set) bool {
	for i, p := range s.included {
		for j, q := range t.included {
			switch name, literal := p.Literal(); {
			case literal:
				if s.Match(name) && t.Match(name) {
					return true
				}
				continue
			default:
				if name, literal := q.Literal(); literal {
					if s.Match(name) && t.Match(name) {
						return true
					}
					continue
				}
			}
			if p.Overlaps(q) && !s.leavesOut(s.names[i], t.names[j]) && !t.leavesOut(s.names[i], t.names[j]) {
				return true
			}
		}
	}
	return false
}

// leavesOut tells that an exclusion covers one of the patterns.
func (s Set) leavesOut(patterns ...string) bool {
	for _, not := range s.notNames {
		for _, p := range patterns {
			if covers(not, p) {
				return true
			}
		}
	}
	return false
}

// IsEmpty tells whether the set is known to match nothing.
func (s Set) IsEmpty() bool {
	for i, p := range s.included {
		if name, literal := p.Literal(); literal && s.Match(name) || !literal && !s.leavesOut(s.names[i]) {
			return false
		}
	}
	return true
}
