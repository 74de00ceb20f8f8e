// Package simulate runs triggers over events on a database in memory, with the
// clock following the events and no handler run, and tells the life of each
// stream: so that a rule can be tried before it is trusted. A Report can be held
// against an Expectation, which makes a test of it.
//
//	s, err := simulate.New(ctx, simulate.Config{Triggers: cfg.Triggers, Pipelines: cfg.Pipelines, Distiller: cfg.Distiller})
//	...
//	defer s.Close()
//	for _, e := range events {
//		_, err := s.AddEvent(ctx, e)
//		...
//	}
//	report, err := s.Finish(ctx, time.Time{})
//
// docs/simulate.md is the guide.
//
// # Time
//
// The clock stands at the time of the event that is added, or where it stood if
// that is later: an event that comes out of order is late, as it would be in
// life. What is due before an event's time fires or expires before the event is
// added, at the very time that it is due. So there is always a worker that waits
// for nothing else, and a stream whose fire criteria are met takes no more events
// but those for which the clock does not move.
//
// # Dependencies
//
// This package stands above winchester and store and beside config, neither of
// which knows the other.
package simulate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	notrace "go.opentelemetry.io/otel/trace/noop"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// Config is what a Simulation is made of.
type Config struct {
	// Triggers are what is tried. Required.
	Triggers []winchester.TriggerDefinition
	// Pipelines are named in the report with their handlers, none of which is
	// made or run, so that they need not be registered. Default: none; then the
	// triggers may name any.
	Pipelines []winchester.PipelineDefinition
	// Distiller serves AddNotification. Default: none.
	Distiller winchester.Distiller
	// Logger gets the engine's log lines. Default: nobody.
	Logger *slog.Logger
}

// Simulation is one run. It is for one goroutine.
type Simulation struct {
	store  *store.Store
	engine *winchester.Engine
	clock  *winchester.ManualClock
	cfg    Config

	defs      map[string]*winchester.TriggerDefinition
	pipelines map[string][]string // the names of their handlers
	at        time.Time           // when what is being run was due
	end       time.Time           // when something has happened last
	lives     map[int64]*Life
	report    Report
	unfiled   []string // the message ids of the first events that no trigger took
}

// recorder is the name of the one pipeline that is run, and of its handler.
const recorder = "record"

