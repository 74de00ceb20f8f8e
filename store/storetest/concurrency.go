package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed71495667/winchester"
)

var concurrencyTests = []test{
	{"an event is stored once, however many bring it (I1)", func(t *suite) {
		const writers, events = 8, 60
		var mu sync.Mutex
		stored := map[string]int{}
		t.parallel(writers, func(w int) error {
			for i := 0; i < events; i += 3 {
				batch := make([]winchester.Event, 3)
				for j := range batch {
					batch[j] = event(fmt.Sprint("event ", (i+j+w*7)%events), 0, nil)
				}
				var ids []int64
				if err := t.transact(func(tx winchester.Tx) (err error) { ids, err = tx.InsertEvents(t.ctx, batch); return err }); err != nil {
					return err
				}
				mu.Lock()
				for j, id := range ids {
					if id != 0 {
						stored[batch[j].MessageID]++
					}
				}
				mu.Unlock()
			}
			return nil
		})
		for i := range events {
			equal(t, "times that an event counted as new", stored[fmt.Sprint("event ", i)], 1)
		}
	}},
	{"one open stream a key, and no event lost, under contention (I2, I3)", func(t *suite) {
		const writers, rounds, keys = 8, 25, 3
		t.parallel(writers, func(w int) error {
			for i := range rounds {
				if err := t.fileInto(fmt.Sprintf("%d/%d", w, i), fmt.Sprint("customer ", i%keys)); err != nil {
					return err
				}
			}
			return nil
		})
		found, err := t.s.FindStreams(t.ctx, winchester.StreamQuery{IncludeEvents: true})
		t.ok(err)
		equal(t, "streams", len(found), keys)
		n := 0
		for _, s := range found {
			n += len(s.Events)
			// The count is written by each transaction on top of the one before.
			equal(t, "events counted by "+fmt.Sprint(s.DistinguishingTraits), s.Progress.Counts[0], len(s.Events))
		}
		equal(t, "events in streams", n, writers*rounds)
	}},
	{"a stream goes to one worker only", func(t *suite) {
		const streams, workers = 200, 8
		var all []*winchester.Stream
		for i := range streams {
			all = append(all, ready(fmt.Sprint(i), time.Duration(i)*time.Microsecond))
		}
		t.save(all...)
		var mu sync.Mutex
		claimed := map[int64]string{}
		t.parallel(workers, func(w int) error {
			owner := fmt.Sprint("worker ", w)
			for idle := 0; idle < 3; {
				var got []winchester.Stream
				err := t.retry(func() (err error) {
					got, err = t.s.Claim(t.ctx, winchester.Claim{
						Pass: winchester.PassFire, Owner: owner, Now: at(time.Second), LeaseUntil: at(time.Hour), Limit: 7,
					})
					return err
				})
				if err != nil {
					return err
				}
				if len(got) == 0 {
					idle++ // a database may skip rows that another claim is just about
				}
				mu.Lock()
				for _, s := range got {
					if other := claimed[s.ID]; other != "" || s.Owner != owner {
						t.Errorf("stream %d went to %s and to %s (owner %q)", s.ID, other, owner, s.Owner)
					}
					claimed[s.ID] = owner
				}
				mu.Unlock()
			}
			return nil
		})
		equal(t, "streams claimed", len(claimed), streams)
	}},
	{"of many who change a stream one succeeds (I5)", func(t *suite) {
		s := ready("acme", 0)
		t.save(s)
		claimed := t.claim(winchester.PassFire, time.Second, 1)[0]
		var mu sync.Mutex
		won := 0
		t.parallel(8, func(w int) error {
			err := t.transact(func(tx winchester.Tx) error {
				return tx.ChangeStreams(t.ctx, []winchester.StreamChange{to(claimed, winchester.StateCompleted)})
			})
			if errors.Is(err, winchester.ErrLocked) {
				return nil
			}
			mu.Lock()
			won++
			mu.Unlock()
			return err
		})
		equal(t, "winners", won, 1)
		equal(t, "serial number", t.get(s.ID).StateSerialNo, claimed.StateSerialNo+1)
	}},
	{"filing against claiming: what a run sees is what it completes (I4)", func(t *suite) {
		const events = 120
		var mu sync.Mutex
		seen := map[string]int{}
		filed := make(chan struct{})
		run := func() error {
			var got []winchester.Stream
			err := t.retry(func() (err error) {
				got, err = t.s.Claim(t.ctx, winchester.Claim{
					Pass: winchester.PassExpire, Owner: "w", Now: at(2 * time.Hour), LeaseUntil: at(3 * time.Hour), Limit: 5,
				})
				return err
			})
			if err != nil || len(got) == 0 {
				return err
			}
			found, err := t.s.StreamEvents(t.ctx, streamIDs(got)...)
			if err != nil {
				return err
			}
			for _, s := range got {
				change := to(s, winchester.StateCompleted)
				change.Purge = true
				if err := t.change(change); err != nil {
					return err
				}
				mu.Lock()
				for _, e := range found[s.ID] {
					seen[e.MessageID]++
				}
				mu.Unlock()
			}
			return nil
		}
		t.parallel(2, func(w int) error {
			if w == 0 {
				for {
					select {
					case <-filed:
						return run()
					default:
						if err := run(); err != nil {
							return err
						}
					}
				}
			}
			defer close(filed)
			for i := range events {
				if err := t.fileInto(fmt.Sprint(i), fmt.Sprint("customer ", i%4)); err != nil {
					return err
				}
			}
			return nil
		})
		t.ok(run())
		for i := range events {
			equal(t, "runs that saw an event", seen[fmt.Sprint(i)], 1)
		}
		n, err := t.s.CountStreams(t.ctx, winchester.StreamQuery{})
		t.ok(err)
		equal(t, "streams left", n, 0)
	}},
	{"readers beside writers", func(t *suite) {
		const rounds = 40
		t.parallel(4, func(w int) error {
			for i := range rounds {
				if w == 0 {
					if err := t.fileInto(fmt.Sprint(i), "acme"); err != nil {
						return err
					}
					continue
				}
				found, err := t.s.FindStreams(t.ctx, winchester.StreamQuery{IncludeEvents: true})
				if err != nil {
					return err
				}
				for _, s := range found {
					if len(s.Events) != s.Progress.Counts[0] {
						return fmt.Errorf("a reader saw %d events in a stream that counts %d", len(s.Events), s.Progress.Counts[0])
					}
				}
			}
			return nil
		})
	}},
}

// retry runs what is no transaction of ours again after ErrConflict.
func (t *suite) retry(fn func() error) error {
	for try := 1; ; try++ {
		if err := fn(); !errors.Is(err, winchester.ErrConflict) || try == maxConflicts {
			return err
		}
	}
}

// parallel runs fn in n goroutines and waits for all of them. The first error
// ends the test's context.
func (t *suite) parallel(n int, fn func(i int) error) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.ctx)
	defer cancel(nil)
	outer := t.ctx
	t.ctx = ctx
	defer func() { t.ctx = outer }()
	var all sync.WaitGroup
	for i := range n {
		all.Add(1)
		go func() {
			defer all.Done()
			if err := fn(i); err != nil {
				cancel(err)
			}
		}()
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil && outer.Err() == nil {
		t.Fatal(err)
	}
}
