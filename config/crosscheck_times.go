package config

import (
	"strings"
	"time"

	"github.com/seed71495667/winchester/timex"
)

// sampleTimes are times of all hours, weekdays, months and ends of months: what is
// so at each of them is so always, as far as a rule for years to come goes.
var sampleTimes = func() (out []time.Time) {
	first := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 120 {
		out = append(out, first.Add(time.Duration(i)*(217*time.Hour+37*time.Minute+time.Second)))
	}
	for month := range 36 {
		begin := first.AddDate(0, month, 0)
		out = append(out, begin, begin.Add(-time.Microsecond), begin.Add(12*time.Hour))
	}
	return out
}()

// always tells whether something is so at all sample times.
func always(holds func(at time.Time) bool) bool {
	for _, at := range sampleTimes {
		if !holds(at) {
			return false
		}
	}
	return true
}

// checkExpiration finds expirations that lie before the stream's first event, or
// before the time at which it fires.
func (c *crossChecker) checkExpiration() {
	expr, err := timex.Parse(c.def.Expiration)
	if err != nil {
		return
	}
	// When a stream's first event comes, at once.
	expires := func(at time.Time) (time.Time, bool) {
		v, err := expr.Eval(timex.Map{"first": at, "last": at, "timestamp": at})
		return v.Begin, err == nil
	}
	if always(func(at time.Time) bool { e, ok := expires(at); return ok && !e.After(at) }) {
		hint := ""
		if v, err := expr.Eval(timex.Map{"first": sampleTimes[0], "last": sampleTimes[0], "timestamp": sampleTimes[0]}); err == nil && v.IsRange() {
			hint = "; of a range the beginning counts: write \"" + c.def.Expiration + " + 1d\" or the like"
		} else if strings.Contains(c.def.Expiration, "-") {
			hint = "; write + for -"
		} else if !strings.ContainsAny(c.def.Expiration, "+-@") {
			hint = "; write \"" + strings.TrimSpace(c.def.Expiration) + " + 1h\" or the like"
		}
		c.warn("expiration", "every stream expires with its first event: %q is not later than that%s", short(c.def.Expiration), hint)
		return
	}
	if delay := c.def.FireDelay; delay > 0 && always(func(at time.Time) bool {
		e, ok := expires(at)
		return ok && !e.After(at.Add(delay))
	}) {
		c.warn("fire_delay", "a stream whose events come at once expires before it fires: the delay of %s is not shorter than the expiration, %q", delay, short(c.def.Expiration))
	}
}

// checkTimestamp finds a criterion on the event's own time that it never meets.
// What replaces fields (@) may be meant for times that the samples lack.
func (c *crossChecker) checkTimestamp(field, text string) {
	expr, err := timex.Parse(text)
	if err != nil || strings.Contains(text, "@") || expr.CheckVariables("timestamp") != nil {
		return
	}
	if always(func(at time.Time) bool {
		v, err := expr.Eval(timex.Map{"timestamp": at})
		return err == nil && !v.Contains(at)
	}) {
		c.warn(field, "it never holds: no event's time is within %q", short(text))
	}
}

// checkTrim finds an age that every event has.
func (l *loader) checkTrim() {
	at, given := l.values["trim_events_age"]
	expr, err := timex.Parse(l.cfg.TrimEventsAge)
	if !given || err != nil {
		return
	}
	if always(func(now time.Time) bool {
		v, err := expr.Eval(timex.Map{"timestamp": now})
		return err == nil && v.Begin.After(now)
	}) {
		l.main.warn(at, "every event is older than that, and would be deleted as soon as no stream needs it: write - for +")
	}
}
