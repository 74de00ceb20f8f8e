package glob

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{"", []string{""}, []string{"a"}},
		{"*", []string{"", "a", "a.b/c", "é\n"}, nil},
		{"a", []string{"a"}, []string{"", "A", "aa", "b"}},
		{"svc.*", []string{"svc.", "svc.create.end"}, []string{"svc", "xsvc.a"}},
		{"*.end", []string{".end", "a.b.end"}, []string{"end", "a.end "}},
		{"a*b*c", []string{"abc", "aXbYc", "abcbc"}, []string{"acb", "ab"}},
		{"svc.?", []string{"svc.a", "svc.é", "svc.日"}, []string{"svc.", "svc.ab"}},
		{"*?é", []string{"aé", "日é"}, []string{"é"}},
		{"[ab]x", []string{"ax", "bx"}, []string{"cx", "x", "abx"}},
		{"[!ab]x", []string{"cx", "éx"}, []string{"ax", "x"}},
		{"[a-c]", []string{"a", "b", "c"}, []string{"d", "-"}},
		{"[à-ü]", []string{"é"}, []string{"e", "\xc3"}},
		{"[c-a]", nil, []string{"a", "b", "c", "-", ""}},
		{"[!c-a]", []string{"a", "-"}, []string{""}},
		{"[a-]", []string{"a", "-"}, []string{"b"}},
		{"[]]", []string{"]"}, []string{"", "[]]"}},
		{"[!]]", []string{"a"}, []string{"]"}},
		{"[]", []string{"[]"}, []string{""}},
		{"[!]", []string{"[!]"}, []string{"a"}},
		{"br[ack*", []string{"br[ack", "br[acks"}, []string{"bra"}},
		{"[^a]", []string{"^", "a"}, []string{"b"}},
		{`\*`, []string{`\`, `\a`}, []string{"*"}},
		{"{a,b}", []string{"{a,b}"}, []string{"a"}},
		{"?", []string{"\xff"}, []string{"\xff\xff"}},
	} {
		p := Compile(c.pattern)
		for _, s := range c.yes {
			if !p.Match(s) {
				t.Errorf("%q does not match %q", c.pattern, s)
			}
		}
		for _, s := range c.no {
			if p.Match(s) {
				t.Errorf("%q matches %q", c.pattern, s)
			}
		}
	}
}

// testdata/fnmatch.json holds [pattern, text, does it match] as recorded from
// fnmatch.fnmatchcase of Python 3.11.
func TestMatchAsPythonDoes(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/fnmatch.json")
	if err != nil {
		t.Fatal(err)
	}
	var pairs [][3]any
	if err := json.Unmarshal(data, &pairs); err != nil {
		t.Fatal(err)
	}
	for _, pair := range pairs {
		pattern, text, want := pair[0].(string), pair[1].(string), pair[2].(bool)
		if got := Compile(pattern).Match(text); got != want {
			t.Errorf("%q against %q: %t, Python says %t", pattern, text, got, want)
		}
	}
}

func TestLiteral(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		ok            bool
	}{
		{"", "", true},
		{"a.b", "a.b", true},
		{"br[ack", "br[ack", true},
		{"[!]", "[!]", true},
		{"a*", "", false},
		{"?", "", false},
		{"[a]", "", false},
	} {
		text, ok := Compile(c.pattern).Literal()
		if text != c.text || ok != c.ok {
			t.Errorf("Compile(%q).Literal() = %q, %t; want %q, %t", c.pattern, text, ok, c.text, c.ok)
		}
	}
}

// A matcher that tries every star again would need about 10^20 steps here.
func TestMatchIsNotExponential(t *testing.T) {
	t.Parallel()
	p := Compile(strings.Repeat("a*", 50) + "[b]")
	if p.Match(strings.Repeat("a", 5000)) {
		t.Error("matched")
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	p := Compile("compute.*.[a-c]?eate.*d")
	s := NewSet([]string{"compute.*", "!*.error"})
	if n := testing.AllocsPerRun(100, func() {
		p.Match("compute.instance.create.end")
		s.Match("compute.instance.create.end")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// naive is the definition written down, exponential as it is.
func naive(p, s []rune) bool {
	if len(p) == 0 {
		return len(s) == 0
	}
	switch p[0] {
	case '*':
		return naive(p[1:], s) || len(s) > 0 && naive(p, s[1:])
	case '?':
		return len(s) > 0 && naive(p[1:], s[1:])
	case '[':
		from := 1
		if from < len(p) && p[from] == '!' {
			from++
		}
		end := from
		if end < len(p) && p[end] == ']' {
			end++
		}
		for end < len(p) && p[end] != ']' {
			end++
		}
		if end < len(p) {
			return len(s) > 0 && inSet(p[from:end], s[0]) == (from == 1) && naive(p[end+1:], s[1:])
		}
	}
	return len(s) > 0 && s[0] == p[0] && naive(p[1:], s[1:])
}

func inSet(set []rune, r rune) bool {
	if len(set) == 0 {
		return false
	}
	if len(set) >= 3 && set[1] == '-' {
		return set[0] <= r && r <= set[2] || inSet(set[3:], r)
	}
	return set[0] == r || inSet(set[1:], r)
}

func FuzzMatch(f *testing.F) {
	for _, p := range []string{"a*b?[c-e]", "[!]]*", "br[ack", "**a**", "[--a]é"} {
		f.Add(p, "abc")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		p := Compile(pattern)
		got := p.Match(text)
		if l, ok := p.Literal(); ok && (l != pattern || got != (text == pattern)) {
			t.Errorf("%q is not the literal %q", pattern, l)
		}
		if len(text) > 20 || strings.Count(pattern, "*") > 4 || !utf8.ValidString(pattern) || !utf8.ValidString(text) {
			return
		}
		if want := naive([]rune(pattern), []rune(text)); got != want {
			t.Errorf("%q against %q: %t, want %t", pattern, text, got, want)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for _, pattern := range []string{
		"compute.instance.create.end", "compute.instance.*", "*.end", "*.instance.*.end",
		"compute.instance.[a-c]reate.?nd", "*a*b*c*d",
	} {
		b.Run(pattern, func(b *testing.B) {
			p := Compile(pattern)
			b.ReportAllocs()
			for b.Loop() {
				p.Match("compute.instance.create.end")
			}
		})
	}
}
