package atompub

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/seed71495667/winchester"
)

var hostile = []string{
	"", " ", "a<b>&\"c'", "]]>", "<![CDATA[", "<!--", "--><x/>", "<?xml?>", "&amp;", "&#0;", "\"/><nova:product status=\"", "</atom:entry><atom:entry>",
	"tab\tline\nreturn\r\nend", "\x00\x01\x08\x0b\x0c\x0e\x1f\x7f\u0085\u2028", "\ufffe\uffff\ufffd", "\xff\xfe\xc0\x80\xed\xa0\x80", "😀👩‍👩‍👧 ümläut 中", "\U0010ffff",
	"%s %(x)s %%", "${HOME}", strings.Repeat("<", 10_000),
}

// readable is what comes out of XML for a text that goes in.
func readable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, r == 0xfffe, r == 0xffff, r < ' ' && r != '\t' && r != '\n' && r != '\r':
			return utf8.RuneError
		}
		return r
	}, s)
}

// checkEntry demands that a value changes nothing of an entry but itself.
func checkEntry(t *testing.T, format, value string) {
	t.Helper()
	p := Params{ContentFormat: format, Title: value, Categories: []string{value}, ExtraInfo: map[string]any{"region": value}}.withDefaults()
	e := winchester.Event{MessageID: value, EventType: value, Traits: winchester.Traits{
		"display_name": value, "tenant_id": value, "state": value, "state_description": value, "original_message_id": value, value: value,
	}}
	delete(e.Traits, "rax_options") // should the value be one of these names
	for _, name := range []string{"launched_at", "audit_period_beginning", "audit_period_ending", "terminated_at", "deleted_at"} {
		delete(e.Traits, name)
	}
	if value == "region" || value == "data_center" || strings.HasPrefix(value, "instance_") || strings.HasPrefix(value, "bandwidth_") || value == "message_id" || value == "event_type" {
		return // then it is shown elsewhere too
	}
	got, err := p.entryOf(e)
	if err != nil {
		t.Fatal(err)
	}
	tokens, content := dissect(t, string(got))
	if format == FormatJSON {
		want := strings.ToValidUTF8(value, "\ufffd")
		have, _ := content.(map[string]any)
		if name, _ := have["display_name"].(string); !utf8.ValidString(value) && name == "" || utf8.ValidString(value) && name != want {
			t.Errorf("display_name is %q, want %q", have["display_name"], want)
		}
		return
	}
	attribute := func(name, value string) string { return fmt.Sprintf(" %s=%q", name, readable(value)) }
	entry := strings.Join(tokens, "\x00")
	for _, want := range []string{
		attribute(" resourceName", value), attribute(" tenantId", value), attribute(" region", value), attribute(" id", value),
		attribute(" term", value), attribute(" term", value+".cuf"), attribute(" term", "original_message_id:"+value),
		"title type=" + `"text"`,
	} {
		if !strings.Contains(strings.ReplaceAll(entry, "title  type", "title type"), want) {
			t.Errorf("no %s in %q", want, entry)
		}
	}
	const elements = 9 // entry, id, three categories, title, content, event, product
	if n := len(slices.DeleteFunc(slices.Clone(tokens), func(s string) bool { return !strings.HasPrefix(s, "/") })); n != elements && !strings.HasPrefix(value, "/") {
		t.Errorf("%d elements, want %d: %q", n, elements, tokens)
	}
}

func TestHostileValues(t *testing.T) {
	t.Parallel()
	for _, value := range hostile {
		checkEntry(t, FormatCUF, value)
		checkEntry(t, FormatJSON, value)
	}
}

func FuzzEntry(f *testing.F) {
	for _, value := range hostile {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		checkEntry(t, FormatCUF, value)
		checkEntry(t, FormatJSON, value)
	})
}

