package glob

import (
	"slices"
	"testing"
)

func TestSet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name               string
		patterns           []string
		included, excluded []string
		yes, no            []string
	}{
		{"nil is everything", nil, []string{"*"}, nil, []string{"", "a"}, nil},
		{"an empty list is nothing", []string{}, nil, nil, nil, []string{"", "a"}},
		{"one of several", []string{"a", "b.*"}, []string{"a", "b.*"}, nil, []string{"a", "b.c"}, []string{"b"}},
		{"exclusions win, wherever they stand", []string{"!two", "one", "two"}, []string{"one", "two"}, []string{"two"}, []string{"one"}, []string{"two", "three"}},
		{"only exclusions", []string{"!svc.secret.*"}, []string{"*"}, []string{"svc.secret.*"}, []string{"a", "svc.x"}, []string{"svc.secret.x"}},
		{"exclude everything", []string{"!*"}, []string{"*"}, []string{"*"}, nil, []string{"", "a"}},
		{"only the first ! counts", []string{"!!a"}, []string{"*"}, []string{"!a"}, []string{"a"}, []string{"!a"}},
		{"exclude nothing much", []string{"!"}, []string{"*"}, []string{""}, []string{"a"}, []string{""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := NewSet(c.patterns)
			if got := s.Included(); !slices.Equal(got, c.included) {
				t.Errorf("included %q, want %q", got, c.included)
			}
			if got := s.Excluded(); !slices.Equal(got, c.excluded) {
				t.Errorf("excluded %q, want %q", got, c.excluded)
			}
			for _, name := range c.yes {
				if !s.Match(name) {
					t.Errorf("%q does not match", name)
				}
			}
			for _, name := range c.no {
				if s.Match(name) {
					t.Errorf("%q matches", name)
				}
			}
		})
	}
}

func TestZeroSetMatchesNothing(t *testing.T) {
	t.Parallel()
	if (Set{}).Match("a") {
		t.Error("matched")
	}
}
