package winchester_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/store"
)

// hostRig is a rig on a database of the host's, who has a table of orders in it.
type hostRig struct {
	*rig
	db *gorm.DB
}

type hostOrder struct{ ID int }

func newHostRig(t *testing.T, handlers []winchester.HandlerSpec, registry *winchester.Registry, change ...func(*winchester.Config)) *hostRig {
	t.Helper()
	db := testdb.OpenHost(t)
	if err := db.AutoMigrate(&hostOrder{}); err != nil {
		t.Fatal(err)
	}
	st, err := store.New(context.Background(), db, store.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	h := &hostRig{db: db}
	h.rig = newRig(t, handlers, registry, append(change, func(c *winchester.Config) { c.Store = st })...)
	h.store = st
	return h
}

// counts are the host's orders, the events and the streams.
func (h *hostRig) counts() string {
	h.t.Helper()
	ctx := context.Background()
	var orders int64
	if err := h.db.Model(&hostOrder{}).Count(&orders).Error; err != nil {
		h.t.Fatal(err)
	}
	events, err := h.store.CountEvents(ctx, winchester.EventQuery{})
	if err != nil {
		h.t.Fatal(err)
	}
	streams, err := h.store.CountStreams(ctx, winchester.StreamQuery{})
	if err != nil {
		h.t.Fatal(err)
	}
	return fmt.Sprint(orders, " ", events, " ", streams)
}

func (h *hostRig) tally() string {
	s := h.Stats()
	return fmt.Sprint(s.Received, " ", s.Saved, " ", s.Duplicates, " ", s.Failed)
}

// TestAddEventTx: events and the host's rows are there together or not at all,
// and are counted when the host has committed.
func TestAddEventTx(t *testing.T) {
	t.Parallel()
	h := newHostRig(t, nil, nil, func(c *winchester.Config) { c.Triggers[0].DebugLevel = winchester.DebugCounts })
	ctx := context.Background()
	boom := errors.New("the host changed its mind")
	for _, want := range []error{boom, nil} {
		var first, second, twice, earlier winchester.Result
		err := h.db.Transaction(func(db *gorm.DB) error {
			tx := h.store.Tx(db)
			err := db.Create(&hostOrder{}).Error
			add := func(id, eventType string) (r winchester.Result) {
				if err == nil {
					e := placed(id, 7)
					e.EventType = eventType
					r, err = h.AddEventTx(ctx, tx, e)
				}
				return r
			}
			first, second, twice = add("a", "placed"), add("b", "paid"), add("a", "placed")
			if err != nil {
				return err
			}
			return want
		})
		if !errors.Is(err, want) {
			t.Fatal(err)
		}
		expect(t, "outcomes", fmt.Sprint(first.Outcome, " ", second.Outcome, " ", twice.Outcome), "stored stored duplicate")
		if len(first.Streams) != 1 || len(second.Streams) != 1 || len(twice.Streams) != 0 {
			t.Fatalf("joined: %+v, %+v, %+v", first, second, twice)
		}
		one, other := first.Streams[0], second.Streams[0]
		if !one.Opened || other.Opened || one.StreamID != other.StreamID || one.Ready || !other.Ready {
			t.Errorf("two events of one stream: %+v, then %+v", one, other)
		}
		if want != nil {
			expect(t, "after a rollback", h.counts(), "0 0 0")
			continue
		}
		expect(t, "after the commit", h.counts(), "1 2 1")
		expect(t, "counted before it is told", h.tally(), "0 0 0 0")
		expect(t, "debug counters before it is told", len(h.Debug(false)[0].Counters), 0)
		for range 2 { // the second time is none
			h.Committed(ctx, first, second, twice, earlier)
			expect(t, "counted", h.tally(), "3 2 1 0")
			expect(t, "debug counters", fmt.Sprint(h.Debug(false)[0].Counters), "map[Added events:2 New stream:1 Ready to fire:1]")
		}
	}
	again, err := h.AddEvent(ctx, placed("b", 7))
	if err != nil || again.Outcome != winchester.OutcomeDuplicate {
		t.Errorf("again: %+v, %v", again, err)
	}
	h.Committed(ctx, again) // is counted already
	expect(t, "counted", h.tally(), "4 2 2 0")
	joined := h.add("placed", 7)
	expect(t, "the stream is open", joined.Streams[0].Opened, false)
}

// TestAddEventsTx: several events of one call, all or none.
func TestAddEventsTx(t *testing.T) {
	t.Parallel()
	h := newHostRig(t, nil, nil, farExpiry)
	ctx := context.Background()
	add := func(events ...winchester.Event) (results []winchester.Result, err error) {
		err = h.db.Transaction(func(db *gorm.DB) error {
			if err := db.Create(&hostOrder{}).Error; err != nil {
				return err
			}
			results, err = h.AddEventsTx(ctx, h.store.Tx(db), events)
			return err
		})
		return results, err
	}
	results, err := add(placed("a", 1), placed("b", 1), placed("a", 1), placed("c", 2))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range results {
		got = append(got, fmt.Sprint(r.MessageID, " ", r.Outcome, " ", len(r.Streams)))
	}
	expect(t, "results", strings.Join(got, ", "), "a stored 1, b stored 1, a duplicate 0, c stored 1")
	h.Committed(ctx, results[2]) // one speaks for all of the call
	expect(t, "counted", h.tally(), "4 3 1 0")
	expect(t, "committed", h.counts(), "1 3 2")

	for name, bad := range map[string][]winchester.Event{
		"invalid": {placed("", 1), {MessageID: "x", Timestamp: noon}},
		"unfit":   {unfit("x", 3), unfit("y", 4)},
	} {
		results, err := add(append(bad, placed("d", 5))...)
		if !errors.Is(err, winchester.ErrInvalidEvent) || results != nil {
			t.Errorf("%s: %+v, %v", name, results, err)
		}
		for _, id := range []string{bad[0].MessageID, bad[1].MessageID} {
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", id)) {
				t.Errorf("%s: the error does not name %q: %v", name, id, err)
			}
		}
		expect(t, name+" and nothing else", h.counts(), "1 3 2")
	}
	expect(t, "counted", h.tally(), "10 3 1 6")
	if r, err := h.AddEventsTx(ctx, nil, nil); r != nil || err != nil {
		t.Errorf("no events: %v, %v", r, err)
	}
}

