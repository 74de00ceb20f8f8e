package timex_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/seed71495667/winchester/timex"
)

func TestValueOfTimestamp(t *testing.T) {
	t.Parallel()
	noon := at("2014-07-20T12:00")
	v, err := timex.MustParse("$t").Eval(timex.Map{"t": noon})
	if err != nil {
		t.Fatal(err)
	}
	if v.IsRange() || v.Timestamp() != noon || v.Begin != noon || v.End != noon || v.Duration() != 0 {
		t.Errorf("got %+v", v)
	}
	for d, want := range map[time.Duration]bool{
		0: true, 999: true, time.Microsecond: false, -1: false, time.Hour: false,
	} {
		if v.Contains(noon.Add(d)) != want {
			t.Errorf("Contains(%v later) is %v", d, !want)
		}
	}
	if !v.Contains(noon.In(time.FixedZone("", 3600))) {
		t.Error("the zone must not matter")
	}
	if got := v.String(); got != "2014-07-20T12:00:00Z" {
		t.Error(got)
	}
}

func TestValueOfRange(t *testing.T) {
	t.Parallel()
	vars := timex.Map{"a": at("2014-07-20"), "b": at("2014-07-21").Add(7 * time.Microsecond)}
	v, err := timex.MustParse("$a to $b").Eval(vars)
	if err != nil {
		t.Fatal(err)
	}
	if !v.IsRange() || v.Timestamp() != vars["a"] || v.Duration() != 24*time.Hour+7*time.Microsecond ||
		v.String() != "[2014-07-20T00:00:00Z, 2014-07-21T00:00:00.000007Z)" {
		t.Errorf("got %v", v)
	}
	for d, want := range map[time.Duration]bool{
		-1: false, 0: true, time.Hour: true, v.Duration() - 1: true, v.Duration(): false,
	} {
		if v.Contains(v.Begin.Add(d)) != want || v.Range().Contains(v.Begin.Add(d)) != want {
			t.Errorf("Contains(%v later) is %v", d, !want)
		}
	}
	reversed, err := timex.MustParse("$b to $a").Eval(vars)
	if err != nil || reversed.Contains(vars["a"]) || reversed.Contains(vars["b"]) || reversed.Duration() != -v.Duration() {
		t.Errorf("reversed: %v, %v", reversed, err)
	}
}

// Ranges serve as traits: they are compared and used as keys.
func TestRangeIsComparable(t *testing.T) {
	t.Parallel()
	begin := at("2014-07-20")
	zone := time.FixedZone("", 3600)
	a := timex.NewRange(begin, begin.Add(time.Hour))
	b := timex.NewRange(begin.In(zone).Add(999), begin.Add(time.Hour).In(zone))
	v, err := timex.MustParse("hour").Eval(timex.Map{"timestamp": begin.In(zone)})
	if err != nil || a != b || a != v.Range() || len(map[timex.Range]bool{a: true, b: true, v.Range(): true}) != 1 {
		t.Errorf("%v, %v and %v differ (%v)", a, b, v.Range(), err)
	}
	if a.Duration() != time.Hour || a.String() != "[2014-07-20T00:00:00Z, 2014-07-20T01:00:00Z)" {
		t.Errorf("got %v of %v", a, a.Duration())
	}
	text, err := json.Marshal(a)
	if want := `{"begin":"2014-07-20T00:00:00Z","end":"2014-07-20T01:00:00Z"}`; err != nil || string(text) != want {
		t.Errorf("got %s, %v", text, err)
	}
}
