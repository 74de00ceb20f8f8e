package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/yamlx"
	"github.com/seed71495667/winchester/timex"
)

// ParseTriggers reads trigger definitions: YAML, or JSON, that is a list of
// them. See docs/triggers.md for the form. file is only a name, for errors.
//
// The environment is not looked at: definitions may come from a stranger, and
// ${PASSWORD} is no business of his. LoadTriggers expands it.
//
// All faults are reported together, as Faults; there are no definitions then.
func ParseTriggers(file string, data []byte) ([]winchester.TriggerDefinition, error) {
	s := newSource(file, data, nil)
	return finished(s, definitions(readTriggers(s)))
}

// LoadTriggers reads a file of trigger definitions, and expands ${NAME} in its
// values. Of the options only LookupEnv matters.
func LoadTriggers(path string, opts Options) ([]winchester.TriggerDefinition, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	s := newSource(path, data, opts.lookupEnv())
	return finished(s, definitions(readTriggers(s)))
}

// trigger is a definition, and where in the file its parts stand.
type trigger struct {
	source *source
	def    winchester.TriggerDefinition
	at     yamlx.Value
	// fields has the places under the names that winchester.Fault.Field uses.
	fields map[string]yamlx.Value
	// faulty has the fields that could not be read: what Validate says of them
	// would only be noise.
	faulty map[string]bool
}

func definitions(triggers []*trigger) []winchester.TriggerDefinition {
	out := make([]winchester.TriggerDefinition, len(triggers))
	for i, t := range triggers {
		out[i] = t.def
	}
	return out
}

func readTriggers(s *source) []*trigger {
	var out []*trigger
	names := map[string]yamlx.Value{}
	for _, item := range s.top.Items() {
		t := readTrigger(s, item)
		if t == nil {
			continue
		}
		if first, twice := names[t.def.Name]; twice && t.def.Name != "" {
			t.fields["name"].Faultf("a trigger named %q is on line %d already", t.def.Name, first.Node().Line)
		}
		names[t.def.Name] = t.fields["name"]
		out = append(out, t)
	}
	return out
}

// readTrigger reads one definition; nil if it is not even a map.
func readTrigger(s *source, at yamlx.Value) *trigger {
	if n := at.Node(); n == nil || n.Kind != yamlx.Map {
		at.Expected("a map that defines a trigger")
		return nil
	}
	t := &trigger{source: s, at: at, fields: map[string]yamlx.Value{}, faulty: map[string]bool{}}
	m := at.Map("name", "debug_level", "distinguished_by", "match_criteria", "fire_criteria", "load_criteria",
		"expiration", "fire_delay", "fire_pipeline", "expire_pipeline", "retry")
	field := func(name string, read func(v yamlx.Value)) {
		if v := m.Get(name); v.Node() != nil {
			t.read(name, v, read)
		}
	}
	field("name", func(v yamlx.Value) { t.def.Name = v.Text() })
	field("debug_level", func(v yamlx.Value) { t.def.DebugLevel = readDebugLevel(v) })
	field("distinguished_by", func(v yamlx.Value) { t.readDistinguishers(v) })
	field("match_criteria", func(v yamlx.Value) { t.def.MatchCriteria = t.readCriteria("match_criteria", v) })
	field("fire_criteria", func(v yamlx.Value) { t.def.FireCriteria = t.readCriteria("fire_criteria", v) })
	field("load_criteria", func(v yamlx.Value) {
		t.def.LoadCriteria = t.readCriteria("load_criteria", v)
		s.warn(v, "has no effect, as in the original")
	})
	field("expiration", func(v yamlx.Value) { t.def.Expiration = readExpression(v) })
	field("fire_delay", func(v yamlx.Value) {
		if v.Exists() {
			t.def.FireDelay, _ = readDuration(v)
		}
	})
	field("fire_pipeline", func(v yamlx.Value) { t.def.FirePipeline = v.Text() })
	field("expire_pipeline", func(v yamlx.Value) { t.def.ExpirePipeline = v.Text() })
	field("retry", func(v yamlx.Value) { t.def.Retry = readRetry(v) })
	t.validate()
	return t
}

// read reads the value of a field and notes whether that went well.
func (t *trigger) read(field string, v yamlx.Value, read func(yamlx.Value)) {
	t.fields[field] = v
	before := t.source.dec.Count()
	read(v)
	if t.source.dec.Count() > before {
		t.faulty[field] = true
	}
}