// TestIDs: an id is the rest of a URN, and no two become one.
func TestIDs(t *testing.T) {
	t.Parallel()
	ids := append([]string{"a b", "a%20b", "a+b", "/shop/eu A-1", "6d2f0d5e-7d5c-4f0e-9a8e-3a1f6f3f0a01", "\x01", "\x02", "\xff", "\ufffd", "ü", "#", "?"}, hostile...)
	seen := map[string]string{}
	for _, id := range ids {
		text := idText(id)
		if other, taken := seen[text]; taken {
			t.Errorf("%q and %q are both %s", id, other, text)
		}
		seen[text] = id
		if strings.ContainsAny(text, "<> #?\"\\^`{|}\x00\x7f") {
			t.Errorf("%q gives %q", id, text)
		}
	}
	if got := idText("6d2f0d5e-7d5c-4f0e-9a8e-3a1f6f3f0a01"); got != "6d2f0d5e-7d5c-4f0e-9a8e-3a1f6f3f0a01" {
		t.Errorf("a UUID became %s", got)
	}
}

func TestJSONValues(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 1, 0, 0, 123456000, time.FixedZone("", 3600))
	got, err := jsonOf(winchester.Event{MessageID: "m", EventType: "e", Timestamp: at, Traits: winchester.Traits{
		"nan": math.NaN(), "inf": math.Inf(1), "-inf": math.Inf(-1), "at": at.Truncate(time.Second), "n": int64(math.MaxInt64), "f": 3.0, "text": "<ü😀\ufffe",
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"-inf":"-Infinity","at":"2026-03-01T00:00:00Z","event_type":"e","f":3.0,"inf":"Infinity","message_id":"m","n":9223372036854775807,` +
		`"nan":"NaN","text":"<\u00fc\ud83d\ude00\ufffe","timestamp":"2026-03-01T00:00:00.123456Z"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !json.Valid([]byte(got)) {
		t.Error("not JSON")
	}
	if _, err := (Params{}.withDefaults()).entryOf(winchester.Event{Traits: winchester.Traits{"f": func() {}}}); err == nil {
		t.Error("a function as a value is no error")
	}
}

// TestAttributeValues: as Python 2 wrote them.
func TestAttributeValues(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]any{
		"None": nil, "True": true, "False": false, "5": int64(5), "1.5": 1.5, "2.0": 2.0, "0.333333333333": 1.0 / 3, "1e+16": 1e16, "7": json.Number("7"),
		"2026-03-01T00:00:00Z": time.Date(2026, 3, 1, 1, 0, 0, 0, time.FixedZone("", 3600)), "a b": "a b",
	} {
		if got := plain(v); got != want {
			t.Errorf("%v: got %s, want %s", v, got, want)
		}
	}
}

// TestUsedPeriod: what the recordings have as exceptions, and types that make no
// sense.
func TestUsedPeriod(t *testing.T) {
	t.Parallel()
	at := func(hour int) time.Time { return time.Date(2026, 3, 1, hour, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		launched, begin, ending, deleted any
		want                             string
	}{
		{nil, at(0), at(24), nil, "00-24"},
		{"", at(0), at(24), "", "00-24"},
		{at(3), nil, at(24), at(20), "03-20"},
		{at(3), at(0), nil, at(20), "03-20"},
		{at(3), at(0), nil, nil, "03-"},
		{nil, nil, nil, at(20), "-20"},
		{nil, nil, nil, nil, "-"},
		{at(30), nil, at(24), nil, "30-24"}, // with no beginning there is nothing better
		{at(3), at(0), at(24), "yesterday", ""},
		{int64(5), at(0), at(24), nil, ""},
	} {
		start, end, err := usedFromTo(winchester.Traits{
			"launched_at": c.launched, "audit_period_beginning": c.begin, "audit_period_ending": c.ending, "deleted_at": c.deleted,
		})
		hour := func(t time.Time) string {
			if t.IsZero() {
				return ""
			}
			return fmt.Sprintf("%02.0f", t.Sub(at(0)).Hours())
		}
		if got := hour(start) + "-" + hour(end); err == nil && got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%v: got %s, %v, want %q", c, got, err, c.want)
		}
	}
}
