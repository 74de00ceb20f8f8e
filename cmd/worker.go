package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/seed71495667/winchester/config"
)

func newWorker(o *options) *cobra.Command {
	var name, listen string
	var detach bool
	c := &cobra.Command{
		Use:   "worker",
		Short: "Run the pipelines of the streams that fire or expire",
		Long: `Run the pipelines of the streams that fire or expire, until it is told to stop. Any
number of workers share one database.

The first SIGTERM or SIGINT lets it finish the pipelines that are running; a second one
does not: their streams are tried again by another worker. A handler that does not hear
of that has five seconds, or until a third signal. Under systemd it reports
READY, STOPPING and WATCHDOG; dist/winchester-worker@.service is a unit for it.`,
		Example: `  winchester worker
  winchester worker --config /etc/winchester/winchester.yaml --name worker1 --listen :8080`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if detach {
				return usagef("--daemon: a worker stays in the foreground; let systemd run it (dist/winchester-worker@.service), or another supervisor")
			}
			return o.work(c.Context(), name, listen)
		},
	}
	f := c.Flags()
	f.StringVarP(&name, "name", "n", "pipeline_worker", "the `name` that %(proc_name)s stands for in log_file")
	f.BoolVarP(&detach, "daemon", "d", false, "refused: says what to use instead")
	listenFlag(c, &listen)
	return c
}

func listenFlag(c *cobra.Command, listen *string) {
	c.Flags().StringVar(listen, "listen", "", "answer GET /healthz, /readyz and /metrics at this `address`, such as :8080")
}

func (o *options) work(ctx context.Context, name, listen string) error {
	metrics, err := o.newMetrics(ctx, listen)
	if err != nil {
		return err
	}
	_, engine, log, err := o.openService(ctx, name, metrics, func(*config.Config) error { return nil })
	if err != nil {
		return err
	}
	s := &service{o: o, log: log, listen: listen, metrics: metrics}
	s.ready = func(ctx context.Context) error {
		_, err := engine.Store().NextDue(ctx)
		return err
	}
	s.run = func(drain, abort context.Context) error {
		if err := engine.Start(context.WithoutCancel(drain)); err != nil {
			return err
		}
		<-drain.Done()
		return engine.Stop(abort)
	}
	return closed(engine, s.serve(ctx))
}
