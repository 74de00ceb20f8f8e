package winchester

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// filing is one try at a batch, in an open transaction.
type filing struct {
	ctx   context.Context
	tx    Tx
	b     *batch
	lanes []*lane // by key
}

// lane is what a batch holds for one key: its events, in order, and the streams
// they are filed into. That is one stream, unless its time is up in between.
type lane struct {
	trigger *trigger
	traits  Traits
	key     string
	entries []entry

	open    *Stream    // takes the next event; nil if there is none
	streams []*touched // those that events joined or that were closed
	counts  []string   // what to count, by the debugger of the trigger
	saved   *Stream    // written already, as it was when filing was done
}

// entry is an event on its way into the streams of a lane.
type entry struct {
	it     *item
	place  int // in the item's places and the result's streams
	event  *Event
	id     int64
	joined Joined
	stream *Stream // nil if err says why it joined none
	err    error
}

// touched is a stream that events were filed into.
type touched struct {
	stream  *Stream
	was     time.Time // when it was due before; zero for never
	members []int64   // the ids of the events of this batch
}

var errExpiry = errors.New("the expiration cannot be computed")

// lanes sorts the events that are no duplicates by the keys they belong to.
// Every transaction goes through the keys in the same order, so that no two of
// them wait for each other.
func (b *batch) lanes(events []Event, ids []int64) []*lane {
	byKey := map[string]*lane{}
	var lanes []*lane
	for i, it := range b.items {
		if ids[i] == 0 {
			continue
		}
		for j := range it.places {
			p := &it.places[j]
			l := byKey[p.key]
			if l == nil {
				l = &lane{trigger: p.trigger, traits: p.traits, key: p.key}
				byKey[p.key] = l
				lanes = append(lanes, l)
			}
			l.entries = append(l.entries, entry{it: it, place: j, event: &events[i], id: ids[i]})
		}
	}
	slices.SortFunc(lanes, func(x, y *lane) int { return strings.Compare(x.key, y.key) })
	return lanes
}

// file reads the streams that are open, files every lane, and has its stream
// written as the open one of the key, which locks all keys in one go. What
// another transaction has changed in between is read and filed once more.
func (f *filing) file() error {
	if len(f.lanes) == 0 {
		return nil
	}
	keys := make([]string, len(f.lanes))
	for i, l := range f.lanes {
		keys[i] = l.key
	}
	open, err := f.tx.OpenStreams(f.ctx, keys)
	if err != nil {
		return err
	}
	first := make([]*Stream, len(f.lanes))
	was := make([]int64, len(f.lanes))
	for i, l := range f.lanes {
		if err := l.file(f, open[l.key]); err != nil {
			return err
		}
		first[i] = l.first()
		was[i] = first[i].ID
	}
	if err := f.tx.SaveOpen(f.ctx, first); err != nil {
		return err
	}
	var changed []*lane
	keys = keys[:0]
	for i, l := range f.lanes {
		switch s := first[i]; {
		case s.ID == 0:
			changed, keys = append(changed, l), append(keys, l.key)
		case was[i] == 0 || s.ID == was[i]:
			l.saved = s
		default:
			if err := l.file(f, nil); err != nil {
				return err
			}
			l.first().ID, l.first().FilingNo = s.ID, s.FilingNo
		}
	}
	if len(keys) == 0 {
		return nil
	}
	if open, err = f.tx.OpenStreams(f.ctx, keys); err != nil {
		return err
	}
	for _, l := range changed {
		s := open[l.key]
		if s == nil {
			return fmt.Errorf("%w: the open stream of key %s has gone", ErrConflict, l.key)
		}
		if err := l.file(f, s); err != nil {
			return err
		}
	}
	return nil
}

