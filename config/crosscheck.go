package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
	"github.com/seed71495667/winchester/handlers/atompub"
	"github.com/seed71495667/winchester/handlers/notify"
	"github.com/seed71495667/winchester/handlers/usage"
	"github.com/seed71495667/winchester/internal/glob"
	"github.com/seed71495667/winchester/internal/yamlx"
)

// crossChecker warns of what triggers that are in order say in vain in the light
// of the other files. What it cannot prove it does not say: a host may add events
// of its own, and so may its handlers.
type crossChecker struct {
	kinds       []kind
	definitions bool // it is known what comes of notifications
	open        bool // handlers of the host's may make more
	overlaps    func(a, b glob.Set) bool
	budget      int // what may still be spent on finding out
	*trigger
}

// crossChecker also has to know whether the pipelines are all there are.
func (l *loader) crossChecker(pipelines []*pipeline, known bool) *crossChecker {
	return &crossChecker{
		kinds: l.kinds(pipelines), definitions: l.definitions != nil, open: !known || ownHandlers(pipelines),
		overlaps: glob.Set.Overlaps, budget: maxCost,
	}
}

// check checks what is in order of each trigger, and says nothing of what may only
// seem wrong because of something that is.
func (c *crossChecker) check(triggers []*trigger) {
	if len(triggers) > maxCrossChecked || len(c.kinds) > maxCrossChecked {
		return // nobody wrote that by hand
	}
	for _, t := range triggers {
		if len(t.source.warnings) > maxWarnings || c.budget < 0 {
			return
		}
		c.trigger = t
		if t.sound("expiration", "fire_delay") {
			c.checkExpiration()
		}
		if !t.sound("match_criteria") {
			continue
		}
		c.checkMatchCriteria()
		if t.sound("fire_criteria") {
			c.checkFireCriteria()
		}
		if t.sound("distinguished_by") {
			c.checkDistinguishers()
		}
	}
}

// What a stranger's files may cost.
const (
	maxCrossChecked = 1000
	maxWarnings     = 100
	maxCost         = 50_000_000 // steps, of which a second has some hundred millions
)

// knownHandlers are the handlers of which it is known what events they make.
var knownHandlers = []string{winchester.LoggingHandlerName, usage.Name, notify.Name, atompub.Name}

// ownHandlers tells whether pipelines have handlers that may make any event.
func ownHandlers(pipelines []*pipeline) bool {
	for _, p := range pipelines {
		for _, h := range p.handlers {
			if !slices.Contains(knownHandlers, h.spec.Name) {
				return true
			}
		}
	}
	return false
}

// kind is events of some types, and the traits they may have.
type kind struct {
	types  glob.Set
	names  []string // the patterns, for hints
	traits map[string]distiller.Type
}

// kinds are the events that are known to come: of notifications, and of the
// handler for usage. There are none without event definitions.
func (l *loader) kinds(pipelines []*pipeline) []kind {
	if l.definitions == nil {
		return nil
	}
	var out []kind
	all := map[string]distiller.Type{}
	add := func(patterns []string, traits map[string]distiller.Type) {
		out = append(out, kind{glob.NewSet(patterns), patterns, traits})
	}
	for _, k := range l.definitions.Kinds() {
		add(k.EventTypes, k.Traits)
		for name, typ := range k.Traits {
			all[name] = typ
		}
	}
	if l.cfg.CatchAllNotifications {
		add([]string{"*"}, distiller.DefaultTraits())
	}
	for _, p := range pipelines {
		for _, h := range p.handlers {
			if h.spec.Name != usage.Name {
				continue
			}
			for _, name := range []string{"error", "error_code", "original_message_id", "publisher_id", "rax_options", "warnings"} {
				all[name] = distiller.Text
			}
			for _, name := range []string{"stream_id", "bandwidth_in", "bandwidth_out"} {
				all[name] = distiller.Int
			}
			add([]string{usage.EventVerified, usage.EventFailed, usage.EventWarnings}, all)
			return out
		}
	}
	return out
}

// checkUnused finds the pipelines that no trigger names. Where something is wrong
// with the triggers, one of them may mean it.
func (l *loader) checkUnused(triggers []*trigger, pipelines []*pipeline) {
	if l.triggers == nil || l.triggers.dec.Count() > 0 { // or the host adds triggers of its own
		return
	}
	used := map[string]bool{}
	for _, t := range triggers {
		used[t.def.FirePipeline], used[t.def.ExpirePipeline] = true, true
	}
	for _, p := range pipelines {
		if !used[p.name] && p.at.Node() != nil {
			p.source.warn(p.at, fmt.Sprintf("the pipeline %q is never run: no trigger in %s names it", short(p.name), l.cfg.TriggerFile))
		}
	}
}

// warn warns of a field, or of the trigger where there is no such field.
func (c *crossChecker) warn(field, format string, args ...any) {
	at, ok := c.fields[field]
	if !ok || at.Node() == nil {
		at = c.at
	}
	c.source.warn(at, fmt.Sprintf(format, args...))
}

func (c *crossChecker) checkMatchCriteria() {
	for i, m := range c.def.MatchCriteria {
		field := fmt.Sprintf("match_criteria[%d]", i)
		c.checkTypes(field, m)
		c.checkConditions(field, m)
	}
}

