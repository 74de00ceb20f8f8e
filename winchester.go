// Package winchester turns a flood of small facts into few, complete,
// trustworthy batches. It reimplements the Python Winchester of StackTach,
// called the original here.
//
// Events arrive one by one and out of order, from many processes. Triggers file
// them into streams, one for each combination of distinguishing traits, kept in
// a SQL database. When a stream's fire criteria are met it fires; when its time
// is up it expires; either way a pipeline of handlers gets all its events,
// sorted, as one unit of work:
//
//	event ──▶ trigger ──▶ stream ──fires or expires──▶ pipeline ──▶ handlers
//	              (which stream?)  (is it complete?)      (your code)
//
// An [Engine] is everything a host needs in one value. Give it a [Store] (see
// package store), [TriggerDefinition]s, [PipelineDefinition]s and a [Registry]
// of handlers; then call Start, AddEvent or AddNotification, and Stop.
//
// # Where to read
//
// definition.go and criterion.go say what a trigger is, notifications.go,
// trigger.go, filing.go and lane.go how an event finds its streams (group.go how calls share transactions,
// hosttx.go how the host's are used), stream.go what states a stream goes through,
// pipeline.go and run.go how a stream is run, workers.go and settle.go by whom
// and with what in one transaction, handler.go what a host writes, store.go what
// a database must do, replay.go how recorded events are replayed, and explain.go
// why things are as they are. What is measured is in metrics.go, backlog.go and
// traces.go.
//
// # Times
//
// All times are UTC, truncated to microseconds, and all come from the
// configured [Clock]. With a [ReplayClock], which follows the events through all
// processes, leases, back-offs and polling go by the machine's clock instead.
//
// # Errors
//
//	situation                                     | error
//	----------------------------------------------|----------------------
//	an event lacks a field, or has a wrong trait  | ErrInvalidEvent
//	a trait's Go type cannot be stored            | ErrInvalidTraitType
//	a trigger or pipeline definition is wrong     | ErrDefinition
//	a trigger of that name is in use              | ErrTriggerExists
//	a trigger names a pipeline nobody configured  | ErrUnknownPipeline
//	a pipeline names a handler nobody registered  | ErrUnknownHandler
//	no definition applies to a notification       | ErrDropped (in Result.Err)
//	a notification is malformed, or of no format  | ErrInvalidEvent
//	there is no distiller for notifications       | ErrNoDistiller
//	a query cannot be understood                  | ErrInvalidQuery
//	no such event, no such stream                 | ErrNoSuchEvent, ErrNoSuchStream
//	a stream was changed by someone else          | ErrLocked
//	transactions met, again and again             | ErrConflict
//	the database cannot be reached                | ErrUnavailable
//	others replay events in the database          | ErrReplay (of package config)
//
// All are matched with errors.Is. A duplicate event is no error. ErrUnknownTrigger
// and ErrStopped are not returned by methods that add events: the one is why a
// stream is in error, the other why a run's context ended.
//
// # Dependencies
//
// This package knows no database, no broker and no command line: packages
// timex and internal/... below it, packages distiller, store, amqp and handlers above
// it, which do not know each other, and config on top of those. Of OpenTelemetry
// it uses the API alone: an SDK is the host's.
package winchester

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/seed71495667/winchester/internal/suggest"
)

