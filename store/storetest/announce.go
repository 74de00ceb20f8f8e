package storetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/seed71495667/winchester"
)

var announceTests = []test{
	{"what is announced is heard, once it is durable", func(t *suite) {
		hear, ended := t.listen()
		if hear == nil {
			return
		}
		// Stores that name their tables alike may hear each other, and each other's
		// tests: these are times that nobody else announces.
		begin := at(time.Duration(rand.Int64N(1e12)) * time.Microsecond)
		rolledBack := begin.Add(-time.Minute)
		boom := errors.New("boom")
		t.is(t.s.Transact(t.ctx, func(tx winchester.Tx) error {
			t.ok(tx.Announce(t.ctx, rolledBack))
			return boom
		}), boom)
		for i := range 5 { // close together: the later ones may be told as one
			t.do(func(tx winchester.Tx) error { return tx.Announce(t.ctx, begin.Add(time.Duration(i)*time.Second)) })
		}
		heard := map[time.Time]bool{}
		for !heard[begin] || !heard[begin.Add(time.Second)] {
			due := <-hear
			if due.Equal(rolledBack) {
				t.Fatal("what was rolled back is announced")
			}
			heard[due] = true
		}
		t.is(ended(), context.Canceled)
	}},
	{"nobody needs to listen", func(t *suite) {
		t.do(func(tx winchester.Tx) error { return tx.Announce(t.ctx, noon) })
	}},
}

// listen begins to listen and waits until it does. It returns nil for a store
// that cannot.
func (t *suite) listen() (hear chan time.Time, end func() error) {
	ctx, cancel := context.WithCancel(t.ctx)
	t.Cleanup(cancel)
	hear = make(chan time.Time, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- t.s.Listen(ctx, func(due time.Time) {
			select {
			case hear <- due:
			case <-ctx.Done():
			}
		})
	}()
	for listening := false; !listening; {
		select {
		case due := <-hear:
			listening = due.IsZero() // for what was announced before; others may be heard already
		case err := <-ended:
			t.is(err, errors.ErrUnsupported)
			return nil, nil
		}
	}
	return hear, func() error {
		cancel()
		return <-ended
	}
}
