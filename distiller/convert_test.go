package distiller

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

// The recordings cover what came out of the original; these are the cases
// beyond them.
func TestConvert(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ  Type
		json string
		want any // nil: an error
	}{
		{Int, `9223372036854775807`, int64(math.MaxInt64)},
		{Int, `9223372036854775808`, nil},
		{Int, `-9223372036854775808`, int64(math.MinInt64)},
		{Int, `"9223372036854775808"`, nil},
		{Int, `9.3e18`, nil},
		{Int, `-9.2e18`, int64(-9200000000000000000)},
		{Int, `1e999`, nil},
		{Int, `"\u00a042\u2003"`, int64(42)},
		{Int, `-0`, int64(0)},
		{Float, `9223372036854775808`, 9223372036854775808.0},
		{Float, `1e999`, math.Inf(1)},
		{Float, `"-1E999"`, math.Inf(-1)},
		{Float, `"0x1p-2"`, nil},
		{Float, `"1_0"`, nil},
		{Float, `"info"`, nil},
		{Float, `"+-nan"`, nil},
		{Text, `123456789012345678901234567890`, "123456789012345678901234567890"},
		{Text, `1.0`, "1.0"},
		{Text, `1e2`, "100.0"},
		{Text, `1E16`, "1e+16"},
		{Text, `9.999e15`, "9999000000000000.0"},
		{Text, `0.0001`, "0.0001"},
		{Text, `0.00001`, "1e-05"},
		{Text, `-0.0`, "-0.0"},
		{Text, `1e999`, "1e999"},
		{Text, `true`, "true"},
		{Text, `{"b": [1, 2.50, "ü\n\"\u0007"], "a": {"z": null, "y": false}}`, `{"a":{"y":false,"z":null},"b":[1,2.50,"ü\u000a\"\u0007"]}`},
		{Datetime, `"2014-07-20T15:45:38.1234567+23:59"`, time.Date(2014, 7, 19, 15, 46, 38, 123456000, time.UTC)},
		{Datetime, `"2014-07-20T15:45:38+24:00"`, nil},
		{Datetime, `"0000-01-01"`, nil},
		{Datetime, `"2014-07-20\n"`, nil},
	} {
		s := reading(t, newOutline(), c.json)
		got, err := c.typ.convert(s.decode(root))
		if (err == nil) != (c.want != nil) {
			t.Errorf("%s of %s: %v, %v", c.typ, c.json, got, err)
		}
		if c.want != nil && got != c.want {
			t.Errorf("%s of %s is %T %v, want %v", c.typ, c.json, got, got, c.want)
		}
		if quick := c.typ.quick(s, root); quick != nil && quick != got {
			t.Errorf("%s of %s is %v the quick way, and %v", c.typ, c.json, quick, got)
		}
	}
	for _, text := range []string{"nan", "+NaN", "-nan", " nan "} {
		if f, err := Float.convert(value{kind: kindText, text: text}); err != nil || !math.IsNaN(f.(float64)) {
			t.Errorf("%q is %v, %v", text, f, err)
		}
	}
}

// The quick way to read a time and the thorough one agree.
func FuzzTime(f *testing.F) {
	for _, s := range []string{"2014-07-20T15:45:38.123456Z", "2014-07-20 15:45:38", "20140720T154538.25", "2014-7-2", "2014-02-30 00:00:00", "201407", "2014-07-20T15:45:38+0530", "2014-07-20T15:45:38.25+00:00", "2014-07-20 15:45:38+0000", "2014-07-20T15:45:38Z+0000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quick, ok := commonTime([]byte(s))
		if !ok {
			_, _ = parseTime(s)
			return
		}
		layout := "2006-01-02T15:04:05"
		if s[10] == ' ' {
			layout = "2006-01-02 15:04:05"
		}
		switch {
		case strings.HasSuffix(s, "Z"):
			layout += "Z"
		case strings.HasSuffix(s, "+00:00"):
			layout += "-07:00"
		case strings.HasSuffix(s, "+0000"):
			layout += "-0700"
		}
		slow, err := time.Parse(layout, s)
		if err != nil || !slow.Truncate(time.Microsecond).Equal(quick) {
			t.Errorf("%q: %v, but time.Parse says %v, %v", s, quick, slow, err)
		}
	})
}

func TestFromAny(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 5000, time.FixedZone("", 3600))
	for _, c := range []struct {
		in   any
		text string
	}{
		{"x", "x"}, {true, "true"}, {5, "5"}, {int64(-5), "-5"}, {uint64(math.MaxUint64), "18446744073709551615"}, {2.5, "2.5"}, {1e16, "1e+16"},
		{json.Number("7"), "7"}, {json.Number("7.50"), "7.5"}, {at, "2026-03-01T11:00:00.000005Z"},
		{[]any{1, "a", nil}, `[1,"a",null]`}, {map[string]any{"b": 1, "a": 2.5}, `{"a":2.5,"b":1}`},
	} {
		v, err := fromAny(c.in)
		if err != nil {
			t.Errorf("%v: %v", c.in, err)
		} else if got := toText(v); got != c.text {
			t.Errorf("%v is %s, want %s", c.in, got, c.text)
		}
	}
	for _, in := range []any{int8(1), struct{}{}, []string{"a"}, []any{math.NaN()}} {
		if v, err := fromAny(in); err == nil {
			t.Errorf("%T is %v", in, v)
		}
	}
	if v, err := fromAny(at); err != nil {
		t.Error(err)
	} else if got, err := Datetime.convert(v); err != nil || got != at.UTC().Truncate(time.Microsecond) {
		t.Errorf("got %v, %v", got, err)
	}
}
