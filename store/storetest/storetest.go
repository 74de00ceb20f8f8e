// Package storetest proves an implementation of winchester.Store: every
// contract that its comments state, and what invariants of the engine rest on
// the store. The store of this module passes it on each database; a store of
// your own should too:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) winchester.Store { return openMine(t) })
//	}
package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
)

// Run runs the suite. open is called once a test, from several goroutines at
// once, and returns an empty store that no other test uses; it closes the store
// by t.Cleanup. Tests run in parallel.
func Run(t *testing.T, open func(t *testing.T) winchester.Store) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Events", eventTests},
		{"Transact", transactTests},
		{"Streams", streamTests},
		{"SaveOpen", openTests},
		{"StreamEvents", memberTests},
		{"ChangeStreams", changeTests},
		{"Claim", claimTests},
		{"Lease", leaseTests},
		{"Ready", readyTests},
		{"Attempts", attemptTests},
		{"Announce", announceTests},
		{"Replay", replayTests},
		{"FindEvents", findEventsTests},
		{"FindStreams", findStreamsTests},
		{"Purge", purgeTests},
		{"Concurrency", concurrencyTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			for _, one := range group.tests {
				t.Run(one.name, func(t *testing.T) {
					t.Parallel()
					one.run(&suite{T: t, ctx: t.Context(), s: open(t)})
				})
			}
		})
	}
}

type test struct {
	name string
	run  func(*suite)
}

// suite is one test with its store.
type suite struct {
	*testing.T
	ctx context.Context
	s   winchester.Store
}

// noon is when things happen in the tests.
var noon = time.Date(2026, 4, 5, 12, 0, 0, 0, time.UTC)

func at(offset time.Duration) time.Time { return noon.Add(offset) }

// maxConflicts is how often a test runs a transaction again.
const maxConflicts = 1000

// transact runs fn in a transaction, again after ErrConflict, as the engine does.
func (t *suite) transact(fn func(tx winchester.Tx) error) error {
	for try := 1; ; try++ {
		err := t.s.Transact(t.ctx, fn)
		if !errors.Is(err, winchester.ErrConflict) || try == maxConflicts {
			return err
		}
		runtime.Gosched()
	}
}

// do is transact for what must succeed.
func (t *suite) do(fn func(tx winchester.Tx) error) {
	t.Helper()
	t.ok(t.transact(fn))
}

func (t *suite) ok(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// is fails the test unless err matches want.
func (t *suite) is(err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v; want %v", err, want)
	}
}

func equal[V comparable](t *suite, what string, got, want V) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func equalList[V comparable](t *suite, what string, got, want []V) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// event makes an event of type "tick".
func event(id string, offset time.Duration, traits winchester.Traits) winchester.Event {
	return winchester.Event{MessageID: id, EventType: "tick", Timestamp: at(offset), Traits: traits}
}

// insert stores events and returns their ids.
func (t *suite) insert(events ...winchester.Event) (ids []int64) {
	t.Helper()
	t.do(func(tx winchester.Tx) (err error) {
		ids, err = tx.InsertEvents(t.ctx, events)
		return err
	})
	if len(ids) != len(events) {
		t.Fatalf("InsertEvents returned %d ids for %d events", len(ids), len(events))
	}
	return ids
}

// stream makes an open stream of a trigger, as filing an event at noon would.
func stream(trigger, customer string) *winchester.Stream {
	traits := winchester.Traits{"customer": customer}
	return &winchester.Stream{
		Name: trigger, DistinguishingTraits: traits, Key: key(trigger, traits), Open: true, State: winchester.StateActive,
		FirstEvent: noon, LastEvent: noon, ExpireTimestamp: at(time.Hour),
		Progress: winchester.Progress{Fingerprint: "f1", Counts: []int{1}},
	}
}

func key(trigger string, traits winchester.Traits) string {
	k, err := winchester.StreamKey(trigger, traits)
	if err != nil {
		panic(err)
	}
	return k
}

// ready is a stream that fires at noon plus offset.
func ready(customer string, offset time.Duration) *winchester.Stream {
	s := stream("t", customer)
	s.FireTimestamp = at(offset)
	return s
}

// dueIn returns a stream that is due in one pass, from a time on.
func dueIn(pass winchester.Pass, customer string, offset time.Duration) *winchester.Stream {
	s := ready(customer, offset)
	if pass == winchester.PassExpire {
		s.FireTimestamp, s.ExpireTimestamp = time.Time{}, at(offset)
	}
	return s
}

// save saves streams, which get their ids.
func (t *suite) save(streams ...*winchester.Stream) {
	t.Helper()
	ids := make([]int64, len(streams))
	for i, s := range streams {
		ids[i] = s.ID
	}
	t.do(func(tx winchester.Tx) error {
		for i, s := range streams { // a try that came to nothing may have set them
			s.ID = ids[i]
		}
		return tx.SaveStreams(t.ctx, streams)
	})
}

// get reads a stream.
func (t *suite) get(id int64) winchester.Stream {
	t.Helper()
	s, err := t.s.StreamByID(t.ctx, id)
	t.ok(err)
	return s
}

// claim claims for worker "w" with a lease of one minute.
func (t *suite) claim(pass winchester.Pass, offset time.Duration, limit int) []winchester.Stream {
	t.Helper()
	got, err := t.s.Claim(t.ctx, winchester.Claim{
		Pass: pass, Owner: "w", Now: at(offset), LeaseUntil: at(offset + time.Minute), Limit: limit,
	})
	t.ok(err)
	return got
}

// change applies changes of state in a transaction of their own.
func (t *suite) change(changes ...winchester.StreamChange) error {
	return t.transact(func(tx winchester.Tx) error { return tx.ChangeStreams(t.ctx, changes) })
}

// to is the change of a stream, as it was read, to another state.
func to(s winchester.Stream, state winchester.State) winchester.StreamChange {
	c := winchester.StreamChange{SerialBefore: s.StateSerialNo}
	s.State, s.Open, s.Owner, s.Due = state, false, "", time.Time{}
	s.StateSerialNo++
	c.Stream = s
	return c
}

// text is a stream as text, to compare; zero and missing traits are the same.
func text(s winchester.Stream) string {
	traits, err := s.DistinguishingTraits.AppendJSON(nil)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("stream %d %q %s key=%s open=%v %s serial=%d first=%s last=%s fire=%s expire=%s progress=%s%v "+
		"owner=%q due=%s attempt=%d committed=%q error=%q at %s filing=%d history=%s",
		s.ID, s.Name, traits, s.Key, s.Open, s.State, s.StateSerialNo, moment(s.FirstEvent), moment(s.LastEvent), moment(s.FireTimestamp),
		moment(s.ExpireTimestamp), s.Progress.Fingerprint, s.Progress.Counts, s.Owner, moment(s.Due), s.Attempt, s.Committed,
		s.LastError, moment(s.LastErrorAt), s.FilingNo, history(s))
}

// moment is a time as text; it shows a time that is not in UTC.
func moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format("2006-01-02T15:04:05.999999999 MST")
}

// eventText is an event as text, to compare.
func eventText(e winchester.Event) string {
	traits, err := e.Traits.AppendJSON(nil)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%q %q %s %s", e.MessageID, e.EventType, moment(e.Timestamp), traits)
}

func messageIDs(events []winchester.Event) []string {
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = e.MessageID
	}
	return ids
}

func streamIDs(streams []winchester.Stream) []int64 {
	ids := make([]int64, len(streams))
	for i, s := range streams {
		ids[i] = s.ID
	}
	return ids
}