// validate lets the engine check what was read, and reports what it finds
// where the file says it.
func (t *trigger) validate() {
	var faults winchester.Faults
	if !errors.As(t.def.Validate(), &faults) {
		return
	}
	for _, f := range faults {
		if t.faulty[f.Field] || f.Field == "fire_pipeline" && t.faulty["expire_pipeline"] {
			continue
		}
		at, known := t.fields[f.Field]
		defer func() { t.faulty[topOf(f.Field)] = true }() // the others are reported all the same
		switch {
		case !known && strings.HasPrefix(f.Message, "is missing"):
			t.at.Faultf("%s is missing", f.Field)
		case !known:
			t.at.Faultf("%s", f.Message)
		default:
			reportFault(at, f)
		}
	}
}

// sound tells that nothing is wrong within any of the fields.
func (t *trigger) sound(fields ...string) bool {
	return !slices.ContainsFunc(fields, func(field string) bool { return t.faulty[field] })
}

// topOf is the field of a trigger that a field is within.
func topOf(field string) string {
	if i := strings.IndexAny(field, ".["); i >= 0 {
		return field[:i]
	}
	return field
}

// reportFault reports a fault of a value; one of a time expression in the
// column where the expression goes wrong.
func reportFault(at yamlx.Value, f winchester.Fault) {
	syntax := syntaxErrors(f.Err)
	if len(syntax) == 0 {
		at.Faultf("%s", f.Message)
	}
	for _, err := range syntax {
		at.FaultAtf(byteOffset(err.Expr, err.Column), "in %q: %s", short(err.Expr), err.Msg)
	}
}

// syntaxErrors finds the faults of a time expression in an error.
func syntaxErrors(err error) (out []*timex.SyntaxError) {
	switch e := err.(type) { //nolint:errorlint // it takes the error apart itself, to find all of them
	case *timex.SyntaxError:
		return []*timex.SyntaxError{e}
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			out = append(out, syntaxErrors(err)...)
		}
	case interface{ Unwrap() error }:
		return syntaxErrors(e.Unwrap())
	}
	return out
}

// byteOffset is where in s the character at a column, counted from 1, begins.
func byteOffset(s string, column int) int {
	for i := range s {
		if column--; column == 0 {
			return i
		}
	}
	return len(s)
}

// readDebugLevel also takes a number in quotes, as the original did.
func readDebugLevel(v yamlx.Value) int {
	if missing(v) {
		v.Expected("0, 1 or 2")
		return 0
	}
	if text, isText := v.Node().Value.(string); isText {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			v.Expected("0, 1 or 2")
		}
		return n
	}
	return int(v.IntBetween(winchester.DebugOff, winchester.DebugReasons))
}

// readExpression reads a time expression where one must be; whether it is a
// good one is found out later.
func readExpression(v yamlx.Value) string {
	text := ""
	if v.Exists() {
		text = v.Text()
	}
	if missing(v) || v.Node().Value == "" {
		v.Faultf("expected a time expression, found nothing")
	}
	return text
}

// readDistinguishers reads names of traits, and maps of one name and a time
// expression.
func (t *trigger) readDistinguishers(v yamlx.Value) {
	if missing(v) {
		v.Expected("a list of traits")
	}
	for i, item := range v.Items() {
		field := fmt.Sprintf("distinguished_by[%d]", i)
		t.read(field, item, func(v yamlx.Value) {
			t.def.DistinguishedBy = append(t.def.DistinguishedBy, t.readDistinguisher(field, v))
		})
	}
}

func (t *trigger) readDistinguisher(field string, v yamlx.Value) (d winchester.Distinguisher) {
	switch n := v.Node(); {
	case n.Kind == yamlx.Scalar:
		d.Trait = v.Text()
	case n.Kind == yamlx.Map && len(n.Entries) == 1:
		for name, expression := range v.Entries() {
			d.Trait, d.Expression = name, readExpression(expression)
			t.fields[field] = expression
		}
	case n.Kind == yamlx.Map:
		v.Faultf("expected one trait and its time expression, found %d; each needs an item of its own", len(n.Entries))
	default:
		v.Expected("the name of a trait, or a map of one trait to a time expression")
	}
	return d
}
