package winchester

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed71495667/winchester/internal/suggest"
	"github.com/seed71495667/winchester/timex"
)

// TriggerDefinition says which events belong together and what is done with
// them. See docs/triggers.md for the YAML form.
type TriggerDefinition struct {
	// Name is unique among the triggers of an engine, and becomes the name of
	// the streams. Required.
	Name string
	// DebugLevel is DebugOff, DebugCounts or DebugReasons. Default DebugOff.
	DebugLevel int
	// DistinguishedBy lists the traits whose values tell streams apart. None
	// means that there is one stream.
	DistinguishedBy []Distinguisher
	// MatchCriteria decide which events belong: those that satisfy any of them.
	// Required.
	MatchCriteria []Criterion
	// FireCriteria decide when a stream fires: as soon as for each of them
	// enough of its events satisfy it, in whatever order they came. Required,
	// but may be an empty list, which is met at once.
	FireCriteria []Criterion
	// LoadCriteria are checked like the others and have no effect, as in the
	// original.
	LoadCriteria []Criterion
	// Expiration is the time expression, over $first and $last (the times of
	// the stream's earliest and latest event) and $timestamp (now), at which a
	// stream that has not fired expires. It is evaluated anew with each event.
	// Of a range the beginning counts. Required.
	Expiration string
	// FireDelay is how long a stream whose fire criteria are met goes on
	// collecting before it fires. Default 0.
	FireDelay time.Duration
	// FirePipeline and ExpirePipeline name the pipelines that get the stream's
	// events. One may be left out: then the stream completes with nothing run.
	//
	// What arrives after a stream has fired opens a new stream, which lacks what
	// came before and so will expire: match only the events you need, and in an
	// expire pipeline look first whether the event that begins the matter is there.
	FirePipeline   string
	ExpirePipeline string
	// Retry overrides the engine's policy for this trigger's streams, field by
	// field. Default: the engine's.
	Retry RetryPolicy
}

// Distinguisher is a trait that tells streams apart, by its value or, with an
// expression, by the time or time range computed from it.
type Distinguisher struct {
	Trait string
	// Expression is a time expression that sees the trait as $timestamp. "" for
	// the value itself.
	Expression string
}

// By returns distinguishers for the plain values of traits.
func By(traits ...string) []Distinguisher {
	out := make([]Distinguisher, len(traits))
	for i, t := range traits {
		out[i] = Distinguisher{Trait: t}
	}
	return out
}

// trigger is a compiled TriggerDefinition, immutable.
type trigger struct {
	def            TriggerDefinition
	distinguishers []distinguisher
	match          []criterion
	fire           []criterion
	expiration     timex.Expr
	fingerprint    string
	debug          *debugger
}

type distinguisher struct {
	trait string
	expr  *timex.Expr
	// mapped: some match criterion takes the value from another trait, so that
	// its absence can only be judged once a criterion has matched.
	mapped bool
}

// pipeline is the name of the pipeline of a pass; "" for none.
func (d *TriggerDefinition) pipeline(pass Pass) string {
	if pass == PassExpire {
		return d.ExpirePipeline
	}
	return d.FirePipeline
}

// clone copies the definition, so that nobody changes the parts of one in use.
func (d TriggerDefinition) clone() TriggerDefinition {
	d.DistinguishedBy = slices.Clone(d.DistinguishedBy)
	for _, list := range []*[]Criterion{&d.MatchCriteria, &d.FireCriteria, &d.LoadCriteria} {
		*list = slices.Clone(*list)
		for i := range *list {
			c := &(*list)[i]
			c.EventTypes = slices.Clone(c.EventTypes)
			c.Traits = maps.Clone(c.Traits)
			c.MapDistinguishedBy = maps.Clone(c.MapDistinguishedBy)
		}
	}
	return d
}

// Fault is one thing that is wrong with a definition.
type Fault struct {
	// Field is where, under the names of the YAML form: "expiration",
	// "match_criteria[0].traits.memory_mb", "retry.jitter".
	Field   string
	Message string
	// Err is what Message tells of, where that is an error: for a time
	// expression a *timex.SyntaxError, or several joined.
	Err error
}

// Faults is everything that is wrong with a definition. errors.As finds it in
// errors that match ErrDefinition.
type Faults []Fault

// Error lists the faults, a line each.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Field + ": " + fault.Message
	}
	return strings.Join(lines, "\n")
}

func (f *Faults) add(field, format string, args ...any) {
	fault := Fault{Field: field, Message: fmt.Sprintf(format, args...)}
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			fault.Err = err
		}
	}
	*f = append(*f, fault)
}

