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
			return tx.SaveOpen(t.ctx, fresh)
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
	{"an open stream is written as long as nothing was filed into it since it was read", func(t *suite) {
		s := stream("t", "x")
		t.save(s)
		first, second := t.open(s.Key)[s.Key], t.open(s.Key)[s.Key]
		first.FirstEvent, first.LastEvent, first.FireTimestamp, first.ExpireTimestamp = at(time.Second), at(time.Minute), at(time.Hour), at(2*time.Hour)
		first.Progress = winchester.Progress{Fingerprint: "f", Counts: []int{1, 2}}
		t.do(func(tx winchester.Tx) error { return tx.SaveOpen(t.ctx, []*winchester.Stream{first}) })
		equal(t, "id", first.ID, s.ID)
		equal(t, "the stream", text(t.get(s.ID)), text(*first))

		second.LastEvent = at(2 * time.Minute)
		t.do(func(tx winchester.Tx) error { return tx.SaveOpen(t.ctx, []*winchester.Stream{second}) })
		equal(t, "id of what was read before", second.ID, 0)
		equal(t, "the stream", text(t.get(s.ID)), text(*first))

		first.LastEvent = at(3 * time.Minute)
		t.do(func(tx winchester.Tx) error { return tx.SaveOpen(t.ctx, []*winchester.Stream{first}) })
		equal(t, "the stream", text(t.get(s.ID)), text(*first))
	}},
	{"a stream that is no longer open is stored as a new one", func(t *suite) {
		s := ready("x", 0)
		t.save(s)
		read, again := t.open(s.Key)[s.Key], t.open(s.Key)[s.Key]
		got := t.claim(winchester.PassFire, time.Second, 1)
		if len(got) != 1 || got[0].ID != s.ID {
			t.Fatalf("claimed %v; want stream %d", got, s.ID)
		}
		t.do(func(tx winchester.Tx) error { return tx.SaveOpen(t.ctx, []*winchester.Stream{read}) })
		if read.ID == 0 || read.ID == s.ID {
			t.Fatalf("the id is %d; want a new one", read.ID)
		}
		equal(t, "the new one", text(t.get(read.ID)), text(*read))
		equal(t, "the claimed one", text(t.get(s.ID)), text(got[0]))

		// Someone else has read the same: it is not taken for the new one.
		t.do(func(tx winchester.Tx) error { return tx.SaveOpen(t.ctx, []*winchester.Stream{again}) })
		equal(t, "id of what was read before", again.ID, 0)
		for back := int64(-1); back <= 2; back++ {
			ahead := *read
			ahead.ID, ahead.FilingNo = s.ID, s.FilingNo+back
			t.do(func(tx winchester.Tx) error { return tx.SaveOpen(t.ctx, []*winchester.Stream{&ahead}) })
			equal(t, "id of the old one, filed into further", ahead.ID, 0)
		}
		equal(t, "the new one", text(t.get(read.ID)), text(*read))
	}},
	{"what deleted events counted for is not written again", func(t *suite) {
		s := stream("t", "x")
		t.save(s)
		var events []int64
		t.do(func(tx winchester.Tx) (err error) {
			if events, err = tx.InsertEvents(t.ctx, []winchester.Event{event("a", 0, nil)}); err != nil {
				return err
			}
			return tx.AddMembers(t.ctx, []winchester.Member{{StreamID: s.ID, EventID: events[0]}})
		})
		read := t.open(s.Key)[s.Key]
		_, err := t.s.PurgeEvents(t.ctx, events...)
		t.ok(err)
		t.do(func(tx winchester.Tx) error { return tx.SaveOpen(t.ctx, []*winchester.Stream{read}) })
		equal(t, "id of what was read before", read.ID, 0)
	}},
	{"a stream is open whatever it says, and can be closed at once", func(t *suite) {
		for _, stored := range []bool{false, true} {
			first, second := stream("t", "x"), stream("t", "x")
			if stored {
				first = t.open(first.Key)[first.Key]
			}
			first.Open = false
			t.do(func(tx winchester.Tx) error {
				t.ok(tx.SaveOpen(t.ctx, []*winchester.Stream{first}))
				open, err := tx.OpenStreams(t.ctx, []string{first.Key})
				t.ok(err)
				if open[first.Key] == nil || open[first.Key].ID != first.ID {
					t.Fatalf("the open stream is %v; want %d", open[first.Key], first.ID)
				}
				return tx.SaveStreams(t.ctx, []*winchester.Stream{first, second})
			})
			equal(t, "open stream", t.open(first.Key)[first.Key].ID, second.ID)
		}
	}},
	{"nothing to open", func(t *suite) {
		t.do(func(tx winchester.Tx) error { return tx.SaveOpen(t.ctx, nil) })
	}},
	{"many transactions that open and join the same streams (I3)", func(t *suite) {
		const writers, rounds, keys = 6, 15, 8
		t.parallel(writers, func(w int) error {
			for round := range rounds {
				id := fmt.Sprintf("%d-%d", w, round)
				var chosen []string
				for _, c := range rand.Perm(keys)[:1+rand.IntN(keys)] {
					chosen = append(chosen, fmt.Sprint(c))
				}
				if err := t.fileInto(id, chosen...); err != nil {
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
func (t *suite) fileInto(id string, customers ...string) error {
	return t.transact(func(tx winchester.Tx) error {
		ids, err := tx.InsertEvents(t.ctx, []winchester.Event{event(id, 0, nil)})
		if err != nil {
			return err
		}
		fresh := make([]*winchester.Stream, len(customers))
		keys := make([]string, len(customers))
		for i, c := range customers {
			fresh[i] = stream("t", c)
		}
		byKey(fresh)
		for i, s := range fresh {
			keys[i] = s.Key
		}
		open, err := tx.OpenStreams(t.ctx, keys)
		if err != nil {
			return err
		}
		joined := slices.Clone(fresh)
		was := make([]int64, len(fresh))
		for i := range joined {
			if s := open[keys[i]]; s != nil {
				s.Progress.Counts[0]++
				joined[i], was[i] = s, s.ID
			}
		}
		if err := tx.SaveOpen(t.ctx, joined); err != nil {
			return err
		}
		if open, err = tx.OpenStreams(t.ctx, keys); err != nil {
			return err
		}
		var changed []*winchester.Stream
		var members []winchester.Member
		for i, s := range joined {
			switch {
			case s.ID == 0:
				if s = open[s.Key]; s == nil {
					return errors.New("a key was taken, but has no open stream")
				}
				s.Progress.Counts[0]++
				changed = append(changed, s)
			case was[i] != 0 && s.ID != was[i]:
				fresh[i].ID, fresh[i].FilingNo = s.ID, s.FilingNo
				s = fresh[i]
				changed = append(changed, s)
			}
			members = append(members, winchester.Member{StreamID: s.ID, EventID: ids[0]})
		}
		if err := tx.SaveStreams(t.ctx, changed); err != nil {
			return err
		}
		return tx.AddMembers(t.ctx, members)
	})
}
