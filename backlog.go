package winchester

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// backlog is what the metrics tell of the streams in the database. It asks when
// someone collects them, and puts a bound on what that costs: the database is
// busy with these questions for no more than a hundredth of the time, however
// many streams there are and however often someone collects. In between it tells
// what it was told last. Its times are the machine's, whatever clock the engine
// goes by.
type backlog struct {
	m *PipelineManager

	mu       sync.Mutex
	states   map[State]int64
	statesAt asked
	ready    [2]Ready // by passes
	readyAt  asked
	now      time.Time // by the engine's clock, when ready was asked for
}

var passes = [2]Pass{PassFire, PassExpire}

const (
	// readyLimit bounds how many ready streams are counted.
	readyLimit = 100_000
	// Answers are at least as old as that before the question is asked again.
	readyPause  = time.Second
	statesPause = 15 * time.Second
	// backlogTimeout is how long a question may take; then there is no answer.
	backlogTimeout = 5 * time.Second
)

// asked is when a question was asked last.
type asked struct {
	next  time.Time // not again before that
	known bool      // whether there was an answer
}

// ask asks a question, unless that was done a moment ago.
func (a *asked) ask(pause time.Duration, question func() error) {
	began := time.Now()
	if began.Before(a.next) {
		return
	}
	a.known = question() == nil
	took := time.Since(began)
	a.next = began.Add(took + max(pause, 100*took))
}

// register has the backlog observed until the returned function is called.
func (b *backlog) register() (unregister func(), err error) {
	t := b.m.triggers.metrics
	// An SDK waits with Unregister until a collection has ended, which may be
	// waiting for the database.
	registered, end := context.WithCancel(context.Background())
	r, err := t.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(registered, cancel)()
		return b.observe(ctx, o)
	}, t.states, t.ready, t.age, t.active)
	if err != nil {
		end()
		return nil, err
	}
	return func() { end(); _ = r.Unregister() }, nil
}

// observe is a metric.Callback, but that its ctx ends with the registration.
func (b *backlog) observe(ctx context.Context, o metric.Observer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.m
	o.ObserveInt64(m.triggers.metrics.active, int64(m.inFlight.len()))
	asking, cancel := context.WithTimeout(ctx, backlogTimeout)
	defer cancel()
	b.readyAt.ask(readyPause, func() (err error) {
		b.now = m.triggers.now()
		for i, pass := range passes {
			if b.ready[i], err = m.store.Ready(asking, pass, b.now, readyLimit); err != nil {
				break
			}
		}
		m.triggers.metrics.failed(ctx, opObserve, err)
		return err
	})
	b.statesAt.ask(statesPause, func() (err error) {
		b.states, err = m.store.CountStates(asking)
		m.triggers.metrics.failed(ctx, opObserve, err)
		return err
	})
	if b.readyAt.known {
		for i, r := range b.ready {
			age := 0.0
			if !r.Oldest.IsZero() {
				age = max(b.now.Sub(r.Oldest).Seconds(), 0)
			}
			o.ObserveInt64(m.triggers.metrics.ready, r.Streams, passOptions[i])
			o.ObserveFloat64(m.triggers.metrics.age, age, passOptions[i])
		}
	}
	if b.statesAt.known {
		for s, option := range stateOptions {
			o.ObserveInt64(m.triggers.metrics.states, b.states[s], option)
		}
	}
	return nil
}

// passOptions are by passes.
var passOptions = [2]metric.ObserveOption{
	metric.WithAttributeSet(attribute.NewSet(attribute.String("pass", string(PassFire)))),
	metric.WithAttributeSet(attribute.NewSet(attribute.String("pass", string(PassExpire)))),
}

// stateOptions has no completed streams: they may be kept for ever, nobody waits
// for them, and winchester.runs counts them.
var stateOptions = func() map[State]metric.ObserveOption {
	options := map[State]metric.ObserveOption{}
	for s := StateActive; s <= StateRetryExpire; s++ {
		if s != StateCompleted {
			options[s] = metric.WithAttributeSet(attribute.NewSet(attribute.String("state", s.String())))
		}
	}
	return options
}()
