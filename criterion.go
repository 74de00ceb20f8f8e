package winchester

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/seed71495667/winchester/internal/glob"
	"github.com/seed71495667/winchester/internal/suggest"
	"github.com/seed71495667/winchester/timex"
)

// NumberZero is the Number of a fire criterion that asks for no event at all: it
// always holds.
const NumberZero = -1

// Criterion is a condition on one event. All its parts must hold.
type Criterion struct {
	// EventTypes are shell globs, matched by case; one with a "!" in front
	// excludes. Only exclusions stand for everything else, nil for everything;
	// a list that is empty but not nil matches nothing.
	EventTypes []string
	// Timestamp is a time expression; the event's time must be what it says, or
	// within. Its variables are the event's own times: $timestamp and the names
	// of its datetime traits. An event that lacks one does not match. "" for any.
	Timestamp string
	// Traits are conditions by trait name: a constant (equal in type and value,
	// but 5 equals 5.0) or a Compare. All must hold; a missing trait does not.
	Traits map[string]any
	// Number is how many events of the stream must satisfy a fire criterion:
	// 0 for the default of 1, NumberZero for none. Not used in match criteria.
	Number int
	// MapDistinguishedBy takes, for the events that match this criterion, the
	// value of a distinguishing trait (the key) from another trait (the value).
	// Only used in match criteria.
	MapDistinguishedBy map[string]string
}

// Compare is a typed condition on a trait, as in `memory_mb: {int: "> 4"}`.
type Compare struct {
	// Type is int, float, string (or text), or datetime.
	Type string
	// Value is, for int and float, a number or an operator (=, !=, <, <=, >, >=),
	// a space and a number; for string the text; for datetime a time expression
	// whose variables are the event's own times.
	Value any
}

var compareTypes = []string{"int", "float", "string", "text", "datetime"}

// criterion is a compiled Criterion.
type criterion struct {
	types     glob.Set
	timestamp *timestampTest
	traits    []traitTest
	number    int
	mapping   map[string]string
}

// traitTest is one entry of a criterion's Traits.
type traitTest interface {
	test(e *Event, g *debugGroup) bool
	fmt.Stringer
}

func compileCriterion(c Criterion, fault func(field, format string, args ...any)) criterion {
	out := criterion{types: glob.NewSet(c.EventTypes), mapping: c.MapDistinguishedBy}
	switch {
	case c.Number == NumberZero:
	case c.Number < 0:
		fault("number", "%d is negative", c.Number)
	default:
		out.number = max(c.Number, 1)
	}
	if c.Timestamp != "" {
		if expr, err := timex.Parse(c.Timestamp); err != nil {
			fault("timestamp", "%v", err)
		} else {
			out.timestamp = &timestampTest{expr}
		}
	}
	names := make([]string, 0, len(c.Traits))
	for name := range c.Traits {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		test, err := compileTrait(name, c.Traits[name])
		if err != nil {
			fault("traits."+name, "%v", err)
			continue
		}
		out.traits = append(out.traits, test)
	}
	return out
}

func compileTrait(name string, condition any) (traitTest, error) {
	c, ok := condition.(Compare)
	if !ok {
		v, err := normalizeValue(condition)
		if err != nil {
			return nil, err
		}
		return &constantTest{name, v}, nil
	}
	switch c.Type {
	case "int", "float":
		return compileNumber(name, c)
	case "string", "text":
		v, ok := c.Value.(string)
		if !ok {
			return nil, fmt.Errorf("%s: expected text, found %T", c.Type, c.Value)
		}
		return &constantTest{name, v}, nil
	case "datetime":
		v, ok := c.Value.(string)
		if !ok {
			return nil, fmt.Errorf("datetime: expected a time expression, found %T", c.Value)
		}
		expr, err := timex.Parse(v)
		if err != nil {
			return nil, err
		}
		return &timeTest{name, expr}, nil
	}
	return nil, fmt.Errorf("unknown type %q%s: expected one of %s",
		c.Type, suggest.DidYouMean(c.Type, compareTypes), strings.Join(compareTypes, ", "))
}

// compileNumber reads "5", "> 5" and the like. The operator stands apart from
// the number: the original took ">5" for a malformed number, and so do we.
func compileNumber(name string, c Compare) (traitTest, error) {
	text, isText := c.Value.(string)
	if !isText {
		v, err := normalizeValue(c.Value)
		if err != nil {
			return nil, err
		}
		switch v.(type) {
		case int64, float64, nil:
			return &constantTest{name, v}, nil
		}
		return nil, fmt.Errorf("%s: expected a number, found %T", c.Type, c.Value)
	}
	op, number := "=", strings.TrimSpace(text)
	if i := strings.IndexFunc(number, unicode.IsSpace); i >= 0 {
		op, number = number[:i], strings.TrimSpace(number[i:])
	}
	if !slices.Contains(operators, op) {
		return nil, fmt.Errorf("%s: unknown operator %q: expected one of %s, a space and a number", c.Type, op, strings.Join(operators, " "))
	}
	var value any
	var err error
	if c.Type == "int" {
		value, err = strconv.ParseInt(number, 10, 64)
	} else {
		value, err = strconv.ParseFloat(number, 64)
	}
	if err != nil || strings.ContainsAny(number, "_xX") { // Go's own spellings, which Python's are not
		hint := ""
		for _, o := range operators {
			if rest := strings.TrimPrefix(number, o); rest != number {
				hint = fmt.Sprintf("; write %q", o+" "+strings.TrimLeft(rest, "= "))
			}
		}
		return nil, fmt.Errorf("%s: %q is not a number%s", c.Type, number, hint)
	}
	failed := op + " failed"
	if op == "=" {
		failed = "== failed"
	}
	return &numberTest{name, op, value, failed}, nil
}

