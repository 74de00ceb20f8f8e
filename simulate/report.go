package simulate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/seed71495667/winchester"
)

// maxShown is how many streams that did not fire, and events that no trigger
// took, are explained.
const maxShown = 20

// Report is what became of the events. String writes it for people. Times are
// UTC.
type Report struct {
	Begin time.Time `json:"begin,omitzero"` // the time of the first event
	End   time.Time `json:"end,omitzero"`   // when something has happened last, or where it was to end
	Counts
	// Streams are in the order in which they were opened.
	Streams []*Life `json:"streams"`
	// UnfiledEvents tells of the first events that no trigger took, why.
	UnfiledEvents []winchester.EventExplanation `json:"unfiled_events,omitempty"`
}

// Counts are numbers of events and notifications.
type Counts struct {
	Stored     int64 `json:"stored"`
	Duplicates int64 `json:"duplicates"`
	Dropped    int64 `json:"dropped"` // notifications that no event definition applies to
	Failed     int64 `json:"failed"`  // what could not be an event
	Unfiled    int64 `json:"unfiled"` // events, of those stored, that no trigger took
}

// How a stream ends.
const (
	EndsFired   = "fired"
	EndsExpired = "expired"
	EndsActive  = "active" // it has done neither by the end
)

// Life is that of a stream.
type Life struct {
	Number               int               `json:"number"` // from 1, in the order in which streams are opened
	Trigger              string            `json:"trigger"`
	DistinguishingTraits winchester.Traits `json:"distinguishing_traits,omitempty"`
	Steps                []Step            `json:"steps"`
	Ends                 string            `json:"ends"`
	At                   time.Time         `json:"at,omitzero"` // when it fired or expired
	// Pipeline is the one that would have run, "" for none, and Handlers what it
	// consists of.
	Pipeline string   `json:"pipeline,omitempty"`
	Handlers []string `json:"handlers,omitempty"`
	// Events are the message ids, in the order in which handlers get them.
	Events []string `json:"events"`
	// Unmet are the fire criteria that were not met, of the first streams that
	// were never ready to fire.
	Unmet []winchester.FireProgress `json:"unmet,omitempty"`

	id int64 // in the database
}

// What happens to a stream.
const (
	StepOpened = "opened"
	StepJoined = "joined"
)

// Step is an event that joined a stream.
type Step struct {
	At        time.Time `json:"at"`
	What      string    `json:"what"`
	MessageID string    `json:"message_id"`
	EventType string    `json:"event_type"`
	EventTime time.Time `json:"event_time"` // earlier than At if it came late
	Ready     bool      `json:"ready,omitempty"`
	FireAt    time.Time `json:"fire_at,omitzero"`
	ExpireAt  time.Time `json:"expire_at"`
}

// String tells the life of each stream, and what was not taken.
func (r *Report) String() string {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(strings.Map(printable, fmt.Sprintf(format, args...)))
		b.WriteByte('\n')
	}
	for _, life := range r.Streams {
		life.write(line)
	}
	for _, x := range r.UnfiledEvents {
		line("Event %s of %s (%s): no trigger took it", winchester.TraitText(x.Event.MessageID), moment(x.Event.Timestamp), x.Event.EventType)
		for text := range strings.Lines(x.String()) {
			if strings.HasPrefix(text, "Trigger ") {
				line("  %s", strings.TrimSpace(text))
			}
		}
	}
	if more := int(r.Unfiled) - len(r.UnfiledEvents); more > 0 {
		line("No trigger took %d more.", more)
	}
	b.WriteString(r.Summary())
	return b.String()
}

// Summary is the last two lines of String: how many events and streams there
// were.
func (r *Report) Summary() string {
	ends := map[string]int{}
	for _, life := range r.Streams {
		ends[life.Ends]++
	}
	return fmt.Sprintf("%s stored, %d duplicates, %d dropped, %d failed, %d taken by no trigger.\n"+
		"%s: %d fired, %d expired, %d active in the end.\n",
		counted(int(r.Stored), "event"), r.Duplicates, r.Dropped, r.Failed, r.Unfiled,
		counted(len(r.Streams), "stream"), ends[EndsFired], ends[EndsExpired], ends[EndsActive])
}

func (l *Life) write(line func(format string, args ...any)) {
	line("%s", l.title())
	for i := range l.Steps {
		// Of a long life, the beginning and the end.
		if hidden := len(l.Steps) - 25; hidden > 0 && i >= 20 && i < 20+hidden {
			if i == 20 {
				line("  ... %d more events", hidden)
			}
			continue
		}
		line("  %s  %s", moment(l.Steps[i].At), l.Steps[i].text())
	}
	pipeline := "no pipeline"
	if l.Pipeline != "" {
		pipeline = fmt.Sprintf("pipeline %q", l.Pipeline)
	}
	if len(l.Handlers) > 0 {
		pipeline += " (" + strings.Join(l.Handlers, ", ") + ")"
	}
	switch l.Ends {
	case EndsActive:
		line("  active in the end, with %s", l.eventsText())
	default:
		line("  %s  %s: %s, with %s", moment(l.At), l.Ends, pipeline, l.eventsText())
	}
	for _, c := range l.Unmet {
		line("    never met: fire criterion %s: has %d of %d", c.CriterionRef, c.Has, c.Needs)
		if c.Nearest != nil {
			for _, m := range c.Nearest.Failed {
				line("      nearest: %s: %s", winchester.TraitText(c.Nearest.MessageID), m)
			}
		}
	}
}

func (l *Life) title() string {
	return fmt.Sprintf("Stream %d of trigger %q%s", l.Number, l.Trigger, traitsText(l.DistinguishingTraits))
}

func traitsText(traits winchester.Traits) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(traits)) {
		parts = append(parts, name+" = "+winchester.TraitText(traits[name]))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

func (l *Life) eventsText() string {
	const most = 10
	ids := make([]string, 0, most)
	for _, id := range l.Events[:min(len(l.Events), most)] {
		ids = append(ids, winchester.TraitText(id))
	}
	text := counted(len(l.Events), "event") + ": " + strings.Join(ids, ", ")
	if more := len(l.Events) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (s *Step) text() string {
	text := fmt.Sprintf("%s by %s (%s)", s.What, winchester.TraitText(s.MessageID), s.EventType)
	if s.EventTime.Before(s.At) {
		text += fmt.Sprintf(", %s late", s.At.Sub(s.EventTime))
	}
	switch {
	case s.Ready:
		text += "; ready, to fire at " + moment(s.FireAt)
	case s.FireAt.IsZero():
		text += "; expires at " + moment(s.ExpireAt)
	}
	return text
}

// printable keeps what strangers have named from beginning another line, or doing
// anything to a terminal.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
