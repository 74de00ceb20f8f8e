//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/chaos/scenario"
)

const (
	feederLanes = 3   // how many deliveries a feeder has under way at once
	feederBatch = 20  // how many events a delivery has at most
	redelivered = 100 // how many acknowledged events a feeder that was killed delivers once more, at most
)

// feeder delivers its part of the plan's events until all were acknowledged.
type feeder struct {
	*child
	engine  *winchester.Engine
	journal *scenario.Journal

	mu      sync.Mutex
	pending []int // delivered and not acknowledged, or held back
}

func (c *child) feed(ctx context.Context) error {
	journal, history, err := scenario.OpenJournal(c.path("journal"))
	if err != nil {
		return err
	}
	defer journal.Close()
	st, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer st.Close()
	engine, err := newEngine(st, c.Lease, (&world{}).handlers())
	if err != nil {
		return err
	}
	f := &feeder{child: c, engine: engine, journal: journal}
	f.remember(history)
	for w := history.Begun; w < c.Plan.Windows(); w++ {
		if err := wait(ctx, time.Until(c.Plan.Due(w*scenario.Window))); err != nil {
			return err
		}
		if err := journal.Begin(w); err != nil {
			return err
		}
		f.pending = append(f.pending, f.own(w)...)
		if err := f.deliver(ctx, 0.1); err != nil {
			return err
		}
	}
	for len(f.pending) > 0 {
		if err := f.deliver(ctx, 0); err != nil {
			return err
		}
	}
	return nil
}

// remember takes up what was not acknowledged before the feeder was killed, and
// some of what was.
func (f *feeder) remember(h scenario.History) {
	acknowledged := map[int]bool{}
	for _, a := range h.Acks {
		acknowledged[a.Event] = true
	}
	for w := range h.Begun {
		for _, i := range f.own(w) {
			if !acknowledged[i] {
				f.pending = append(f.pending, i)
			}
		}
	}
	for range min(redelivered, len(h.Acks)) {
		if rand.IntN(2) == 0 {
			f.pending = append(f.pending, h.Acks[rand.IntN(len(h.Acks))].Event)
		}
	}
}

// own are the events of a window that this feeder delivers.
func (f *feeder) own(window int) []int {
	var events []int
	for i := window * scenario.Window; i < min((window+1)*scenario.Window, f.Plan.Events); i++ {
		if f.Plan.Delivers(f.Index, i) {
			events = append(events, i)
		}
	}
	return events
}

// deliver delivers what is pending, but for the part that is held back, in any
// order and in batches of any size. What is not acknowledged stays pending.
func (f *feeder) deliver(ctx context.Context, holdBack float64) error {
	pending := f.pending
	f.pending = nil
	rand.Shuffle(len(pending), func(i, j int) { pending[i], pending[j] = pending[j], pending[i] })
	held := int(float64(len(pending)) * holdBack)
	f.pending = append(f.pending, pending[:held]...)
	pending = pending[held:]

	batches := make(chan []int)
	failures := make([]error, feederLanes)
	var lanes sync.WaitGroup
	for lane := range failures {
		lanes.Go(func() {
			for batch := range batches {
				failures[lane] = errors.Join(failures[lane], f.add(ctx, batch))
			}
		})
	}
	for len(pending) > 0 {
		n := 1
		if rand.IntN(2) == 0 {
			n = min(1+rand.IntN(feederBatch), len(pending))
		}
		batches <- pending[:n]
		pending = pending[n:]
	}
	close(batches)
	lanes.Wait()
	return errors.Join(append(failures, context.Cause(ctx))...)
}

// add delivers one batch. An error means that the journal cannot be written.
func (f *feeder) add(ctx context.Context, batch []int) error {
	if len(batch) > 1 && rand.IntN(4) == 0 {
		batch = append(slices.Clone(batch), batch[0]) // twice in one batch
	}
	events := make([]winchester.Event, len(batch))
	for at, i := range batch {
		e := f.Plan.Event(i)
		events[at] = winchester.Event{MessageID: e.ID, EventType: e.Type, Timestamp: e.Time, Traits: e.Traits}
	}
	var results []winchester.Result
	var err error
	if len(events) == 1 {
		var one winchester.Result
		if one, err = f.engine.AddEvent(ctx, events[0]); err == nil || errors.Is(err, winchester.ErrInvalidEvent) {
			results, err = []winchester.Result{one}, nil
		}
	} else {
		results, err = f.engine.AddEvents(ctx, events)
	}
	if err != nil {
		slog.Warn("A delivery was not acknowledged", "feeder", f.Index, "events", len(batch), "err", err)
		f.mu.Lock()
		f.pending = append(f.pending, batch...)
		f.mu.Unlock()
		_ = wait(ctx, rand.N(100*time.Millisecond))
		return nil
	}
	acks := make([]scenario.Ack, len(results))
	for at, r := range results {
		acks[at] = scenario.Ack{Event: batch[at], Outcome: string(r.Outcome)}
		for _, joined := range r.Streams {
			acks[at].Streams = append(acks[at].Streams, joined.StreamID)
		}
		if r.Err != nil {
			acks[at].Reason = r.Err.Error()
		}
		if r.MessageID != events[at].MessageID {
			acks[at].Outcome, acks[at].Reason = "misreported", fmt.Sprintf("as %q", r.MessageID)
		}
	}
	return f.journal.Acknowledge(acks...)
}
