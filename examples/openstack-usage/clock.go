package main

import (
	"context"
	"sync"
	"time"

	"github.com/seed71495667/winchester"
)

// eventTime stands between the consumer and the engine and plays what a running
// service does by itself. There, Engine.Start waits by the machine's clock; here
// the days pass as fast as they can be taken in, so the time is that of the
// notifications: the latest that any of them bears. Before one is handed in, all
// streams are run that are due by then. So each stream has, when it fires or
// expires, what it would have had if the days had taken days; how fast the
// machine is does not matter, nor how messages gather into batches.
type eventTime struct {
	engine    *winchester.Engine
	distiller winchester.Distiller
	clock     *winchester.ManualClock
	mu        sync.Mutex // one batch at a time: time is the same for all queues
}

// step is how far the clock moves at once, at most: what is stored in a step has
// happened, for the engine, at its end.
const step = 15 * time.Minute

// AddNotifications takes a batch in portions before which nothing is due. If one
// fails, the whole batch is handed in again, and what was stored is a duplicate.
func (e *eventTime) AddNotifications(ctx context.Context, bodies [][]byte) ([]winchester.Result, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	times := make([]time.Time, len(bodies))
	for i, body := range bodies {
		if event, err := e.distiller.Distill(body); err == nil {
			times[i] = event.Timestamp // else none: the engine will say what is wrong with it
		}
	}
	var results []winchester.Result
	for len(results) < len(bodies) {
		due, err := e.engine.Store().NextDue(ctx)
		if err != nil {
			return nil, err
		}
		begin := len(results)
		n, until := e.portion(times[begin:], due)
		if n == 0 {
			if err := e.work(ctx, due); err != nil {
				return nil, err
			}
			continue
		}
		e.clock.Set(until)
		r, err := e.engine.AddNotifications(ctx, bodies[begin:begin+n])
		if err != nil {
			return nil, err
		}
		results = append(results, r...)
	}
	return results, nil
}

// portion tells how many notifications come before the time at which a stream is
// due, and the time that it is with the last of them. Those that are late do not
// move the clock.
func (e *eventTime) portion(times []time.Time, due time.Time) (n int, until time.Time) {
	begin := e.clock.Now()
	until = begin
	for n < len(times) {
		if t := times[n]; t.After(until) {
			if !due.IsZero() && t.After(due) || n > 0 && t.Sub(begin) > step {
				break
			}
			if n == 0 {
				begin = t
			}
			until = t
		}
		n++
	}
	if !due.IsZero() && until.After(due) { // due already, before any of them
		n = 0
	}
	return n, until
}

// work runs what is due. What has to be put off because the world outside is away
// is given some time of the machine's as well.
func (e *eventTime) work(ctx context.Context, due time.Time) error {
	if now := due.Add(time.Microsecond); now.After(e.clock.Now()) {
		e.clock.Set(now) // a stream is due once the time has passed
	}
	before := e.engine.Stats()
	loaded, err := e.engine.RunOnce(ctx)
	if err != nil {
		return err
	}
	after := e.engine.Stats()
	if done := after.Fired + after.Expired - before.Fired - before.Expired; done < int64(loaded.Fire+loaded.Expire) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}
