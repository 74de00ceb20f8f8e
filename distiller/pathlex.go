package distiller

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// pathError is what is wrong with a field path, and at which byte.
type pathError struct {
	offset  int
	message string
}

func (e *pathError) Error() string { return fmt.Sprintf("at character %d: %s", e.offset+1, e.message) }

func pathErrorf(offset int, format string, args ...any) *pathError {
	return &pathError{offset, fmt.Sprintf(format, args...)}
}

type tokenKind uint8

const (
	tokEnd      tokenKind = iota
	tokName               // a field name, bare or quoted
	tokNumber             // an index
	tokOperator           // `this` or `parent`
	tokSign               // everything else, and the word where
)

type token struct {
	kind   tokenKind
	text   string
	number int
	offset int
}

// String is the token as a message shows it.
func (t token) String() string {
	if t.kind == tokEnd {
		return "the end of the path"
	}
	return strconv.Quote(t.text)
}

// maxPathTokens is far more than any path needs, and keeps a hostile one from
// making deep trees.
const maxPathTokens = 500

// lexPath takes a path apart. Names are as jsonpath_rw has them: letters,
// digits, "_", "@" and "-", beginning with neither a digit nor "-".
func lexPath(s string) ([]token, *pathError) {
	var out []token
	for i := 0; i < len(s); {
		t := token{kind: tokSign, offset: i}
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\n':
			i++
			continue
		case strings.HasPrefix(s[i:], ".."):
			t.text = ".."
			i += 2
		case strings.IndexByte("*.[]()$,:|&", c) >= 0:
			t.text = s[i : i+1]
			i++
		case isNameStart(c):
			for i < len(s) && (isNameStart(s[i]) || isDigit(s[i]) || s[i] == '-') {
				i++
			}
			if t.text = s[t.offset:i]; t.text != "where" {
				t.kind = tokName
			}
		case isDigit(c) || c == '-' && i+1 < len(s) && isDigit(s[i+1]):
			for i++; i < len(s) && isDigit(s[i]); i++ {
			}
			n, err := strconv.ParseInt(s[t.offset:i], 10, 32)
			if err != nil {
				return nil, pathErrorf(t.offset, "%s is too large for an index", s[t.offset:i])
			}
			t.kind, t.text, t.number = tokNumber, s[t.offset:i], int(n)
		case c == '\'' || c == '"' || c == '`':
			text, n, ok := quoted(s[i:])
			if !ok {
				return nil, pathErrorf(i, "the quote %c is not closed", c)
			}
			t.kind, t.text = tokName, text
			if c == '`' {
				t.kind = tokOperator
			}
			i += n
		default:
			r, _ := utf8.DecodeRuneInString(s[i:])
			return nil, pathErrorf(i, "unexpected character %q; a field name that has it must be in quotes", r)
		}
		if out = append(out, t); len(out) > maxPathTokens {
			return nil, pathErrorf(t.offset, "the path is too long")
		}
	}
	return append(out, token{kind: tokEnd, offset: len(s)}), nil
}

// quoted reads a text in quotes, in which a backslash takes the next character
// as it is, and returns how many bytes it took.
func quoted(s string) (text string, n int, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case s[0]:
			return b.String(), i + 1, true
		case '\\':
			if i++; i == len(s) {
				return "", 0, false
			}
		}
		b.WriteByte(s[i])
	}
	return "", 0, false
}

func isNameStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '@'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
