package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/seed71495667/winchester"
)

var openTests = []test{
	{"a stream of a new key is stored, one of a key that is taken is not", func(t *suite) {
		taken := stream("t", "taken")
		t.save(taken)
		closed := stream("t", "closed")
		closed.Open = false
		t.save(closed)
		fresh := []*winchester.Stream{stream("t", "taken"), stream("t", "closed"), stream("t", "new")}
		byKey(fresh)
		t.do(func(tx winchester.Tx) error {
			for _, s := range fresh {
				s.ID, s.LastEvent = 0, at(time.Minute)
			}
			return tx.InsertOpen(t.ctx, fresh)
		})
		for _, s := range fresh {
			if s.Key == taken.Key {
				equal(t, "id of a stream whose key is taken", s.ID, 0)
				continue
			}
			equal(t, "new stream", text(t.get(s.ID)), text(*s))
		}
		equal(t, "the one that was there", text(t.get(taken.ID)), text(*taken))
		equal(t, "the one that is closed", text(t.get(closed.ID)), text(*closed))
	}},
	{"a stream is opened whatever it says, and can be closed at once", func(t *suite) {
		first, second := stream("t", "x"), stream("t", "x")
		first.Open = false
		t.do(func(tx winchester.Tx) error {
			first.ID, second.ID = 0, 0
			t.ok(tx.InsertOpen(t.ctx, []*winchester.Stream{first}))
			open, err := tx.OpenStreams(t.ctx, []string{first.Key})
			t.ok(err)
			if open[first.Key] == nil || open[first.Key].ID != first.ID {
				t.Fatalf("the open stream is %v; want %d", open[first.Key], first.ID)
			}
			return tx.SaveStreams(t.ctx, []*winchester.Stream{first, second})
		})
		equal(t, "open stream", t.open(first.Key)[first.Key].ID, second.ID)
	}},
	{"nothing to open", func(t *suite) {
		t.do(func(tx winchester.Tx) error { return tx.InsertOpen(t.ctx, nil) })
	}},
	{"many transactions that open and join the same streams (I3)", func(t *suite) {
		const writers, rounds, keys = 6, 15, 8
		t.parallel(writers, func(w int) error {
			for round := range rounds {
				id := fmt.Sprintf("%d-%d", w, round)
				chosen := rand.Perm(keys)[:1+rand.IntN(keys)]
				if err := t.fileInto(id, chosen); err != nil {
					return err
				}
			}
			return nil
		})
		found, err := t.s.FindStreams(t.ctx, winchester.StreamQuery{IncludeEvents: true})
		t.ok(err)
		if len(found) > keys {
			t.Fatalf("%d streams are open for %d keys", len(found), keys)
		}
		for _, s := range found {
			equal(t, "events counted in stream "+s.Key, s.Progress.Counts[0], len(s.Events))
		}
	}},
}

func byKey(streams []*winchester.Stream) {
	slices.SortFunc(streams, func(a, b *winchester.Stream) int { return strings.Compare(a.Key, b.Key) })
}

// fileInto files one event into the open streams of customers, or new ones, as
// the engine does. A store that lets transactions wait for each other in a
// circle has to give one up, which shows as an ErrConflict more.
func (t *suite) fileInto(id string, customers []int) error {
	return t.transact(func(tx winchester.Tx) error {
		ids, err := tx.InsertEvents(t.ctx, []winchester.Event{event(id, 0, nil)})
		if err != nil {
			return err
		}
		fresh := make([]*winchester.Stream, len(customers))
		keys := make([]string, len(customers))
		for i, c := range customers {
			fresh[i] = stream("t", fmt.Sprint(c))
		}
		byKey(fresh)
		if err := tx.InsertOpen(t.ctx, fresh); err != nil {
			return err
		}
		for i, s := range fresh {
			keys[i] = s.Key
		}
		open, err := tx.OpenStreams(t.ctx, keys)
		if err != nil {
			return err
		}
		var joined []*winchester.Stream
		var members []winchester.Member
		for _, s := range fresh {
			if s.ID == 0 {
				if s = open[s.Key]; s == nil {
					return errors.New("a key was taken, but has no open stream")
				}
				s.Progress.Counts[0]++
				joined = append(joined, s)
			}
			members = append(members, winchester.Member{StreamID: s.ID, EventID: ids[0]})
		}
		if err := tx.SaveStreams(t.ctx, joined); err != nil {
			return err
		}
		return tx.AddMembers(t.ctx, members)
	})
}
