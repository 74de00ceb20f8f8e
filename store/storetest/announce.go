package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/seed71495667/winchester"
)

var announceTests = []test{
	{"what is announced is heard, once it is durable", func(t *suite) {
		hear, ended := t.listen()
		if hear == nil {
			return
		}
		boom := errors.New("boom")
		t.is(t.s.Transact(t.ctx, func(tx winchester.Tx) error {
			t.ok(tx.Announce(t.ctx, at(time.Minute)))
			return boom
		}), boom)
		for i := range 5 { // close together: the later ones may be told as one
			t.do(func(tx winchester.Tx) error { return tx.Announce(t.ctx, at(time.Duration(i)*time.Second)) })
		}
		heard := map[time.Time]bool{}
		for !heard[at(0)] || !heard[at(time.Second)] {
			due := <-hear
			if due.Equal(at(time.Minute)) {
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
	go func() { ended <- t.s.Listen(ctx, func(due time.Time) { hear <- due }) }()
	select {
	case due := <-hear:
		if !due.IsZero() {
			t.Fatalf("Listen begins with %v; want the zero time, for what was announced before", due)
		}
	case err := <-ended:
		t.is(err, errors.ErrUnsupported)
		return nil, nil
	}
	return hear, func() error {
		cancel()
		return <-ended
	}
}
