package winchester

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/seed71495667/winchester/timex"
)

// TestDecodeTraitsReadsWhatWasWritten, whatever traits can be.
func TestDecodeTraitsReadsWhatWasWritten(t *testing.T) {
	t.Parallel()
	value := rapid.OneOf(
		rapid.Map(rapid.String(), func(v string) any { return v }),
		rapid.Map(rapid.Int64(), func(v int64) any { return v }),
		rapid.Map(rapid.Float64(), func(v float64) any { return v }),
		rapid.Map(rapid.Bool(), func(v bool) any { return v }),
		rapid.Map(anyTime(), func(v time.Time) any { return v }),
		rapid.Custom(func(t *rapid.T) any {
			return timex.Range{Begin: anyTime().Draw(t, "begin"), End: anyTime().Draw(t, "end")}
		}),
		rapid.SampledFrom([]any{
			nil, "", "$time", `{"$time":"x"}`, "true", "5", "a,b", "a:b", "}", `\`, `"`, "\x00", 0.1, 5.0, 1e300, math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1),
		}),
	)
	name := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "$time", "a", "a,", "a:", "}", `"`, `\`}))
	rapid.Check(t, func(t *rapid.T) {
		want := Traits(rapid.MapOf(name, value).Draw(t, "traits"))
		text, err := want.text()
		if err != nil {
			t.Fatal(err)
		}
		got, ok := new(TraitsParser).canonical(text)
		if text == "{}" {
			got, ok = nil, true
		}
		if !ok || describe(got) != describe(want) {
			t.Fatalf("%s:\n got %s, %v\nwant %s", text, describe(got), ok, describe(want))
		}
	})
}

// TestParserTakesOver: texts that resemble each other are read as each alone.
func TestParserTakesOver(t *testing.T) {
	t.Parallel()
	var p TraitsParser
	for _, text := range []string{
		`{"a":1,"b":"x"}`, `{"a":12,"b":"x"}`, `{"a":1,"b":"x","c":1.5}`, `{"a":1}`, `{"b":"x","a":1}`, `{"a":1,"b":"xy"}`, `{"a":"1","b":true}`, `{}`,
		`{"a":{"$time":"2026-01-02T15:04:05.000000Z"},"b":true}`, `{"a":{"$time":"2026-01-02T15:04:05.000001Z"},"b":true}`, `{"a":1`, `{"a":1,"b":true}`,
	} {
		got, err := p.Parse(text)
		want, wantErr := ParseTraits(text)
		if describe(got) != describe(want) || (err == nil) != (wantErr == nil) {
			t.Errorf("%s is read as %s, %v; alone as %s, %v", text, describe(got), err, describe(want), wantErr)
		}
	}
}

// TestParserGivesMapsAway: what is done to one changes none of the others.
func TestParserGivesMapsAway(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var p TraitsParser
		name, value := rapid.SampledFrom([]string{"", "a", "b", "c"}), rapid.Int64Range(0, 2)
		for range rapid.IntRange(1, 12).Draw(t, "texts") {
			var parts []string
			for range rapid.IntRange(0, 4).Draw(t, "traits") {
				parts = append(parts, fmt.Sprintf("%q:%d", name.Draw(t, "name"), value.Draw(t, "value"))) // in any order, some twice
			}
			text := "{" + strings.Join(parts, ",") + rapid.SampledFrom([]string{"}", "}", "}", "", " }"}).Draw(t, "end")
			got, err := p.Parse(text)
			want, wantErr := ParseTraits(text)
			if describe(got) != describe(want) || (err == nil) != (wantErr == nil) {
				t.Fatalf("%s is read as %s, %v; alone as %s, %v", text, describe(got), err, describe(want), wantErr)
			}
			for name := range got {
				got[name] = "changed"
			}
		}
	})
}

// TestTraitsWriter: what it has written before makes no difference.
func TestTraitsWriter(t *testing.T) {
	t.Parallel()
	var w TraitsWriter
	for _, traits := range []Traits{
		{"b": int64(1), "a": "x"}, {"a": "y", "b": 2.5}, {"a": nil, "b": true}, {"a": "z"}, {}, nil, {"c": nil}, {"a": "x", "c": int64(1)}, {"b": "x", "c": int64(1)},
	} {
		kept := Traits{}
		for name, value := range traits {
			if value != nil {
				kept[name] = value
			}
		}
		want, err := kept.AppendJSON([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.Append([]byte("before"), traits)
		if err != nil || string(got) != string(want) {
			t.Errorf("%v is written as %s, %v; want %s", traits, got, err, want)
		}
	}
	if _, err := w.Append(nil, Traits{"a": struct{}{}}); !errors.Is(err, ErrInvalidTraitType) {
		t.Errorf("a trait of a type that cannot be stored gives %v", err)
	}
}

// FuzzDecodeTraits: no text makes it panic, and what it takes for traits can be
// written and read again.
func FuzzDecodeTraits(f *testing.F) {
	for _, text := range []string{
		`{"a":1}`, `{"a":"b","c":{"$time":"2026-01-02T15:04:05.000000Z"}}`, `{"a":1,}`, `{"a":1"b":2}`, `{"a":-}`, `{"a":1.}`, `{"a":{"$float":"NaN"}}`,
		`{"a":{"$range":["2026-01-02T15:04:05.000000Z","2026-01-02T15:04:05.000000Z"]}}`, `{"a":{"$range":["`, `{"a":{"$float":"`, `{"\"":"\u0000\\"}`,
		`{"a":1e5}`, `{,}`, `{"a"}`, `{"a":}`, `{"a":"b}`, `{"a":"\`, `{"a":true,"a":false}`, `{`, ``, `{}`, `{"a":{}}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := new(TraitsParser).canonical(text)
		// What was read before makes no difference, also if it broke off.
		var again TraitsParser
		for quarter := range 4 {
			i := len(text) * quarter / 4
			_, _ = again.canonical(text[:i] + text[i/2:])
			_, _ = again.canonical(text[i/2:])
		}
		if twice, ok2 := again.canonical(text); ok != ok2 || describe(twice) != describe(got) {
			t.Fatalf("%q is read as %s, and behind other texts as %s", text, describe(got), describe(twice))
		}
		if !ok || !utf8.ValidString(text) {
			return
		}
		canonical, err := got.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if again, ok := new(TraitsParser).canonical(string(canonical)); !ok || describe(again) != describe(got) {
			t.Fatalf("%q is read as %s, and that as %s", text, describe(got), describe(again))
		}
	})
}

// describe tells names, types and values.
func describe(t Traits) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(t)) {
		fmt.Fprintf(&b, "%q: %T %v, ", name, t[name], t[name])
	}
	return b.String()
}

func BenchmarkDecodeTraits(b *testing.B) {
	traits := Traits{"int": int64(5), "float": 0.5, "time": time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}
	for i := range 12 {
		traits[fmt.Sprintf("trait_%02d", i)] = fmt.Sprintf("some value of %d", i)
	}
	text, err := traits.text()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("by hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseTraits(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("like the one before", func(b *testing.B) {
		var texts [100]string
		for i := range texts {
			traits["trait_00"], traits["int"] = fmt.Sprintf("some value of %d", i), int64(i)
			if texts[i], err = traits.text(); err != nil {
				b.Fatal(err)
			}
		}
		var p TraitsParser
		i := 0
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Parse(texts[i%len(texts)]); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
	b.Run("by decoder", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decodeJSON(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func (t Traits) text() (string, error) {
	b, err := t.AppendJSON(nil)
	return string(b), err
}

// anyTime draws times that can be stored: years 1 to 9999, whole microseconds.
func anyTime() *rapid.Generator[time.Time] {
	first := time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC)
	last := time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMicro(rapid.Int64Range(first.UnixMicro(), last.UnixMicro()).Draw(t, "microseconds")).UTC()
	})
}
