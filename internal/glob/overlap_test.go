package glob

import (
	"testing"

	"pgregory.net/rapid"
)

func TestOverlaps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p, q string
		want bool
	}{
		{"a.*", "a.b", true},
		{"a.*", "b.*", false},
		{"*.start", "compute.*", true},
		{"*.start", "*.end", false},
		{"compute.instance.*", "compute.*.end", true},
		{"a?c", "a[bx]c", true},
		{"a[b-d]c", "a[x-z]c", false},
		{"a[!b]c", "abc", false},
		{"", "*", true},
		{"", "a", false},
		{"**", "x", true},
		{"a*b*c", "*x*", true},
		{"ä?", "äb", true},
	} {
		if got := Compile(c.p).Overlaps(Compile(c.q)); got != c.want {
			t.Errorf("%q, %q: %v", c.p, c.q, got)
		}
		if got := Compile(c.q).Overlaps(Compile(c.p)); got != c.want {
			t.Errorf("%q, %q: %v", c.q, c.p, got)
		}
	}
}

// Two patterns that match the same text overlap, and only such do: tried with
// all texts of three letters out of three.
func TestOverlapsProperty(t *testing.T) {
	t.Parallel()
	var texts []string
	for _, a := range []string{"", "a", "b", "c"} {
		for _, b := range []string{"", "a", "b", "c"} {
			for _, c := range []string{"", "a", "b", "c"} {
				texts = append(texts, a+b+c)
			}
		}
	}
	// Up to three steps each, so that a common text of three letters exists if any does.
	pattern := rapid.StringMatching(`([abc?]|\[ab\]|\[!a\]|\*){0,2}`)
	rapid.Check(t, func(t *rapid.T) {
		p, q := Compile(pattern.Draw(t, "p")), Compile(pattern.Draw(t, "q"))
		want := false
		for _, s := range texts {
			want = want || p.Match(s) && q.Match(s)
		}
		if got := p.Overlaps(q); got != want {
			t.Fatalf("got %v", got)
		}
	})
}

func TestSets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		s, t []string
		want bool
	}{
		{[]string{"a.*", "!a.b"}, []string{"a.b"}, false},
		{[]string{"a.*", "!a.b"}, []string{"a.c"}, true},
		{[]string{"a.*", "!a.*"}, []string{"*"}, false},
		{nil, []string{"!a.*"}, true},
		{[]string{"a.b.*"}, []string{"*", "!a.*"}, false},
		{[]string{}, nil, false},
	} {
		if got := NewSet(c.s).Overlaps(NewSet(c.t)); got != c.want {
			t.Errorf("%q, %q: %v", c.s, c.t, got)
		}
	}
	for _, c := range []struct {
		s    []string
		want bool
	}{{[]string{}, true}, {nil, false}, {[]string{"a", "!a"}, true}, {[]string{"a.*", "!*"}, true}, {[]string{"a.*", "!a.?"}, false}, {[]string{"a", "b", "!a"}, false}} {
		if got := NewSet(c.s).IsEmpty(); got != c.want {
			t.Errorf("%q: %v", c.s, got)
		}
	}
}
