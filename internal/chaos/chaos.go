//go:build unix

// Package chaos proves the engine on PostgreSQL by having everything go wrong.
//
// A controller starts feeders, which add events, and workers, which run
// pipelines: processes of their own that share a database. While they work it
// kills and suspends them, cuts their connections and restarts the server. Then
// it lets everything come to its end, and package check compares what is in the
// database with what package scenario says must be there.
//
//	go run ./internal/chaos/cmd/chaos -duration 30m -url postgres://...
package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/seed71495667/winchester/internal/chaos/check"
	"github.com/seed71495667/winchester/internal/chaos/scenario"
)

// Options say how a run goes. The zero value of each field but URL and Duration
// stands for its default.
type Options struct {
	URL      string        // of a PostgreSQL server; the user must be able to create databases
	Duration time.Duration // how long things go wrong
	Feeders  int           // Default 3
	Workers  int           // processes. Default 3
	Rate     float64       // events in a second; each is delivered up to three times. Default 100
	Seed     uint64        // of the events. Default: random
	Lease    time.Duration // of claimed streams. Default 1.5s

	// FaultEvery is the mean pause between faults. Default 700ms.
	FaultEvery time.Duration
	// RestartCommand is a shell command that restarts the server. Default: it is
	// not restarted. All who use it lose their connections.
	RestartCommand string
	// RestartEvery is the mean pause between restarts. Default 1m.
	RestartEvery time.Duration
	// DrainTimeout is how long the run may take to come to its end once nothing
	// goes wrong any more. Default 2m, and as long again as the run.
	DrainTimeout time.Duration

	Dir string    // for the journals and logs of the processes. Required
	Out io.Writer // gets a line now and then. Required
}

func (o Options) withDefaults() (Options, error) {
	o.Feeders, o.Workers = cmp.Or(o.Feeders, 3), cmp.Or(o.Workers, 3)
	o.Rate, o.Seed = cmp.Or(o.Rate, 100), cmp.Or(o.Seed, rand.Uint64())
	o.Lease, o.FaultEvery = cmp.Or(o.Lease, 1500*time.Millisecond), cmp.Or(o.FaultEvery, 700*time.Millisecond)
	o.RestartEvery = cmp.Or(o.RestartEvery, time.Minute)
	o.DrainTimeout = cmp.Or(o.DrainTimeout, 2*time.Minute+o.Duration)
	if o.Duration <= 0 || o.Feeders < 0 || o.Workers < 0 || o.Rate < 0 || o.Lease < 0 || o.FaultEvery < 0 || o.RestartEvery < 0 || o.DrainTimeout < 0 {
		return o, errors.New("chaos: a number that must be positive is not")
	}
	if o.URL == "" {
		return o, errors.New("chaos: the URL of a PostgreSQL server is missing")
	}
	return o, nil
}

// controller is the state of a run.
type controller struct {
	o         Options
	plan      scenario.Plan
	database  *database
	monitor   *monitor
	processes []*process
	running   sync.WaitGroup
	waking    sync.WaitGroup // of suspended processes
	faults    []string       // what must not be, that the checker cannot see
}

// Run is a run from its beginning to its end. An error means that it could not
// be done; what the run has found is in the Result, with the database, which the
// caller must close.
func Run(ctx context.Context, o Options) (*Result, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	d, err := createDatabase(ctx, o.URL)
	if err != nil {
		return nil, err
	}
	c := &controller{o: o, database: d, monitor: &monitor{database: d}, plan: scenario.Plan{
		Seed: o.Seed, Start: time.Now().Add(time.Second).UTC().Truncate(time.Microsecond), Rate: o.Rate,
		Events: int(o.Rate * o.Duration.Seconds()), Feeders: o.Feeders,
	}}
	r, err := c.run(ctx)
	if err != nil {
		return nil, errors.Join(err, d.drop(ctx))
	}
	return r, nil
}

