package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
	"github.com/seed71495667/winchester/internal/glob"
	"github.com/seed71495667/winchester/timex"
)

// traitTypes are the traits of some events, each with the types it may have.
type traitTypes map[string][]distiller.Type

// traits are those that the events of a criterion may have; nil if nothing is
// known of such events.
func (c *crossChecker) traits(m winchester.Criterion) traitTypes {
	types := glob.NewSet(m.EventTypes)
	var out traitTypes
	for _, k := range c.kinds {
		if c.spend(20 + 10*len(k.traits)); !c.overlap(k.types, types) {
			continue
		}
		if out == nil {
			out = traitTypes{
				"timestamp": {distiller.Datetime}, "event_type": {distiller.Text}, "message_id": {distiller.Text},
			}
		}
		for name, typ := range k.traits {
			if !slices.Contains(out[name], typ) {
				out[name] = append(out[name], typ)
			}
		}
	}
	return out
}

// lacks tells whether events are known not to have a trait, with a hint. Where
// handlers of the host's may make events, only what looks misspelt is known.
func (c *crossChecker) lacks(traits traitTypes, name string) (hint string, lacks bool) {
	if traits == nil || traits[name] != nil {
		return "", false
	}
	hint = c.didYouMean(name, slices.Collect(maps.Keys(traits)))
	return hint, !c.open || hint != ""
}

// checkConditions finds conditions of a criterion that never hold.
func (c *crossChecker) checkConditions(field string, m winchester.Criterion) {
	traits := c.traits(m)
	if m.Timestamp != "" {
		c.checkTimes(field+".timestamp", m.Timestamp, traits)
		c.checkTimestamp(field+".timestamp", m.Timestamp)
	}
	for _, name := range sortedKeys(m.Traits) {
		at := field + ".traits." + name
		if hint, lacks := c.lacks(traits, name); lacks {
			c.warn(at, "no event definition gives the events of this criterion a trait %q%s: it never holds", short(name), hint)
			continue
		}
		if traits != nil && (!c.open || len(traits[name]) > 0) {
			c.checkTraitType(at, name, m.Traits[name], traits[name])
		}
		if cmp, ok := m.Traits[name].(winchester.Compare); ok && cmp.Type == "datetime" {
			if text, ok := cmp.Value.(string); ok {
				c.checkTimes(at, text, traits)
			}
		}
	}
	for _, name := range sortedKeys(m.MapDistinguishedBy) {
		from := m.MapDistinguishedBy[name]
		if hint, lacks := c.lacks(traits, from); lacks {
			c.warn(field+".map_distinguished_by."+name, "no event definition gives the events of this criterion a trait %q%s: none of them matches", short(from), hint)
		}
	}
}

// checkTraitType finds a comparison of values that are never of one type.
func (c *crossChecker) checkTraitType(at, name string, condition any, types []distiller.Type) {
	var wants []distiller.Type
	found := ""
	switch v := condition.(type) {
	case nil:
		return
	case string:
		wants, found = []distiller.Type{distiller.Text}, "text"
	case bool:
		found = "true or false"
	case time.Time:
		wants, found = []distiller.Type{distiller.Datetime}, "a time"
	case winchester.Compare:
		switch found = v.Type; v.Type {
		case "string", "text":
			wants = []distiller.Type{distiller.Text}
		case "datetime":
			wants = []distiller.Type{distiller.Datetime}
		default:
			wants = []distiller.Type{distiller.Int, distiller.Float}
		}
	default:
		wants, found = []distiller.Type{distiller.Int, distiller.Float}, "a number"
	}
	for _, typ := range types {
		if slices.Contains(wants, typ) {
			return
		}
	}
	names := make([]string, len(types))
	for i, typ := range types {
		names[i] = typ.String()
	}
	slices.Sort(names)
	c.warn(at, "it never holds: the condition is for %s, and the event definitions make %s of the type %s%s", found, name, strings.Join(names, " or "),
		otherSpelling(condition, types))
}

// otherSpelling is a hint for a number in quotes, and for text without.
func otherSpelling(condition any, types []distiller.Type) string {
	text, isText := condition.(string)
	_, err := strconv.ParseFloat(text, 64)
	number := slices.Contains(types, distiller.Int) || slices.Contains(types, distiller.Float)
	switch {
	case isText && err == nil && number:
		return "; write it without quotes"
	case !isText && slices.Contains(types, distiller.Text):
		if _, compares := condition.(winchester.Compare); !compares {
			return "; write it in quotes"
		}
	}
	return ""
}

// checkTimes finds variables of a time expression that are no times of the events.
func (c *crossChecker) checkTimes(at, text string, traits traitTypes) {
	expr, err := timex.Parse(text)
	if err != nil || traits == nil {
		return
	}
	var known []string
	for name, types := range traits {
		if slices.Contains(types, distiller.Datetime) {
			known = append(known, name)
		}
	}
	for _, fault := range syntaxErrors(expr.CheckVariables(known...)) {
		if hinted := strings.Contains(fault.Msg, "did you mean"); hinted || !c.open {
			c.warn(at, "in %q: %s: the event definitions make no time of that name, so it never holds", short(text), fault.Msg)
		}
	}
}

// checkDistinguishers finds distinguishing traits that events do not have.
func (c *crossChecker) checkDistinguishers() {
	if len(c.def.DistinguishedBy) == 0 {
		return
	}
	traits := make([]traitTypes, len(c.def.MatchCriteria))
	for j, m := range c.def.MatchCriteria {
		traits[j] = c.traits(m)
	}
	for i, d := range c.def.DistinguishedBy {
		if !c.spend(20 * len(traits)) {
			return
		}
		field := fmt.Sprintf("distinguished_by[%d]", i)
		var missing []int
		hint := ""
		known := 0
		for j, m := range c.def.MatchCriteria {
			if _, mapped := m.MapDistinguishedBy[d.Trait]; mapped {
				continue
			}
			known++
			if h, lacks := c.lacks(traits[j], d.Trait); lacks {
				missing = append(missing, j)
				hint = h
			}
		}
		switch {
		case len(missing) == 0:
			c.checkDistinguishingTime(field, d, traits)
		case len(missing) == known:
			c.warn(field, "no event definition gives the events of this trigger a trait %q%s: none of them matches", short(d.Trait), hint)
		default:
			for _, j := range missing {
				c.warn(fmt.Sprintf("match_criteria[%d].event_type", j),
					"no event matches this: the event definitions give such events no trait %q, which is in distinguished_by; if another one stands for it, use map_distinguished_by", short(d.Trait))
			}
		}
	}
}

// checkDistinguishingTime finds a time expression on a trait that is no time.
func (c *crossChecker) checkDistinguishingTime(field string, d winchester.Distinguisher, traits []traitTypes) {
	if d.Expression == "" {
		return
	}
	for j, m := range c.def.MatchCriteria {
		from := d.Trait
		if mapped, ok := m.MapDistinguishedBy[from]; ok {
			from = mapped
		}
		types := traits[j][from]
		if len(types) > 0 && !slices.Contains(types, distiller.Datetime) {
			c.warn(field, "none of the events matches: a time expression needs a time, and the event definitions make %s of the type %s", from, types[0])
			return
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
