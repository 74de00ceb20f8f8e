package timex

import (
	"errors"
	"slices"
	"strings"

	"github.com/seed71495667/winchester/internal/suggest"
)

// Expr is a parsed time expression. It is immutable and safe for concurrent
// use. The zero Expr is no expression: IsZero tells, Eval fails. Compare with
// Equal, not with ==.
type Expr struct {
	prog *program
}

// program is what an expression comes down to, because parentheses only decide
// where a step belongs: one or two timestamps, each a variable and the steps
// that move it, and the steps that move the range made of them. It takes no
// recursion to evaluate.
type program struct {
	source string
	kind   kind
	unit   unit  // of the function
	from   chain // the timestamp, the range's begin or the function's argument
	to     chain // the range's end
	steps  []step
}

type kind uint8

const (
	kindTimestamp kind = iota
	kindSpan           // timestamp "to" timestamp
	kindFunction
)

// chain is a variable and the steps that move it.
type chain struct {
	name  string
	pos   int // byte offset of the dollar sign, or of the function's name
	steps []step
}

type op uint8

const (
	opAdd op = iota
	opSub
	opReplace
)

// step is one operator and its duration. The shifts are worked out once, with
// the sign of the operator: wrap moves a function's range around its pin, move
// everything else. See pinned.go.
type step struct {
	op         op
	dur        duration
	move, wrap shift
}

// newStep prepares a step for what prog holds so far.
func (prog *program) newStep(o op, d duration) step {
	s := step{op: o, dur: d}
	if o == opReplace {
		return s
	}
	if prog.kind == kindFunction {
		pinUnits := atLeast(prog.unit)
		s.move, s.wrap = d.shift(pinUnits), d.shift(^pinUnits)
		if size := units[prog.unit].micros; size > 0 {
			s.wrap.micros %= size // whole turns; the sum of many must not overflow
		}
	} else {
		s.move = d.shift(^unitSet(0))
	}
	if o == opSub {
		s.move, s.wrap = s.move.negated(), s.wrap.negated()
	}
	return s
}

// wrapped is how far the steps have moved the boundaries of a function's range.
func (prog *program) wrapped() (sum shift) {
	for i := range prog.steps {
		sum = sum.plus(prog.steps[i].wrap)
	}
	return sum
}

// check tells why the step can never be taken, or returns an empty text.
func (s *step) check() string {
	if s.op != opReplace {
		return ""
	}
	return s.dur.checkFields()
}

// bareUnit is the unit that a bare number gets from a function's range: one
// below the function's.
func (prog *program) bareUnit() unit { return prog.unit + 1 }

// IsZero tells whether e is the zero Expr.
func (e Expr) IsZero() bool { return e.prog == nil }

// IsRange tells whether e evaluates to a range; otherwise it evaluates to a
// timestamp.
func (e Expr) IsRange() bool { return e.prog != nil && e.prog.kind != kindTimestamp }

// Source returns the expression as it was given to Parse.
func (e Expr) Source() string {
	if e.prog == nil {
		return ""
	}
	return e.prog.source
}

// String returns the expression in canonical form: single spaces, no
// parentheses that do nothing, each duration with its units added up, the
// largest first and under their shortest names. It parses to an Expr that is
// Equal to e, unless the spaces make it longer than MaxLength.
func (e Expr) String() string {
	if e.prog == nil {
		return ""
	}
	var b strings.Builder
	prog := e.prog
	switch prog.kind {
	case kindTimestamp:
		prog.from.write(&b)
	case kindSpan:
		if len(prog.steps) > 0 {
			b.WriteByte('(')
		}
		prog.from.write(&b)
		b.WriteString(" to ")
		prog.to.write(&b)
		if len(prog.steps) > 0 {
			b.WriteByte(')')
		}
	case kindFunction:
		b.WriteString(units[prog.unit].field)
		if prog.from.name != DefaultVariable || len(prog.from.steps) > 0 {
			b.WriteByte('(')
			prog.from.write(&b)
			b.WriteByte(')')
		}
	}
	writeSteps(&b, prog.steps)
	return b.String()
}

func (c *chain) write(b *strings.Builder) {
	b.WriteByte('$')
	b.WriteString(c.name)
	writeSteps(b, c.steps)
}

func writeSteps(b *strings.Builder, steps []step) {
	for i := range steps {
		b.WriteString([...]string{opAdd: " + ", opSub: " - ", opReplace: " @ "}[steps[i].op])
		b.WriteString(steps[i].dur.String())
	}
}

// Equal tells whether e and other are the same expression, however they were
// written: then they have the same value for any variables.
func (e Expr) Equal(other Expr) bool {
	if e.prog == nil || other.prog == nil {
		return e.prog == other.prog
	}
	a, b := e.prog, other.prog
	return a.kind == b.kind && a.unit == b.unit &&
		a.from.equal(&b.from) && a.to.equal(&b.to) && slices.Equal(a.steps, b.steps)
}

func (c *chain) equal(other *chain) bool {
	return c.name == other.name && slices.Equal(c.steps, other.steps)
}

// Variables returns the names of the variables that Eval looks up, without the
// dollar sign, in order of appearance and each once. A function without an
// argument uses DefaultVariable.
func (e Expr) Variables() []string {
	var names []string
	for _, c := range e.chains() {
		if !slices.Contains(names, c.name) {
			names = append(names, c.name)
		}
	}
	return names
}

// CheckVariables reports the variables that are not among the known names, so
// that a misspelt one is found at load where the set of variables is fixed.
// Each fault is a *SyntaxError that matches ErrUndefinedVariable; several are
// joined.
func (e Expr) CheckVariables(known ...string) error {
	var faults []error
	for _, c := range e.chains() {
		if slices.Contains(known, c.name) {
			continue
		}
		msg := `undefined variable "$` + c.name + `"`
		if near, ok := suggest.Closest(c.name, known); ok {
			msg += ` (did you mean "$` + near + `"?)`
		}
		faults = append(faults, newSyntaxError(e.prog.source, c.pos, ErrUndefinedVariable, msg))
	}
	if len(faults) == 1 {
		return faults[0]
	}
	return errors.Join(faults...)
}

func (e Expr) chains() []*chain {
	switch {
	case e.prog == nil:
		return nil
	case e.prog.kind == kindSpan:
		return []*chain{&e.prog.from, &e.prog.to}
	default:
		return []*chain{&e.prog.from}
	}
}
