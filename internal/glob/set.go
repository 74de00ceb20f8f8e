package glob

import (
	"slices"
	"strings"
)

// Set is a list of patterns of which some exclude: the event_type of a trigger
// criterion or of an event definition. It is immutable and safe for concurrent
// use. The zero Set matches nothing.
type Set struct {
	included, excluded []Pattern
	names, notNames    []string
}

// NewSet compiles a list of patterns. One that begins with "!" excludes what
// the rest of it matches, whatever else the list includes and in whatever
// order. A list of nothing but exclusions includes all else, as does a nil
// list, which excludes nothing; an empty list that is not nil matches nothing.
func NewSet(patterns []string) Set {
	var s Set
	for _, p := range patterns {
		if not, ok := strings.CutPrefix(p, "!"); ok {
			s.notNames = append(s.notNames, not)
			s.excluded = append(s.excluded, Compile(not))
			continue
		}
		s.names = append(s.names, p)
		s.included = append(s.included, Compile(p))
	}
	if patterns == nil || len(s.names) == 0 && len(s.notNames) > 0 {
		s.names = []string{"*"}
		s.included = []Pattern{Compile("*")}
	}
	return s
}

// Match tells whether a pattern of the list includes name and none excludes
// it. It allocates nothing.
func (s Set) Match(name string) bool {
	return matchAny(s.included, name) && !matchAny(s.excluded, name)
}

func matchAny(patterns []Pattern, name string) bool {
	for i := range patterns {
		if patterns[i].Match(name) {
			return true
		}
	}
	return false
}

// Included returns the patterns that include, in the order given; "*" where
// that is implied.
func (s Set) Included() []string { return slices.Clone(s.names) }

// Excluded returns the patterns that exclude, in the order given, without
// their "!".
func (s Set) Excluded() []string { return slices.Clone(s.notNames) }