// Validate reports every fault of the definition, as Faults wrapped in
// ErrDefinition.
func (d TriggerDefinition) Validate() error {
	_, err := compileTrigger(d)
	return err
}

func compileTrigger(d TriggerDefinition) (*trigger, error) {
	var faults Faults
	fault := faults.add
	t := &trigger{def: d}
	switch {
	case d.Name == "":
		fault("name", "is missing")
	case len(d.Name) > MaxEventType:
		fault("name", "has %d bytes, at most %d are allowed", len(d.Name), MaxEventType)
	case !validText(d.Name):
		fault("name", "is not UTF-8 text without NUL characters")
	}
	if d.DebugLevel < DebugOff || d.DebugLevel > DebugReasons {
		fault("debug_level", "%d is not 0, 1 or 2", d.DebugLevel)
	}
	if d.FireDelay < 0 {
		fault("fire_delay", "%s is negative", d.FireDelay)
	}
	if d.FirePipeline == "" && d.ExpirePipeline == "" {
		fault("fire_pipeline", "at least one of fire_pipeline and expire_pipeline is required")
	}
	for _, f := range d.Retry.faults() {
		fault("retry."+f.Field, "%s", f.Message)
	}
	t.distinguishers = compileDistinguishers(d, fault)
	t.match = compileCriteria("match_criteria", d.MatchCriteria, fault)
	t.fire = compileCriteria("fire_criteria", d.FireCriteria, fault)
	compileCriteria("load_criteria", d.LoadCriteria, fault)
	if d.MatchCriteria == nil {
		fault("match_criteria", "is missing")
	}
	if d.FireCriteria == nil {
		fault("fire_criteria", "is missing")
	}
	if d.Expiration == "" {
		fault("expiration", "is missing")
	} else {
		expr, err := timex.Parse(d.Expiration)
		if err == nil {
			err = expr.CheckVariables("first", "last", "timestamp")
		}
		if err != nil {
			fault("expiration", "%v", err)
		}
		t.expiration = expr
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("%w: trigger %q: %w", ErrDefinition, d.Name, faults)
	}
	t.fingerprint = fingerprint(d.FireCriteria)
	return t, nil
}

func compileDistinguishers(d TriggerDefinition, fault func(field, format string, args ...any)) []distinguisher {
	mapped := map[string]bool{}
	for _, m := range d.MatchCriteria {
		for name := range m.MapDistinguishedBy {
			mapped[name] = true
		}
	}
	seen := map[string]bool{}
	var out []distinguisher
	for i, by := range d.DistinguishedBy {
		field := fmt.Sprintf("distinguished_by[%d]", i)
		c := distinguisher{trait: by.Trait, mapped: mapped[by.Trait]}
		if by.Trait == "" {
			fault(field, "the trait's name is missing")
		}
		if seen[by.Trait] {
			fault(field, "trait %q is listed twice", by.Trait)
		}
		seen[by.Trait] = true
		if by.Expression != "" {
			expr, err := timex.Parse(by.Expression)
			if err == nil {
				err = expr.CheckVariables("timestamp")
			}
			if err != nil {
				fault(field, "%v", err)
			}
			c.expr = &expr
		}
		out = append(out, c)
	}
	names := slices.Collect(maps.Keys(seen))
	hints := 20 // a hint costs; a stranger's definition may have thousands of faults
	if len(names) > 100 {
		hints = 0
	}
	for i, m := range d.MatchCriteria {
		for _, name := range slices.Sorted(maps.Keys(m.MapDistinguishedBy)) {
			if seen[name] {
				continue
			}
			hint := ""
			if hints--; hints >= 0 {
				hint = suggest.DidYouMean(name, names)
			}
			fault(fmt.Sprintf("match_criteria[%d].map_distinguished_by.%s", i, name), "%q is not in distinguished_by%s", name, hint)
		}
	}
	return out
}

func compileCriteria(list string, criteria []Criterion, fault func(field, format string, args ...any)) []criterion {
	out := make([]criterion, len(criteria))
	for i, c := range criteria {
		out[i] = compileCriterion(c, func(field, format string, args ...any) {
			fault(fmt.Sprintf("%s[%d].%s", list, i, field), format, args...)
		})
	}
	return out
}

// fingerprint names one wording of the fire criteria.
func fingerprint(criteria []Criterion) string {
	text, err := json.Marshal(criteria)
	if err != nil { // times beyond year 9999 and NaN have no JSON; Go's rendering tells them apart as well
		text = fmt.Appendf(nil, "%#v", criteria)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}
