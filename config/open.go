package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/handlers/notify"
	"github.com/seed71495667/winchester/store"
)

// Engine is a winchester.Engine with what Open has opened for it.
type Engine struct {
	*winchester.Engine
	closers []func() error
	logger  *slog.Logger
}

// Logger returns the logger that the engine logs to.
func (e *Engine) Logger() *slog.Logger { return e.logger }

// EngineConfig returns what the files say as the configuration of an engine
// over a store, for a host that wants to change it before it calls
// winchester.New. Its Clock is Options.Clock; what the files say of a replay needs
// OpenClock.
func (c *Config) EngineConfig(st winchester.Store) winchester.Config {
	period := c.StatisticsPeriod
	if period == 0 {
		period = -1 // never
	}
	return winchester.Config{
		Store:               st,
		Triggers:            c.Triggers,
		Pipelines:           c.Pipelines,
		Handlers:            c.handlers,
		Distiller:           c.Distiller,
		Clock:               c.opts.Clock,
		Logger:              c.opts.Logger,
		MeterProvider:       c.opts.MeterProvider,
		TracerProvider:      c.opts.TracerProvider,
		StatisticsPeriod:    period,
		Workers:             c.Workers,
		BatchSize:           c.PipelineWorkerBatchSize,
		PollInterval:        c.PipelineWorkerDelay,
		Lease:               c.Lease,
		Retry:               c.Retry,
		KeepCompleted:       !c.PurgeCompletedStreams,
		TrimEvents:          c.TrimEvents,
		TrimEventsAge:       c.TrimEventsAge,
		TrimEventsBatchSize: c.TrimEventsBatchSize,
	}
}

// Open opens the log file and the database, brings its schema up to date, and
// returns an engine that has not been started: it takes events, and runs no
// pipelines yet. The warnings are logged. Close the engine when done.
func (c *Config) Open(ctx context.Context) (_ *Engine, err error) {
	e := &Engine{}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.closeAll())
		}
	}()
	logger, logFile, err := c.Logger()
	if err != nil {
		return nil, err
	}
	e.logger = logger
	e.closers = append(e.closers, logFile.Close, func() error { notify.Close(); return nil })
	for _, w := range c.Warnings {
		logger.WarnContext(ctx, w.String())
	}
	st := c.opts.Store
	if st == nil {
		opened, err := c.openStore(ctx, logger)
		if err != nil {
			return nil, err
		}
		e.closers = append(e.closers, opened.Close)
		st = opened
	}
	clock, closeClock, err := c.openClock(ctx, st, logger)
	if err != nil {
		return nil, err
	}
	e.closers = append(e.closers, closeClock)
	ec := c.EngineConfig(st)
	ec.Clock, ec.Logger = clock, cmp.Or(ec.Logger, logger)
	e.Engine, err = winchester.New(ec)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return e, nil
}

// OpenStore opens the database alone. Unless SkipMigrations is set it brings the
// schema up to date. The store logs to the host's logger, or slog.Default(). Close
// it when done.
func (c *Config) OpenStore(ctx context.Context) (*store.Store, error) {
	return c.openStore(ctx, cmp.Or(c.opts.Logger, slog.Default()))
}

func (c *Config) storeOptions(logger *slog.Logger) store.Options {
	return store.Options{
		Migrate: !c.opts.SkipMigrations, Logger: logger, EchoSQL: c.Database.EchoSQL,
		Schema: c.Database.Schema, TablePrefix: c.Database.TablePrefix, Connections: c.Database.Connections,
	}
}

// StoreOptions are what the file says of the database, for store.OpenMigrator
// and the like.
func (c *Config) StoreOptions() store.Options {
	return c.storeOptions(cmp.Or(c.opts.Logger, slog.Default()))
}

func (c *Config) openStore(ctx context.Context, logger *slog.Logger) (*store.Store, error) {
	st, err := store.OpenWith(ctx, c.opts.OpenDatabase, string(c.Database.URL), c.storeOptions(logger))
	if err != nil {
		return nil, fmt.Errorf("config: open the database %s: %w", c.Database.URL, err)
	}
	return st, nil
}

// Close stops the engine, waiting for the pipelines that are running, and
// closes the database, the log file and the connections to RabbitMQ that the
// notify handlers of the process share and are not using. For a stop with less patience, call
// Stop before. A store that the host has handed in stays open.
func (e *Engine) Close() error {
	return errors.Join(e.Stop(context.Background()), e.closeAll())
}

// closeAll closes what was opened, the last first, and only once.
func (e *Engine) closeAll() error {
	var faults []error
	for i := len(e.closers) - 1; i >= 0; i-- {
		faults = append(faults, e.closers[i]())
	}
	e.closers = nil
	return errors.Join(faults...)
}
