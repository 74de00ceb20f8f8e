package scenario_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/seed71495667/winchester/internal/chaos/scenario"
)

// TestPlan: the events are the same for everyone who asks, and each is delivered.
func TestPlan(t *testing.T) {
	t.Parallel()
	p := scenario.Plan{Seed: 1, Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Rate: 100, Events: 500, Feeders: 3}
	kinds, copies := map[string]int{}, map[int]int{}
	for i := range p.Events {
		e := p.Event(i)
		if !reflect.DeepEqual(e, p.Event(i)) {
			t.Fatalf("event %d is not always the same", i)
		}
		if at, ok := p.Index(e.ID); !ok || at != i {
			t.Errorf("%q is event %d", e.ID, at)
		}
		kinds[e.Type]++
		n := 0
		for f := range p.Feeders {
			if p.Delivers(f, i) {
				n++
			}
		}
		copies[n]++
	}
	if len(kinds) != 6 || copies[0] > 0 || len(copies) != 3 {
		t.Errorf("types %v, deliveries %v", kinds, copies)
	}
}

// TestJournal: what was written is read again, but for the last words of one
// that was killed.
func TestJournal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	acks := []scenario.Ack{{Event: 7, Outcome: "stored", Streams: []int64{1, 2}}, {Event: 8, Outcome: "duplicate"}, {Event: 9, Outcome: "failed", Reason: `"a b"`}}
	for begun, more := range []string{"", "stored 1", "dup"} {
		j, h, err := scenario.OpenJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		if h.Begun != begun || begun > 0 && len(h.Acks) != begun*len(acks) {
			t.Errorf("round %d: %+v", begun, h)
		}
		if err := j.Begin(begun); err != nil {
			t.Fatal(err)
		}
		if err := j.Acknowledge(acks[0], acks[1], scenario.Ack{Event: 9, Outcome: "failed", Reason: "a b"}); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(more); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	h, err := scenario.ReadJournal(path)
	if err != nil || !reflect.DeepEqual(h.Acks[:3], acks) || len(h.Acks) != 9 {
		t.Errorf("%+v, %v", h, err)
	}
}
