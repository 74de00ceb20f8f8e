package timex

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// The three classes of error. Every error of this package matches exactly one
// of them with [errors.Is].
var (
	// ErrLex reports a character that no expression may contain.
	ErrLex = errors.New("timex: unexpected character")

	// ErrSyntax reports an expression that does not follow the grammar, ends
	// too early or exceeds a limit.
	ErrSyntax = errors.New("timex: syntax error")

	// ErrExpression reports an expression that follows the grammar but has no
	// value. The sentinels below are its kinds and match it as well.
	ErrExpression = errors.New("timex: invalid expression")
)

// The kinds of [ErrExpression].
var (
	// ErrUnknownFunction reports a function other than hour, day, month and
	// year. It is found by Parse.
	ErrUnknownFunction = fmt.Errorf("%w: unknown function", ErrExpression)

	// ErrUndefinedVariable reports a variable that has no value. It is found
	// by Eval, or before that by CheckVariables.
	ErrUndefinedVariable = fmt.Errorf("%w: undefined variable", ErrExpression)

	// ErrOutOfRange reports a field that its unit or month does not have
	// (24h, month 13, 30 February) or a time outside the years 1 to 9999. It
	// is found by Parse where the expression alone proves it, else by Eval.
	ErrOutOfRange = fmt.Errorf("%w: out of range", ErrExpression)
)

// SyntaxError is a fault of an expression's text: everything that Parse and
// CheckVariables report. Its class and kind are matched with errors.Is.
type SyntaxError struct {
	// Expr is the whole expression as it was given.
	Expr string

	// Column is where the fault is, in characters from 1. It is one past the
	// last character where the expression ends too early.
	Column int

	// Msg says what was expected and what was found instead.
	Msg string

	// Err is the sentinel: ErrLex, ErrSyntax, ErrUnknownFunction,
	// ErrUndefinedVariable or ErrOutOfRange.
	Err error
}

// newSyntaxError is a fault at a byte offset of src.
func newSyntaxError(src string, pos int, kind error, msg string) *SyntaxError {
	return &SyntaxError{
		Expr:   src,
		Column: utf8.RuneCountInString(src[:pos]) + 1,
		Msg:    msg,
		Err:    kind,
	}
}

// Error names the column, the expression and the fault.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("timex: column %d of %s: %s", e.Column, quote(e.Expr), e.Msg)
}

// Unwrap returns the sentinel, for errors.Is.
func (e *SyntaxError) Unwrap() error { return e.Err }

// EvalError is a parsed expression that has no value for the variables given:
// everything that Eval reports.
type EvalError struct {
	// Expr is the whole expression as it was given to Parse.
	Expr string

	// Variable is the name, without the dollar sign, of the variable that is
	// undefined, or that holds a time outside the years 1 to 9999. It is
	// empty for any other fault.
	Variable string

	// Err is the sentinel: ErrUndefinedVariable, ErrOutOfRange, or plain
	// ErrExpression for the zero Expr.
	Err error

	// msg is empty for an undefined variable: that is an everyday result of
	// matching events, so its text is only put together when it is read.
	msg string
}

// Error names the expression and the fault.
func (e *EvalError) Error() string {
	msg := e.msg
	if msg == "" {
		msg = "undefined variable " + strconv.Quote("$"+e.Variable)
	}
	return fmt.Sprintf("timex: cannot evaluate %s: %s", quote(e.Expr), msg)
}

// Unwrap returns the sentinel, for errors.Is.
func (e *EvalError) Unwrap() error { return e.Err }

// maxQuoted keeps a hostile expression from flooding a log line.
const maxQuoted = 120

func quote(expr string) string {
	if len(expr) <= maxQuoted {
		return strconv.Quote(expr)
	}
	cut := maxQuoted
	for cut > maxQuoted-utf8.UTFMax && !utf8.RuneStart(expr[cut]) {
		cut--
	}
	return strconv.Quote(expr[:cut]) + "..."
}
