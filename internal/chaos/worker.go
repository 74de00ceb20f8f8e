//go:build unix

package chaos

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// patience is how long a worker that is asked to stop lets its pipelines run.
const patience = 500 * time.Millisecond

// work runs pipelines until ctx ends.
func (c *child) work(ctx context.Context) error {
	st, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer st.Close()
	config, err := pgx.ParseConfig(c.URL)
	if err != nil {
		return err
	}
	outside := stdlib.OpenDB(*config)
	defer outside.Close()
	outside.SetMaxOpenConns(2)
	counts, err := openTally(c.path("tally"))
	if err != nil {
		return err
	}
	engine, err := newEngine(st, c.Lease, (&world{outside: outside, tally: counts, lease: c.Lease}).handlers())
	if err != nil {
		return err
	}
	if err := engine.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	<-ctx.Done()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_ = engine.Stop(stopping) // that it took longer than patience lasts is no fault
	return nil
}