// Config is what an Engine is made of. The zero value of each optional field
// stands for its default.
type Config struct {
	// Store keeps events and streams: see package store. Required.
	Store Store
	// Triggers say which events belong together. More can be added and removed
	// while the engine runs.
	Triggers []TriggerDefinition
	// Pipelines say which handlers get a stream's events.
	Pipelines []PipelineDefinition
	// Handlers knows the handlers that Pipelines name. Default: NewRegistry().
	Handlers *Registry
	// Distiller turns notifications into events: see package distiller. Only
	// needed for AddNotification. Default: none.
	Distiller Distiller
	// Clock tells the time. Default: SystemClock. With a ReplayClock the events do.
	Clock Clock
	// Logger gets all log lines, with the keys err, stream_id, trigger, pipeline,
	// pass, attempt, state and message_id, where they apply. Default:
	// slog.Default().
	Logger *slog.Logger
	// MeterProvider and TracerProvider are OpenTelemetry's, for metrics and for a
	// trace of each pipeline run: see docs/metrics.md. Defaults: the global ones,
	// which do nothing without an SDK.
	MeterProvider  metric.MeterProvider
	TracerProvider trace.TracerProvider
	// StatisticsPeriod is how often a line of statistics is logged. Default 10s;
	// negative for never.
	StatisticsPeriod time.Duration

	// The rest is about running pipelines: see PipelineConfig.

	Name                string        // Default: host name, process id, random part
	Workers             int           // Default: the number of CPUs, at least 4
	BatchSize           int           // Default 100
	PollInterval        time.Duration // Default 10s
	Lease               time.Duration // Default 1m
	Retry               RetryPolicy   // Defaults: see RetryPolicy
	KeepCompleted       bool          // Default: completed streams are deleted
	TrimEvents          bool          // Default: events are kept for ever
	TrimEventsAge       string        // Default "$timestamp - 14d"
	TrimEventsBatchSize int           // Default 100
}

// Engine is a TriggerManager, which files events into streams, and a
// PipelineManager, which runs the streams that are due. All its methods are
// safe for concurrent use. From the one it has AddEvent, AddEvents, AddEventTx,
// AddEventsTx, Committed, AddNotification, AddNotificationMap, AddNotifications,
// AddCloudEvent, DeleteTrigger, Triggers and Debug; from the other RunOnce, ResetStream, Pipelines and Stats. Its
// own are LogStatistics, ExplainStream and ExplainEvent.
type Engine struct {
	*TriggerManager
	*PipelineManager

	period time.Duration

	mu         sync.Mutex
	stopStats  context.CancelFunc
	statsEnded chan struct{}
}

// New returns an Engine that has not been started: it takes events, and runs no
// pipelines yet. All faults of the configuration are reported together.
func New(c Config) (*Engine, error) {
	if c.Store == nil {
		return nil, errors.New("winchester: Config.Store is required")
	}
	triggers, triggerFaults := NewTriggerManager(TriggerConfig{
		Store: c.Store, Triggers: c.Triggers, Distiller: c.Distiller, Clock: c.Clock, Logger: c.Logger,
		MeterProvider: c.MeterProvider, TracerProvider: c.TracerProvider,
	})
	if triggers == nil { // go on with none, to find the other faults as well
		triggers, _ = NewTriggerManager(TriggerConfig{Store: c.Store, Clock: c.Clock, Logger: c.Logger})
	}
	pipelines, pipelineFaults := NewPipelineManager(PipelineConfig{
		Triggers: triggers, Pipelines: c.Pipelines, Handlers: c.Handlers, Name: c.Name, Workers: c.Workers,
		BatchSize: c.BatchSize, PollInterval: c.PollInterval, Lease: c.Lease, Retry: c.Retry, KeepCompleted: c.KeepCompleted,
		TrimEvents: c.TrimEvents, TrimEventsAge: c.TrimEventsAge, TrimEventsBatchSize: c.TrimEventsBatchSize,
	})
	if err := errors.Join(triggerFaults, pipelineFaults); err != nil {
		return nil, err
	}
	e := &Engine{TriggerManager: triggers, PipelineManager: pipelines, period: cmp.Or(c.StatisticsPeriod, 10*time.Second)}
	if err := e.checkPipelines(c.Triggers); err != nil {
		return nil, err
	}
	return e, nil
}

// AddTrigger is TriggerManager.AddTrigger, and also returns ErrUnknownPipeline
// for a trigger that names a pipeline which is not configured.
func (e *Engine) AddTrigger(definitions ...TriggerDefinition) error {
	if err := e.checkPipelines(definitions); err != nil {
		return err
	}
	return e.TriggerManager.AddTrigger(definitions...)
}