func (c *crossChecker) checkFireCriteria() {
	for i, f := range c.def.FireCriteria {
		field := fmt.Sprintf("fire_criteria[%d]", i)
		if f.Number == winchester.NumberZero { // it asks for nothing
			continue
		}
		c.checkReachable(field, f)
		c.checkConditions(field, f)
	}
}

// checkTypes finds the event types of a match criterion that never come.
func (c *crossChecker) checkTypes(field string, m winchester.Criterion) {
	if glob.NewSet(m.EventTypes).IsEmpty() {
		c.warn(field+".event_type", "this matches no event at all: everything it includes is excluded")
		return
	}
	if !c.definitions {
		return
	}
	for i, pattern := range m.EventTypes {
		if strings.HasPrefix(pattern, "!") || c.comes(glob.NewSet([]string{pattern})) {
			continue
		}
		hint := c.didYouMean(pattern, c.patterns())
		if c.open && hint == "" {
			continue
		}
		c.source.warn(c.item(field+".event_type", i), fmt.Sprintf("no event definition makes events of the type %q%s", short(pattern), hint))
	}
}

// item is the place of a text in a list, or that of the only one.
func (c *crossChecker) item(field string, i int) yamlx.Value {
	at := c.fields[field]
	if n := at.Node(); n != nil && n.Kind == yamlx.List {
		for j, v := range at.Items() {
			if i == j {
				return v
			}
		}
	}
	return at
}

func (c *crossChecker) comes(types glob.Set) bool {
	return slices.ContainsFunc(c.kinds, func(k kind) bool { return c.overlap(k.types, types) })
}

// overlap tells whether there may be an event type in both, and takes that for
// granted when there is nothing left to spend.
func (c *crossChecker) overlap(a, b glob.Set) bool {
	return !c.spend(length(a)*length(b)) || c.overlaps(a, b)
}

// spend tells whether there is something left after so many steps more.
func (c *crossChecker) spend(steps int) bool {
	c.budget -= steps
	return c.budget >= 0
}

func length(s glob.Set) (n int) {
	for _, list := range [][]string{s.Included(), s.Excluded()} {
		for _, pattern := range list {
			n += len(pattern) + 1
		}
	}
	return n
}

// didYouMean is a hint, where there is something left to spend on it.
func (c *crossChecker) didYouMean(name string, candidates []string) string {
	if !c.spend(1000 * len(candidates)) {
		return ""
	}
	return c.source.didYouMean(name, candidates)
}

func (c *crossChecker) patterns() (out []string) {
	for _, k := range c.kinds {
		out = append(out, k.names...)
	}
	return out
}

// checkReachable finds fire criteria that no event of the stream can satisfy.
func (c *crossChecker) checkReachable(field string, f winchester.Criterion) {
	types := glob.NewSet(f.EventTypes)
	if types.IsEmpty() {
		c.warn(field+".event_type", "this matches no event at all, so the stream never fires: everything it includes is excluded")
		return
	}
	var patterns []string
	var contradiction, why string
	reached := false
	for i, m := range c.def.MatchCriteria {
		if !c.spend(20 * (1 + len(m.EventTypes) + len(m.Traits) + len(f.Traits))) {
			return
		}
		patterns = append(patterns, m.EventTypes...)
		if !c.overlap(glob.NewSet(m.EventTypes), types) {
			continue
		}
		if name := contradicts(m, f); name != "" {
			contradiction = field + ".traits." + name
			why = fmt.Sprintf("match_criteria[%d] takes no events but those whose %s is another", i, name)
			continue
		}
		reached = true
	}
	switch {
	case reached || len(c.def.MatchCriteria) == 0:
	case contradiction != "":
		c.warn(contradiction, "this is never met, so the stream never fires: %s", why)
	default:
		hint := ""
		if len(f.EventTypes) == 1 {
			hint = c.didYouMean(f.EventTypes[0], patterns)
		}
		if hint == "" {
			hint = "; add it there"
		}
		c.warn(field+".event_type", "this is never met, so the stream never fires: no match criterion lets events of the type %s into it%s",
			quoted(f.EventTypes), hint)
	}
}

func quoted(patterns []string) string {
	out := make([]string, len(patterns))
	for i, p := range patterns {
		out[i] = fmt.Sprintf("%q", short(p))
	}
	return strings.Join(out, ", ")
}

// contradicts returns a trait that two criteria want to be different constants.
func contradicts(a, b winchester.Criterion) string {
	for _, name := range sortedKeys(a.Traits) {
		x, ok1 := constant(a.Traits[name])
		y, ok2 := constant(b.Traits[name])
		if _, given := b.Traits[name]; given && ok1 && ok2 && fmt.Sprint(x) != fmt.Sprint(y) {
			return name
		}
	}
	return ""
}

// constant is what a condition asks for by text or truth value; numbers and times
// have more than one spelling.
func constant(condition any) (any, bool) {
	switch v := condition.(type) {
	case string, bool:
		return v, true
	case winchester.Compare:
		if text, ok := v.Value.(string); ok && (v.Type == "string" || v.Type == "text") {
			return text, true
		}
	}
	return nil, false
}
