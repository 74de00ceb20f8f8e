package timex

import (
	"fmt"
	"math"
	"strconv"
)

const (
	// MaxLength is the longest expression that Parse accepts, in bytes.
	MaxLength = 4096

	// MaxDepth is how deeply Parse accepts parentheses to be nested.
	MaxDepth = 100
)

// Parse reads an expression. It finds every fault that does not depend on the
// values of variables, so that an expression in a configuration is refused
// when the configuration is loaded.
//
// The error is a *SyntaxError that matches ErrLex, ErrSyntax,
// ErrUnknownFunction or ErrOutOfRange.
func Parse(expr string) (Expr, error) {
	if len(expr) > MaxLength {
		msg := fmt.Sprintf("the expression is longer than %d bytes", MaxLength)
		return Expr{}, newSyntaxError(expr, MaxLength, ErrSyntax, msg)
	}
	p := parser{lexer: lexer{src: expr}}
	prog, err := p.parse()
	if err != nil {
		return Expr{}, err
	}
	return Expr{prog}, nil
}

// MustParse is Parse for expressions known to be right. It panics if they are
// not.
func MustParse(expr string) Expr {
	e, err := Parse(expr)
	if err != nil {
		panic(err)
	}
	return e
}

// parser is a recursive descent parser with one token of lookahead. Each
// method starts with the first token of its rule in tok and leaves the first
// one after it there.
type parser struct {
	lexer lexer
	tok   token
	depth int

	// invalid is the first fault of an expression that follows the grammar,
	// kept back because a fault against the grammar counts more.
	invalid error
}

func (p *parser) parse() (*program, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	prog, err := p.expression()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokenEnd {
		return nil, p.unexpected(p.afterValue(prog))
	}
	if p.invalid != nil {
		return nil, p.invalid
	}
	prog.source = p.lexer.src
	return prog, nil
}