var operators = []string{"=", "!=", "<", "<=", ">", ">="}

// match tells whether the event satisfies the criterion, and counts the test
// and, where it fails, the reason.
func (c *criterion) match(e *Event, g *debugGroup) bool {
	if !c.matchType(e, g) {
		return false
	}
	if c.timestamp != nil && !c.timestamp.test(e, g) {
		return false
	}
	for _, t := range c.traits {
		if !t.test(e, g) {
			return false
		}
	}
	if len(c.traits) == 0 {
		g.matched()
	}
	return true
}

func (c *criterion) matchType(e *Event, g *debugGroup) bool {
	if !c.types.Match(e.EventType) {
		return g.unmet("Wrong event type", e, "event_type", &c.types)
	}
	return true
}

// timestampTest is a criterion's Timestamp. Unlike the other tests it does not
// count when it passes: the original did not.
type timestampTest struct{ expr timex.Expr }

func (t *timestampTest) test(e *Event, g *debugGroup) bool {
	at, err := t.expr.Eval((*eventTimes)(e))
	if err != nil {
		return g.unmet("No timestamp trait", e, "timestamp", t)
	}
	if !at.Contains(e.Timestamp) {
		return g.unmet("Not time yet.", e, "timestamp", t)
	}
	return true
}

type constantTest struct {
	trait string
	value any
}

func (t *constantTest) test(e *Event, g *debugGroup) bool {
	v, ok := e.field(t.trait)
	if !ok {
		return g.unmet("not %s", e, t.trait, t.value)
	}
	if !equalValues(v, t.value) {
		return g.unmet("== failed", e, t.trait, t.value)
	}
	return g.matched()
}

type numberTest struct {
	trait string
	op    string
	value any // int64 or float64
	// failed is the reason: the operator's, and for = the original's ==.
	failed string
}

func (t *numberTest) test(e *Event, g *debugGroup) bool {
	v, ok := e.field(t.trait)
	if !ok {
		return g.unmet("not %s", e, t.trait, t)
	}
	if cmp, ok := compareNumbers(v, t.value); ok {
		switch t.op {
		case "=":
			ok = cmp == 0
		case "!=":
			ok = cmp != 0
		case "<":
			ok = cmp < 0
		case "<=":
			ok = cmp <= 0
		case ">":
			ok = cmp > 0
		case ">=":
			ok = cmp >= 0
		}
		if ok {
			return g.matched()
		}
	}
	return g.unmet(t.failed, e, t.trait, t)
}

type timeTest struct {
	trait string
	expr  timex.Expr
}

func (t *timeTest) test(e *Event, g *debugGroup) bool {
	v, ok := e.field(t.trait)
	if !ok {
		return g.unmet("Time: not '%s'", e, t.trait, t)
	}
	within, err := t.expr.Eval((*eventTimes)(e))
	if err != nil {
		return g.unmet("Time: no referenced trait", e, t.trait, t)
	}
	at, ok := v.(time.Time)
	if !ok || !within.Contains(at) {
		return g.unmet("Not in timerange", e, t.trait, t)
	}
	return g.matched()
}

// field returns a trait by name, or one of the three fields that the original
// kept among the traits.
func (e *Event) field(name string) (any, bool) {
	switch name {
	case "timestamp":
		return e.Timestamp, true
	case "event_type":
		return e.EventType, true
	case "message_id":
		return e.MessageID, true
	}
	v, ok := e.Traits[name]
	return v, ok
}

// eventTimes are the variables of a criterion's time expressions.
type eventTimes Event

func (e *eventTimes) Lookup(name string) (time.Time, bool) {
	v, _ := (*Event)(e).field(name)
	t, ok := v.(time.Time)
	return t, ok
}

// equalValues is equality as criteria see it: by type and value, except that
// an integer equals a float of the same value.
func equalValues(a, b any) bool {
	if cmp, ok := compareNumbers(a, b); ok {
		return cmp == 0
	}
	if t, ok := a.(time.Time); ok {
		u, ok := b.(time.Time)
		return ok && t.Equal(u)
	}
	return a == b
}

// compareNumbers compares two values if both are numbers, without losing what
// a float cannot hold of an integer. NaN compares with nothing.
func compareNumbers(a, b any) (int, bool) {
	switch a := a.(type) {
	case int64:
		switch b := b.(type) {
		case int64:
			return cmpInt(a, b), true
		case float64:
			c, ok := compareIntFloat(a, b)
			return c, ok
		}
	case float64:
		switch b := b.(type) {
		case int64:
			c, ok := compareIntFloat(b, a)
			return -c, ok
		case float64:
			switch {
			case a < b:
				return -1, true
			case a > b:
				return 1, true
			case a == b:
				return 0, true
			}
		}
	}
	return 0, false
}

func cmpInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func compareIntFloat(a int64, b float64) (int, bool) {
	switch {
	case math.IsNaN(b):
		return 0, false
	case b >= 1<<63:
		return -1, true
	case b < -1<<63:
		return 1, true
	}
	whole := math.Trunc(b)
	if c := cmpInt(a, int64(whole)); c != 0 {
		return c, true
	}
	switch {
	case b > whole:
		return -1, true
	case b < whole:
		return 1, true
	}
	return 0, true
}
