package winchester

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Store is the one door to a database. Package store implements it on GORM;
// package storetest proves an implementation. A Store is safe for concurrent
// use by many goroutines and, if the database is, by many processes.
//
// Any method that writes may return ErrConflict: it has had no effect then, and
// may be called again. Any method may return ErrUnavailable: it may be called
// again, too, but a write may have taken effect.
//
// Times are UTC in whole microseconds, going in and coming out; the zero
// time.Time means that there is none. "now" is always given by the caller:
// a Store never reads a clock. It keeps one for those who replay events, which
// is moved by them.
type Store interface {
	// Transact runs fn in one transaction that reads and writes, and commits it
	// if fn returns nil. Anything else, a panic included, rolls it back. Two
	// transactions that touch the same streams behave as if one came after the
	// other. It returns ErrConflict if the database gave this transaction up for
	// another one: nothing has happened and fn may be run again.
	Transact(ctx context.Context, fn func(Tx) error) error

	// Claim takes up to c.Limit streams that are due in c.Pass at c.Now (in a
	// replay there is more to it: see Claim.HeldNow), those
	// that have waited longest first, where a stream whose expiration has moved
	// away may count from an earlier one; a stream that is due in both passes is
	// only had in that of PassFire. It hands each to c.Owner until
	// c.LeaseUntil: state firing or expiring, no longer open, serial number and
	// attempt raised by one. No other Claim gets any of them while the lease
	// runs. A claimed stream whose lease has run out at c.Now is due again; it
	// is returned by way of retry_fire or retry_expire, so its serial number
	// rises by two, and its Attempts have an entry more: AttemptLost, with the
	// number, the pass and the worker of the claim that came to nothing, its lease's
	// end as Ended, and c.Now as RetryAt; unless they are longer already than an
	// engine leaves them. A stream that cannot be read whole, after an older program
	// took over for one, is claimed like any other and says so in Unreadable.
	Claim(ctx context.Context, c Claim) ([]Stream, error)
	// Renew prolongs the leases that owner still holds on the given streams and
	// returns the ids of those it no longer holds.
	Renew(ctx context.Context, owner string, streams []int64, until time.Time) (lost []int64, err error)
	// Listen calls wake, from one goroutine, for what other processes announce
	// (see Tx.Announce), until ctx ends; it returns the ctx's error then. It
	// calls wake with the zero time when it begins to listen, since something may
	// have escaped it until then. It
	// returns an error that wraps errors.ErrUnsupported, at once or later, if the
	// database has no means for it.
	Listen(ctx context.Context, wake func(due time.Time)) error
	// NextDue returns the earliest time at which any stream is due, in either
	// pass; zero if there is none. It may name an earlier one if dozens of
	// expirations have moved away since they were first written; once that one
	// has passed and Claim has been called, it names a later one.
	NextDue(ctx context.Context) (time.Time, error)
	// StreamEvents returns the events of each stream, by time and, where times
	// are equal, in the order they were stored.
	StreamEvents(ctx context.Context, streams ...int64) (map[int64][]Event, error)

	// Ready tells of the streams that Claim would find due in a pass at that time,
	// whether they can be had at the moment or not. It looks at no more than limit
	// of them, those that have waited longest, so that its work has a bound.
	Ready(ctx context.Context, pass Pass, now time.Time, limit int) (Ready, error)
	// CountStates counts the streams in each state but StateCompleted. States
	// without one may be missing. Its work may grow with what is stored: the
	// engine takes care not to ask for it often.
	CountStates(ctx context.Context) (map[State]int64, error)

	// FindEvents returns stored events, newest (last stored) first or oldest
	// first as the query says. It wraps ErrInvalidQuery.
	FindEvents(ctx context.Context, q EventQuery) ([]StoredEvent, error)
	// CountEvents counts what FindEvents would return without its limit.
	CountEvents(ctx context.Context, q EventQuery) (int64, error)
	// FindStreams returns streams, newest first or oldest first. With
	// q.IncludeEvents each has its events.
	FindStreams(ctx context.Context, q StreamQuery) ([]StoredStream, error)
	// CountStreams counts what FindStreams would return without its limit.
	CountStreams(ctx context.Context, q StreamQuery) (int64, error)
	// EventByMessageID returns one event, or ErrNoSuchEvent.
	EventByMessageID(ctx context.Context, messageID string) (StoredEvent, error)
	// StreamByID returns one stream, or ErrNoSuchStream.
	StreamByID(ctx context.Context, id int64) (Stream, error)
	// OlderEvents returns the ids of up to limit events that happened before
	// that time, oldest first.
	OlderEvents(ctx context.Context, before time.Time, limit int) ([]int64, error)

	// PurgeStream deletes a stream in whatever state; its events stay. It
	// returns ErrNoSuchStream.
	PurgeStream(ctx context.Context, id int64) error
	// PurgeEvents deletes events by id, also from the streams they are in, and
	// returns how many there were. The progress of active streams among them is
	// forgotten, so that it is counted anew.
	PurgeEvents(ctx context.Context, ids ...int64) (int64, error)
	// TrimEvents deletes up to limit events that happened before that time and
	// are in no stream but completed ones, and returns how many.
	TrimEvents(ctx context.Context, before time.Time, limit int) (int64, error)

	// ReplayTime returns where the clock stands that the processes share which
	// replay events; zero if there is no replay.
	ReplayTime(ctx context.Context) (time.Time, error)
	// AdvanceReplay moves that clock forward, or sets it if there was none, and
	// returns where it stands now, which is not before the time given: it never
	// goes back.
	AdvanceReplay(ctx context.Context, to time.Time) (time.Time, error)
	// EndReplay takes the clock away.
	EndReplay(ctx context.Context) error
}

