package cmd

import (
	"context"
	"errors"
	"sync"

	"github.com/spf13/cobra"

	"github.com/seed71495667/winchester/config"
)

func newConsume(o *options) *cobra.Command {
	var name, listen string
	var worker bool
	c := &cobra.Command{
		Use:   "consume",
		Short: "Take notifications from RabbitMQ",
		Long: `Take notifications from the queues that the configuration's section consumers names,
until it is told to stop. A message is acknowledged once it is stored. What cannot be
stored becomes a dead letter: see docs/rabbitmq.md.

Signals, systemd and HTTP are as for worker, which --worker runs in the same process.
dist/winchester-consume.service is a unit for it.`,
		Example: `  winchester consume
  winchester consume --worker --listen 127.0.0.1:8081`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.consume(c.Context(), name, listen, worker) },
	}
	f := c.Flags()
	f.StringVarP(&name, "name", "n", "consume", "the `name` that %(proc_name)s stands for in log_file")
	f.BoolVar(&worker, "worker", false, "run pipelines as well")
	listenFlag(c, &listen)
	return c
}

func (o *options) consume(ctx context.Context, name, listen string, worker bool) (err error) {
	metrics, err := o.newMetrics(ctx, listen)
	if err != nil {
		return err
	}
	cfg, engine, log, err := o.openService(ctx, name, metrics, func(c *config.Config) error {
		if !c.Consumes() {
			return configError{errors.New(c.File + ": consumers.queues is missing: there is nothing to consume; see docs/rabbitmq.md")}
		}
		return nil
	})
	if err != nil {
		return err
	}
	defer func() { err = closed(engine, err) }()
	consumer, err := cfg.Consumer(engine)
	if err != nil {
		return configError{err}
	}
	s := &service{o: o, log: log, listen: listen, metrics: metrics}
	s.ready = func(ctx context.Context) error {
		if stats := consumer.Stats(); !stats.Connected {
			return errors.New("not connected to RabbitMQ")
		}
		_, err := engine.Store().NextDue(ctx)
		return err
	}
	s.run = func(drain, abort context.Context) error {
		if worker {
			if err := engine.Start(context.WithoutCancel(drain)); err != nil {
				return err
			}
		} else {
			logging, stop := context.WithCancel(context.WithoutCancel(drain))
			var logger sync.WaitGroup
			logger.Go(func() { engine.LogStatistics(logging) })
			defer logger.Wait()
			defer stop()
		}
		if err := consumer.Start(context.WithoutCancel(drain)); err != nil {
			return errors.Join(err, engine.Stop(abort))
		}
		consumer.Wait(drain) // or until it cannot go on
		return errors.Join(consumer.Stop(abort), engine.Stop(abort))
	}
	return s.serve(ctx)
}
