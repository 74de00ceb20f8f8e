package winchester

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// String writes the explanation for people, in lines of text.
func (x StreamExplanation) String() string {
	var b lines
	unknown := ""
	if x.UnknownTrigger {
		unknown = ", which is not defined here"
	}
	closed := ""
	if x.State == StateActive.String() && !x.Open {
		closed = ", and takes no more events"
	}
	b.addf("Stream %d of trigger %q%s: %s%s", x.StreamID, x.Trigger, unknown, x.State, closed)
	for _, d := range x.DistinguishedBy {
		b.addf("  %s", d)
	}
	if x.MoreEvents {
		b.addf("Events: more than %d%s", x.Events, between(x.FirstEvent, x.LastEvent))
		b.addf("  the rest is about the last %d of them", x.Events)
	} else {
		b.addf("Events: %d%s", x.Events, between(x.FirstEvent, x.LastEvent))
	}
	for _, m := range x.MatchedBy {
		b.addf("  %d by match criterion %s", m.Events, m.CriterionRef)
	}
	if x.Unmatched > 0 && !x.UnknownTrigger {
		b.addf("  %d that no match criterion takes any more", x.Unmatched)
	}
	x.writeFire(&b)
	b.addf("Next: %s", x.Next.text(x.Now))
	if x.Next.Problem != "" {
		b.addf("  it will end in error: %s", x.Next.Problem)
	}
	x.Attempts.write(&b)
	return b.String()
}

func (x *StreamExplanation) writeFire(b *lines) {
	if x.UnknownTrigger {
		return
	}
	switch {
	case !x.FireAt.IsZero():
		b.addf("Fire criteria: met; it was to fire at %s", moment(x.FireAt))
	case len(x.Fire) == 0:
		b.addf("Fire criteria: none, which is met by the next event")
	default:
		b.addf("Fire criteria: not met")
	}
	switch {
	case x.Recounted:
		b.addf("  counted anew: since the last event came, the trigger has been defined anew or events were deleted")
	case x.Redefined:
		b.addf("  the trigger has been defined anew since; by the present definition it is so:")
	}
	for _, c := range x.Fire {
		b.addf("  %s: has %d of %d", c.CriterionRef, c.Has, c.Needs)
		if n := c.Nearest; n != nil && x.FireAt.IsZero() {
			b.addf("    nearest: %s %s of %s", n.EventType, TraitText(n.MessageID), moment(n.Timestamp))
			for _, m := range n.Failed {
				b.addf("      %s", m)
			}
		}
	}
}

// String is "customer = A-1", with what else there is to say.
func (d Distinction) String() string {
	text := d.Trait + " = " + d.Value
	switch {
	case d.Missing:
		text = d.Trait + ": missing; the trigger distinguishes by it only since"
	case d.Former:
		text += " (the trigger does not distinguish by it any more)"
	case d.Expression != "":
		text += " (by " + d.Expression + ")"
	}
	return text
}

// text says what happens next, seen from now.
func (o *Outlook) text(now time.Time) string {
	verb := map[Pass]string{PassFire: "fires", PassExpire: "expires"}[o.Pass]
	into := ", with no pipeline to run"
	if o.Pipeline != "" {
		into = fmt.Sprintf(", pipeline %q", o.Pipeline)
	}
	at := moment(o.At)
	switch o.What {
	case OutlookWaits:
		return fmt.Sprintf("%s once %s has passed (in %s)%s", verb, at, span(o.At.Sub(now)), into)
	case OutlookDue:
		return fmt.Sprintf("%s; due since %s (for %s), and no worker has claimed it yet%s", verb, at, span(now.Sub(o.At)), into)
	case OutlookHeld:
		return fmt.Sprintf("%s now; worker %s holds it, with a lease until %s (for another %s)%s", verb, o.Worker, at, span(o.At.Sub(now)), into)
	case OutlookLost:
		return fmt.Sprintf("%s; the lease of worker %s ran out at %s (%s ago), so any worker may take it%s", verb, o.Worker, at, span(now.Sub(o.At)), into)
	case OutlookRetry:
		return fmt.Sprintf("%s; it is tried again once %s has passed (in %s)%s", verb, at, span(o.At.Sub(now)), into)
	case OutlookReset:
		return fmt.Sprintf("nothing, until someone resets it; then it %s%s", verb, into)
	case OutlookDone:
		return "nothing; it is completed"
	}
	return o.What
}

