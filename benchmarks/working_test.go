package benchmarks

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
)

// BenchmarkWork runs streams that are ready: claim, load their events, a
// pipeline that does nothing, complete. A worker is a started engine or, of the
// floor, a goroutine that does one claim after the other; River has one client,
// whose job is a row without events.
func BenchmarkWork(b *testing.B) {
	for _, workers := range []int{1, 2, 4} {
		for _, perStream := range []int{10, 1} {
			b.Run(fmt.Sprintf("postgres/workers=%d/events=%d", workers, perStream), func(b *testing.B) { benchmarkWork(b, workers, perStream) })
		}
	}
}

func benchmarkWork(b *testing.B, workers, perStream int) {
	streams := 3000 * workers // an engine begins with small claims
	pool := openPool(b, postgresURL(b))
	b.Cleanup(pool.Close)
	engineSchema, floorSchema := migrated(b), migrated(b)
	s := openStore(b, engineSchema)
	floor := newWorkingFloor(pool, floorSchema)
	riverSchema := newRiver(b, pool)
	race := newRace(b, "streams/s")
	race.loop(func() []side {
		for _, schema := range []string{engineSchema, floorSchema} {
			empty(b, pool, schema)
		}
		fill(b, pool, engineSchema, stored{streams: streams, perStream: perStream, ready: true})
		copyOf(b, pool, floorSchema, engineSchema)
		analyze(b, pool, engineSchema, floorSchema)
		worked := &atomic.Int64{}
		execute(b, pool, "TRUNCATE "+riverSchema+".river_job")
		client := riverClient(b, pool, riverSchema, worked)
		riverInsert(b, client, streams)
		engines := make([]*winchester.Engine, workers)
		for i := range engines {
			engines[i] = newEngine(b, winchester.Config{Store: s, Triggers: triggers(false)})
		}
		return []side{
			{"engine", func() (int, error) { return streams, workEngines(b.Context(), engines, streams) }},
			{"floor", func() (int, error) { return streams, workFloor(b.Context(), floor, workers, streams, perStream) }},
			{"river", func() (int, error) {
				if err := client.Start(b.Context()); err != nil {
					return 0, err
				}
				if err := await(func() bool { return worked.Load() >= int64(streams) }); err != nil {
					return 0, err
				}
				return streams, client.Stop(context.WithoutCancel(b.Context()))
			}},
		}
	})
	race.compare("engine", "floor", "vs-floor")
	race.compare("engine", "river", "vs-river")
}

func workEngines(ctx context.Context, engines []*winchester.Engine, streams int) error {
	for _, e := range engines {
		if err := e.Start(ctx); err != nil {
			return err
		}
	}
	err := await(func() bool {
		var fired int64
		for _, e := range engines {
			fired += e.Stats().Fired
		}
		return fired >= int64(streams)
	})
	for _, e := range engines {
		if stopped := e.Stop(ctx); err == nil {
			err = stopped
		}
	}
	return err
}

func workFloor(ctx context.Context, floor *workingFloor, workers, streams, perStream int) error {
	var done atomic.Int64
	err := feed(workers, workers, func(int) error {
		n, err := floor.work(ctx, perStream)
		done.Add(int64(n))
		return err
	})
	if err == nil && done.Load() != int64(streams) {
		err = fmt.Errorf("%d streams were completed", done.Load())
	}
	return err
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