// file files the lane's events, beginning with the given stream. It stores
// nothing, and may be called again.
func (l *lane) file(f *filing, open *Stream) error {
	l.open, l.streams, l.counts = open, nil, nil
	for i := range l.entries {
		e := &l.entries[i]
		e.stream, e.err = nil, nil
		if err := l.join(f, e); errors.Is(err, errExpiry) {
			e.err = fmt.Errorf("%w %q: trigger %q: %w", ErrInvalidEvent, e.event.MessageID, l.trigger.def.Name, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// first is the stream that has the key before any other of the lane: the one that
// was open, or else the first that filing has made. It has it even if it has
// closed already. If nothing was filed it holds the key all the same.
func (l *lane) first() *Stream {
	switch {
	case len(l.streams) > 0:
		return l.streams[0].stream
	case l.open != nil:
		return l.open
	}
	return &Stream{Name: l.trigger.def.Name, DistinguishingTraits: l.traits, Key: l.key, State: StateActive}
}

// join files one event into the open stream of the lane, or a new one. If the
// expiry cannot be computed it returns errExpiry and has changed nothing.
func (l *lane) join(f *filing, e *entry) error {
	t, s, now := l.trigger, l.open, e.it.now
	// In a replay, workers may lag behind the events, which must make no
	// difference: what was to fire before takes no more of them.
	replay := f.b.m.replay != nil
	opened := s == nil || !s.openAt(now) || replay && s.firesBefore(now)
	times := streamTimes{e.event.Timestamp, e.event.Timestamp, now}
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
	expire := expiry.Begin
	if replay && expire.Before(now) {
		expire = now // not before it was filed: what is ready by then fires
	}
	if opened {
		if s != nil {
			l.touch(s)
			s.Open = false // its time is up; from here on a new stream takes the events
		}
		s = &Stream{
			Name: t.def.Name, DistinguishingTraits: l.traits, Key: l.key, State: StateActive,
			Progress: Progress{Fingerprint: t.fingerprint, Counts: make([]int, len(t.fire))},
		}
		l.open = s
		l.counts = append(l.counts, "New stream")
	}
	tc := l.touch(s)
	s.FirstEvent, s.LastEvent, s.ExpireTimestamp = times.first, times.last, expire
	s.Open = s.openAt(now)
	ready, err := l.progress(f, s, e)
	if err != nil {
		return err
	}
	tc.members = append(tc.members, e.id)
	l.counts = append(l.counts, "Added events")
	e.stream = s
	e.joined = Joined{
		Trigger: t.def.Name, Opened: opened, Ready: ready, FireAt: s.FireTimestamp, ExpireAt: s.ExpireTimestamp,
	}
	return nil
}

func (l *lane) touch(s *Stream) *touched {
	if n := len(l.streams); n > 0 && l.streams[n-1].stream == s {
		return l.streams[n-1]
	}
	tc := &touched{stream: s, was: s.nextDue()}
	l.streams = append(l.streams, tc)
	return tc
}

// progress counts the event towards the fire criteria and sets the fire time
// once they are all met; after that they are not looked at again.
func (l *lane) progress(f *filing, s *Stream, e *entry) (ready bool, err error) {
	t := l.trigger
	if !s.FireTimestamp.IsZero() {
		return false, nil
	}
	if s.Progress.Fingerprint != t.fingerprint || len(s.Progress.Counts) != len(t.fire) {
		if err := f.recount(t, s); err != nil {
			return false, err
		}
	}
	if !t.count(&s.Progress, e.event) {
		return false, nil
	}
	s.FireTimestamp = microUTC(e.it.now.Add(t.def.FireDelay))
	l.counts = append(l.counts, "Ready to fire")
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

// unfit returns the items that cannot be filed. One that failed behind another
// unfit one, in the same stream, perhaps did so by no fault of its own, and
// gets another chance without it.
func (f *filing) unfit() map[*item]error {
	var failed []*item
	faults := map[*item][]fault{}
	for _, l := range f.lanes {
		for i := range l.entries {
			if e := &l.entries[i]; e.err != nil {
				if faults[e.it] == nil {
					failed = append(failed, e.it)
				}
				faults[e.it] = append(faults[e.it], fault{l, i})
			}
		}
	}
	slices.SortFunc(failed, func(x, y *item) int { return x.index - y.index })
	unfit := map[*item]error{}
	for _, it := range failed {
		for _, at := range faults[it] {
			behind := slices.ContainsFunc(at.lane.entries[:at.entry], func(e entry) bool { return e.err == nil && unfit[e.it] != nil })
			if !behind {
				unfit[it] = at.lane.entries[at.entry].err
				break
			}
		}
	}
	return unfit
}

// fault is where an item failed.
type fault struct {
	lane  *lane
	entry int
}

// save writes the streams that are not stored as they are by now, and the
// memberships, and tells the results.
func (f *filing) save() error {
	var streams []*Stream
	var members []Member
	for _, l := range f.lanes {
		for _, tc := range l.streams {
			if tc.stream != l.saved || !tc.stream.Open {
				streams = append(streams, tc.stream)
			}
		}
	}
	if len(streams) > 0 {
		if err := f.tx.SaveStreams(f.ctx, streams); err != nil {
			return err
		}
	}
	for _, l := range f.lanes {
		for _, tc := range l.streams {
			for _, id := range tc.members {
				members = append(members, Member{StreamID: tc.stream.ID, EventID: id})
			}
			due := tc.stream.nextDue()
			f.b.due = earlier(f.b.due, due)
			if earlier(tc.was, due) != tc.was {
				f.b.sooner = earlier(f.b.sooner, due)
			}
		}
		for i := range l.entries {
			e := &l.entries[i]
			e.joined.StreamID = e.stream.ID
			f.b.results[e.it.index].Streams[e.place] = e.joined
		}
		if l.trigger.debug != nil {
			for _, counter := range l.counts {
				f.b.counts = append(f.b.counts, bump{l.trigger.debug, counter})
			}
		}
	}
	if len(members) > 0 {
		if err := f.tx.AddMembers(f.ctx, members); err != nil {
			return err
		}
	}
	if f.b.sooner.IsZero() {
		return nil
	}
	return f.tx.Announce(f.ctx, f.b.sooner)
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
