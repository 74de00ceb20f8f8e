package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// Each benchmark does the same rows twice in the same run, in turns and in two
// files: by the store, and by the least that database/sql can do it with, the
// floor. "vs-floor" is the store's rate divided by the floor's.

// race runs both in turns, and reports how they compare.
type race struct {
	b            *testing.B
	store, floor time.Duration
}

func (r *race) run(into *time.Duration, fn func() error) {
	begin := time.Now()
	err := fn()
	*into += time.Since(begin)
	if err != nil {
		r.b.Fatal(err)
	}
}

func (r *race) report(rows int, unit string) {
	n := float64(rows)
	r.b.ReportMetric(n/r.store.Seconds(), unit)
	r.b.ReportMetric(n/r.floor.Seconds(), "floor-"+unit)
	r.b.ReportMetric(r.floor.Seconds()/r.store.Seconds(), "vs-floor")
	r.b.ReportMetric(0, "ns/op") // both together: it would mislead
}

// benchEvents makes events of 15 traits; ids are in no order, as UUIDs are not.
func benchEvents(from, n int) []winchester.Event {
	events := make([]winchester.Event, n)
	for i := range events {
		k := from + i
		traits := make(winchester.Traits, 15)
		for j := range 10 {
			traits[fmt.Sprintf("trait_%02d", j)] = fmt.Sprintf("some value %d of %d", j, k%1000)
		}
		for j := 10; j < 13; j++ {
			traits[fmt.Sprintf("trait_%02d", j)] = int64(k * j)
		}
		traits["trait_13"], traits["trait_14"] = float64(k)*0.25, noon.Add(time.Duration(k)*time.Second)
		events[i] = winchester.Event{
			MessageID: fmt.Sprintf("%08x-7c31-4f0b-9a55-%012d", uint32(k)*2654435761, k), EventType: fmt.Sprintf("compute.instance.type%d", k%20),
			Timestamp: noon.Add(time.Duration(k) * time.Millisecond), Traits: traits,
		}
	}
	return events
}

var noon = time.Date(2026, 4, 5, 12, 0, 0, 0, time.UTC)

const timeText = "2006-01-02T15:04:05.000000Z"

func BenchmarkInsertEvents(b *testing.B) {
	for _, sync := range []store.Synchronous{store.SyncFull, store.SyncNormal} {
		for _, batch := range []int{1, 100, 1000} {
			b.Run(fmt.Sprintf("sync=%s/batch=%d", sync, batch), func(b *testing.B) {
				s := open(b, fileURL(b), store.Options{Migrate: true, Synchronous: sync})
				floor := openFloor(b, sync)
				ctx, cancel := context.WithCancel(context.Background()) // as an engine's
				defer cancel()
				r := race{b: b}
				n := 0
				for b.Loop() {
					events := benchEvents(n, batch)
					n += batch
					r.run(&r.store, func() error { return insertAndJoin(ctx, s, events) })
					traits := make([]string, batch)
					for i, e := range events {
						text, err := e.Traits.AppendJSON(nil)
						if err != nil {
							b.Fatal(err)
						}
						traits[i] = string(text)
					}
					r.run(&r.floor, func() error { return floorInsertAndJoin(floor, events, traits) })
				}
				r.report(n, "events/s")
			})
		}
	}
}

func insertAndJoin(ctx context.Context, s *store.Store, events []winchester.Event) error {
	return s.Transact(ctx, func(tx winchester.Tx) error {
		ids, err := tx.InsertEvents(ctx, events)
		if err != nil {
			return err
		}
		members := make([]winchester.Member, len(ids))
		for i, id := range ids {
			members[i] = winchester.Member{StreamID: 1 + id%500, EventID: id}
		}
		return tx.AddMembers(ctx, members)
	})
}

// BenchmarkClaimCycle claims 100 streams at a time, reads the 10 events of each
// and completes them. The floor reads the same rows and leaves the traits as
// text, while the store makes typed maps of them: what that costs is the
// difference between events of 15 traits and of none.
func BenchmarkClaimCycle(b *testing.B) {
	const claims, perStream = 100, 10
	for _, c := range []struct {
		purge  bool
		traits int
	}{{true, 15}, {true, 0}, {false, 15}} {
		purge := c.purge
		b.Run(fmt.Sprintf("purge=%v/traits=%d", purge, c.traits), func(b *testing.B) {
			s := open(b, fileURL(b), store.Options{Migrate: true, Synchronous: store.SyncNormal})
			floor := openFloor(b, store.SyncNormal)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			r := race{b: b}
			n := 0
			for b.Loop() {
				events := benchEvents(n*perStream, claims*perStream)
				for i := range events {
					if c.traits == 0 {
						events[i].Traits = nil
					}
				}
				fillStore(b, s, events, n, claims)
				fillFloor(b, floor, events, n, claims)
				n += claims
				r.run(&r.store, func() error { return cycle(ctx, s, claims, claims*perStream, purge) })
				r.run(&r.floor, func() error { return floorCycle(floor, claims, claims*perStream, purge) })
			}
			r.report(n, "streams/s")
		})
	}
}

func fillStore(b *testing.B, s *store.Store, events []winchester.Event, first, n int) {
	b.Helper()
	ctx := context.Background()
	streams := make([]*winchester.Stream, n)
	for i := range streams {
		streams[i] = &winchester.Stream{
			Name: "bench", Key: fmt.Sprint(first + i), Open: true, State: winchester.StateActive, FirstEvent: noon, LastEvent: noon,
			FireTimestamp: noon, ExpireTimestamp: noon.Add(time.Hour), DistinguishingTraits: winchester.Traits{"customer": fmt.Sprint(first + i)},
			Progress: winchester.Progress{Fingerprint: "fingerprint", Counts: []int{1, 2}},
		}
	}
	err := s.Transact(ctx, func(tx winchester.Tx) error {
		ids, err := tx.InsertEvents(ctx, events)
		if err != nil {
			return err
		}
		if err := tx.SaveStreams(ctx, streams); err != nil {
			return err
		}
		members := make([]winchester.Member, len(ids))
		for i, id := range ids {
			members[i] = winchester.Member{StreamID: streams[i%n].ID, EventID: id}
		}
		return tx.AddMembers(ctx, members)
	})
	if err != nil {
		b.Fatal(err)
	}
}

func cycle(ctx context.Context, s *store.Store, claims, events int, purge bool) error {
	now := noon.Add(time.Second)
	got, err := s.Claim(ctx, winchester.Claim{Pass: winchester.PassFire, Owner: "w", Now: now, LeaseUntil: now.Add(time.Minute), Limit: claims})
	if err != nil || len(got) != claims {
		return fmt.Errorf("claimed %d streams: %w", len(got), err)
	}
	ids := make([]int64, len(got))
	for i := range got {
		ids[i] = got[i].ID
	}
	found, err := s.StreamEvents(ctx, ids...)
	if err != nil {
		return err
	}
	n := 0
	changes := make([]winchester.StreamChange, len(got))
	for i, stream := range got {
		n += len(found[stream.ID])
		changes[i] = winchester.StreamChange{Stream: stream, SerialBefore: stream.StateSerialNo, Purge: purge}
		next := &changes[i].Stream
		next.State, next.Owner, next.Due = winchester.StateCompleted, "", time.Time{}
		next.StateSerialNo++
	}
	if n != events {
		return fmt.Errorf("read %d events, want %d", n, events)
	}
	return s.Transact(ctx, func(tx winchester.Tx) error { return tx.ChangeStreams(ctx, changes) })
}
