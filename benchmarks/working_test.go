package benchmarks

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// BenchmarkWork runs streams that are ready: claim, load their events, a
// pipeline that does nothing, complete. A worker is a started engine or, of the
// floor, a goroutine that does one claim after the other. The floor reads the
// traits of events as the text that they are stored as; a second one makes maps
// of them, as handlers get them, by encoding/json. River has one client, whose
// job is a row without events, once with its default pauses between fetches and
// once with the shortest. The clock starts when a tenth is done: until
// then connections are made, plans are cached, and claims grow.
func BenchmarkWork(b *testing.B) {
	for _, workers := range []int{1, 2, 4} {
		for _, perStream := range []int{10, 1} {
			b.Run(fmt.Sprintf("postgres/workers=%d/events=%d", workers, perStream), func(b *testing.B) {
				w := newWork(b, workers, perStream)
				floorSchema, decodingSchema := migrated(b), migrated(b)
				floor, decoding := newWorkingFloor(w.pool, floorSchema), newWorkingFloor(w.pool, decodingSchema)
				decoding.decode = true
				tuned, untuned := newRiver(b, w.pool), newRiver(b, w.pool)
				race := newRace(b, "streams/s")
				race.loop(func() []side {
					engine := w.engine(b, floorSchema, decodingSchema)
					return []side{
						engine,
						working("floor", w.streams, floorWork(b.Context(), floor, workers, perStream)),
						working("decoding-floor", w.streams, floorWork(b.Context(), decoding, workers, perStream)),
						working("river", w.streams, riverWork(b, w.pool, tuned, true, w.streams, 0)),
						working("river-default", w.streams, riverWork(b, w.pool, untuned, false, w.streams, 0)),
					}
				})
				race.compare("engine", "floor", "vs-floor")
				race.compare("engine", "decoding-floor", "vs-decoding-floor")
				race.compare("engine", "river", "vs-river")
				race.compare("engine", "river-default", "vs-river-default")
			})
		}
	}
}

// BenchmarkWorkOfJobs compares the same with jobs of River that bring the events
// as their arguments, with the shortest pauses. It is apart because that much to
// write disturbs what runs next.
func BenchmarkWorkOfJobs(b *testing.B) {
	for _, workers := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("postgres/workers=%d/events=10", workers), func(b *testing.B) {
			w := newWork(b, workers, 10)
			loaded := newRiver(b, w.pool)
			race := newRace(b, "streams/s")
			race.loop(func() []side {
				engine := w.engine(b)
				return []side{engine, working("river", w.streams, riverWork(b, w.pool, loaded, true, w.streams, w.perStream))}
			})
			race.compare("engine", "river", "vs-river")
		})
	}
}

// work is what engines have to do.
type work struct {
	pool                        *pgxpool.Pool
	workers, streams, perStream int
	schema                      string
	store                       *store.Store
}

func newWork(b *testing.B, workers, perStream int) *work {
	b.Helper()
	pool := openPool(b, postgresURL(b))
	b.Cleanup(pool.Close)
	schema := migrated(b)
	const streams = 12_000 // however many workers there are, so that tables of the same size are compared
	return &work{pool: pool, workers: workers, streams: streams, perStream: perStream, schema: schema, store: openStore(b, schema)}
}

// engine makes the work anew, also in the schemas of others, and is the engines'
// side of a round.
func (w *work) engine(b *testing.B, others ...string) side {
	b.Helper()
	schemas := append([]string{w.schema}, others...)
	for _, schema := range schemas {
		empty(b, w.pool, schema)
	}
	fill(b, w.pool, w.schema, stored{streams: w.streams, perStream: w.perStream, ready: true})
	for _, schema := range others {
		copyOf(b, w.pool, schema, w.schema)
	}
	analyze(b, w.pool, schemas...)
	engines := make([]*winchester.Engine, w.workers)
	for i := range engines {
		engines[i] = newEngine(b, winchester.Config{Store: w.store, Triggers: triggers(false)})
	}
	return working("engine", w.streams, engineWork(b.Context(), engines))
}

// job is work that goes on by itself until it is done.
type job struct {
	start func() error
	done  func() int64 // how much so far
	stop  func() error
}

// working is a contender that does all of a job, and is timed for nine tenths of
// it.
func working(name string, all int, j job) side {
	var begun int64
	return side{
		name: name,
		begin: func() error {
			if err := j.start(); err != nil {
				return err
			}
			err := await(func() bool { begun = j.done(); return begun >= int64(all)/10 })
			return err
		},
		run: func() (int, error) {
			if err := await(func() bool { return j.done() >= int64(all) }); err != nil {
				return 0, err
			}
			return all - int(begun), j.stop()
		},
	}
}

func engineWork(ctx context.Context, engines []*winchester.Engine) job {
	return job{
		start: func() error {
			for _, e := range engines {
				if err := e.Start(ctx); err != nil {
					return err
				}
			}
			return nil
		},
		done: func() (fired int64) {
			for _, e := range engines {
				fired += e.Stats().Fired
			}
			return fired
		},
		stop: func() (err error) {
			for _, e := range engines {
				if stopped := e.Stop(ctx); err == nil {
					err = stopped
				}
			}
			return err
		},
	}
}

// riverWork inserts jobs, off the clock, and works them.
func riverWork(b *testing.B, pool *pgxpool.Pool, schema string, tuned bool, jobs, perJob int) job {
	b.Helper()
	execute(b, pool, "TRUNCATE "+schema+".river_job")
	worked := &atomic.Int64{}
	client := riverClient(b, pool, schema, tuned, worked)
	riverInsert(b, client, jobs, perJob)
	return job{
		start: func() error { return client.Start(b.Context()) },
		done:  worked.Load,
		stop:  func() error { return client.Stop(context.WithoutCancel(b.Context())) },
	}
}

// workEngines works streams from beginning to end.
func workEngines(ctx context.Context, engines []*winchester.Engine, streams int) error {
	j := engineWork(ctx, engines)
	if err := j.start(); err != nil {
		return err
	}
	if err := await(func() bool { return j.done() >= int64(streams) }); err != nil {
		return err
	}
	return j.stop()
}

func floorWork(ctx context.Context, floor *workingFloor, workers, perStream int) job {
	var done atomic.Int64
	ended := make(chan error, 1)
	return job{
		start: func() error {
			go func() { ended <- feed(workers, workers, func(int) error { return floor.work(ctx, perStream, &done) }) }()
			return nil
		},
		done: done.Load,
		stop: func() error { return <-ended },
	}
}

// await waits until a condition holds.
func await(condition func() bool) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	patience := time.NewTimer(time.Minute)
	defer patience.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-patience.C:
			return fmt.Errorf("it takes more than a minute")
		}
	}
	return nil
}
