package timex

// Eval returns the value of the expression for the variables. It allocates
// nothing unless it fails.
//
// The error is an *EvalError that matches ErrUndefinedVariable or
// ErrOutOfRange, or only ErrExpression if e is the zero Expr.
func (e Expr) Eval(vars Vars) (Value, error) {
	prog := e.prog
	if prog == nil {
		return Value{}, &EvalError{Err: ErrExpression, msg: "there is no expression (zero Expr)"}
	}
	begin, err := prog.timestamp(&prog.from, vars)
	if err != nil {
		return Value{}, err
	}
	end := begin
	switch prog.kind {
	case kindTimestamp:
		t := begin.time()
		return Value{Begin: t, End: t}, nil
	case kindSpan:
		if end, err = prog.timestamp(&prog.to, vars); err == nil {
			begin, end, err = prog.moveSpan(begin, end)
		}
	case kindFunction:
		begin, end, err = prog.pinnedRange(begin)
	}
	if err != nil {
		return Value{}, err
	}
	return Value{Begin: begin.time(), End: end.time(), isRange: true}, nil
}

// timestamp looks up the variable of c and moves it.
func (prog *program) timestamp(c *chain, vars Vars) (instant, error) {
	if vars == nil {
		vars = Map(nil)
	}
	t, ok := vars.Lookup(c.name)
	if !ok {
		return 0, &EvalError{Expr: prog.source, Variable: c.name, Err: ErrUndefinedVariable}
	}
	i, ok := toInstant(t)
	if !ok {
		return 0, &EvalError{
			Expr:     prog.source,
			Variable: c.name,
			Err:      ErrOutOfRange,
			msg:      `"$` + c.name + `" is outside the years 1 to 9999`,
		}
	}
	for s := range c.steps {
		var err error
		if i, err = prog.moveTime(i, &c.steps[s]); err != nil {
			return 0, err
		}
	}
	return i, nil
}

// moveTime takes one step from a timestamp, or from one end of a "to" range.
func (prog *program) moveTime(i instant, s *step) (instant, error) {
	if s.op == opReplace {
		i, msg := i.replace(&s.dur, s.dur.set, false)
		if msg != "" {
			return 0, prog.outOfRange(msg)
		}
		return i, nil
	}
	if i = i.add(s.move); !i.inRange() {
		return 0, prog.outOfRange(beyondCalendar)
	}
	return i, nil
}

// moveSpan takes the steps of a "to" range: both ends move alike.
func (prog *program) moveSpan(begin, end instant) (instant, instant, error) {
	for i := range prog.steps {
		s := &prog.steps[i]
		if s.dur.set.has(bare) {
			resolved, err := prog.resolveStep(s, unitForLength(int64(end-begin)))
			if err != nil {
				return 0, 0, err
			}
			s = &resolved
		}
		var err error
		if begin, err = prog.moveTime(begin, s); err != nil {
			return 0, 0, err
		}
		if end, err = prog.moveTime(end, s); err != nil {
			return 0, 0, err
		}
	}
	return begin, end, nil
}

// resolveStep gives the bare number of s the unit u and checks what Parse
// could not.
func (prog *program) resolveStep(s *step, u unit) (step, error) {
	d := s.dur
	if !d.resolve(u) {
		return step{}, prog.outOfRange(beyondCalendar)
	}
	r := prog.newStep(s.op, d)
	if msg := r.check(); msg != "" {
		return step{}, prog.outOfRange(msg)
	}
	return r, nil
}

const beyondCalendar = "the result is outside the years 1 to 9999"

func (prog *program) outOfRange(msg string) error {
	return &EvalError{Expr: prog.source, Err: ErrOutOfRange, msg: msg}
}
