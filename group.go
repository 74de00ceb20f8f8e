package winchester

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Group commit: calls of AddEvent that come while a transaction is under way
// wait for its end and then share the next one. There is no timer and no
// goroutine that gathers them:
//
//	call finds no flight ──▶ flies alone ───────────────────────────┐
//	call finds one ──▶ queue ──┬─ the first one leads the next  ◀───┘ hands on
//	                           └─ the others fly along and are told
//
// A flight is one turn of a leader, in his own goroutine. It takes his event and
// those that have queued up by then, so nobody works for others for longer than
// his own event takes.
//
// An event fails by its own fault only: a transaction of several that fails is
// split in halves, and at the end of that each caller tries alone, as if there
// were no groups.

// maxGroup bounds the events of one transaction, and so the time for which
// others wait for it and its streams are locked. Beyond a few hundred a
// transaction gains little from more.
const maxGroup = 1000

// maxFlights is how many flights are under way at once. SQLite writes one
// transaction at a time. PostgreSQL writes more: two flights are faster for a
// handful of callers, but for dozens of them, when it matters, one with twice the
// events is, and two may wait for each other's streams.
const maxFlights = 1

// flightPatience is how long a flight is waited for: it may hang on a lock or a
// connection that the next one does not need. It is the machine's time, whatever
// clock the engine goes by. A variable for tests.
var flightPatience = time.Second

// maxSplits bounds how many transactions of one flight may fail before what is
// left of it is dissolved. It is enough to find two bad events in a full group,
// and soon reached if the database takes nothing any more.
var maxSplits = 2 * bits.Len(maxGroup)

// group is where concurrent calls of AddEvent meet. Its zero value is ready.
type group struct {
	mu      sync.Mutex
	flights int       // under way and waited for
	queue   []*member // for the next flight; empty unless there are maxFlights
}

// member is a call that had to queue up.
type member struct {
	ctx   context.Context
	batch *batch       // of its event alone, which is valid
	call  chan verdict // has room for one, so that telling never blocks

	// The group's lock protects the rest.
	flight *flight // which it is part of; nil in the queue
	told   bool    // what to do next
	left   bool    // its context has ended while it flew: nobody reads call
}

// verdict is what a member is told.
type verdict struct {
	turn   turn
	result Result
	err    error
}

type turn int

const (
	turnDone  turn = iota // its event has been dealt with
	turnLead              // it leads the next flight
	turnAlone             // it tries its event by itself
)

// flight is one turn of a leader.
type flight struct {
	g        *group
	members  []*member          // the leader first
	cancel   context.CancelFunc // of its transactions
	splits   int                // how many of them have failed
	present  int                // how many members have not left
	handedOn bool               // nobody waits for its end any more
}

// add stores the event of b, a batch of one, by itself or with those of others.
func (g *group) add(ctx context.Context, b *batch) (Result, error) {
	if w := g.join(ctx, b); w != nil {
		return g.follow(w, g.wait(w))
	}
	// Alone it has its own context, and costs no more than a look at the group.
	f := &flight{g: g}
	defer f.begin()()
	return b.addOne(ctx)
}

// join lines up for a flight. It returns nil if there is none to wait for: the
// caller then has one to itself.
func (g *group) join(ctx context.Context, b *batch) *member {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.flights < maxFlights {
		g.flights++
		return nil
	}
	// The caller may leave before its event is filed, and do with it as it likes.
	b.events[0].Traits = maps.Clone(b.events[0].Traits)
	w := &member{ctx: ctx, batch: b, call: make(chan verdict, 1)}
	g.queue = append(g.queue, w)
	return w
}

// wait waits until the member is told what to do, or its context ends.
func (g *group) wait(w *member) verdict {
	select {
	case v := <-w.call:
		return v
	case <-w.ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case w.told:
		return <-w.call
	case w.flight == nil:
		g.queue = slices.DeleteFunc(g.queue, func(other *member) bool { return other == w })
		w.batch.m.countFailed(w.ctx, 1)
	default:
		w.left = true // the flight counts what becomes of the event
		w.flight.lose()
	}
	return w.failed(w.ctx.Err())
}

func (w *member) failed(err error) verdict {
	r, err := w.batch.failed(err)
	return verdict{result: r, err: err}
}

// follow does what a member was told.
func (g *group) follow(w *member, v verdict) (Result, error) {
	switch v.turn {
	case turnLead:
		return g.lead(w)
	case turnAlone:
		return w.batch.addOne(w.ctx)
	default:
		return v.result, v.err
	}
}

// lead flies with a member and those that have queued up behind it.
func (g *group) lead(w *member) (Result, error) {
	f := &flight{g: g}
	end := f.begin()
	defer end()
	if err := w.ctx.Err(); err != nil { // it may leave, since its flight has not begun
		w.batch.m.countFailed(w.ctx, 1)
		return w.batch.failed(err)
	}
	f.board(w)
	if len(f.members) == 1 {
		return w.batch.addOne(w.ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), databaseTimeout)
	defer cancel()
	f.cancel = cancel
	defer context.AfterFunc(w.ctx, func() { // only from here on can there be nobody left
		g.mu.Lock()
		defer g.mu.Unlock()
		f.lose()
	})()
	f.add(ctx, f.members)
	end()
	return g.follow(w, <-w.call)
}

