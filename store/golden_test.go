package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// The golden tests compare the store with recordings of the original, which
// are in testdata/golden of the module or, to run other cases through the same
// tests, in the directory that WINCHESTER_GOLDEN names.

func readGolden(t *testing.T) (cases *goldenCases, own bool) {
	t.Helper()
	dir := os.Getenv("WINCHESTER_GOLDEN")
	if own = dir == ""; own {
		dir = filepath.Join("..", "testdata", "golden")
	}
	data, err := os.ReadFile(filepath.Join(dir, "queries", "cases.json"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("there are no recorded queries in %s", dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	cases = &goldenCases{}
	if err := json.Unmarshal(data, cases); err != nil {
		t.Fatal(err)
	}
	return cases, own
}

// load makes a store with the recorded state.
func (c *goldenCases) load(t *testing.T) *store.Store {
	t.Helper()
	s := openFile(t)
	events := make([]winchester.Event, len(c.State.Events))
	for i, e := range c.State.Events {
		events[i] = e.decode(t)
	}
	streams := make([]*winchester.Stream, len(c.State.Streams))
	for i, g := range c.State.Streams {
		traits := decodeTraits(t, g.DistinguishedBy)
		key, err := winchester.StreamKey(g.Trigger, traits)
		if err != nil {
			t.Fatal(err)
		}
		streams[i] = &winchester.Stream{
			Name: g.Trigger, DistinguishingTraits: traits, Key: key, State: winchester.StateActive,
			FirstEvent: goldenMoment(t, g.FirstEvent), LastEvent: goldenMoment(t, g.LastEvent),
			FireTimestamp: goldenMoment(t, g.FireTimestamp), ExpireTimestamp: goldenMoment(t, g.ExpireTimestamp),
		}
	}
	ctx := t.Context()
	err := s.Transact(ctx, func(tx winchester.Tx) error {
		ids, err := tx.InsertEvents(ctx, events)
		if err != nil {
			return err
		}
		byMessage := map[string]int64{}
		for i, e := range events {
			byMessage[e.MessageID] = ids[i]
			if ids[i] != c.State.Events[i].N {
				return fmt.Errorf("event %d of the recording got the id %d", c.State.Events[i].N, ids[i])
			}
		}
		if err := tx.SaveStreams(ctx, streams); err != nil {
			return err
		}
		var members []winchester.Member
		var changes []winchester.StreamChange
		for i, g := range c.State.Streams {
			if streams[i].ID != g.N {
				return fmt.Errorf("stream %d of the recording got the id %d", g.N, streams[i].ID)
			}
			for _, id := range g.Events {
				members = append(members, winchester.Member{StreamID: g.N, EventID: byMessage[id]})
			}
			change := winchester.StreamChange{Stream: *streams[i]}
			change.Stream.State, change.Stream.StateSerialNo = goldenState(t, g.State), g.StateSerialNo
			changes = append(changes, change)
		}
		if err := tx.AddMembers(ctx, members); err != nil {
			return err
		}
		return tx.ChangeStreams(ctx, changes)
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGoldenQueries(t *testing.T) {
	t.Parallel()
	cases, own := readGolden(t)
	s := cases.load(t)
	excused := &excuses{cases: map[string][]string{}}
	run := goldenRun{cases: cases, s: s, excused: excused}
	t.Run("queries", func(t *testing.T) { // the group keeps s open until all are done
		for _, q := range cases.Queries {
			t.Run(q.ID, func(t *testing.T) {
				t.Parallel()
				run.check(t, q)
			})
		}
	})
	excused.check(t, own)
}

func TestGoldenChanges(t *testing.T) {
	t.Parallel()
	cases, _ := readGolden(t)
	excused := &excuses{cases: map[string][]string{}}
	for _, c := range cases.Changes {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			run := goldenRun{excused: excused, cases: cases, s: cases.load(t), labels: map[string]winchester.Stream{}}
			for _, op := range c.Ops {
				op.Optional = c.Optional
				run.check(t, op)
			}
			run.checkAfter(t, c)
		})
	}
}

// checkAfter compares what is left in the store.
func (r *goldenRun) checkAfter(t *testing.T, c goldenChange) {
	t.Helper()
	events, err := r.s.FindEvents(t.Context(), winchester.EventQuery{Mark: "+"})
	if err != nil {
		t.Fatal(err)
	}
	var ids []int64
	traits := 0
	for _, e := range events {
		ids = append(ids, e.ID)
		traits += len(e.Traits)
	}
	if !slices.Equal(ids, c.After.Events) || traits != c.After.Counts.EventTraits {
		t.Errorf("events left: %v with %d traits; want %v with %d", ids, traits, c.After.Events, c.After.Counts.EventTraits)
	}
	want := map[int64]string{}
	for _, s := range r.cases.State.Streams {
		want[s.N] = s.text(t)
	}
	for _, s := range c.After.ChangedStreams {
		want[s.N] = s.text(t)
	}
	streams, err := r.s.FindStreams(t.Context(), winchester.StreamQuery{Mark: "+", IncludeEvents: true})
	if err != nil {
		t.Fatal(err)
	}
	got := map[int64]string{}
	members, traits := 0, 0
	for _, s := range streams {
		got[s.ID] = streamText(t, s.Stream, idsByTime(s.Events))
		members += len(s.Events)
		traits += len(s.DistinguishingTraits)
		if got[s.ID] != want[s.ID] {
			t.Errorf("stream:\n got %s\nwant %s", got[s.ID], want[s.ID])
		}
	}
	left := slices.Sorted(maps.Keys(got))
	if !slices.Equal(left, c.After.Streams) || members != c.After.Counts.Members || traits != c.After.Counts.Traits {
		t.Errorf("streams left: %v with %d events and %d traits; want %v with %d and %d", left, members, traits,
			c.After.Streams, c.After.Counts.Members, c.After.Counts.Traits)
	}
}
