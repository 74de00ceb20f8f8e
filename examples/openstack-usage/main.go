// Openstack-usage verifies the usage records of a cloud, from one end to the other:
// some days of Nova's notifications go through RabbitMQ to the consumer and the
// engine; streams of one instance and day fire on compute.instance.exists; the
// usage handler judges them; and the verdicts leave by RabbitMQ, where a checker
// holds each against what the generator of the traffic knows it must be.
//
//	go run ./examples/openstack-usage                          # three days, SQLite in a temporary directory
//	go run ./examples/openstack-usage -days 30 -instances 500  # a long run
//
// traffic.go and scenarios.go make the days, faults.go what goes wrong in them,
// nova.go the notifications; service.go is the service that an operator would run,
// by the files in etc, clock.go lets days pass as fast as they can be taken in;
// check.go is who bills, broker.go is the rest of what happens on RabbitMQ.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"time"
)

const localBroker = "amqp://guest:guest@127.0.0.1:5672/"

type options struct {
	setting
	plan
	verbose bool
}

// errNoBroker tells that there is nothing to run on.
var errNoBroker = errors.New("there is no RabbitMQ")

func main() {
	var o options
	given := os.Getenv("WINCHESTER_RABBITMQ")
	flag.StringVar(&o.rabbitmq, "rabbitmq", cmp.Or(given, localBroker), "the `URL` of RabbitMQ; default $WINCHESTER_RABBITMQ, or the local one")
	flag.StringVar(&o.database, "database", "", "the `URL` of a database of the example's own; default SQLite in a temporary directory")
	flag.Uint64Var(&o.seed, "seed", 1, "which days to play")
	flag.IntVar(&o.days, "days", 3, "how many days")
	flag.IntVar(&o.instances, "instances", 40, "how many instances there are at a time")
	flag.BoolVar(&o.verbose, "v", false, "log what the service logs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, o)
	stop()
	if errors.Is(err, errNoBroker) && o.rabbitmq == localBroker && given == "" {
		fmt.Println("skipped:", err, "(-rabbitmq says where there is one)")
		return
	}
	if err != nil {
		log.Fatal(err)
	}
}

// run plays the days and checks the verdicts. An error means that not all are right.
func run(ctx context.Context, out io.Writer, o options) (err error) {
	begun := time.Now()
	o.setting.run = fmt.Sprintf("%d-%08x", os.Getpid(), rand.Uint32())
	o.plan.run = o.setting.run
	o.log = slog.New(slog.DiscardHandler)
	if o.verbose {
		o.log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if o.database == "" {
		dir, err := os.MkdirTemp("", "winchester-usage-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.database = "sqlite:///" + filepath.Join(dir, "usage.db")
	}
	t, err := generate(o.plan)
	if err != nil {
		return err
	}
	c, err := openCloud(o.setting)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoBroker, err)
	}
	defer func() { err = errors.Join(err, c.tidy()) }()

	l, bills, err := openLedger(ctx, o.setting)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bills.Stop(context.WithoutCancel(ctx))) }()
	s, err := openService(ctx, o.setting)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.consumer.Check(ctx); err != nil { // also declares, so that nothing is lost that comes early
		return err
	}
	t.print(out, o.plan)
	if err := s.consumer.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	if err := c.publish(ctx, t.deliveries); err != nil {
		return err
	}
	err = until(ctx, func() bool { return s.consumer.Stats().Acknowledged >= int64(len(t.deliveries)) })
	if err != nil {
		return err
	}
	if err := s.close(); err != nil {
		return err
	}
	if err := c.end(ctx); err != nil {
		return err
	}
	select {
	case <-l.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	dead, err := c.waiting(o.dead())
	if err != nil {
		return err
	}

	n, e := s.consumer.Stats(), s.engine.Stats()
	fmt.Fprintf(out, "\nconsumed   %d messages: %d stored, %d duplicates, %d dropped, %d dead letters\n", n.Acknowledged, n.Stored, n.Duplicates, n.Dropped, n.DeadLettered)
	fmt.Fprintf(out, "streams    %d fired, %d expired, %d failed\n", e.Fired, e.Expired, e.Errors)
	fmt.Fprintf(out, "published  %d verdicts and warnings, %d of them more than once\n\n", l.count(), l.again)
	b := l.check(t)
	b.accounts(t, n.Dropped, int64(dead))
	b.print(out, t)
	fmt.Fprintf(out, "Seed %d, %s.\n", o.seed, time.Since(begun).Round(100*time.Millisecond))
	if len(b.faults) > 0 {
		return fmt.Errorf("%d faults", len(b.faults))
	}
	return nil
}

// accounts checks that what cannot become an event is where it belongs.
func (b *balance) accounts(t *traffic, dropped, dead int64) {
	if dead != int64(t.dead) {
		b.faults = append(b.faults, fmt.Sprintf("%d dead letters are in their queue, %d should be", dead, t.dead))
	}
	if dropped != int64(t.foreign) {
		b.faults = append(b.faults, fmt.Sprintf("%d notifications of other services were dropped, %d should be", dropped, t.foreign))
	}
}

// print says what is played.
func (t *traffic) print(out io.Writer, p plan) {
	fmt.Fprintf(out, "%d days of %d instances: %d messages, %d late, %d twice, %d of other services, %d that are broken\n\n",
		p.days, p.instances, len(t.deliveries), t.late, t.again, t.foreign, t.dead)
	for _, name := range slices.Sorted(maps.Keys(t.played)) {
		fmt.Fprintf(out, "  %4d %s\n", t.played[name], name)
	}
}

// until waits for something that others bring about.
func until(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
