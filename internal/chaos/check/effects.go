package check

import (
	"slices"
	"strings"

	"github.com/seed71495667/winchester/internal/chaos/scenario"
)

// checkEffects: what pipelines do happened to each completed stream as often as
// it must, and never to one in error.
func (c *checker) checkEffects(s *stream) {
	rule := scenario.RuleOf(s.name)
	if rule == nil {
		return
	}
	bookings, effects := c.bookings[s.id], c.effects[s.id]
	if s.state != completed {
		if len(bookings) > 0 || len(effects) > 0 {
			c.violate(Booked, "it has not completed, and is booked %d times and told outside under %v: %s", len(bookings), effects, s)
		}
		c.checkMade(s, "", false)
		return
	}
	pipeline, ok := c.pipelineOf(s, rule, bookings)
	if !ok {
		return
	}
	if pipeline == scenario.Nothing {
		if len(bookings) > 0 || len(effects) > 0 {
			c.violate(Booked, "nothing was to be done with it, and it is booked %d times and told outside under %v: %s", len(bookings), effects, s)
		}
		c.checkMade(s, "", false)
		return
	}
	if len(effects) != 1 {
		c.violate(Told, "told outside under %d keys %v, not one: %s", len(effects), sortedKeys(effects), s)
		return
	}
	key := sortedKeys(effects)[0]
	if bookings[0].key != key {
		c.violate(Told, "booked under the key %s, told outside under %s: %s", bookings[0].key, key, s)
	}
	c.checkMade(s, key, pipeline == scenario.Report)
}

// pipelineOf finds out whether a completed stream has fired or expired, which
// the ledger tells, and checks that it had reason to.
func (c *checker) pipelineOf(s *stream, rule *scenario.Rule, bookings []booking) (scenario.Pipeline, bool) {
	if len(bookings) == 0 {
		// It can only have expired. What could fire and expire at once has fired.
		if rule.OnExpire == scenario.Nothing && (s.fire.IsZero() || s.expires.Before(s.fire)) {
			return scenario.Nothing, true
		}
		c.violate(Booked, "it is not booked: %s", s)
		return "", false
	}
	if len(bookings) > 1 {
		c.violate(Booked, "it is booked %d times, %v: %s", len(bookings), bookings, s)
		return "", false
	}
	b := bookings[0]
	if !slices.Equal(b.members, s.memberIDs()) {
		c.violate(Booked, "it is booked with the events %v: %s", b.members, s)
	}
	pipeline := rule.OnExpire
	switch b.pass {
	case "fire":
		pipeline = rule.OnFire
		if s.fire.IsZero() || !b.claimed.After(s.fire) {
			c.violate(Booked, "it was claimed at %s, before it was to fire: %s", clock(b.claimed), s)
		}
	case "expire":
		if !b.claimed.After(s.expires) {
			c.violate(Booked, "it was claimed at %s, before its time was up: %s", clock(b.claimed), s)
		}
		// The worker saw a moment after its expiry and not after its fire time.
		if !s.fire.IsZero() && !s.expires.Before(s.fire) {
			c.violate(Booked, "it was to fire, and has expired: %s", s)
		}
	default:
		c.violate(Booked, "it is booked for the pass %q: %s", b.pass, s)
	}
	return pipeline, true
}

// checkMade: the pipeline has made one event, or none.
func (c *checker) checkMade(s *stream, key string, makes bool) {
	made := c.reports()[s.id]
	switch {
	case !makes && len(made) > 0:
		c.violate(Made, "an event was made that must not be: %s\n  of %s", made[0], s)
	case makes && len(made) != 1:
		c.violate(Made, "%d events were made, not one: %v\n  of %s", len(made), made, s)
	case makes:
		e := made[0]
		if !strings.HasSuffix(e.ID, " "+key) || e.Traits["of"] != s.name || e.Traits["members"] != int64(len(s.members)) || !e.Time.Equal(s.last) {
			c.violate(Made, "an event was made that is not right: %s\n  of %s", e, s)
		}
	}
}

// reports are the events that pipelines made, by the stream they were made of.
func (c *checker) reports() map[int64][]*event {
	if c.made == nil {
		c.made = map[int64][]*event{}
		for _, e := range c.events {
			if e.Type == scenario.ReportType {
				id, _ := e.Traits["stream"].(int64)
				c.made[id] = append(c.made[id], e)
				c.summary.Made++
			}
		}
	}
	return c.made
}

// checkStrays: there are no effects of streams that do not exist, and no key
// was used for two streams.
func (c *checker) checkStrays() {
	for id, bookings := range c.bookings {
		if c.streams[id] == nil {
			c.violate(Booked, "a stream %d that does not exist is booked: %v", id, bookings)
		}
	}
	users := map[string]int64{}
	for id, effects := range c.effects {
		if c.streams[id] == nil {
			c.violate(Told, "a stream %d that does not exist was told outside under %v", id, sortedKeys(effects))
		}
		for key := range effects {
			if other, used := users[key]; used {
				c.violate(Told, "the key %s was used for the streams %d and %d", key, other, id)
			}
			users[key] = id
		}
	}
	for id, made := range c.reports() {
		if c.streams[id] == nil {
			c.violate(Made, "an event was made of a stream %d that does not exist: %s", id, made[0])
		}
	}
}
