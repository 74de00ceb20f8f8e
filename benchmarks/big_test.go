package benchmarks

import (
	"os"
	"testing"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// BenchmarkStored compares a database that has 5 million events and 1 million
// streams in it with one that has none, at the life of an event: it is added, in
// batches of 1000, to one of 5000 streams; and at that of streams: 1000 of them,
// of 10 events each, are claimed, run and completed.
func BenchmarkStored(b *testing.B) {
	if os.Getenv("WINCHESTER_BENCH_BIG") == "" {
		b.Skip("set WINCHESTER_BENCH_BIG=1: this stores millions of events first")
	}
	const millions, active = 1_000_000, 5_000
	pool := openPool(b, postgresURL(b))
	b.Cleanup(pool.Close)
	bigSchema, smallSchema := migrated(b), migrated(b)
	const chunk = 50_000
	for first := 0; first < millions; first += chunk {
		fill(b, pool, bigSchema, stored{streams: chunk, perStream: 5, first: first})
	}
	analyze(b, pool, bigSchema, smallSchema)
	bigStore, smallStore := openStore(b, bigSchema), openStore(b, smallSchema)
	engine := func(s *store.Store) *winchester.Engine {
		return newEngine(b, winchester.Config{Store: s, Triggers: triggers(false)})
	}
	big, small := engine(bigStore), engine(smallStore)

	b.Run("add", func(b *testing.B) {
		src := source{next: 2 * millions, streams: active}
		race := newRace(b, "events/s")
		race.loop(func() []side {
			given := src.batches(batches, batchSize)
			add := func(e *winchester.Engine) func() (int, error) {
				return func() (int, error) {
					return events, feed(1, batches, func(i int) error { return addAll(e, given[i], batchSize) })
				}
			}
			return []side{{name: "big", run: add(big)}, {name: "small", run: add(small)}}
		})
		race.compare("small", "big", "times-the-cost")
	})
	b.Run("work", func(b *testing.B) {
		const streams, perStream = 1000, 10
		next := 2 * millions
		race := newRace(b, "streams/s")
		race.loop(func() []side {
			for _, schema := range []string{bigSchema, smallSchema} {
				fill(b, pool, schema, stored{streams: streams, perStream: perStream, first: next, ready: true})
			}
			next += streams
			work := func(s *store.Store) func() (int, error) {
				e := engine(s) // a new one, whose counts begin at nothing
				return func() (int, error) { return streams, workEngines(b.Context(), []*winchester.Engine{e}, streams) }
			}
			return []side{{name: "big", run: work(bigStore)}, {name: "small", run: work(smallStore)}}
		})
		race.compare("small", "big", "times-the-cost")
	})
}
