package check

import "github.com/seed71495667/winchester/internal/chaos/scenario"

// checkStream: a stream's times and its fire decision follow from its events.
func (c *checker) checkStream(s *stream) {
	rule := scenario.RuleOf(s.name)
	if rule == nil {
		c.violate(Filed, "a stream of a rule that does not exist: %s", s)
		return
	}
	if len(s.members) == 0 {
		c.violate(Counted, "a stream without events: %s", s)
		return
	}
	first, last := s.members[0].Time, s.members[len(s.members)-1].Time
	if !s.first.Equal(first) || !s.last.Equal(last) {
		c.violate(Counted, "its events are from %s to %s: %s", clock(first), clock(last), s)
	}
	if want := first.Add(rule.AfterFirst); rule.AfterFirst != 0 && !s.expires.Equal(want) {
		c.violate(Counted, "it must expire at %s: %s", clock(want), s)
	}
	if s.expires.IsZero() {
		c.violate(Counted, "it never expires: %s", s)
	}
	switch met := rule.Met(s.facts()); {
	case met && s.fire.IsZero():
		c.violate(Counted, "its criteria are met, and it was never to fire: %s", s)
	case !met && !s.fire.IsZero():
		c.violate(Counted, "its criteria are not met, and it was to fire: %s", s)
	}
}

// checkEnd: nothing is left to do for the stream, and it is in error only if
// no pipeline can deal with it.
func (c *checker) checkEnd(s *stream) {
	doomed := scenario.Doomed(s.name, s.traits)
	switch {
	case s.state != completed && s.state != inError && s.state != expireError:
		c.violate(Ended, "it is stuck: %s", s)
		return
	case doomed && s.state == completed:
		c.violate(Ended, "it cannot have completed: %s", s)
	case !doomed && s.state != completed:
		c.violate(Ended, "it must not be in error: %s", s)
	}
	if s.open != nil || s.due || s.owner != "" {
		c.violate(Ended, "it has ended, and is open, due or owned: %s", s)
	}
}
