package winchester

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/seed71495667/winchester/internal/glob"
	"github.com/seed71495667/winchester/timex"
)

// Mismatch is a check that an event failed, in words.
type Mismatch struct {
	// Reason is the original's wording, as it is counted in DebugGroup.Reasons:
	// "== failed", "Wrong event type".
	Reason string `json:"reason"`
	// Field is what was looked at: event_type, timestamp, message_id, or a trait
	// as "traits.NAME". "" where it is not about one field.
	Field string `json:"field,omitempty"`
	// Want is what was asked of it: a value, "> 4", patterns, a time expression
	// and what it says for this event.
	Want string `json:"want,omitempty"`
	// Got is what was there. Text stands in quotes where it could be taken for
	// something else: 5 is a number and "5" is not.
	Got string `json:"got,omitempty"`
	// Missing tells that nothing was there; Got is empty then.
	Missing bool `json:"missing,omitempty"`
}

// String is "traits.state: want active, got error (== failed)".
func (m Mismatch) String() string {
	if m.Field == "" {
		return m.Reason
	}
	got := m.Got
	if m.Missing {
		got = "nothing"
	}
	return fmt.Sprintf("%s: want %s, got %s (%s)", m.Field, m.Want, got, m.Reason)
}

// describe fills in what was wanted of a field and what was there.
func (m *Mismatch) describe(e *Event, field string, want any) {
	m.Field, m.Want = fieldPath(field), wantText(want, e)
	v, ok := e.field(field)
	if m.Missing = !ok; ok {
		m.Got = TraitText(v)
	}
}

// watching is a group that nobody else counts in, and that passes on each
// mismatch.
func watching(watch func(Mismatch)) *debugGroup {
	return &debugGroup{mu: new(sync.Mutex), reasons: map[string]int64{}, watch: watch}
}

// collecting is watching into a list.
func collecting(into *[]Mismatch) *debugGroup {
	return watching(func(m Mismatch) { *into = append(*into, m) })
}

// failures makes all checks of the criterion on the event, also those behind the
// first that fails, and tells how many pass. One of the wrong type passes none:
// what it has in common with the events that were meant is chance.
func (c *criterion) failures(e *Event) (passed int, failed []Mismatch) {
	g := collecting(&failed)
	if !c.matchType(e, g) {
		return 0, failed
	}
	passed = 1
	if c.timestamp != nil && c.timestamp.test(e, g) {
		passed++
	}
	for _, t := range c.traits {
		if t.test(e, g) {
			passed++
		}
	}
	return passed, failed
}

// String describes the criterion on one line, by the names of the YAML form.
func (c *criterion) String() string {
	parts := []string{typesText(c.types)}
	if c.timestamp != nil {
		parts = append(parts, "timestamp: "+c.timestamp.expr.Source())
	}
	for _, t := range c.traits {
		parts = append(parts, t.String())
	}
	return strings.Join(parts, ", ")
}

func typesText(types glob.Set) string {
	text := strings.Join(types.Included(), " or ")
	if text == "" {
		text = "no event type"
	}
	if not := types.Excluded(); len(not) > 0 {
		text += " but not " + strings.Join(not, " or ")
	}
	return text
}

func (t *constantTest) String() string { return fieldPath(t.trait) + " = " + TraitText(t.value) }
func (t *numberTest) String() string   { return fieldPath(t.trait) + " " + t.want() }
func (t *timeTest) String() string     { return fieldPath(t.trait) + ": " + t.expr.Source() }

func (t *numberTest) want() string {
	if t.op == "=" {
		return TraitText(t.value)
	}
	return t.op + " " + TraitText(t.value)
}

// wantText says what was asked of a field of the event.
func wantText(want any, e *Event) string {
	switch w := want.(type) {
	case *glob.Set:
		return typesText(*w)
	case *numberTest:
		return w.want()
	case *timeTest:
		return expressionText(w.expr, (*eventTimes)(e))
	case *timestampTest:
		return expressionText(w.expr, (*eventTimes)(e))
	case *distinguisher:
		if w.expr != nil {
			return "a time"
		}
		return "any value"
	}
	return TraitText(want)
}

// expressionText is a time expression and what it says.
func expressionText(expr timex.Expr, vars timex.Vars) string {
	v, err := expr.Eval(vars)
	if e := (*timex.EvalError)(nil); errors.As(err, &e) && errors.Is(err, timex.ErrUndefinedVariable) {
		return fmt.Sprintf("%s (for which there is no time $%s)", expr.Source(), e.Variable)
	}
	if err != nil {
		return expr.Source() + " (which is no time)"
	}
	return fmt.Sprintf("%s (which is %s)", expr.Source(), v)
}

func fieldPath(name string) string {
	switch name {
	case "timestamp", "event_type", "message_id":
		return name
	}
	return "traits." + name
}

// TraitText is a trait's value for people, from which its type can be told: text
// stands in quotes where it could be taken for something else.
func TraitText(v any) string {
	switch v := v.(type) {
	case string:
		if isBare(v) {
			return v
		}
		return strconv.Quote(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case timex.Range:
		return v.String()
	}
	b, err := AppendTraitJSON(nil, v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// isBare tells whether a text can stand without quotes and be taken for a text.
func isBare(s string) bool {
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./:@+*", r) {
			return false
		}
	}
	if s == "" || s == "nothing" || json.Valid([]byte(s)) {
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	_, err2 := time.Parse(time.RFC3339Nano, s)
	return err != nil && err2 != nil
}
