package timex

import (
	"fmt"
	"strconv"

	"github.com/seed71495667/winchester/internal/suggest"
)

const tooLong = "the duration is longer than the years 1 to 9999"

func (p *parser) fault(at token, kind error, msg string) error {
	return newSyntaxError(p.lexer.src, at.pos, kind, msg)
}

func (p *parser) unexpected(wanted string) error {
	return p.fault(p.tok, ErrSyntax, "expected "+wanted+", found "+p.tok.describe())
}

func (p *parser) invalidate(at token, kind error, msg string) {
	if p.invalid == nil {
		p.invalid = p.fault(at, kind, msg)
	}
}

// afterValue tells what may follow a complete expression here.
func (p *parser) afterValue(prog *program) string {
	switch {
	case p.depth > 0 && prog.kind == kindTimestamp:
		return `an operator, "to" or ")"`
	case p.depth > 0:
		return `an operator or ")"`
	case prog.kind == kindTimestamp:
		return `an operator, "to" or the end of the expression`
	default:
		return "an operator or the end of the expression"
	}
}

func unknownFunction(name string) string {
	msg := "unknown function " + strconv.Quote(name)
	if hint := suggest.DidYouMean(name, functionNames); hint != "" {
		return msg + hint
	}
	return msg + fmt.Sprintf(" (there are hour, day, month and year; a variable is written %q)", "$"+name)
}

// unitHint helps with the units that people write by habit.
func unitHint(word string) string {
	for i := range len(word) {
		if isDigit(word[i]) {
			return ` with a space after each, as in "6h 30m"`
		}
	}
	return ""
}
