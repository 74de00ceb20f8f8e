package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/seed71495667/winchester"
)

// The events of these benchmarks have 15 traits and belong, by chance, to one of
// 5000 streams, by the last of ten triggers.
const (
	batchSize = 1000
	batches   = 8 // of a round
	events    = batches * batchSize
)

// BenchmarkAddEvents files batches of 1000 from one and from four goroutines.
func BenchmarkAddEvents(b *testing.B) {
	for _, feeders := range []int{1, 4} {
		b.Run(fmt.Sprintf("postgres/feeders=%d", feeders), func(b *testing.B) {
			engine := newEngine(b, winchester.Config{Store: openStore(b, newSchema(b)), Triggers: triggers(false)})
			floor := newFilingFloor(b)
			src := source{streams: 5000}
			race := newRace(b, "events/s")
			race.loop(func() []side {
				given := src.batches(batches, batchSize)
				prepared := make([]arrays, len(given))
				for i, batch := range given {
					prepared[i] = arraysOf(rowsOf(b, batch))
				}
				return []side{
					{name: "engine", run: func() (int, error) {
						return events, feed(feeders, batches, func(i int) error { return addAll(engine, given[i], batchSize) })
					}},
					{name: "floor", run: func() (int, error) {
						return events, feed(feeders, batches, func(i int) error { return floor.file(b.Context(), prepared[i], batchSize) })
					}},
				}
			})
			race.compare("engine", "floor", "vs-floor")
		})
	}
	b.Run("sqlite", func(b *testing.B) {
		s, _ := openSQLite(b)
		engine := newEngine(b, winchester.Config{Store: s, Triggers: triggers(false)})
		floor := newSQLiteFloor(b)
		src := source{streams: 5000}
		race := newRace(b, "events/s")
		race.loop(func() []side {
			given := src.batches(batches, batchSize)
			prepared := make([][]row, len(given))
			for i, batch := range given {
				prepared[i] = rowsOf(b, batch)
			}
			return []side{
				{name: "engine", run: func() (int, error) {
					return events, feed(1, batches, func(i int) error { return addAll(engine, given[i], batchSize) })
				}},
				{name: "floor", run: func() (int, error) {
					return events, feed(1, batches, func(i int) error { return floor.file(prepared[i], batchSize) })
				}},
			}
		})
		race.compare("engine", "floor", "vs-floor")
	})
}

// BenchmarkAddEvent adds events one by one from 64 goroutines and, in the other
// half of each round, in batches of 100 from one.
func BenchmarkAddEvent(b *testing.B) {
	const goroutines, n = 64, 6400
	for _, feeders := range []int{1, 4} {
		b.Run(fmt.Sprintf("postgres/feeders=%d", feeders), func(b *testing.B) {
			engine := newEngine(b, winchester.Config{Store: openStore(b, newSchema(b)), Triggers: triggers(false)})
			src := source{streams: 5000}
			race := newRace(b, "events/s")
			race.loop(func() []side {
				singles, hundreds := src.batch(n), src.batches(n/100, 100)
				return []side{
					{name: "singly", run: func() (int, error) {
						return n, feed(goroutines, n, func(i int) error {
							r, err := engine.AddEvent(b.Context(), singles[i])
							if err == nil && len(r.Streams) != 1 {
								err = fmt.Errorf("%+v", r)
							}
							return err
						})
					}},
					{name: "hundreds", run: func() (int, error) {
						return n, feed(feeders, n/100, func(i int) error { return addAll(engine, hundreds[i], 100) })
					}},
				}
			})
			race.compare("singly", "hundreds", "vs-batches")
		})
	}
}

// BenchmarkRedelivery adds batches of which half was added before, and batches
// of new events only.
func BenchmarkRedelivery(b *testing.B) {
	engine := newEngine(b, winchester.Config{Store: openStore(b, newSchema(b)), Triggers: triggers(false)})
	src := source{streams: 5000}
	race := newRace(b, "events/s")
	earlier := src.batches(batches, batchSize)
	for _, batch := range earlier {
		if err := addAll(engine, batch, batchSize); err != nil {
			b.Fatal(err)
		}
	}
	race.loop(func() []side {
		fresh, mixed := src.batches(batches, batchSize), src.batches(batches, batchSize/2)
		for i := range mixed {
			mixed[i] = append(mixed[i], earlier[i][:batchSize/2]...)
		}
		earlier = slices.Clone(fresh)
		return []side{
			{name: "mixed", run: func() (int, error) {
				return events, feed(1, batches, func(i int) error { return addAll(engine, mixed[i], batchSize/2) })
			}},
			{name: "fresh", run: func() (int, error) {
				return events, feed(1, batches, func(i int) error { return addAll(engine, fresh[i], batchSize) })
			}},
		}
	})
	race.compare("mixed", "fresh", "vs-fresh")
}

// feed calls f for 0 to n-1, from several goroutines.
func feed(feeders, n int, f func(i int) error) error {
	errs := make([]error, feeders)
	var all sync.WaitGroup
	for feeder := range feeders {
		all.Go(func() {
			for i := feeder; i < n && errs[feeder] == nil; i += feeders {
				errs[feeder] = f(i)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// addAll adds a batch, of which so many events must be new.
func addAll(engine *winchester.Engine, given []winchester.Event, fresh int) error {
	results, err := engine.AddEvents(context.Background(), given)
	for _, r := range results {
		if r.Outcome == winchester.OutcomeStored && len(r.Streams) == 1 {
			fresh--
		}
	}
	if err == nil && fresh != 0 {
		err = fmt.Errorf("%d events too few were filed", fresh)
	}
	return err
}