// New opens a database in memory and makes an engine over it. Close it when done.
// Faults of the triggers wrap winchester.ErrDefinition; that they name a pipeline
// which is not among Config.Pipelines wraps winchester.ErrUnknownPipeline.
func New(ctx context.Context, c Config) (_ *Simulation, err error) {
	if len(c.Triggers) == 0 {
		return nil, errors.New("simulate: there are no triggers")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Simulation{
		cfg: c, clock: winchester.NewManualClock(time.Unix(0, 0)), lives: map[int64]*Life{},
		defs: map[string]*winchester.TriggerDefinition{}, pipelines: map[string][]string{},
	}
	for _, p := range c.Pipelines {
		names := []string{}
		for _, h := range p.Handlers {
			names = append(names, h.Name)
		}
		s.pipelines[p.Name] = names
	}
	if err := s.checkPipelines(); err != nil {
		return nil, err
	}
	if s.store, err = store.Open(ctx, "sqlite://", store.Options{Migrate: true, Logger: c.Logger}); err != nil {
		return nil, fmt.Errorf("simulate: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.store.Close())
		}
	}()
	handlers := winchester.NewRegistry()
	winchester.MustRegister(handlers, recorder, func(winchester.NoParams) (winchester.Handler, error) { return &record{s: s}, nil })
	s.engine, err = winchester.New(winchester.Config{
		Store: s.store, Clock: s.clock, Logger: c.Logger, Handlers: handlers, Triggers: s.recorded(), Name: "simulate",
		Pipelines:     []winchester.PipelineDefinition{{Name: recorder, Handlers: []winchester.HandlerSpec{{Name: recorder}}}},
		KeepCompleted: true, BatchSize: 1000, StatisticsPeriod: -1,
		MeterProvider: noop.NewMeterProvider(), TracerProvider: notrace.NewTracerProvider(), // nothing of this has happened
	})
	if err != nil {
		return nil, fmt.Errorf("simulate: %w", err)
	}
	return s, nil
}

// recorded are the triggers with the recorder in place of their pipelines, also
// where there is none: what completes with nothing run is of interest, too.
func (s *Simulation) recorded() []winchester.TriggerDefinition {
	out := make([]winchester.TriggerDefinition, len(s.cfg.Triggers))
	for i := range s.cfg.Triggers {
		out[i] = s.cfg.Triggers[i]
		s.defs[out[i].Name] = &s.cfg.Triggers[i]
		if out[i].FirePipeline != "" || out[i].ExpirePipeline != "" { // else the engine says what is wrong
			out[i].FirePipeline, out[i].ExpirePipeline = recorder, recorder
		}
	}
	return out
}

func (s *Simulation) checkPipelines() error {
	var faults []error
	for _, t := range s.cfg.Triggers {
		for _, name := range []string{t.FirePipeline, t.ExpirePipeline} {
			if _, ok := s.pipelines[name]; name != "" && !ok && len(s.pipelines) > 0 {
				faults = append(faults, fmt.Errorf("simulate: trigger %q: %w %q", t.Name, winchester.ErrUnknownPipeline, name))
			}
		}
	}
	return errors.Join(faults...)
}

// Close frees the database.
func (s *Simulation) Close() error { return s.store.Close() }

// AddEvent lets time pass until the event's, and adds it. An event that cannot be
// stored is counted and gives an error that wraps winchester.ErrInvalidEvent; the
// simulation can go on.
func (s *Simulation) AddEvent(ctx context.Context, e winchester.Event) (winchester.Result, error) {
	if !e.Timestamp.IsZero() {
		at := e.Timestamp.UTC().Truncate(time.Microsecond)
		if s.report.Begin.IsZero() {
			s.report.Begin = at
			s.clock.Set(at)
		}
		if err := s.pass(ctx, at); err != nil {
			return winchester.Result{}, err
		}
	}
	s.end = s.clock.Now().UTC()
	r, err := s.engine.AddEvent(ctx, e)
	switch r.Outcome {
	case winchester.OutcomeStored:
		s.report.Stored++
		s.join(&e, &r)
	case winchester.OutcomeDuplicate:
		s.report.Duplicates++
	case winchester.OutcomeFailed:
		s.report.Failed++
	}
	return r, err
}

// AddNotification distils a notification, or each of a batch, and adds the event.
// One that no definition applies to is counted, and is no error. The error is that
// of all the notifications that are malformed; the others are added.
func (s *Simulation) AddNotification(ctx context.Context, body []byte) error {
	if s.cfg.Distiller == nil {
		return winchester.ErrNoDistiller
	}
	items, batch, err := s.cfg.Distiller.Split(body)
	if err != nil {
		s.report.Failed++
		return err
	}
	if !batch {
		items = [][]byte{body}
	}
	var faults []error
	for _, item := range items {
		e, err := s.cfg.Distiller.Distill(item)
		switch {
		case errors.Is(err, winchester.ErrDropped):
			s.report.Dropped++
			continue
		case err != nil:
			s.report.Failed++
		default:
			_, err = s.AddEvent(ctx, e)
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// join takes note of what became of an event that was stored.
func (s *Simulation) join(e *winchester.Event, r *winchester.Result) {
	if len(r.Streams) == 0 {
		if s.report.Unfiled++; len(s.unfiled) < maxShown {
			s.unfiled = append(s.unfiled, e.MessageID)
		}
	}
	for _, j := range r.Streams {
		life := s.lives[j.StreamID]
		if life == nil {
			life = &Life{Number: len(s.report.Streams) + 1, Trigger: j.Trigger, Ends: EndsActive, id: j.StreamID}
			s.lives[j.StreamID] = life
			s.report.Streams = append(s.report.Streams, life)
		}
		step := Step{
			At: s.clock.Now().UTC(), What: StepJoined, MessageID: e.MessageID, EventType: e.EventType, EventTime: e.Timestamp.UTC(),
			FireAt: j.FireAt, ExpireAt: j.ExpireAt, Ready: j.Ready,
		}
		if j.Opened {
			step.What = StepOpened
		}
		life.Steps = append(life.Steps, step)
	}
}

// pass lets time pass: what is due before that time is run, one time after the
// other. If the clock stands there already, no time passes, and nothing is run.
// The zero time is the end of all that is to come.
func (s *Simulation) pass(ctx context.Context, until time.Time) error {
	var last time.Time
	for vain := 0; ; {
		due, err := s.store.NextDue(ctx)
		if err != nil {
			return fmt.Errorf("simulate: %w", err)
		}
		at := s.now()
		if due.After(at) {
			at = due
		}
		if due.IsZero() || !until.IsZero() && !at.Before(until) {
			break
		}
		s.at, s.end = at, at
		s.clock.Set(at.Add(time.Microsecond)) // it is due once the clock has moved past it
		n, err := s.engine.RunOnce(ctx)
		if err != nil {
			return fmt.Errorf("simulate: %w", err)
		}
		if n.Fire+n.Expire > 0 || !due.Equal(last) {
			vain, last = 0, due
		} else if vain++; vain > 3 {
			return fmt.Errorf("simulate: something is due at %s that cannot be run", due)
		}
	}
	if until.After(s.clock.Now()) {
		s.clock.Set(until)
	}
	return nil
}

// now is where the clock stands, without the microsecond that pass has moved it on
// by to have things run.
func (s *Simulation) now() time.Time {
	now := s.clock.Now().UTC()
	if now.Equal(s.at.Add(time.Microsecond)) {
		return s.at
	}
	return now
}

// record is the handler in place of all others.
type record struct {
	winchester.HandlerDefaults
	s *Simulation
}

func (r *record) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	life := r.s.lives[env.StreamID]
	if life == nil {
		return nil, fmt.Errorf("simulate: stream %d is not known", env.StreamID)
	}
	def := r.s.defs[life.Trigger]
	life.Ends, life.At, life.Pipeline = EndsFired, r.s.at, def.FirePipeline
	if env.Pass == winchester.PassExpire {
		life.Ends, life.Pipeline = EndsExpired, def.ExpirePipeline
	}
	life.Handlers, life.Events, life.DistinguishingTraits = r.s.pipelines[life.Pipeline], messageIDs(events), env.DistinguishingTraits
	return events, nil
}

func messageIDs(events []winchester.Event) []string {
	ids := make([]string, len(events))
	for i := range events {
		ids[i] = events[i].MessageID
	}
	return ids
}

// Finish lets time pass until the given time, which is included, or with the
// zero time until every stream has fired or expired, and reports. More events can
// be added afterwards.
func (s *Simulation) Finish(ctx context.Context, until time.Time) (*Report, error) {
	if until.IsZero() {
		if err := s.pass(ctx, until); err != nil {
			return nil, err
		}
		s.report.End = s.end
	} else {
		if err := s.pass(ctx, until.Add(time.Microsecond)); err != nil {
			return nil, err
		}
		s.report.End = until.UTC()
	}
	explained := 0
	for _, life := range s.report.Streams {
		if err := s.describe(ctx, life, &explained); err != nil {
			return nil, err
		}
	}
	s.report.UnfiledEvents = nil
	for _, id := range s.unfiled {
		x, err := s.engine.ExplainEvent(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("simulate: %w", err)
		}
		s.report.UnfiledEvents = append(s.report.UnfiledEvents, x)
	}
	return &s.report, nil
}

// describe adds what the database knows of a stream: of one that is active still,
// its traits and events, and of one that was never ready, why.
func (s *Simulation) describe(ctx context.Context, life *Life, explained *int) error {
	if life.Ends == EndsActive {
		stream, err := s.store.StreamByID(ctx, life.id)
		if err != nil {
			return fmt.Errorf("simulate: %w", err)
		}
		events, err := s.store.StreamEvents(ctx, life.id)
		if err != nil {
			return fmt.Errorf("simulate: %w", err)
		}
		life.DistinguishingTraits, life.Events = stream.DistinguishingTraits, messageIDs(events[life.id])
	}
	life.Unmet = nil
	if !life.Steps[len(life.Steps)-1].FireAt.IsZero() || *explained >= maxShown {
		return nil
	}
	*explained++
	x, err := s.engine.ExplainStream(ctx, life.id)
	if err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	for _, c := range x.Fire {
		if !c.Met {
			life.Unmet = append(life.Unmet, c)
		}
	}
	return nil
}
