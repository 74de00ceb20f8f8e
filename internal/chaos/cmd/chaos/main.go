//go:build unix

// Chaos proves the engine on PostgreSQL by having everything go wrong: see
// package chaos. It exits with 1 if it finds what must not be, and keeps the
// database and the logs of the run then.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/seed71495667/winchester/internal/chaos"
)

func main() {
	if chaos.IsChild() {
		os.Exit(chaos.Child())
	}
	ok, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func run() (ok bool, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o := chaos.Options{Out: os.Stdout}
	flag.StringVar(&o.URL, "url", os.Getenv("WINCHESTER_POSTGRES"), "a PostgreSQL server; the run makes a database of its own there")
	flag.DurationVar(&o.Duration, "duration", time.Minute, "how long things go wrong")
	flag.IntVar(&o.Feeders, "feeders", 3, "processes that add events")
	flag.IntVar(&o.Workers, "workers", 3, "processes that run pipelines")
	flag.Float64Var(&o.Rate, "rate", 100, "events in a second; each is delivered up to three times")
	flag.Uint64Var(&o.Seed, "seed", 0, "what the events follow from (default random)")
	flag.DurationVar(&o.Lease, "lease", 1500*time.Millisecond, "of claimed streams")
	flag.DurationVar(&o.FaultEvery, "fault-every", 700*time.Millisecond, "mean pause between faults")
	flag.StringVar(&o.RestartCommand, "restart-command", "", "shell command that restarts the server, for all who use it (default none)")
	flag.DurationVar(&o.RestartEvery, "restart-every", time.Minute, "mean pause between restarts of the server")
	keep := flag.Bool("keep", false, "keep the database and the logs in any case")
	flag.Parse()
	if o.Dir, err = os.MkdirTemp("", "chaos"); err != nil {
		return false, err
	}
	r, err := chaos.Run(ctx, o)
	if err != nil {
		if os.Remove(o.Dir) != nil { // it is not empty
			err = fmt.Errorf("%w\nlogs: %s", err, o.Dir)
		}
		return false, err
	}
	r.Print(os.Stdout)
	ok = len(r.Faults()) == 0
	if *keep || !ok {
		fmt.Fprintf(os.Stdout, "kept: the database %s, and %s\n", r.Database(), o.Dir)
		return ok, r.Close(ctx, true)
	}
	if err := r.Close(ctx, false); err != nil {
		return ok, err
	}
	return ok, os.RemoveAll(o.Dir)
}