// ReplaceTrigger is TriggerManager.ReplaceTrigger, and also returns
// ErrUnknownPipeline for a trigger that names a pipeline which is not configured.
func (e *Engine) ReplaceTrigger(definitions ...TriggerDefinition) error {
	if err := e.checkPipelines(definitions); err != nil {
		return err
	}
	return e.TriggerManager.ReplaceTrigger(definitions...)
}

func (e *Engine) checkPipelines(definitions []TriggerDefinition) error {
	var faults []error
	for _, d := range definitions {
		for field, name := range map[string]string{"fire_pipeline": d.FirePipeline, "expire_pipeline": d.ExpirePipeline} {
			if name == "" || e.pipelines[name] != nil {
				continue
			}
			hint := suggest.DidYouMean(name, slices.Collect(maps.Keys(e.pipelines)))
			faults = append(faults, fmt.Errorf("%w %q%s in %s of trigger %q", ErrUnknownPipeline, name, hint, field, d.Name))
		}
	}
	return errors.Join(faults...)
}

// Start begins to run pipelines and to log statistics, and returns at once. It
// goes on until Stop is called or ctx ends; that ctx ends is a Stop without
// patience.
func (e *Engine) Start(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	last := e.Stats() // before anything begins to change them
	if err := e.PipelineManager.Start(ctx); err != nil {
		return err
	}
	if e.stopStats != nil { // of a Start whose context has ended
		e.stopStats()
		<-e.statsEnded
	}
	ctx, e.stopStats = context.WithCancel(ctx)
	e.statsEnded = make(chan struct{})
	go func() {
		defer close(e.statsEnded)
		e.logStatistics(ctx, last, true)
	}()
	return nil
}

// Stop ends what Start began: no more streams are claimed, running pipelines
// are waited for. If ctx ends first, their contexts are cancelled and Stop
// returns the ctx's error once they have returned; their streams are tried
// again later. The engine still takes events, and can be started again. It
// does not close the Store.
func (e *Engine) Stop(ctx context.Context) error {
	err := e.PipelineManager.Stop(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopStats != nil {
		e.stopStats()
		<-e.statsEnded
		e.stopStats = nil
	}
	return err
}

// Store returns the engine's store: for queries.
func (e *Engine) Store() Store { return e.TriggerManager.store }

// LogStatistics logs, once a StatisticsPeriod, what has happened since the last
// lines, or at first since the engine was made, and what the triggers with a debug
// level have counted, until ctx ends.
// Start has that done; LogStatistics is for a process that only adds events and
// is never started.
func (e *Engine) LogStatistics(ctx context.Context) { e.logStatistics(ctx, Stats{}, false) }

// logStatistics logs as the original's processes did, whose lines come also if
// nothing has happened: one about events from those that take any, one about
// streams from those that work.
func (e *Engine) logStatistics(ctx context.Context, last Stats, works bool) {
	if e.period < 0 {
		return
	}
	log, clock := e.TriggerManager.log, e.TriggerManager.clock
	for {
		timer, stop := clock.Timer(e.period)
		select {
		case <-ctx.Done():
			stop()
			return
		case <-timer:
		}
		now := e.Stats()
		if now.Received > 0 || now.Saved > 0 {
			log.Info(fmt.Sprintf("Received %d notifications. Saved %d events.", now.Notifications-last.Notifications, now.Saved-last.Saved))
		}
		if works {
			log.Info(fmt.Sprintf("Loaded %d streams. Fired %d, Expired %d.", now.Loaded-last.Loaded, now.Fired-last.Fired, now.Expired-last.Expired))
		}
		e.TriggerManager.stats.setLogged(e.TriggerManager.now())
		e.DumpDebuggers()
		last = now
	}
}
