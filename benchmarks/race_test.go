package benchmarks

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

// ballast is memory that is in use, as a service has some. Without it the
// garbage collector would run for every four megabytes that a contender makes.
var ballast = make([]byte, 64<<20)

// side is a contender's part of a round.
type side struct {
	name string
	// begin, if there is one, does what is not timed.
	begin func() error
	// run does the work that is timed and returns how much it was.
	run func() (n int, err error)
}

// race runs contenders in turns and compares them round by round.
type race struct {
	b      *testing.B
	unit   string
	rounds int
	rates  map[string][]float64
}

func newRace(b *testing.B, unit string) *race {
	b.Helper()
	return &race{b: b, unit: unit, rates: map[string][]float64{}}
}

// round runs each side once; who begins changes from round to round. The first
// round of all, in which plans are made and caches filled, does not count.
func (r *race) round(sides ...side) {
	r.b.Helper()
	for i := range sides {
		s := sides[(i+r.rounds)%len(sides)]
		runtime.GC() // what came before is not the contender's garbage
		if s.begin != nil {
			if err := s.begin(); err != nil {
				r.b.Fatalf("%s: %v", s.name, err)
			}
		}
		begin := time.Now()
		n, err := s.run()
		rate := float64(n) / time.Since(begin).Seconds()
		if err != nil {
			r.b.Fatalf("%s: %v", s.name, err)
		}
		r.rates[s.name] = append(r.rates[s.name], rate)
	}
	r.rounds++
	if r.rounds == 1 && !testing.Short() {
		clear(r.rates)
	}
}

// loop runs rounds; prepare makes the sides of one, off the clock.
func (r *race) loop(prepare func() []side) {
	r.b.Helper()
	if !testing.Short() {
		r.round(prepare()...)
	}
	for r.b.Loop() {
		r.round(prepare()...)
	}
	runtime.KeepAlive(ballast)
	for name, rates := range r.rates {
		r.b.ReportMetric(median(rates), name+"-"+r.unit)
	}
	r.b.ReportMetric(0, "ns/op") // of all together: it would mislead
}

// compare reports how many times as fast one contender is as another.
func (r *race) compare(fast, slow, metric string) {
	ratios := make([]float64, len(r.rates[fast]))
	for i := range ratios {
		ratios[i] = r.rates[fast][i] / r.rates[slow][i]
	}
	r.b.ReportMetric(median(ratios), metric)
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
