// Package glob matches shell patterns exactly as Python's fnmatch.fnmatchcase
// does, which is what event types in old definition files were written for.
//
//	?       any one character (a rune, not a byte)
//	*       any run of characters, also none, also over dots and slashes
//	[abc]   one of them; [a-c] a range, which is empty if it runs backwards
//	[!abc]  one character that is none of them
//
// Matching is by case. A backslash is an ordinary character, a "[" that is
// never closed stands for itself, and so does a "]" or a "-" that comes first
// in a set. Nothing is an error: every text is a pattern.
//
// No Go library agrees with Python on all of this; path.Match has no [!x] and
// stops at slashes, others refuse unclosed brackets or give braces a meaning.
package glob

import (
	"strings"
	"unicode/utf8"
)

// Pattern is a compiled glob. It is immutable and safe for concurrent use. The
// zero Pattern matches the empty string only.
type Pattern struct {
	steps []step
}

type step struct {
	kind kind
	text string // literal: what must stand here
	set  set    // oneOf
}

type kind uint8

const (
	literal kind = iota
	anyOne
	anyRun
	oneOf
)

// set is the inside of a bracket: ranges, both ends included.
type set struct {
	ranges []span
	negate bool
}

type span struct{ low, high rune }

// Compile reads a pattern. It never fails.
func Compile(pattern string) Pattern {
	var steps []step
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			steps = append(steps, step{kind: literal, text: text.String()})
			text.Reset()
		}
	}
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			flush()
			if n := len(steps); n == 0 || steps[n-1].kind != anyRun {
				steps = append(steps, step{kind: anyRun})
			}
		case '?':
			flush()
			steps = append(steps, step{kind: anyOne})
		case '[':
			inside, ok := bracket(pattern[i+1:])
			if !ok {
				text.WriteByte(c)
				continue
			}
			flush()
			steps = append(steps, step{kind: oneOf, set: parseSet(inside)})
			i += len(inside) + 1
		default:
			text.WriteByte(c)
		}
	}
	flush()
	return Pattern{steps: steps}
}

// bracket returns what stands between an opening bracket, just before s, and
// the bracket that closes it. One that comes first does not close.
func bracket(s string) (inside string, ok bool) {
	from := 0
	if strings.HasPrefix(s, "!") {
		from++
	}
	if strings.HasPrefix(s[from:], "]") {
		from++
	}
	end := strings.IndexByte(s[from:], ']')
	if end < 0 {
		return "", false
	}
	return s[:from+end], true
}

func parseSet(inside string) set {
	var out set
	inside, out.negate = strings.CutPrefix(inside, "!")
	runes := []rune(inside)
	for i := 0; i < len(runes); i++ {
		r := span{runes[i], runes[i]}
		if i+2 < len(runes) && runes[i+1] == '-' {
			r.high = runes[i+2]
			i += 2
		}
		if r.low <= r.high {
			out.ranges = append(out.ranges, r)
		}
	}
	return out
}

func (s *set) has(r rune) bool {
	for _, span := range s.ranges {
		if span.low <= r && r <= span.high {
			return !s.negate
		}
	}
	return s.negate
}

// Literal returns the one text that the pattern matches, and true, if it has
// no wildcards: such patterns can be looked up instead of tried.
func (p Pattern) Literal() (string, bool) {
	switch {
	case len(p.steps) == 0:
		return "", true
	case len(p.steps) == 1 && p.steps[0].kind == literal:
		return p.steps[0].text, true
	}
	return "", false
}

// Match tells whether the pattern matches all of s. It allocates nothing, and
// takes at most len(s) times the pattern's length: when something does not
// fit, only the last star is tried again, one character further on. That is
// enough, because an earlier star could only reach a place that the last one
// reaches too.
func (p Pattern) Match(s string) bool {
	at, next := 0, 0
	star, retry := -1, 0 // the last star's step, and where it is to be tried next
	for {
		switch {
		case next == len(p.steps):
			if at == len(s) {
				return true
			}
		case p.steps[next].kind == anyRun:
			if next == len(p.steps)-1 {
				return true
			}
			star, retry = next, at
			next++
			continue
		default:
			if n := p.steps[next].prefix(s[at:]); n >= 0 {
				at += n
				next++
				continue
			}
		}
		if star < 0 || retry >= len(s) {
			return false
		}
		_, width := utf8.DecodeRuneInString(s[retry:])
		retry += width
		if follow := &p.steps[star+1]; follow.kind == literal {
			skip := strings.Index(s[retry:], follow.text)
			if skip < 0 {
				return false
			}
			retry += skip
		}
		at, next = retry, star+1
	}
}

// prefix returns how many bytes at the start of s the step consumes, or -1.
func (st *step) prefix(s string) int {
	if st.kind == literal {
		if strings.HasPrefix(s, st.text) {
			return len(st.text)
		}
		return -1
	}
	if s == "" {
		return -1
	}
	r, width := utf8.DecodeRuneInString(s)
	if st.kind == oneOf && !st.set.has(r) {
		return -1
	}
	return width
}
