package config

import (
	"fmt"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/yamlx"
)

// readCriteria reads a list of criteria. What it returns is never nil, as that
// would mean that the list is missing.
func (t *trigger) readCriteria(list string, v yamlx.Value) []winchester.Criterion {
	if missing(v) {
		v.Expected("a list of criteria")
	}
	out := []winchester.Criterion{}
	for i, item := range v.Items() {
		out = append(out, t.readCriterion(fmt.Sprintf("%s[%d]", list, i), item))
	}
	return out
}

func (t *trigger) readCriterion(field string, v yamlx.Value) (c winchester.Criterion) {
	if v.Node().Kind != yamlx.Map {
		v.Expected("a map of conditions")
		return c
	}
	m := v.Map("event_type", "number", "timestamp", "traits", "map_distinguished_by")
	part := func(name string, read func(v yamlx.Value)) {
		if v := m.Get(name); v.Node() != nil {
			t.read(field+"."+name, v, read)
		}
	}
	part("event_type", func(v yamlx.Value) {
		if missing(v) {
			v.Expected("a pattern or a list of patterns")
		}
		c.EventTypes = v.Texts()
	})
	part("number", func(v yamlx.Value) { c.Number = readNumber(v) })
	part("timestamp", func(v yamlx.Value) { c.Timestamp = readExpression(v) })
	part("traits", func(v yamlx.Value) {
		if missing(v) {
			v.Expected("a map of traits")
		}
		c.Traits = map[string]any{}
		for name, condition := range v.Entries() {
			field := field + ".traits." + name
			t.read(field, condition, func(v yamlx.Value) { c.Traits[name] = t.readCondition(field, v) })
		}
	})
	part("map_distinguished_by", func(v yamlx.Value) {
		c.MapDistinguishedBy = map[string]string{}
		for name, from := range v.Entries() {
			t.read(field+".map_distinguished_by."+name, from, func(v yamlx.Value) {
				c.MapDistinguishedBy[name] = v.Text()
				if !v.Exists() || v.Node().Value == "" {
					v.Faultf("expected the name of a trait, found nothing")
				}
			})
		}
	})
	return c
}

// readNumber keeps apart what the engine's zero value would not: no number,
// and the number 0.
func readNumber(v yamlx.Value) int {
	if missing(v) {
		v.Expected("an integer")
		return 0
	}
	n := v.Int()
	switch {
	case n < 0:
		v.Faultf("%d is negative", n)
		return 0
	case n == 0 && v.Node().Value == int64(0):
		return winchester.NumberZero
	}
	return int(n)
}

// readCondition reads a condition on a trait: a constant, or a map of one type
// and what is compared with.
func (t *trigger) readCondition(field string, v yamlx.Value) any {
	n := v.Node()
	switch n.Kind {
	case yamlx.Null:
		return nil
	case yamlx.Scalar:
		if at, ok := n.Timestamp(); ok {
			return at
		}
		return n.Value
	case yamlx.List:
		v.Expected("a constant, or a map of one type to what is compared with")
		return nil
	}
	if len(n.Entries) != 1 {
		v.Faultf("expected one type and what is compared with, found %d; the types are int, float, string, text and datetime", len(n.Entries))
		return nil
	}
	var c winchester.Compare
	for kind, operand := range v.Entries() {
		c.Type = kind
		switch on := operand.Node(); on.Kind {
		case yamlx.Scalar:
			c.Value = on.Value
			t.fields[field] = operand
		case yamlx.Null:
		default:
			operand.Expected("what is compared with")
		}
	}
	return c
}