func (a *Attempts) write(b *lines) {
	b.addf("Attempts: %d of %d", a.Begun, a.Max)
	if a.Uncounted > 0 {
		b.addf("  %d runs before did not count: they were snoozed or given back, or the stream was reset since", a.Uncounted)
	}
	for i := range a.History {
		h := &a.History[i]
		if h.LeftOut > 0 {
			b.addf("  (%d are not kept)", h.LeftOut)
		}
		b.addf("  %s", h.summary())
		for _, line := range h.details() {
			b.addf("    %s", line)
		}
	}
	if a.LastError != "" && !slices.ContainsFunc(a.History, func(h Attempt) bool { return h.Ended.Equal(a.LastErrorAt) }) {
		b.addf("  the last failed at %s: %s", moment(a.LastErrorAt), firstLine(a.LastError))
	}
	if a.CommittedPipeline != "" {
		b.addf("  committed before that, in pipeline %q: %s", a.CommittedPipeline, strings.Join(a.Committed, ", "))
		b.addf("  not to be committed again: %d of them", a.Skipped)
	}
}

// String writes the explanation for people, in lines of text.
func (x EventExplanation) String() string {
	var b lines
	b.addf("Event %s: %s of %s", TraitText(x.Event.MessageID), x.Event.EventType, moment(x.Event.Timestamp))
	for _, t := range x.Took {
		b.addf("Trigger %q took it into stream %d (%s)%s", t.Trigger, t.StreamID, t.State, traitsText(t.DistinguishingTraits, ": "))
		switch {
		case t.UnknownTrigger:
			b.addf("  the trigger is not defined here")
		case t.MatchedBy == nil:
			b.addf("  it would not take it now: %s", furthest(t.Checks))
		case t.Elsewhere != nil:
			b.addf("  it would take it into another stream now%s", traitsText(t.Elsewhere, ": "))
		default:
			b.addf("  by match criterion %s", t.MatchedBy)
		}
	}
	if x.MoreStreams {
		b.addf("and more streams, which are not listed")
	}
	for _, n := range x.Others {
		if n.MatchedBy == nil {
			b.addf("Trigger %q did not take it: %s", n.Trigger, n.reasonText())
			continue
		}
		b.addf("Trigger %q has no stream with it, but would take it now, by match criterion %s", n.Trigger, n.MatchedBy)
		gone := ""
		if x.CompletedDeleted {
			gone = "has completed and "
		}
		b.addf("  its stream %swas deleted, or the trigger was not there when the event came, or was another", gone)
	}
	return b.String()
}

func (n *NotTaken) reasonText() string {
	if len(n.Checks) == 0 {
		return n.Reason
	}
	m := furthest(n.Checks)
	if m.Reason == n.Reason {
		return m.String()
	}
	return n.Reason + "; " + m.String()
}

// furthest is, of the first failures of several criteria, the first that came
// further than the event type; the first of all if none did.
func furthest(checks []Mismatch) Mismatch {
	for _, m := range checks {
		if m.Field != "event_type" {
			return m
		}
	}
	if len(checks) == 0 {
		return Mismatch{Reason: "No matching criteria"}
	}
	return checks[0]
}

func traitsText(t Traits, before string) string {
	var parts []string
	for _, name := range t.sortedNames(nil) {
		parts = append(parts, name+" = "+TraitText(t[name]))
	}
	if len(parts) == 0 {
		return ""
	}
	return before + strings.Join(parts, ", ")
}

func between(first, last time.Time) string {
	switch {
	case first.IsZero():
		return ""
	case first.Equal(last):
		return ", at " + moment(first)
	}
	return ", from " + moment(first) + " to " + moment(last)
}

// span is a duration for people: no fractions in what is longer than a minute.
func span(d time.Duration) string {
	if d < time.Minute {
		return d.String()
	}
	d = d.Round(time.Second)
	if days := d / (24 * time.Hour); days > 0 {
		return fmt.Sprintf("%dd%s", days, d-days*24*time.Hour)
	}
	return d.String()
}

func moment(t time.Time) string { return t.Format(time.RFC3339Nano) }

// lines is text under way.
type lines struct{ strings.Builder }

// addf adds a line. What strangers have named may not begin another one, nor
// do anything to a terminal.
func (l *lines) addf(format string, args ...any) {
	l.WriteString(strings.Map(printable, fmt.Sprintf(format, args...)))
	l.WriteByte('\n')
}

func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}