// TestAddEventTxConflict: a host whose transaction was overtaken rolls back and
// runs it again; what came to nothing is not counted.
func TestAddEventTxConflict(t *testing.T) {
	t.Parallel()
	h := newHostRig(t, nil, nil)
	ctx := context.Background()
	conflict := &conflictTx{}
	r, err := h.AddEventTx(ctx, conflict, placed("a", 1))
	if !errors.Is(err, winchester.ErrConflict) || r.Outcome != winchester.OutcomeFailed || r.MessageID != "a" {
		t.Errorf("%+v, %v", r, err)
	}
	expect(t, "counted", h.tally(), "0 0 0 0")
	h.Committed(ctx, r)
	expect(t, "counted", h.tally(), "0 0 0 0")
}

type conflictTx struct{ winchester.Tx }

func (*conflictTx) InsertEvents(context.Context, []winchester.Event) ([]int64, error) {
	return nil, winchester.ErrConflict
}

// TestCommittedWakes: workers that would sleep for long hear of the host's commit
// from Committed, and only then.
func TestCommittedWakes(t *testing.T) {
	t.Parallel()
	if testdb.OnPostgres() {
		t.Skip("PostgreSQL itself tells workers of the commit")
	}
	h := newHostRig(t, specs("s"), scripts(map[string]*script{"s": {}}), func(c *winchester.Config) {
		c.PollInterval, c.StatisticsPeriod = 1000*time.Hour, -1
	})
	ctx := context.Background()
	if err := h.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Stop(ctx) }()
	waitFor(t, func() bool { return h.clock.Waiting() == 2 }) // dispatcher and renewer
	e := placed("a", 1)
	e.EventType = "paid"
	var r winchester.Result
	err := h.db.Transaction(func(db *gorm.DB) (err error) {
		r, err = h.AddEventTx(ctx, h.store.Tx(db), e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(time.Millisecond)
	expect(t, "asleep", h.clock.Waiting(), 2)
	expect(t, "state", h.stream(r.Streams[0].StreamID).State, winchester.StateActive)
	h.Committed(ctx, r)
	waitFor(t, func() bool { return h.stream(r.Streams[0].StreamID).State == winchester.StateCompleted })
}
