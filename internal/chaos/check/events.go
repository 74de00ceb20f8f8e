package check

import (
	"reflect"

	"github.com/seed71495667/winchester/internal/chaos/scenario"
)

// checkEvents: every event of the plan is stored as it was handed in, and nothing
// else is, but for what pipelines made.
func (c *checker) checkEvents() {
	for i := range c.plan.Events {
		want := c.plan.Event(i)
		e := c.byID[want.ID]
		if e == nil {
			c.violate(Stored, "an event is lost: %q of type %s at %s %v", want.ID, want.Type, clock(want.Time), want.Traits)
			continue
		}
		e.input = true
		c.summary.Events++
		if e.Type != want.Type || !e.Time.Equal(want.Time) || !reflect.DeepEqual(e.Traits, want.Traits) {
			c.violate(Stored, "an event is not as it was handed in: %s\n  and not: %q of type %s at %s %v", e, want.ID, want.Type, clock(want.Time), want.Traits)
		}
	}
	for _, e := range c.events {
		if !e.input && e.Type != scenario.ReportType {
			c.violate(Stored, "an event that nobody has handed in: %s", e)
		}
	}
}

// checkHistories: what feeders were told is true to the end. One delivery of an
// event at most was the one that stored it: if there were two, it was lost in
// between.
func (c *checker) checkHistories(histories []scenario.History) {
	stored := map[int]bool{}
	acknowledged := map[int]bool{}
	for _, h := range histories {
		for _, a := range h.Acks {
			c.summary.Deliveries++
			acknowledged[a.Event] = true
			e := c.byID[c.plan.Event(a.Event).ID]
			if e == nil {
				c.violate(Acknowledged, "event %d was acknowledged as %s, and is lost", a.Event, a.Outcome)
				continue
			}
			switch a.Outcome {
			case "stored":
				if stored[a.Event] {
					c.violate(Acknowledged, "an event was stored twice, so it was lost in between: %s", e)
				}
				stored[a.Event] = true
				c.checkJoined(e, a)
			case "duplicate":
				c.summary.Duplicates++
			default:
				c.violate(Acknowledged, "a delivery has %s: %s: %s", a.Outcome, a.Reason, e)
			}
		}
	}
	for i := range c.plan.Events {
		if !acknowledged[i] {
			c.violate(Acknowledged, "no delivery of event %d was ever acknowledged", i)
		}
	}
}

// checkJoined: the event is in the streams that it was said to have joined.
func (c *checker) checkJoined(e *event, a scenario.Ack) {
	told, is := map[int64]bool{}, map[int64]bool{}
	for _, id := range a.Streams {
		told[id] = true
	}
	for _, s := range e.streams {
		is[s.id] = true
	}
	if !reflect.DeepEqual(told, is) {
		c.violate(Acknowledged, "%s was said to have joined the streams %v; it is in %v", e, a.Streams, is)
	}
}

// checkFiled: every event is in one stream of each rule that it matches, which
// has its key, and in none of the others.
func (c *checker) checkFiled() {
	for _, e := range c.events {
		for r := range scenario.Rules {
			rule := &scenario.Rules[r]
			matches := rule.Matches(e.Event)
			var in []*stream
			for _, s := range e.streams {
				if s.name == rule.Name {
					in = append(in, s)
				}
			}
			switch {
			case !matches && len(in) > 0:
				c.violate(Filed, "%s does not belong into %s", e, in[0])
			case matches && len(in) == 0:
				c.violate(Filed, "%s is in no stream of %q, %v", e, rule.Name, rule.KeyOf(e.Event))
			case len(in) > 1:
				c.violate(Filed, "%s is in several streams of %q: %s\n  and %s", e, rule.Name, in[0], in[1])
			}
			for _, s := range in {
				if key := rule.KeyOf(e.Event); matches && !reflect.DeepEqual(s.traits, key) {
					c.violate(Filed, "%s belongs into a stream of %v, not into %s", e, key, s)
				}
			}
		}
	}
}
