package atompub

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed71495667/winchester"
)

// The rules for where this handler differs from recordings of the original on
// purpose. docs/deviations.md says of each what, and why. They name no case, so
// that they also hold for recordings made later.
const (
	ruleEscape     = "atompub-escaped"
	ruleTimes      = "atompub-json-times"
	ruleMissing    = "atompub-missing-times"
	ruleOptions    = "atompub-rax-options"
	ruleYears      = "atompub-early-years"
	ruleFormat     = "atompub-unknown-format"
	ruleIncomplete = "atompub-incomplete-event"
)

var deviations = []string{ruleEscape, ruleTimes, ruleMissing, ruleOptions, ruleYears, ruleFormat, ruleIncomplete}

// excuseRefusedParams: a format that does not exist is no format.
func (c goldenCase) excuseRefusedParams(t *testing.T, err error, excused *excuses) {
	t.Helper()
	format, _ := c.Params["content_format"].(string)
	if format == "" || format == FormatJSON || format == FormatCUF || !strings.Contains(err.Error(), "content_format: ") {
		t.Fatal(err)
	}
	excused.add(ruleFormat, c.Name)
}

// excuseException: what the original could not write, and so dropped.
func (c goldenCase) excuseException(t *testing.T, e winchester.Event, got string, err error, excused *excuses) {
	t.Helper()
	options, _ := e.Traits.String("rax_options")
	switch {
	case e.EventType == "":
		excused.add(ruleIncomplete, c.Name) // TypeError before anything was written
		return
	case strings.HasSuffix(c.Detail, "is not JSON serializable"):
		excused.add(ruleTimes, c.Name)
	case strings.HasPrefix(c.Detail, "can't compare datetime.datetime to"):
		excused.add(ruleMissing, c.Name)
	case strings.HasPrefix(c.Detail, "year=") && strings.HasSuffix(c.Detail, "year >= 1900"):
		excused.add(ruleYears, c.Name)
	case strings.Contains(c.Detail, "int()") && strings.TrimSpace(options) != "":
		excused.add(ruleOptions, c.Name)
		if err == nil || !strings.Contains(err.Error(), "rax_options: expected an integer") {
			t.Errorf("error is %v", err)
		}
		return
	case strings.Contains(c.Detail, "int()"):
		excused.add(ruleOptions, c.Name)
		if !strings.Contains(got, `osLicenseType="LINUX"`) {
			t.Errorf("got %s", got)
		}
	default:
		t.Fatalf("no rule excuses that the original raised %s (%s)", c.Raised, c.Detail)
	}
	if err != nil {
		t.Fatal(err)
	}
	dissect(t, got)
	if begin, given := e.Traits.Time("audit_period_beginning"); given && c.Params["content_format"] == FormatCUF &&
		!strings.Contains(got, `startTime="`+begin.Format("2006-01-02T15:04:05Z")+`"`) {
		t.Errorf("does not start with the period: %s", got) // no recorded case has another time and a missing one
	}
}

// excuseIncomplete: an event lacks what no stored event lacks; the original
// wrote None there.
func (c *goldenCase) excuseIncomplete(e winchester.Event, excused *excuses) {
	if e.MessageID == "" {
		c.Atom = strings.ReplaceAll(c.Atom, "urn:uuid:None", "urn:uuid:")
		excused.add(ruleIncomplete, c.Name)
	}
	if e.EventType == "" {
		c.Atom = strings.ReplaceAll(c.Atom, `term="None"`, `term=""`)
		c.Atom = strings.ReplaceAll(c.Atom, ">None</atom:title>", "></atom:title>")
		excused.add(ruleIncomplete, c.Name)
	}
}

// escaped is the recorded entry with its values escaped, which the original did
// not do.
func (c goldenCase) escaped(t *testing.T, e winchester.Event, excused *excuses) string {
	t.Helper()
	values := []string{c.Content} // as a whole, where it is JSON
	if c.Params["content_format"] == FormatCUF {
		values = nil
		for _, v := range e.Traits {
			if s, ok := v.(string); ok {
				values = append(values, s)
			}
		}
	}
	atom := c.Atom
	for _, value := range values {
		if !strings.ContainsAny(value, "<&") {
			continue
		}
		var b strings.Builder
		if err := xml.EscapeText(&b, []byte(value)); err != nil {
			t.Fatal(err)
		}
		atom = strings.ReplaceAll(atom, value, b.String())
		excused.add(ruleEscape, c.Name)
	}
	return atom
}

// TestDeviationsAreListed holds the table against the rules.
func TestDeviationsAreListed(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile(filepath.Join("..", "..", "docs", "deviations.md"))
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(atompub-[a-z0-9-]+)` \\|").FindAllStringSubmatch(string(table), -1) {
		listed = append(listed, m[1])
	}
	for _, rule := range deviations {
		if !slices.Contains(listed, rule) {
			t.Errorf("docs/deviations.md does not list %s", rule)
		}
	}
}
