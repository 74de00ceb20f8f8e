package timex_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester/timex"
)

// The laws that the package promises for function ranges, tried on random
// expressions and times. The seed is fixed: a failure can be repeated.

var (
	functionUnits = []string{"hour", "day", "month", "year"}
	small         = map[string][]string{
		"hour":  {"m", "s", "us"},
		"day":   {"h", "m", "s", "us"},
		"month": {"d", "h", "m", "s", "us"},
		"year":  {"mo", "d", "h", "m", "s", "us"},
	}
	large = map[string][]string{
		"hour":  {"h", "d", "mo", "y"},
		"day":   {"d", "mo", "y"},
		"month": {"mo", "y"},
		"year":  {"y"},
	}
	fieldLow  = map[string]int{"d": 1, "mo": 1}
	fieldHigh = map[string]int{"mo": 12, "d": 31, "h": 23, "m": 59, "s": 59, "us": 999999}
)

const propertyRounds = 3000

func TestRangesOfAFunctionPartitionTime(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range propertyRounds {
		function := pick(r, functionUnits)
		expr := function + "($t)" + smallSteps(r, function)
		e, err := timex.Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		pin := randomTime(r)
		v := mustEval(t, e, pin)
		if !v.Contains(pin) {
			t.Fatalf("%s at %v: %v does not contain its pin", expr, pin, v)
		}
		inside := v.Begin.Add(time.Duration(r.Int64N(int64(v.Duration())))).Truncate(time.Microsecond)
		for _, at := range []time.Time{v.Begin, inside, v.End.Add(-time.Microsecond)} {
			if got := mustEval(t, e, at); got != v {
				t.Fatalf("%s: %v at %v, but %v at %v in it", expr, v, pin, got, at)
			}
		}
		if next := mustEval(t, e, v.End); next.Begin != v.End {
			t.Fatalf("%s: after %v comes %v", expr, v, next)
		}
	}
}

func TestLargeUnitsMoveThePin(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range propertyRounds {
		function := pick(r, functionUnits)
		before, after := smallSteps(r, function), smallSteps(r, function)
		move := fmt.Sprintf(" %s %d%s", pick(r, []string{"+", "-"}), r.IntN(30), pick(r, large[function]))
		outside := timex.MustParse(function + "($t)" + before + move + after)
		inside := timex.MustParse(function + "($t" + move + ")" + before + after)
		pin := randomTime(r)
		if a, b := mustEval(t, outside, pin), mustEval(t, inside, pin); a != b {
			t.Fatalf("%v is %v, but %v is %v at %v", outside, a, inside, b, pin)
		}
	}
}

// A duration of several units is the sum of its parts, where no part depends
// on the others: units of fixed length.
func TestDurationsAddUp(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	for range propertyRounds {
		var ganged, chained strings.Builder
		var sum time.Duration
		op := pick(r, []string{"+", "-"})
		ganged.WriteString("$t " + op)
		chained.WriteString("$t")
		for range 1 + r.IntN(5) {
			name := pick(r, []string{"d", "hr", "min", "sec", "us", "h", "m", "s"})
			length := map[string]time.Duration{"d": 24 * time.Hour, "hr": time.Hour, "h": time.Hour, "min": time.Minute,
				"m": time.Minute, "sec": time.Second, "s": time.Second, "us": time.Microsecond}[name]
			n := r.IntN(1000)
			sum += time.Duration(n) * length
			fmt.Fprintf(&ganged, " %d%s", n, name)
			fmt.Fprintf(&chained, " %s %d %s", op, n, name)
		}
		if op == "-" {
			sum = -sum
		}
		at := randomTime(r)
		want := at.Add(sum)
		a := mustEval(t, timex.MustParse(ganged.String()), at)
		b := mustEval(t, timex.MustParse(chained.String()), at)
		if a.Timestamp() != want || b.Timestamp() != want {
			t.Fatalf("%s is %v, %s is %v, want %v", &ganged, a, &chained, b, want)
		}
	}
}

// Months and replaced fields agree with the time package.
func TestCalendarAgreesWithTime(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 8))
	for range propertyRounds {
		at := randomTime(r)
		months := r.IntN(2000) - 1000
		expr := fmt.Sprintf("$t + %dmo", months)
		if months < 0 {
			expr = fmt.Sprintf("$t - %dmo", -months)
		}
		want := at.AddDate(0, months, 0)
		if want.Day() != at.Day() { // overflowed into the month after
			want = want.AddDate(0, 0, -want.Day())
		}
		if got := mustEval(t, timex.MustParse(expr), at).Timestamp(); got != want {
			t.Fatalf("%s at %v is %v, want %v", expr, at, got, want)
		}
		to := randomTime(r)
		expr = fmt.Sprintf("$t @ %dy %dmo %dd %dh %dm %ds %dus", to.Year(), to.Month(), to.Day(),
			to.Hour(), to.Minute(), to.Second(), to.Nanosecond()/1000)
		if got := mustEval(t, timex.MustParse(expr), at).Timestamp(); got != to {
			t.Fatalf("%s is %v", expr, got)
		}
	}
}

// smallSteps is up to three steps of units below the function's.
func smallSteps(r *rand.Rand, function string) string {
	var b strings.Builder
	for range r.IntN(4) {
		op := pick(r, []string{"+", "-", "@"})
		fmt.Fprintf(&b, " %s", op)
		for _, u := range small[function] {
			if r.IntN(3) > 0 && !(u == "us" && strings.HasSuffix(b.String(), op)) {
				continue
			}
			n := r.IntN(500)
			if op == "@" {
				high := fieldHigh[u]
				if u == "d" && strings.Contains(b.String()[strings.LastIndex(b.String(), op):], "mo") {
					high = 28
				}
				n = fieldLow[u] + r.IntN(high-fieldLow[u]+1)
			}
			fmt.Fprintf(&b, " %d%s", n, u)
		}
	}
	return b.String()
}

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

// randomTime favours the times at which calendars go wrong.
func randomTime(r *rand.Rand) time.Time {
	t := time.Date(1600+r.IntN(800), time.Month(1+r.IntN(12)), 1+r.IntN(31), r.IntN(24), r.IntN(60), r.IntN(60), 0, time.UTC)
	switch r.IntN(4) {
	case 0:
		return t.Truncate(24 * time.Hour)
	case 1:
		return t.Truncate(24 * time.Hour).Add(-time.Microsecond)
	default:
		return t.Add(time.Duration(r.IntN(1e6)) * time.Microsecond)
	}
}

func mustEval(t *testing.T, e timex.Expr, at time.Time) timex.Value {
	t.Helper()
	v, err := e.Eval(timex.Map{"t": at})
	if err != nil {
		t.Fatalf("%v at %v: %v", e, at, err)
	}
	return v
}
