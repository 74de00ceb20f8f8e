package timex_test

import (
	"testing"
	"time"

	"github.com/seed71495667/winchester/timex"
)

// usual are expressions of the kinds that triggers are made of.
var usual = []string{
	"day",
	"$timestamp + 1d",
	"$last + 2d",
	"$audit_period_beginning + 1d",
	"day($timestamp) @ 6h",
	"$timestamp - 1h to $timestamp + 1h",
}

var benchVars timex.Vars = timex.Map{
	"timestamp":              time.Date(2015, 3, 10, 15, 0, 0, 7000, time.UTC),
	"last":                   time.Date(2015, 3, 10, 0, 0, 0, 0, time.UTC),
	"audit_period_beginning": time.Date(2015, 3, 10, 0, 0, 0, 0, time.UTC),
}

var sink timex.Value

func TestEvalDoesNotAllocate(t *testing.T) {
	more := []string{"month + 3d", "year @ 4mo 6d", "$last + 1mo", "$last @ 1d 0h", "hour - 90m", "($last to $timestamp) + 5"}
	for _, expr := range append(more, usual...) {
		e := timex.MustParse(expr)
		allocs := testing.AllocsPerRun(100, func() {
			v, err := e.Eval(benchVars)
			if err != nil {
				t.Fatal(err)
			}
			sink = v
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", expr, allocs)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for _, expr := range usual {
		b.Run(expr, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := timex.Parse(expr); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEval(b *testing.B) {
	for _, expr := range append([]string{"month + 3d"}, usual...) {
		e := timex.MustParse(expr)
		b.Run(expr, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v, err := e.Eval(benchVars)
				if err != nil {
					b.Fatal(err)
				}
				sink = v
			}
		})
	}
}