// begin sees to it that the next flight begins when this one ends, or when
// patience does. The function that it returns ends the flight, and may be called
// again.
func (f *flight) begin() (end func()) {
	patience := time.AfterFunc(flightPatience, f.handOn)
	return func() {
		patience.Stop()
		f.handOn()
		f.tell(f.members, func(int) verdict { return verdict{turn: turnAlone} }) // finds nobody, but if there was a panic
	}
}

// handOn lets the first in the queue lead the next flight, once.
func (f *flight) handOn() {
	g := f.g
	g.mu.Lock()
	defer g.mu.Unlock()
	if f.handedOn {
		return
	}
	f.handedOn = true
	if len(g.queue) == 0 {
		g.flights--
		return
	}
	next := g.queue[0]
	g.queue = slices.Delete(g.queue, 0, 1)
	next.told = true
	next.call <- verdict{turn: turnLead}
}

// board takes the leader and, out of the queue, as many as there is room for.
func (f *flight) board(leader *member) {
	g := f.g
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.queue), maxGroup-1)
	f.members = append(append(make([]*member, 0, n+1), leader), g.queue[:n]...)
	g.queue = slices.Delete(g.queue, 0, n)
	for _, w := range f.members {
		w.flight, w.told = f, false
	}
	f.present = len(f.members)
}

// lose takes note that a member has left; the last one cancels the flight. The
// group is locked.
func (f *flight) lose() {
	if f.present--; f.present == 0 {
		f.cancel()
	}
}

// add stores the events of the members in one transaction or, if that fails,
// those of each half in one.
func (f *flight) add(ctx context.Context, members []*member) {
	b := together(members)
	err := f.try(ctx, b)
	alone := len(members) == 1
	switch {
	case err == nil:
		f.tell(members, func(i int) verdict { return verdict{result: b.results[i], err: b.results[i].Err} })
	case ctx.Err() != nil || alone && !errors.Is(err, errPanic): // out of time, or by its own fault
		members[0].batch.m.countFailed(ctx, len(members))
		f.tell(members, func(i int) verdict { return members[i].failed(err) })
	case alone || f.splits == maxSplits:
		f.tell(members, func(int) verdict { return verdict{turn: turnAlone} })
	default:
		f.splits++
		half := len(members) / 2
		f.add(ctx, members[:half])
		f.add(ctx, members[half:])
	}
}

var errPanic = errors.New("panic")

// try runs a transaction and makes an error of a panic: it may be the fault of
// another caller than the one whose goroutine this is. The one that is at fault
// meets it again, alone.
func (f *flight) try(ctx context.Context, b *batch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", errPanic, p, debug.Stack())
			b.m.log.ErrorContext(ctx, "A transaction of several events panicked; trying them in smaller ones", "err", err)
		}
	}()
	return b.add(ctx)
}

// tell tells the members that have not been told what to do, and counts the
// events of those that have left.
func (f *flight) tell(members []*member, what func(i int) verdict) {
	f.g.mu.Lock()
	defer f.g.mu.Unlock()
	for i, w := range members {
		if w.told {
			continue
		}
		w.told = true
		switch v := what(i); {
		case !w.left:
			w.call <- v
		case v.turn == turnAlone: // nobody is there to try
			w.batch.m.countFailed(w.ctx, 1)
		}
	}
}

// add files the events in a transaction of their own and counts them.
func (b *batch) add(ctx context.Context) error {
	for {
		err := b.m.transact(ctx, opAdd, func(tx Tx) error { return b.file(ctx, tx) })
		if unfit := (*unfitError)(nil); errors.As(err, &unfit) {
			b.leaveOut(unfit) // it fails alone; the others get another transaction
			continue
		}
		if err == nil {
			b.settle(ctx)
		}
		return err
	}
}

// addOne is add for a batch of one.
func (b *batch) addOne(ctx context.Context) (Result, error) {
	if err := b.add(ctx); err != nil {
		b.m.countFailed(ctx, 1)
		return b.failed(err)
	}
	return b.results[0], b.results[0].Err
}

// failed is the result of a batch of one that came to nothing.
func (b *batch) failed(err error) (Result, error) {
	err = fmt.Errorf("add events: %w", err)
	r := &b.results[0]
	return Result{MessageID: r.MessageID, EventType: r.EventType, Outcome: OutcomeFailed, Err: err}, err
}

// together makes one batch of the events of the members.
func together(members []*member) *batch {
	m := members[0].batch.m
	b := &batch{m: m, set: m.triggers.Load(), replay: m.replay, events: make([]Event, len(members)), results: make([]Result, len(members))}
	seen := make(map[string]bool, len(members))
	for i, w := range members {
		own := w.batch
		b.events[i], b.results[i] = own.events[0], own.results[0]
		switch id := own.events[0].MessageID; {
		case seen[id]:
			b.results[i].Outcome = OutcomeDuplicate
			continue
		case own.set != b.set: // the triggers have changed since it was matched
			b.items = append(b.items, b.match(i))
		default:
			b.items = append(b.items, &item{index: i, places: own.items[0].places})
		}
		seen[own.events[0].MessageID] = true
	}
	return b
}