// expression = range | timestamp | timestamp "to" timestamp
func (p *parser) expression() (*program, error) {
	prog, err := p.operand()
	if err != nil {
		return nil, err
	}
	if err := p.steps(prog); err != nil {
		return nil, err
	}
	if p.tok.kind != tokenTo || prog.kind != kindTimestamp {
		return prog, nil
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	prog.kind = kindSpan
	prog.to, err = p.timestamp()
	return prog, err
}

// operand = "$" name | name ["(" timestamp ")"] | "(" expression ")"
func (p *parser) operand() (*program, error) {
	switch p.tok.kind {
	case tokenDollar:
		from, err := p.variable()
		return &program{kind: kindTimestamp, from: from}, err
	case tokenName:
		return p.function()
	case tokenOpen:
		var prog *program
		err := p.parenthesized(func() (err error) {
			prog, err = p.expression()
			return err
		}, func() string { return p.afterValue(prog) })
		return prog, err
	default:
		return nil, p.unexpected(`a variable like "$timestamp", a function like "day" or "("`)
	}
}

// timestamp = ("$" name | "(" timestamp ")") {step}
func (p *parser) timestamp() (chain, error) {
	prog := &program{kind: kindTimestamp}
	var err error
	switch p.tok.kind {
	case tokenDollar:
		prog.from, err = p.variable()
	case tokenOpen:
		err = p.parenthesized(func() (err error) {
			prog.from, err = p.timestamp()
			return err
		}, func() string { return `an operator or ")"` })
	default:
		err = p.unexpected(`a timestamp like "$timestamp"`)
	}
	if err == nil {
		err = p.steps(prog)
	}
	return prog.from, err
}

// parenthesized parses "(" inner ")". wanted tells what may follow inner.
func (p *parser) parenthesized(inner func() error, wanted func() string) error {
	if p.depth++; p.depth > MaxDepth {
		msg := fmt.Sprintf("parentheses are nested more than %d deep", MaxDepth)
		return p.fault(p.tok, ErrSyntax, msg)
	}
	if err := p.advance(); err != nil {
		return err
	}
	if err := inner(); err != nil {
		return err
	}
	if p.tok.kind != tokenClose {
		return p.unexpected(wanted())
	}
	p.depth--
	return p.advance()
}

// variable = "$" name
func (p *parser) variable() (chain, error) {
	at := p.tok
	if err := p.advance(); err != nil {
		return chain{}, err
	}
	if p.tok.kind != tokenName {
		return chain{}, p.unexpected(`the name of a variable after "$"`)
	}
	c := chain{name: p.tok.text, pos: at.pos}
	return c, p.advance()
}

// function = name ["(" timestamp ")"]
func (p *parser) function() (*program, error) {
	name := p.tok
	u, known := functions[name.text]
	if !known {
		p.invalidate(name, ErrUnknownFunction, unknownFunction(name.text))
		u = microsecond // no duration is too small or too large for it
	}
	prog := &program{kind: kindFunction, unit: u, from: chain{name: DefaultVariable, pos: name.pos}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.tok.kind != tokenOpen {
		return prog, nil
	}
	err := p.parenthesized(func() (err error) {
		prog.from, err = p.timestamp()
		return err
	}, func() string { return `an operator or ")"` })
	return prog, err
}

// steps = {("+" | "-" | "@") duration}, applied to what prog holds so far.
func (p *parser) steps(prog *program) error {
	wrapped := prog.wrapped()
	for {
		var o op
		switch p.tok.kind {
		case tokenPlus:
			o = opAdd
		case tokenMinus:
			o = opSub
		case tokenAt:
			o = opReplace
		default:
			return nil
		}
		sign := p.tok
		if err := p.advance(); err != nil {
			return err
		}
		first := p.tok
		d, err := p.duration(sign)
		if err != nil {
			return err
		}
		if err := p.fit(prog, &d, first); err != nil {
			return err
		}
		s := prog.newStep(o, d)
		if msg := s.check(); msg != "" {
			p.invalidate(first, ErrOutOfRange, msg)
		}
		if wrapped = wrapped.plus(s.wrap); wrapped.tooLong() {
			p.invalidate(first, ErrOutOfRange, tooLong)
		}
		if prog.kind == kindTimestamp {
			prog.from.steps = append(prog.from.steps, s)
		} else {
			prog.steps = append(prog.steps, s)
		}
	}
}

// duration = number [unit] {number [unit]}
func (p *parser) duration(sign token) (duration, error) {
	var d duration
	if p.tok.kind != tokenNumber {
		return d, p.unexpected(fmt.Sprintf(`a duration like "6h" after %q`, sign.text))
	}
	for p.tok.kind == tokenNumber {
		number, u := p.tok, bare
		if err := p.advance(); err != nil {
			return d, err
		}
		switch p.tok.kind {
		case tokenUnit:
			u = p.tok.unit
			if err := p.advance(); err != nil {
				return d, err
			}
		case tokenName:
			return d, p.unexpected("a unit (us, s, m, h, d, mo or y)" + unitHint(p.tok.text))
		}
		n, err := strconv.ParseInt(number.text, 10, 64)
		if err != nil {
			n = math.MaxInt64
		}
		if !d.add(u, n) {
			p.invalidate(number, ErrOutOfRange, tooLong)
		}
	}
	return d, nil
}

// fit sees to it that a bare number gets a unit. Only a range that is not yet
// moved gives it one; for "to" ranges it depends on their length.
func (p *parser) fit(prog *program, d *duration, first token) error {
	if !d.set.has(bare) || prog.kind == kindSpan && len(prog.steps) == 0 {
		return nil
	}
	if prog.kind == kindTimestamp || len(prog.steps) > 0 {
		const msg = `a number without a unit may only follow a range directly, as in "day + 6"`
		return p.fault(first, ErrSyntax, msg)
	}
	if !d.resolve(prog.bareUnit()) {
		p.invalidate(first, ErrOutOfRange, tooLong)
	}
	return nil
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lexer.next()
	return err
}
