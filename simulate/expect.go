package simulate

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/yamlx"
	"github.com/seed71495667/winchester/timex"
)

// Expectation is what a Report ought to be: which streams there are, how each
// ends, and with which events. What is left out of it may be as it likes.
type Expectation struct {
	File string // for differences
	// Streams are all that there ought to be, unless OthersAllowed. Of several
	// that fit the same stream, the first gets the one opened first.
	Streams       []ExpectedStream
	OthersAllowed bool
	// Events are expected counts, by the names that Counts has in JSON.
	Events map[string]int64
}

// ExpectedStream is one stream. What is nil, zero or empty is not compared.
type ExpectedStream struct {
	Line    int    // in the file
	Trigger string // required
	// Traits are distinguishing traits that it has, maybe among others. A time
	// or a range of times is compared as RFC 3339 text, a range as "begin/end".
	Traits   map[string]any
	Ends     string // EndsFired, EndsExpired or EndsActive
	At       time.Time
	Pipeline *string  // "" for none
	Events   []string // message ids, in the order in which handlers get them; empty but not nil for none
}

// Difference is one thing that is not as expected.
type Difference struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"` // of the stream in the file; 0 where it is not in there
	What string `json:"what"`           // which stream, or "Events"
	// Field is what of it: at, ends, events, pipeline, or the name of a count;
	// DifferenceMissing or DifferenceUnexpected where it is the stream as a whole.
	Field string `json:"field"`
	Want  string `json:"want,omitempty"`
	Got   string `json:"got,omitempty"`
}

// Where a stream as a whole is not as expected.
const (
	DifferenceMissing    = "missing"    // there is none, or none that is not accounted for
	DifferenceUnexpected = "unexpected" // there is one too many, which Got is about
)

// Differences are all that is not as expected.
type Differences []Difference

// String has the place and the stream on a line of their own, and what differs
// indented below:
//
//	expect.yaml:3: Stream 1 of trigger "order": order_id = A-1
//	  ends: want fired, got expired at 2026-01-05T11:00:00Z
func (d Differences) String() string {
	var b strings.Builder
	for i := range d {
		if heading := d[i].heading(); i == 0 || heading != d[i-1].heading() {
			b.WriteString(heading + "\n")
		}
		b.WriteString("  " + d[i].text() + "\n")
	}
	return b.String()
}

// String is the difference on one line.
func (d Difference) String() string { return d.heading() + ": " + d.text() }

func (d *Difference) heading() string {
	switch {
	case d.Line > 0:
		return fmt.Sprintf("%s:%d: %s", d.File, d.Line, d.What)
	case d.File != "":
		return d.File + ": " + d.What
	}
	return d.What
}

func (d *Difference) text() string {
	switch d.Field {
	case DifferenceMissing:
		return "expected, but there is none, or none left"
	case DifferenceUnexpected:
		return "not expected: " + d.Got
	}
	return fmt.Sprintf("%s: want %s, got %s", d.Field, d.Want, d.Got)
}

var (
	expectKeys = []string{"events", "others", "streams"}
	streamKeys = []string{"trigger", "traits", "ends", "at", "pipeline", "events"}
	countKeys  = []string{"stored", "duplicates", "dropped", "failed", "unfiled"}
)