func (c *controller) run(ctx context.Context) (*Result, error) {
	ctx, killAll := context.WithCancel(ctx)
	defer c.running.Wait()
	defer killAll()
	began := time.Now()
	c.say("seed %d, %d events, database %s", c.o.Seed, c.plan.Events, c.database.name)
	for i := range c.o.Feeders {
		c.start(ctx, feederRole, i)
	}
	for i := range c.o.Workers {
		c.start(ctx, workerRole, i)
	}
	var watching sync.WaitGroup
	watched, stopWatching := context.WithCancel(ctx)
	defer watching.Wait()
	defer stopWatching()
	watching.Go(func() { c.monitor.watch(watched, c.say) })

	j := &injector{controller: c, random: rand.New(rand.NewPCG(c.o.Seed, 0)), counts: map[string]int{}}
	injecting, cancel := context.WithTimeout(ctx, c.o.Duration)
	defer cancel()
	err := j.inject(injecting)
	cancel()
	c.waking.Wait()
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, err
	}
	c.say("nothing goes wrong any more after %s", time.Since(began).Round(time.Second))
	c.drain(ctx)
	stopWatching()
	watching.Wait()
	c.monitor.look(ctx)
	return c.result(ctx, j.counts, time.Since(began))
}

func (c *controller) start(ctx context.Context, r role, index int) {
	p := &process{done: make(chan struct{}), child: child{
		Role: r, Index: index, URL: c.database.url, Dir: c.o.Dir, Lease: c.o.Lease, Plan: c.plan,
	}}
	c.processes = append(c.processes, p)
	c.running.Go(func() { p.run(ctx) })
}

// drain waits until the feeders have had everything acknowledged and all streams
// have ended, and then ends the workers.
func (c *controller) drain(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, c.o.DrainTimeout)
	defer cancel()
	if err := c.database.answers(limited); err != nil {
		c.fault("the server does not answer: %v", err)
	}
	for _, p := range c.processes {
		if p.Role != feederRole {
			continue
		}
		select {
		case <-p.done:
		case <-limited.Done():
			c.fault("%s does not get everything acknowledged; the end of its log:\n%s", p.name(), tail(p.path("log")))
		}
	}
	left := -1
	err := poll(limited, 100*time.Millisecond, func() bool {
		n, err := c.database.unended(limited)
		if err == nil {
			left = n
		}
		return err == nil && n == 0
	})
	if err != nil {
		c.fault("%d streams have not ended after %s", left, c.o.DrainTimeout)
	}
	for _, p := range c.processes {
		p.finish()
	}
	for _, p := range c.processes {
		ending, cancel := context.WithTimeout(ctx, 10*time.Second+2*c.o.Lease)
		select {
		case <-p.done:
		case <-ending.Done():
			c.fault("%s does not end; the end of its log:\n%s", p.name(), tail(p.path("log")))
			p.signal(syscall.SIGKILL)
			<-p.done
		}
		cancel()
	}
}

func (c *controller) fault(format string, args ...any) {
	c.faults = append(c.faults, "process: "+fmt.Sprintf(format, args...))
}

func (c *controller) say(format string, args ...any) {
	fmt.Fprintf(c.o.Out, format+"\n", args...)
}

// result checks what the run has left.
func (c *controller) result(ctx context.Context, injected map[string]int, took time.Duration) (*Result, error) {
	r := &Result{
		Plan: c.plan, database: c.database, faults: c.faults,
		Injected: injected, Counts: map[string]int{}, Deadlocks: c.monitor.deadlocks, Took: took,
	}
	r.faults = append(r.faults, c.monitor.seen...)
	if r.Deadlocks > 0 {
		r.faults = append(r.faults, fmt.Sprintf("deadlocks: the server counted %d", r.Deadlocks))
	}
	for _, p := range c.processes {
		r.faults = append(r.faults, p.faults...)
		r.Restarts += p.restarts
		var err error
		switch p.Role {
		case feederRole:
			var h scenario.History
			h, err = scenario.ReadJournal(p.path("journal"))
			r.Histories = append(r.Histories, h)
		case workerRole:
			err = readTally(p.path("tally"), r.Counts)
			err = errors.Join(err, r.countLog(p.path("log")))
		}
		if err != nil {
			return nil, err
		}
	}
	var violations []check.Violation
	var err error
	r.Summary, violations, err = check.Check(ctx, c.database.db, r.Plan, r.Histories)
	for _, v := range violations {
		r.faults = append(r.faults, v.String())
	}
	return r, err
}

// countLog counts what the engine of a worker has logged.
func (r *Result) countLog(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	r.Counts["retry"] += strings.Count(string(text), "it will be tried again")
	r.Counts["fenced off"] += strings.Count(string(text), "this run has no effect")
	return nil
}
