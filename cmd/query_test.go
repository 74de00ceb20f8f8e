package cmd

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/timex"
)

// What a table shows of a trait finds the trait again, in its type.
func TestShownTraitsAreRead(t *testing.T) {
	t.Parallel()
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "us")).UTC()
	})
	value := rapid.OneOf(
		rapid.String().AsAny(), rapid.StringMatching(`[0-9.e+-]{1,5}|true|null|2026-05-01|a=b;c|"x"`).AsAny(),
		rapid.Int64().AsAny(), rapid.Float64().AsAny(), rapid.Bool().AsAny(), moment.AsAny(),
		rapid.Custom(func(t *rapid.T) timex.Range { return timex.NewRange(moment.Draw(t, "begin"), moment.Draw(t, "end")) }).AsAny(),
	)
	rapid.Check(t, func(t *rapid.T) {
		want := winchester.Traits{"a": value.Draw(t, "a"), "b": value.Draw(t, "b")}
		text := "a=" + showTrait(want["a"]) + "; b=" + showTrait(want["b"])
		got, err := parseTraits([]string{text})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if len(got) != 2 || got["a"] != want["a"] || got["b"] != want["b"] {
			t.Fatalf("%s: got %#v", text, got)
		}
	})
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-04-01":                "2026-04-01T00:00:00Z",
		"2026-04-01 10:30":          "2026-04-01T10:30:00Z",
		"2026-04-01T10:30:00+02:00": "2026-04-01T08:30:00Z",
		"now":                       "2026-05-01T12:00:00Z",
		"$timestamp - 1h":           "2026-05-01T11:00:00Z",
		"day":                       "2026-05-01T00:00:00Z",
	} {
		if got, err := parseTime(text, now); err != nil || showTime(got) != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "yesterday", "$first", "2026-13-01", "12:00"} {
		if got, err := parseTime(text, now); err == nil {
			t.Errorf("%q: %s", text, got)
		}
	}
}
