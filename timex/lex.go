package timex

import (
	"strconv"
	"unicode/utf8"
)

// token is one word or sign of an expression. text is its source.
type token struct {
	kind tokenKind
	unit unit // of a tokenUnit
	text string
	pos  int // byte offset of text
}

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenNumber
	tokenName
	tokenUnit
	tokenTo
	tokenPlus
	tokenMinus
	tokenAt
	tokenDollar
	tokenOpen
	tokenClose
)

// describe names the token in an error message.
func (t token) describe() string {
	switch t.kind {
	case tokenEnd:
		return "the end of the expression"
	case tokenUnit:
		return "the unit " + strconv.Quote(t.text)
	case tokenTo:
		return `the word "to"`
	default:
		return strconv.Quote(t.text)
	}
}

// lexer cuts an expression into tokens on demand. It must not run ahead of the
// parser: of a stray character and a misplaced word, the one that comes first
// is the error to report.
type lexer struct {
	src string
	pos int
}

// next returns the following token, or an ErrLex.
func (l *lexer) next() (token, error) {
	for l.pos < len(l.src) && isSpace(l.src[l.pos]) {
		l.pos++
	}
	start := l.pos
	if start == len(l.src) {
		return token{kind: tokenEnd, pos: start}, nil
	}
	switch c := l.src[start]; {
	case isLetter(c):
		for l.pos < len(l.src) && (isLetter(l.src[l.pos]) || isDigit(l.src[l.pos])) {
			l.pos++
		}
		return word(l.src[start:l.pos], start), nil
	case isDigit(c):
		for l.pos < len(l.src) && isDigit(l.src[l.pos]) {
			l.pos++
		}
		return token{kind: tokenNumber, text: l.src[start:l.pos], pos: start}, nil
	default:
		kind, ok := sign(c)
		if !ok {
			return token{}, l.unexpected()
		}
		l.pos++
		return token{kind: kind, text: l.src[start:l.pos], pos: start}, nil
	}
}

func (l *lexer) unexpected() error {
	_, size := utf8.DecodeRuneInString(l.src[l.pos:])
	msg := "unexpected character " + strconv.Quote(l.src[l.pos:l.pos+size])
	return newSyntaxError(l.src, l.pos, ErrLex, msg)
}

func word(text string, pos int) token {
	t := token{kind: tokenName, text: text, pos: pos}
	if text == "to" {
		t.kind = tokenTo
	} else if u, ok := unitNames[text]; ok {
		t.kind, t.unit = tokenUnit, u
	}
	return t
}

func sign(c byte) (tokenKind, bool) {
	switch c {
	case '+':
		return tokenPlus, true
	case '-':
		return tokenMinus, true
	case '@':
		return tokenAt, true
	case '$':
		return tokenDollar, true
	case '(':
		return tokenOpen, true
	case ')':
		return tokenClose, true
	}
	return 0, false
}

// A carriage return is not a space: it never was, and an expression that holds
// one has been damaged on its way.
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
}
