package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed71495667/winchester"
)

var transactTests = []test{
	{"everything is written, or nothing (I2)", func(t *suite) {
		boom := errors.New("boom")
		err := t.transact(func(tx winchester.Tx) error {
			t.fileEverything(tx)
			return boom
		})
		if !errors.Is(err, boom) {
			t.Fatalf("Transact returned %v; want the function's own error", err)
		}
		t.nothingStored()
		t.do(func(tx winchester.Tx) error {
			t.fileEverything(tx)
			return nil
		})
		n, err := t.s.CountEvents(t.ctx, winchester.EventQuery{})
		t.ok(err)
		equal(t, "events", n, 1)
	}},
	{"a panic rolls back and goes on", func(t *suite) {
		recovered := func() (p any) {
			defer func() { p = recover() }()
			_ = t.s.Transact(t.ctx, func(tx winchester.Tx) error {
				t.fileEverything(tx)
				panic("at the disco")
			})
			return nil
		}()
		equal(t, "panic", fmt.Sprint(recovered), "at the disco")
		t.nothingStored()
		t.insert(event("the store still works", 0, nil))
	}},
	{"a transaction sees what it has written", func(t *suite) {
		t.do(func(tx winchester.Tx) error {
			s := t.fileEverything(tx)
			open, err := tx.OpenStreams(t.ctx, []string{s.Key})
			t.ok(err)
			if open[s.Key] == nil || open[s.Key].ID != s.ID {
				t.Errorf("the stream just saved is not found")
			}
			events, err := tx.StreamEvents(t.ctx, s.ID)
			t.ok(err)
			equalList(t, "its events", messageIDs(events[s.ID]), []string{"e"})
			return nil
		})
	}},
	{"an ended context", func(t *suite) {
		ctx, cancel := context.WithCancel(t.ctx)
		cancel()
		called := false
		err := t.s.Transact(ctx, func(tx winchester.Tx) error {
			called = true
			_, err := tx.InsertEvents(ctx, []winchester.Event{event("e", 0, nil)})
			return err
		})
		if called && err == nil {
			t.Fatal("the transaction was committed although its context had ended before it began")
		}
		t.is(err, context.Canceled)
		_, err = t.s.FindEvents(ctx, winchester.EventQuery{})
		t.is(err, context.Canceled)
		_, err = t.s.Claim(ctx, winchester.Claim{Pass: winchester.PassFire, Owner: "w", Now: noon, LeaseUntil: noon, Limit: 1})
		t.is(err, context.Canceled)
		t.nothingStored()
	}},
	{"a context that ends half-way", func(t *suite) {
		for what, verb := range map[string]func(ctx context.Context, tx winchester.Tx) error{
			"insert": func(ctx context.Context, tx winchester.Tx) error {
				_, err := tx.InsertEvents(ctx, []winchester.Event{event("f", 0, nil)})
				return err
			},
			"open": func(ctx context.Context, tx winchester.Tx) error {
				_, err := tx.OpenStreams(ctx, []string{"k"})
				return err
			},
			"save": func(ctx context.Context, tx winchester.Tx) error {
				return tx.SaveStreams(ctx, []*winchester.Stream{stream("t", "x")})
			},
			"join": func(ctx context.Context, tx winchester.Tx) error {
				return tx.AddMembers(ctx, []winchester.Member{{StreamID: 1, EventID: 1}})
			},
			"read": func(ctx context.Context, tx winchester.Tx) error { _, err := tx.StreamEvents(ctx, 1); return err },
			"change": func(ctx context.Context, tx winchester.Tx) error {
				return tx.ChangeStreams(ctx, []winchester.StreamChange{{}, {}})
			},
		} {
			ctx, cancel := context.WithCancel(t.ctx)
			err := t.s.Transact(ctx, func(tx winchester.Tx) error {
				_, err := tx.InsertEvents(ctx, []winchester.Event{event("e", 0, nil)})
				t.ok(err)
				cancel()
				err = verb(ctx, tx)
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%s: error is %v, want context.Canceled", what, err)
				}
				return err
			})
			t.is(err, context.Canceled)
			t.nothingStored()
		}
		t.insert(event("the store still works", 0, nil))
	}},
	{"a context that ends just before the commit", func(t *suite) {
		ctx, cancel := context.WithCancel(t.ctx)
		err := t.s.Transact(ctx, func(tx winchester.Tx) error {
			t.fileEverything(tx)
			cancel()
			return nil
		})
		if err == nil { // then it is committed
			_, err = t.s.EventByMessageID(t.ctx, "e")
			t.ok(err)
			return
		}
		t.is(err, context.Canceled)
		t.nothingStored()
	}},
	{"a deadline that has passed", func(t *suite) {
		ctx, cancel := context.WithDeadline(t.ctx, noon.AddDate(-10, 0, 0))
		defer cancel()
		_, err := t.s.CountStreams(ctx, winchester.StreamQuery{})
		t.is(err, context.DeadlineExceeded)
	}},
	{"Unwrap", func(t *suite) {
		t.do(func(tx winchester.Tx) error {
			if tx.Unwrap() == nil {
				t.Error("Unwrap returns nil: handlers could not take part in the transaction")
			}
			return nil
		})
	}},
}

// fileEverything files an event into a new stream.
func (t *suite) fileEverything(tx winchester.Tx) *winchester.Stream {
	t.Helper()
	ids, err := tx.InsertEvents(t.ctx, []winchester.Event{event("e", 0, nil)})
	t.ok(err)
	s := stream("t", "acme")
	t.ok(tx.SaveStreams(t.ctx, []*winchester.Stream{s}))
	t.ok(tx.AddMembers(t.ctx, []winchester.Member{{StreamID: s.ID, EventID: ids[0]}}))
	return s
}

func (t *suite) nothingStored() {
	t.Helper()
	events, err := t.s.CountEvents(t.ctx, winchester.EventQuery{})
	t.ok(err)
	streams, err := t.s.CountStreams(t.ctx, winchester.StreamQuery{})
	t.ok(err)
	if events != 0 || streams != 0 {
		t.Fatalf("%d events and %d streams are stored; want none", events, streams)
	}
	due, err := t.s.NextDue(t.ctx)
	t.ok(err)
	if !due.IsZero() {
		t.Fatalf("NextDue is %s although nothing is stored", due)
	}
}
