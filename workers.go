package winchester

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

// workers are the goroutines of a started PipelineManager:
//
//	dispatcher ──▶ loader ──runs──▶ worker × N ──done──▶ completer
//
// and one that renews leases. The dispatcher claims streams in batches, a loader
// reads their events while the next batch is claimed, each worker runs one stream at a time, and the completer settles whatever is done
// by then in one transaction: under load its batches grow by themselves, and
// alone a stream waits for nobody.
type workers struct {
	m        *PipelineManager
	stopping chan struct{} // closed: claim no more
	stopOnce sync.Once
	ctx      context.Context // of the runs; ends when patience does
	kill     context.CancelCauseFunc
	runs     chan *run     // has room for all that is claimed, so that claiming does not wait for workers to wake up
	low      chan struct{} // has a token when there is no more in runs than the workers have in hand
	done     *gathering    // of runs that are to be settled
	replace  func()        // starts one worker more
	// goComplete starts a completer, that begins with those runs.
	goComplete func(first []*run)
	ended      chan struct{} // closed when all goroutines have ended

	loading  sync.WaitGroup // of the dispatcher: for the loader of a batch
	limit    int            // of the dispatcher: how many streams to claim at once
	barren   time.Time      // of the dispatcher: when nothing was found to expire, by the machine's clock
	nextTrim time.Time      // of the dispatcher: not before then
	losses   int            // of the dispatcher: how often in a row the database did not answer
	vain     int            // of the dispatcher: how often in a row what was due was not to be had
	// soughtHeld is, of the dispatcher in a replay, when all held streams that
	// were due had been claimed in a pass, by the machine's clock.
	soughtHeld map[Pass]time.Time
}

// Start begins to run pipelines and returns at once. They run until Stop is
// called or ctx ends; that ctx ends is a Stop without patience. Starting twice
// is an error, starting again after Stop is not.
func (m *PipelineManager) Start(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running != nil && !isClosed(m.running.ended) {
		return errors.New("winchester: started already")
	}
	unobserve, err := m.backlog.register()
	if err != nil {
		return fmt.Errorf("winchester: observe the backlog: %w", err)
	}
	m.triggers.metrics.begin(ctx, m.triggers.Triggers())
	w := &workers{
		m: m, stopping: make(chan struct{}), runs: make(chan *run, m.cfg.Workers+2*m.cfg.BatchSize), low: make(chan struct{}, 1),
		done: newGathering(), ended: make(chan struct{}), soughtHeld: map[Pass]time.Time{},
	}
	w.ctx, w.kill = context.WithCancelCause(context.WithoutCancel(ctx))
	var all, working sync.WaitGroup
	goIn := func(g *sync.WaitGroup, f func()) {
		g.Add(1)
		go func() { defer g.Done(); f() }()
	}
	goIn(&all, w.dispatch)
	w.replace = func() { goIn(&working, w.work) }
	for range m.cfg.Workers {
		w.replace()
	}
	w.goComplete = func(first []*run) { goIn(&all, func() { w.complete(first) }) }
	w.goComplete(nil)
	renewing, stopRenewing := context.WithCancel(context.WithoutCancel(ctx))
	var renewer sync.WaitGroup
	goIn(&renewer, func() { m.renewLeases(renewing) })
	goIn(&renewer, func() { m.listen(renewing) })
	unwatch := context.AfterFunc(ctx, func() { w.stop(); w.kill(ErrStopped) })
	go func() {
		working.Wait()
		w.done.close()
		all.Wait()
		stopRenewing()
		renewer.Wait()
		unwatch()
		unobserve()
		w.kill(ErrStopped)
		close(w.ended)
	}()
	m.running = w
	return nil
}