// ParseExpectation reads an expectation: YAML, or JSON. docs/simulate.md has the
// form. file is only a name. All faults are reported together, each with its
// line.
func ParseExpectation(file string, data []byte) (*Expectation, error) {
	d := yamlx.NewDecoder(file)
	whole := d.Parse(data)
	if d.Err() == nil && !whole.Exists() {
		whole.Expected("a map with the key streams")
	}
	top := whole.Map(expectKeys...)
	x := &Expectation{File: file}
	if others := top.Get("others"); others.Exists() {
		x.OthersAllowed = others.OneOf("allowed", "forbidden") == "allowed"
	}
	counts := top.Get("events")
	if counts.Exists() {
		x.Events = map[string]int64{}
		fields := counts.Map(countKeys...)
		for _, key := range countKeys {
			if v := fields.Get(key); v.Exists() {
				x.Events[key] = v.IntBetween(0, 1<<62)
			}
		}
	}
	for _, item := range top.Require("streams").Items() {
		x.Streams = append(x.Streams, parseExpected(item))
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	return x, nil
}

func parseExpected(v yamlx.Value) ExpectedStream {
	if !v.Exists() {
		v.Expected("a map")
	}
	m := v.Map(streamKeys...)
	s := ExpectedStream{Line: v.Node().Line, Trigger: m.Require("trigger").Text()}
	if ends := m.Get("ends"); ends.Exists() {
		s.Ends = ends.OneOf(EndsFired, EndsExpired, EndsActive)
	}
	if at := m.Get("at"); at.Exists() {
		t, err := time.Parse(time.RFC3339Nano, at.Text())
		if err != nil {
			at.Faultf("expected a time such as 2026-01-05T09:00:00Z, found %q", at.Text())
		}
		s.At = t.UTC()
	}
	if p := m.Get("pipeline"); p.Exists() {
		name := p.Text()
		s.Pipeline = &name
	}
	if events := m.Get("events"); events.Exists() {
		s.Events = events.Texts()
	}
	if traits := m.Get("traits"); traits.Exists() {
		s.Traits = map[string]any{}
		for name, value := range traits.Entries() {
			if value.Exists() && value.Node().Kind != yamlx.Scalar {
				value.Faultf("expected a value; a range of times is text, as begin/end")
				continue
			}
			s.Traits[name] = value.Any()
		}
	}
	return s
}

// Compare returns how the report differs from what is expected; nothing if it
// does not.
func (x *Expectation) Compare(r *Report) Differences {
	var out Differences
	counts := map[string]int64{
		"stored": r.Stored, "duplicates": r.Duplicates, "dropped": r.Dropped, "failed": r.Failed, "unfiled": r.Unfiled,
	}
	for _, key := range countKeys {
		if want, ok := x.Events[key]; ok && want != counts[key] {
			out = append(out, Difference{File: x.File, What: "Events", Field: key, Want: fmt.Sprint(want), Got: fmt.Sprint(counts[key])})
		}
	}
	taken := make([]bool, len(r.Streams))
	for i := range x.Streams {
		want := &x.Streams[i]
		at := want.find(r.Streams, taken)
		if at < 0 {
			out = append(out, Difference{File: x.File, Line: want.Line, What: want.title(), Field: DifferenceMissing})
			continue
		}
		taken[at] = true
		out = append(out, want.compare(x.File, r.Streams[at])...)
	}
	for i, life := range r.Streams {
		if !taken[i] && !x.OthersAllowed {
			out = append(out, Difference{File: x.File, What: life.title(), Field: DifferenceUnexpected, Got: life.endText()})
		}
	}
	return out
}

// find picks the first stream that is free and of the trigger and traits, but
// one that is as expected in all else before one that is not.
func (s *ExpectedStream) find(lives []*Life, taken []bool) int {
	found := -1
	for i, life := range lives {
		if taken[i] || !s.fits(life) {
			continue
		}
		if len(s.compare("", life)) == 0 {
			return i
		}
		if found < 0 {
			found = i
		}
	}
	return found
}

func (s *ExpectedStream) fits(life *Life) bool {
	if s.Trigger != life.Trigger {
		return false
	}
	for name, want := range s.Traits {
		got, ok := life.DistinguishingTraits[name]
		if !ok || !reflect.DeepEqual(want, plain(got)) {
			return false
		}
	}
	return true
}

// plain is a trait as an expectation has it.
func plain(v any) any {
	switch v := v.(type) {
	case time.Time:
		return moment(v)
	case timex.Range:
		return moment(v.Begin) + "/" + moment(v.End)
	}
	return v
}

func (s *ExpectedStream) compare(file string, life *Life) []Difference {
	var out []Difference
	differ := func(field, want, got string) {
		out = append(out, Difference{File: file, Line: s.Line, What: life.title(), Field: field, Want: want, Got: got})
	}
	if s.Ends != "" && s.Ends != life.Ends {
		differ("ends", s.Ends, life.endText())
	}
	if !s.At.IsZero() && !s.At.Equal(life.At) {
		got := "never"
		if !life.At.IsZero() {
			got = moment(life.At)
		}
		differ("at", moment(s.At), got)
	}
	if s.Pipeline != nil && *s.Pipeline != life.Pipeline {
		differ("pipeline", cmp.Or(*s.Pipeline, "none"), cmp.Or(life.Pipeline, "none"))
	}
	if s.Events != nil && !slices.Equal(s.Events, life.Events) {
		differ("events", listText(s.Events), listText(life.Events)+setText(s.Events, life.Events))
	}
	return out
}

func (s *ExpectedStream) title() string {
	return fmt.Sprintf("Stream of trigger %q%s", s.Trigger, traitsText(s.Traits))
}

// endText is how the stream ends, and when, and what it lacked.
func (l *Life) endText() string {
	text := l.Ends
	if !l.At.IsZero() {
		text += " at " + moment(l.At)
	}
	for _, c := range l.Unmet {
		text += fmt.Sprintf("; fire criterion %s has %d of %d", c.CriterionRef, c.Has, c.Needs)
		if c.Nearest != nil {
			text += fmt.Sprintf(" (nearest %s: %s)", winchester.TraitText(c.Nearest.MessageID), c.Nearest.Failed[0])
		}
	}
	return text
}

func listText(ids []string) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = winchester.TraitText(id)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// setText says which of the events are missing, and which are too many.
func setText(want, got []string) string {
	var parts []string
	if lacks := without(want, got); len(lacks) > 0 {
		parts = append(parts, "lacks "+listText(lacks))
	}
	if more := without(got, want); len(more) > 0 {
		parts = append(parts, "has besides "+listText(more))
	}
	if len(parts) == 0 {
		return " (in another order)"
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func without(list, other []string) (out []string) {
	for _, s := range list {
		if !slices.Contains(other, s) {
			out = append(out, s)
		}
	}
	return out
}
