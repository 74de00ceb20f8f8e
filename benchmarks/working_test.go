package benchmarks

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed71495667/winchester"
)

// BenchmarkWork runs streams that are ready: claim, load their events, a
// pipeline that does nothing, complete. A worker is a started engine or, of the
// floor, a goroutine that does one claim after the other. The floor reads the
// traits of events as the text that they are stored as; a second one makes maps
// of them, as handlers get them, by encoding/json. River has one client. Its jobs
// bring the same events as their arguments; beside that there are jobs that are a
// row and nothing else, once with River's default pauses between fetches and once,
// as all else, with the shortest. The clock starts when a tenth is done: until
// then connections are made, plans are cached, and claims grow.
func BenchmarkWork(b *testing.B) {
	for _, workers := range []int{1, 2, 4} {
		for _, perStream := range []int{10, 1} {
			b.Run(fmt.Sprintf("postgres/workers=%d/events=%d", workers, perStream), func(b *testing.B) { benchmarkWork(b, workers, perStream) })
		}
	}
}

func benchmarkWork(b *testing.B, workers, perStream int) {
	streams := 3000 * workers
	pool := openPool(b, postgresURL(b))
	b.Cleanup(pool.Close)
	engineSchema, floorSchema, decodingSchema := migrated(b), migrated(b), migrated(b)
	s := openStore(b, engineSchema)
	floor, decoding := newWorkingFloor(pool, floorSchema), newWorkingFloor(pool, decodingSchema)
	decoding.decode = true
	loaded, tuned, untuned := newRiver(b, pool), newRiver(b, pool), newRiver(b, pool)
	race := newRace(b, "streams/s")
	race.loop(func() []side {
		for _, schema := range []string{engineSchema, floorSchema, decodingSchema} {
			empty(b, pool, schema)
		}
		fill(b, pool, engineSchema, stored{streams: streams, perStream: perStream, ready: true})
		copyOf(b, pool, floorSchema, engineSchema)
		copyOf(b, pool, decodingSchema, engineSchema)
		analyze(b, pool, engineSchema, floorSchema, decodingSchema)
		engines := make([]*winchester.Engine, workers)
		for i := range engines {
			engines[i] = newEngine(b, winchester.Config{Store: s, Triggers: triggers(false)})
		}
		return []side{
			working("engine", streams, engineWork(b.Context(), engines)),
			working("floor", streams, floorWork(b.Context(), floor, workers, perStream)),
			working("decoding-floor", streams, floorWork(b.Context(), decoding, workers, perStream)),
			working("river", streams, riverWork(b, pool, loaded, true, streams, perStream)),
			working("river-eventless", streams, riverWork(b, pool, tuned, true, streams, 0)),
			working("river-eventless-default", streams, riverWork(b, pool, untuned, false, streams, 0)),
		}
	})
	race.compare("engine", "floor", "vs-floor")
	race.compare("engine", "decoding-floor", "vs-decoding-floor")
	race.compare("engine", "river", "vs-river")
	race.compare("engine", "river-eventless", "vs-river-eventless")
	race.compare("engine", "river-eventless-default", "vs-river-eventless-default")
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