// Stop claims no more streams, waits until the running pipelines have ended and
// their results are stored, and returns nil. If ctx ends first, it cancels the
// contexts of the running pipelines, waits for them to return, and returns the
// ctx's error; their streams are tried again later. Stopping what is not
// running does nothing.
func (m *PipelineManager) Stop(ctx context.Context) error {
	m.mu.Lock()
	w := m.running
	m.mu.Unlock()
	if w == nil {
		return nil
	}
	w.stop()
	select {
	case <-w.ended:
		return nil
	case <-ctx.Done():
		w.kill(ErrStopped)
		<-w.ended
		return ctx.Err()
	}
}

func (w *workers) stop() { w.stopOnce.Do(func() { close(w.stopping) }) }

func (w *workers) isStopping() bool { return isClosed(w.stopping) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// dispatch claims streams for as long as there are any, then sleeps until
// there may be.
func (w *workers) dispatch() {
	defer func() {
		w.loading.Wait()
		w.replace() // gives back what waits for workers, however long these take
		close(w.runs)
	}()
	w.limit = w.m.cfg.Workers
	for !w.isStopping() {
		n, err := w.feed()
		trimming := false
		if err == nil && n == 0 {
			trimming, err = w.trim()
		}
		switch {
		case err != nil:
			w.lost(err)
		case w.losses > 0:
			w.m.log.Info("The database answers again")
			w.losses = 0
		}
		if n > 0 {
			w.vain = 0
		}
		if err != nil || n == 0 && !trimming {
			w.sleep()
		}
	}
}

// lost takes note that the database could not be asked.
func (w *workers) lost(err error) {
	w.losses++
	if !w.isStopping() {
		w.m.log.Error("The database does not answer; trying again", "in", w.lossPause(), "err", err)
	}
}

// lossPause is 1s, 2s, 4s, 8s, 10s, or the poll interval if that is shorter. A
// store that can listen wakes the workers when it has got through again.
func (w *workers) lossPause() time.Duration {
	return min(time.Second<<min(w.losses-1, 4), 10*time.Second, w.m.cfg.PollInterval)
}

// barrenPause is how long expirations may wait behind streams that fire one
// batch after the other, if there were none the last time.
const barrenPause = 50 * time.Millisecond

// feed hands what is due in either pass to the workers.
func (w *workers) feed() (int, error) {
	full := w.limit
	n, err := w.feedPass(PassFire)
	if err != nil || n >= full && time.Since(w.barren) < barrenPause {
		return n, err
	}
	more, err := w.feedPass(PassExpire)
	if err == nil && more == 0 {
		w.barren = time.Now()
	}
	return n + more, err
}

// feedPass claims one batch and hands it to the workers. How many streams it
// takes at once follows the workers: more as long as they are quickly through,
// down to one each when they are not, since a stream that waits here waits for
// nobody else. At full speed it does not wait for a batch to be loaded, so that
// there are two on their way.
func (w *workers) feedPass(pass Pass) (int, error) {
	limit := min(w.limit, w.m.cfg.BatchSize)
	held := w.heldNow(pass)
	runs, err := w.m.claim(w.ctx, pass, limit, held)
	if err == nil && len(runs) < limit && held.After(w.soughtHeld[pass]) {
		w.soughtHeld[pass] = held
	}
	w.loading.Wait()
	w.loading.Go(func() {
		w.m.load(w.ctx, runs)
		for _, r := range runs {
			w.runs <- r
		}
	})
	if limit < w.m.cfg.BatchSize {
		w.loading.Wait()
	}
	began := time.Now()
	for len(w.runs) > w.m.cfg.Workers && !w.isStopping() { // if it is, the workers give back what they find
		select {
		case <-w.low:
		case <-w.stopping:
		}
	}
	switch {
	case time.Since(began) > 100*time.Millisecond:
		w.limit = max(w.limit/2, w.m.cfg.Workers)
	case len(runs) >= limit:
		w.limit = min(w.limit*4, max(w.m.cfg.BatchSize, w.m.cfg.Workers))
	}
	return len(runs), err
}

// heldEvery is how often, in a replay, streams are looked for that are held or
// wait for a retry. Their times are the machine's and stand in an index behind
// those of all active streams, which then have to be passed over.
const heldEvery = time.Second

// heldNow is Claim.HeldNow for the next claim; long ago, when nothing held was
// due, for one that need not look for it.
func (w *workers) heldNow(pass Pass) time.Time {
	now := w.m.heldNow()
	if !now.IsZero() && now.Sub(w.soughtHeld[pass]) < heldEvery {
		return time.Unix(0, 0).UTC()
	}
	return now
}

// trim deletes old events, once a poll interval or as long as there are more,
// and tells whether there may be.
func (w *workers) trim() (more bool, err error) {
	now := w.m.triggers.now()
	if now.Before(w.nextTrim) {
		return false, nil
	}
	if more, err = w.m.trim(w.ctx); !more {
		w.nextTrim = now.Add(w.m.cfg.PollInterval)
	}
	return more, err
}

// sleep waits until a stream becomes due, someone calls notify, or the poll
// interval has passed.
func (w *workers) sleep() {
	m := w.m
	if m.triggers.replay != nil {
		w.sleepInReplay(m.triggers.replay)
		return
	}
	pause := m.cfg.PollInterval
	if w.losses > 0 {
		pause = w.lossPause()
	} else if due, err := w.nextDue(); err == nil && !due.IsZero() {
		// Due means that the clock has moved past the time. What is due by now
		// was not to be had a moment ago: another worker is at it, or a
		// transaction of the host that may take longer.
		until := due.Sub(m.triggers.now()) + time.Microsecond
		if until <= 0 {
			until = w.vainPause()
		} else {
			w.vain = 0
		}
		pause = min(pause, max(until, time.Millisecond))
	}
	timer, stop := m.clock.Timer(pause)
	defer stop()
	m.sleepsUntil.Store(m.triggers.now().Add(pause).UnixMicro())
	select {
	case <-timer:
	case <-m.wake:
	case <-w.stopping:
	}
	m.sleepsUntil.Store(math.MaxInt64)
}

// vainPause is how long to wait for what is due and was not to be had.
func (w *workers) vainPause() time.Duration {
	pause := time.Millisecond << min(w.vain, 8)
	w.vain++
	return pause
}

// sleepInReplay is sleep by two clocks: that of the events, by which active
// streams are due, and the machine's, by which all others are.
func (w *workers) sleepInReplay(clock *ReplayClock) {
	m := w.m
	pause := min(m.cfg.PollInterval, heldEvery)
	var reached <-chan time.Time
	if w.losses > 0 {
		pause = w.lossPause()
	} else if due, err := w.nextDue(); err == nil && !due.IsZero() {
		if due = due.Add(time.Microsecond); due.After(m.triggers.now()) {
			w.vain = 0
			var stop func()
			reached, stop = clock.hands.reaches(due)
			defer stop()
			m.sleepsUntil.Store(due.UnixMicro())
		} else {
			pause = min(pause, w.vainPause())
		}
	}
	timer, stop := m.machine.Timer(pause)
	defer stop()
	select {
	case <-reached:
	case <-timer:
	case <-m.wake:
	case <-w.stopping:
	}
	m.sleepsUntil.Store(math.MaxInt64)
}

func (w *workers) nextDue() (time.Time, error) {
	ctx, cancel := context.WithTimeout(w.ctx, databaseTimeout)
	defer cancel()
	due, err := w.m.store.NextDue(ctx)
	w.m.triggers.metrics.failed(ctx, opLook, err)
	return due, err
}

// minPatience is how long the database is waited for at least, however short the
// lease is.
const minPatience = time.Second

func (w *workers) work() {
	for r := range w.runs {
		if len(w.runs) <= w.m.cfg.Workers {
			select {
			case w.low <- struct{}{}:
			default:
			}
		}
		if w.isStopping() {
			r.err, r.at = Snooze(0), place{} // claimed, but not begun: give it back
		} else {
			w.execute(r)
		}
		w.add(r)
	}
}

var errGoexit = errors.New("a handler has ended its goroutine (runtime.Goexit)")

// execute is PipelineManager.execute. A handler that ends its goroutine, by
// runtime.Goexit or what calls it, fails as one that panics does, and another
// goroutine takes the place of this one.
func (w *workers) execute(r *run) {
	returned := false
	defer func() {
		if returned {
			return
		}
		r.err = newFailure(errGoexit)
		w.m.rollback(r)
		w.add(r)
		w.replace()
	}()
	w.m.execute(r)
	returned = true
}

// linger is how long the completer waits for company: a transaction costs about
// as much for one stream as for many.
const linger = time.Millisecond

// add gives a run to the completer.
func (w *workers) add(r *run) { w.done.add(r, w.company()) }

// company is how many runs the completer waits for: all there are, as far as one
// transaction goes.
func (w *workers) company() int { return min(w.m.cfg.BatchSize, w.m.inFlight.len()) }

// complete settles what is done, as much at a time as has come together. As long
// as others are being run, it gives them a moment to join.
//
// A CommitTx that ends its goroutine, by runtime.Goexit or what calls it, has
// failed its run; another goroutine then goes on with the batch.
func (w *workers) complete(batch []*run) {
	returned := false
	defer func() {
		if !returned {
			w.goComplete(batch)
		}
	}()
	for {
		if len(batch) == 0 {
			batch = w.done.take(w.company, w.m.cfg.BatchSize, linger)
		}
		if len(batch) == 0 {
			break
		}
		w.m.settle(w.ctx, batch)
		w.m.inFlight.remove(batch)
		batch = nil
	}
	returned = true
}

// renewLeases keeps the leases of the streams in flight until ctx ends, and
// ends the runs of those that were lost.
func (m *PipelineManager) renewLeases(ctx context.Context) {
	for {
		timer, stop := m.machine.Timer(m.cfg.Lease / 3)
		select {
		case <-ctx.Done():
			stop()
			return
		case <-timer:
		}
		held := m.inFlight.snapshot()
		if len(held) == 0 {
			continue
		}
		ids := slices.Sorted(maps.Keys(held))
		asking, cancel := context.WithTimeout(ctx, max(m.cfg.Lease/3, minPatience))
		lost, err := m.store.Renew(asking, m.cfg.Name, ids, microUTC(m.triggers.machineNow().Add(m.cfg.Lease)))
		cancel()
		m.triggers.metrics.failed(ctx, opRenew, err)
		if err != nil && ctx.Err() == nil {
			m.log.Error("Leases could not be renewed", "err", err)
		}
		for _, id := range lost {
			// The run that held it when we asked; by now there may be a new one.
			held[id].cancel(errLeaseLost)
		}
	}
}

// listen hears of streams that other processes make due.
func (m *PipelineManager) listen(ctx context.Context) {
	if err := m.store.Listen(ctx, m.notify); ctx.Err() == nil {
		m.log.DebugContext(ctx, "No wake-ups from other processes; the database is polled", "every", m.cfg.PollInterval, "reason", err)
	}
}

// inFlight are the claimed streams of this process.
type inFlight struct {
	mu   sync.Mutex
	runs map[int64]*run
}

func (f *inFlight) add(runs []*run) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.runs == nil {
		f.runs = map[int64]*run{}
	}
	for _, r := range runs {
		if before := f.runs[r.stream.ID]; before != nil {
			before.cancel(errLeaseLost) // it has overslept, and we have taken over from ourselves
		}
		f.runs[r.stream.ID] = r
	}
}

func (f *inFlight) remove(runs []*run) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range runs {
		r.cancel(nil)
		if f.runs[r.stream.ID] == r {
			delete(f.runs, r.stream.ID)
		}
	}
}

func (f *inFlight) len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.runs)
}

func (f *inFlight) snapshot() map[int64]*run {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.runs)
}
