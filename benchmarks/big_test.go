package benchmarks

import (
	"os"
	"testing"

	"github.com/seed71495667/winchester"
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
	big := newEngine(b, winchester.Config{Store: openStore(b, bigSchema), Triggers: triggers(false)})
	small := newEngine(b, winchester.Config{Store: openStore(b, smallSchema), Triggers: triggers(false)})

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
			work := func(schema string) func() (int, error) {
				// A new engine, whose counts begin at nothing.
				e := newEngine(b, winchester.Config{Store: openStore(b, schema), Triggers: triggers(false)})
				return func() (int, error) { return streams, workEngines(b.Context(), []*winchester.Engine{e}, streams) }
			}
			return []side{{name: "big", run: work(bigSchema)}, {name: "small", run: work(smallSchema)}}
		})
		race.compare("small", "big", "times-the-cost")
	})
}
