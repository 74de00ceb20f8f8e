package winchester

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// batch is a number of events on their way into the database. Matching is done
// once, when it is made; file may run several times, when transactions meet.
type batch struct {
	m       *TriggerManager
	set     *triggerSet
	now     time.Time
	events  []Event
	results []Result
	items   []*item
	counts  []bump    // what to count once the transaction is durable
	due     time.Time // when the first of the streams it touched is due
}

// item is an event that can be stored, with its placements.
type item struct {
	index  int // in events and results
	places []placement
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

func newBatch(m *TriggerManager, events []Event) *batch {
	b := &batch{m: m, set: m.triggers.Load(), events: make([]Event, len(events)), results: make([]Result, len(events))}
	seen := make(map[string]bool, len(events))
	for i, e := range events {
		e, err := e.normalize()
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
	b.now = b.m.now()
	b.counts, b.due = b.counts[:0], time.Time{}
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
	f := filing{ctx: ctx, tx: tx, b: b}
	if err := f.openStreams(ids); err != nil {
		return err
	}
	unfit := map[*item]error{}
	for i, it := range b.items {
		r := &b.results[it.index]
		r.Outcome, r.Streams = OutcomeDuplicate, make([]Joined, 0, len(it.places))
		if ids[i] == 0 {
			continue
		}
		r.Outcome = OutcomeStored
		for j := range it.places {
			err := f.join(r, &it.places[j], &events[i], ids[i])
			if errors.Is(err, errExpiry) {
				if f.tainted[it.places[j].key] {
					break // perhaps not by its own fault: it gets another chance
				}
				for _, p := range it.places[:j] {
					f.taint(p.key)
				}
				unfit[it] = fmt.Errorf("%w %q: trigger %q: %w", ErrInvalidEvent, r.MessageID, it.places[j].trigger.def.Name, err)
				break
			}
			if err != nil {
				return err
			}
		}
	}
	if len(unfit) > 0 {
		return &unfitError{unfit}
	}
	return f.save()
}

// settle counts what the transaction did, once it is durable.
func (b *batch) settle(ctx context.Context) {
	for _, c := range b.counts {
		c.d.bump(c.counter)
	}
	for i := range b.results {
		r := &b.results[i]
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
	if !b.due.IsZero() {
		b.m.tellDue(b.due)
	}
}

// filing is one try at a batch: the streams it touches, as they will be.
type filing struct {
	ctx     context.Context
	tx      Tx
	b       *batch
	open    map[string]*Stream // by key: the stream that takes the next event
	touched []*touched
	byPtr   map[*Stream]*touched
	joins   []join
	tainted map[string]bool // keys of streams that an unfit event has joined
}

// join remembers where the id of a stream is to be told once it is known.
type join struct {
	result *Result
	index  int
	stream *Stream
}

// touched is a stream that events were filed into.
type touched struct {
	stream  *Stream
	members []int64 // the ids of the events of this batch
}

var errExpiry = errors.New("the expiration cannot be computed")

// openStreams fetches and locks the open streams of all keys, in key order.
func (f *filing) openStreams(ids []int64) error {
	var keys []string
	for i, it := range f.b.items {
		if ids[i] != 0 {
			for j := range it.places {
				keys = append(keys, it.places[j].key)
			}
		}
	}
	f.byPtr = map[*Stream]*touched{}
	if len(keys) == 0 {
		return nil
	}
	slices.Sort(keys)
	var err error
	f.open, err = f.tx.OpenStreams(f.ctx, slices.Compact(keys))
	return err
}

// join files one event into the open stream of a placement, or a new one. If
// the expiry cannot be computed it returns errExpiry and has changed nothing.
func (f *filing) join(r *Result, p *placement, e *Event, id int64) error {
	t, now := p.trigger, f.b.now
	s := f.open[p.key]
	opened := s == nil || !s.openAt(now)
	times := streamTimes{e.Timestamp, e.Timestamp, now}
	if !opened {
		if s.FirstEvent.Before(times.first) {
			times.first = s.FirstEvent
		}
		if s.LastEvent.After(times.last) {
			times.last = s.LastEvent
		}
	}
	expiry, err := t.expiration.Eval(&times)
	if err != nil {
		return fmt.Errorf("%w: %w", errExpiry, err)
	}
	if expiry.Begin.IsZero() {
		return fmt.Errorf("%w: it is the beginning of time", errExpiry)
	}
	if opened {
		if s != nil {
			f.touch(s)
			s.Open = false // its time is up; from here on a new stream takes the events
		}
		s = &Stream{
			Name: t.def.Name, DistinguishingTraits: p.traits, Key: p.key, State: StateActive,
			Progress: Progress{Fingerprint: t.fingerprint, Counts: make([]int, len(t.fire))},
		}
		f.open[p.key] = s
		f.count(t, "New stream")
	}
	tc := f.touch(s)
	s.FirstEvent, s.LastEvent, s.ExpireTimestamp = times.first, times.last, expiry.Begin
	s.Open = s.openAt(now)
	ready, err := f.progress(t, s, e)
	if err != nil {
		return err
	}
	tc.members = append(tc.members, id)
	f.count(t, "Added events")
	f.joins = append(f.joins, join{r, len(r.Streams), s})
	r.Streams = append(r.Streams, Joined{
		Trigger: t.def.Name, Opened: opened, Ready: ready, FireAt: s.FireTimestamp, ExpireAt: s.ExpireTimestamp,
	})
	return nil
}

// progress counts the event towards the fire criteria and sets the fire time
// once they are all met; after that they are not looked at again.
func (f *filing) progress(t *trigger, s *Stream, e *Event) (ready bool, err error) {
	if !s.FireTimestamp.IsZero() {
		return false, nil
	}
	if s.Progress.Fingerprint != t.fingerprint || len(s.Progress.Counts) != len(t.fire) {
		if err := f.recount(t, s); err != nil {
			return false, err
		}
	}
	if !t.count(&s.Progress, e) {
		return false, nil
	}
	s.FireTimestamp = microUTC(f.b.now.Add(t.def.FireDelay))
	f.count(t, "Ready to fire")
	return true, nil
}

// count adds one event to the progress and tells whether all criteria are met.
func (t *trigger) count(p *Progress, e *Event) (met bool) {
	met = true
	for i := range t.fire {
		c := &t.fire[i]
		if p.Counts[i] < c.number && c.match(e, nil) {
			p.Counts[i]++
		}
		met = met && p.Counts[i] >= c.number
	}
	return met
}

// recount computes the progress from the stored events of the stream, because
// the trigger has been defined anew since they were counted. It is the first
// event of the batch to join, so the stored ones are all there are.
func (f *filing) recount(t *trigger, s *Stream) error {
	s.Progress = Progress{Fingerprint: t.fingerprint, Counts: make([]int, len(t.fire))}
	if s.ID != 0 {
		stored, err := f.tx.StreamEvents(f.ctx, s.ID)
		if err != nil {
			return err
		}
		for _, e := range stored[s.ID] {
			t.count(&s.Progress, &e)
		}
	}
	return nil
}

// taint remembers that an unfit event has joined the stream of a key.
func (f *filing) taint(key string) {
	if f.tainted == nil {
		f.tainted = map[string]bool{}
	}
	f.tainted[key] = true
}

func (f *filing) touch(s *Stream) *touched {
	tc := f.byPtr[s]
	if tc == nil {
		tc = &touched{stream: s}
		f.byPtr[s] = tc
		f.touched = append(f.touched, tc)
	}
	return tc
}

func (f *filing) count(t *trigger, counter string) {
	if t.debug != nil {
		f.b.counts = append(f.b.counts, bump{t.debug, counter})
	}
}

// save writes the streams and the memberships.
func (f *filing) save() error {
	if len(f.touched) == 0 {
		return nil
	}
	streams := make([]*Stream, len(f.touched))
	for i, tc := range f.touched {
		streams[i] = tc.stream
	}
	if err := f.tx.SaveStreams(f.ctx, streams); err != nil {
		return err
	}
	var members []Member
	for _, tc := range f.touched {
		for _, id := range tc.members {
			members = append(members, Member{StreamID: tc.stream.ID, EventID: id})
		}
		for _, due := range []time.Time{tc.stream.FireTimestamp, tc.stream.ExpireTimestamp} {
			if !due.IsZero() && (f.b.due.IsZero() || due.Before(f.b.due)) {
				f.b.due = due
			}
		}
	}
	for _, j := range f.joins {
		j.result.Streams[j.index].StreamID = j.stream.ID
	}
	return f.tx.AddMembers(f.ctx, members)
}

// streamTimes are the variables of an expiration.
type streamTimes struct{ first, last, now time.Time }

func (v *streamTimes) Lookup(name string) (time.Time, bool) {
	switch name {
	case "first":
		return v.first, true
	case "last":
		return v.last, true
	case "timestamp":
		return v.now, true
	}
	return time.Time{}, false
}
