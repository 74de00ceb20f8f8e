package winchester

import (
	"sync"
	"testing"
	"time"
)

// TestGathering: whatever is added from many goroutines is taken once, in
// batches within the limit, and the end is told.
func TestGathering(t *testing.T) {
	t.Parallel()
	const goroutines, each, limit = 8, 500, 7
	g := newGathering()
	var adding sync.WaitGroup
	for range goroutines {
		adding.Go(func() {
			for range each {
				g.add(&run{}, limit)
			}
		})
	}
	go func() { adding.Wait(); g.close() }()
	seen := map[*run]bool{}
	for {
		batch := g.take(func() int { return limit }, limit, time.Microsecond)
		if len(batch) == 0 {
			break
		}
		if len(batch) > limit {
			t.Fatalf("a batch of %d", len(batch))
		}
		for _, r := range batch {
			if seen[r] {
				t.Fatal("a run was taken twice")
			}
			seen[r] = true
		}
	}
	if len(seen) != goroutines*each {
		t.Fatalf("%d of %d runs were taken", len(seen), goroutines*each)
	}
}

// TestGatheringWaitsForCompany: until there is enough of it, not for longer.
func TestGatheringWaitsForCompany(t *testing.T) {
	t.Parallel()
	g := newGathering()
	taken := make(chan []*run)
	go func() { taken <- g.take(func() int { return 3 }, 10, time.Hour) }()
	for range 3 {
		g.add(&run{}, 3)
	}
	if n := len(<-taken); n != 3 {
		t.Fatalf("%d runs were taken, not 3", n)
	}
	g.add(&run{}, 3)
	if n := len(g.take(func() int { return 3 }, 10, time.Nanosecond)); n != 1 {
		t.Fatalf("%d runs were taken, not the one that is there", n)
	}
}