// Tx is an open transaction of a Store, for one goroutine, until the function
// it was given to returns.
type Tx interface {
	// InsertEvents stores events in the order given and returns their ids; 0
	// where an event with that message id was stored before. The message ids of
	// one call differ from each other. Traits that are nil are not stored.
	InsertEvents(ctx context.Context, events []Event) ([]int64, error)
	// OpenStreams returns the open streams of the given keys, by key, as they are
	// now, without Attempts: no worker has had them. Those whose keys were given to
	// SaveOpen before stay so until the
	// transaction ends. Keys without an open stream are missing.
	OpenStreams(ctx context.Context, keys []string) (map[string]*Stream, error)
	// SaveOpen writes streams that events were filed into, which differ in their
	// keys and come in the order of these, each as the open one of its key,
	// whatever its Open says: one with id 0 as a new one, unless a stream of the
	// key is open, any other over the one that OpenStreams has returned, unless
	// that was filed into meanwhile. What is written are the first four times and
	// Progress. Then each ID tells what has become of it:
	//
	//   - the same as before, or a new one instead of 0: it is written.
	//   - 0: it is not. A stream of the key is open, and has to be read (again).
	//   - another one: the stream that it was is no longer open, nor is any other
	//     of the key. It is stored as a new one, which has to be filed into afresh.
	//
	// Until the transaction ends no other one opens, changes or claims the open
	// stream of any of the keys; those that try wait, or get ErrConflict.
	// Transactions that store events and then call SaveOpen once never wait for
	// each other in a circle.
	SaveOpen(ctx context.Context, streams []*Stream) error
	// SaveStreams writes streams that events were filed into: a stream with id 0
	// is inserted and gets one, any other must still have its StateSerialNo and
	// FilingNo (else ErrConflict), and what filing changes is written: Open, the
	// first four times, Progress. Neither has Attempts to write. Streams that are
	// no longer open are written before those that are. If another transaction has opened a stream of the
	// same key, it returns ErrConflict.
	SaveStreams(ctx context.Context, streams []*Stream) error
	// AddMembers puts events into streams that they are not in; else it returns an
	// error, and the transaction must be given up.
	AddMembers(ctx context.Context, members []Member) error
	// StreamEvents is Store.StreamEvents inside the transaction.
	StreamEvents(ctx context.Context, streams ...int64) (map[int64][]Event, error)
	// ChangeStreams applies changes of state, all or none: each stream must
	// still have the serial number that the change was decided on, else
	// ErrLocked. Attempts become more, or stay: a stream that has some stored is
	// given some.
	ChangeStreams(ctx context.Context, changes []StreamChange) error
	// Announce tells other processes, once the transaction is durable, that a
	// stream is due at that time, so that they need not wait for their next poll.
	// What is announced close together may be told as one. A store that cannot
	// tell does nothing.
	Announce(ctx context.Context, due time.Time) error
	// Unwrap returns what the store calls its transaction: the *gorm.DB of
	// package store.
	Unwrap() any
}

// Claim is a worker's request for work.
type Claim struct {
	Pass  Pass
	Owner string
	Now   time.Time
	// HeldNow is set in a replay, where Now is the time of the events: then
	// streams that are not active (those with a lease, which must run out by
	// another clock, and those that wait for a retry) are due by HeldNow and not
	// by Now. And since Now may have gone far past both the fire time and the
	// expiry of an active stream, it is due in the pass of the earlier of these,
	// that of PassFire if they are the same.
	HeldNow    time.Time
	LeaseUntil time.Time // by HeldNow, if that is set
	Limit      int
}

// Ready is what waits for workers in one pass.
type Ready struct {
	Streams int64
	Oldest  time.Time // since when the one that has waited longest is due; zero if there is none
}

// Member says that an event is in a stream.
type Member struct {
	StreamID int64
	EventID  int64
}

// StreamChange is a stream as it shall be, with the serial number that it had
// when that was decided. With Purge it is deleted instead; its events stay.
type StreamChange struct {
	Stream       Stream
	SerialBefore int64
	Purge        bool
}

// maxConflicts bounds how often a transaction is run again. Each round lets at
// least one of the contenders through.
const maxConflicts = 20

// transact runs fn in a transaction, again if it met another one, and counts what
// went wrong.
func (m *TriggerManager) transact(ctx context.Context, operation string, fn func(Tx) error) error {
	return retryConflict(ctx, func() error {
		err := m.store.Transact(ctx, fn)
		m.metrics.failed(ctx, operation, err)
		return err
	})
}

// retryConflict calls f again as long as it returns ErrConflict.
func retryConflict(ctx context.Context, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		if err == nil || !errors.Is(err, ErrConflict) || try == maxConflicts {
			return err
		}
		// A short random pause keeps two contenders from meeting again and again.
		// It is the machine's time, whatever clock the engine goes by.
		pause := time.NewTimer(time.Duration(rand.Int64N(int64(time.Millisecond) << min(try, 6))))
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
	}
}
