package winchester

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// batch is a number of events on their way into the database. Matching is done
// once, when it is made; file may run several times, when transactions meet.
type batch struct {
	m       *TriggerManager
	set     *triggerSet
	replay  *ReplayClock // which the events move; nil for none
	reached time.Time    // where they move it to
	events  []Event
	results []Result
	items   []*item
	counts  []bump    // what to count once the transaction is durable
	due     time.Time // when the first of the streams it touched is due
	sooner  time.Time // the same of those that had been due later, or never
}

// item is an event that can be stored, with its placements.
type item struct {
	index  int // in events and results
	places []placement
	now    time.Time // when it is filed
}

// placement says that an event belongs in the trigger's stream for a key.
type placement struct {
	trigger *trigger
	traits  Traits
	key     string
}

type bump struct {
	d       *debugger
	counter string
}

// newBatch makes a batch of events that come from outside.
func newBatch(m *TriggerManager, events []Event) *batch { return batchOf(m, m.replay, events) }

// batchOf makes a batch of events that move a replay's clock, if there is one.
func batchOf(m *TriggerManager, replay *ReplayClock, events []Event) *batch {
	b := &batch{m: m, set: m.triggers.Load(), replay: replay, events: make([]Event, len(events)), results: make([]Result, len(events))}
	var at time.Time
	if replay != nil {
		at = replay.position()
	}
	seen := make(map[string]bool, len(events))
	for i, e := range events {
		e, err := e.normalize()
		if err == nil && replay != nil {
			if err = replay.checkJump(at, &e); err == nil {
				at = walk(at, &e)
			}
		}
		b.events[i] = e
		b.results[i] = Result{MessageID: e.MessageID, EventType: e.EventType}
		switch {
		case err != nil:
			b.results[i].Outcome, b.results[i].Err = OutcomeFailed, err
			continue
		case seen[e.MessageID]:
			b.results[i].Outcome = OutcomeDuplicate
			continue
		}
		seen[e.MessageID] = true
		b.items = append(b.items, b.match(i))
	}
	return b
}

// match finds the streams that event i belongs to.
func (b *batch) match(i int) *item {
	it, e := &item{index: i}, &b.events[i]
	for _, t := range b.set.forType(e.EventType) {
		traits, ok := t.matches(e, nil)
		if !ok {
			continue
		}
		key, err := StreamKey(t.def.Name, traits)
		if err != nil { // unreachable: every value was normalised
			continue
		}
		it.places = append(it.places, placement{t, traits, key})
	}
	return it
}

// unfitError says that items cannot be filed. The transaction that met them
// must be given up, since some of them are written already.
type unfitError struct{ faults map[*item]error }

func (e *unfitError) Error() string {
	for _, err := range e.faults {
		return err.Error()
	}
	return "unfit"
}

// leaveOut takes items out of the batch; their results say why. What was a
// duplicate of one of them gets its turn.
func (b *batch) leaveOut(unfit *unfitError) {
	again := map[string]bool{}
	for it, err := range unfit.faults {
		r := &b.results[it.index]
		r.Outcome, r.Err, r.Streams = OutcomeFailed, err, nil
		again[r.MessageID] = true
	}
	b.items = slices.DeleteFunc(b.items, func(it *item) bool { return unfit.faults[it] != nil })
	for i := range b.results {
		if r := &b.results[i]; r.Outcome == OutcomeDuplicate && again[r.MessageID] && b.isLeftOut(i) {
			delete(again, r.MessageID)
			b.items = append(b.items, b.match(i))
		}
	}
	slices.SortFunc(b.items, func(x, y *item) int { return x.index - y.index })
}

// isLeftOut tells whether result i belongs to no item.
func (b *batch) isLeftOut(i int) bool {
	return !slices.ContainsFunc(b.items, func(it *item) bool { return it.index == i })
}

// file stores the batch's events and files them into their streams. It may be
// called again with another transaction after one that came to nothing.
func (b *batch) file(ctx context.Context, tx Tx) error {
	b.setTimes()
	b.counts, b.due, b.sooner = b.counts[:0], time.Time{}, time.Time{}
	if len(b.items) == 0 {
		return nil
	}
	events := make([]Event, len(b.items))
	for i, it := range b.items {
		events[i] = b.events[it.index].stored()
	}
	ids, err := tx.InsertEvents(ctx, events)
	if err != nil {
		return err
	}
	for i, it := range b.items {
		r := &b.results[it.index]
		r.Outcome, r.Streams = OutcomeStored, make([]Joined, len(it.places))
		if ids[i] == 0 {
			r.Outcome, r.Streams = OutcomeDuplicate, nil
		}
	}
	f := filing{ctx: ctx, tx: tx, b: b, lanes: b.lanes(events, ids)}
	if err := f.file(); err != nil {
		return err
	}
	if faults := f.unfit(); len(faults) > 0 {
		return &unfitError{faults}
	}
	return f.save()
}

// setTimes says when each item is filed: now or, in a replay, when it happened,
// but never before the one in front of it.
func (b *batch) setTimes() {
	now := b.m.now()
	b.reached = time.Time{}
	if b.replay != nil {
		b.reached = b.replay.position()
	}
	for _, it := range b.items {
		if b.replay != nil {
			b.reached = walk(b.reached, &b.events[it.index])
			now = b.reached
		}
		it.now = now
	}
}

// settle counts what the transaction did, once it is durable.
func (b *batch) settle(ctx context.Context) {
	if b.replay != nil {
		b.replay.follow(b.reached)
	}
	for _, c := range b.counts {
		c.d.bump(c.counter)
	}
	var n tally
	for i := range b.results {
		r := &b.results[i]
		n.count(r.Outcome)
		switch r.Outcome {
		case OutcomeStored:
			b.m.stats.saved.Add(1)
			b.set.countChecks(&b.events[i], r.Streams)
		case OutcomeDuplicate:
			b.m.stats.duplicates.Add(1)
			b.m.log.DebugContext(ctx, fmt.Sprintf("Received duplicate event %s, Ignoring.", r.MessageID), "message_id", r.MessageID)
		case OutcomeFailed:
			b.m.stats.failed.Add(1)
			b.m.log.DebugContext(ctx, "Received invalid event", "message_id", r.MessageID, "err", r.Err)
		}
	}
	n.add(ctx, &b.m.metrics.events)
	if len(b.items) > 0 {
		b.m.metrics.batches.record(ctx, float64(len(b.items)), batchAdd)
	}
	if !b.due.IsZero() {
		b.m.tellDue(b.due)
	}
}
