package storetest

import (
	"fmt"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/timex"
)

var streamTests = []test{
	{"a stream comes back as it was saved", func(t *suite) {
		for i, s := range allStreams() {
			t.save(s)
			if s.ID == 0 {
				t.Fatal("a new stream got no id")
			}
			equal(t, fmt.Sprintf("stream %d by id", i), text(t.get(s.ID)), text(*s))
			open := t.open(s.Key)
			if (open[s.Key] != nil) != s.Open {
				t.Fatalf("OpenStreams returns %v for a stream with Open=%v", open, s.Open)
			}
			if s.Open {
				equal(t, fmt.Sprintf("open stream %d", i), text(*open[s.Key]), text(*s))
			}
		}
	}},
	{"distinguishing traits keep their types, also nil and ranges", func(t *suite) {
		s := stream("t", "")
		s.DistinguishingTraits = everyTrait()
		s.DistinguishingTraits["nil"] = nil
		s.DistinguishingTraits["range"] = timex.Range{Begin: noon, End: at(time.Hour)}
		want := s.DistinguishingTraits
		t.save(s)
		got := t.get(s.ID).DistinguishingTraits
		equal(t, "number of traits", len(got), len(want))
		for name, value := range want {
			if v, ok := got[name]; !ok || fmt.Sprintf("%T %v", v, v) != fmt.Sprintf("%T %v", value, value) {
				t.Errorf("trait %q: got %#v, want %#v", name, v, value)
			}
		}
	}},
	{"a stream that events were filed into", func(t *suite) {
		s := stream("t", "acme")
		t.save(s)
		s.FirstEvent, s.LastEvent = at(-time.Microsecond), at(time.Minute)
		s.FireTimestamp, s.ExpireTimestamp = at(2*time.Minute), at(3*time.Hour)
		s.Progress = winchester.Progress{Fingerprint: "f2", Counts: []int{3, 0, 12}}
		t.save(s)
		equal(t, "stream", text(t.get(s.ID)), text(*s))
		equal(t, "open stream", text(*t.open(s.Key)[s.Key]), text(*s))
		n, err := t.s.CountStreams(t.ctx, winchester.StreamQuery{})
		t.ok(err)
		equal(t, "streams", n, 1)
	}},
	{"keys without an open stream are missing", func(t *suite) {
		a, b := stream("t", "a"), stream("t", "b")
		b.Open = false
		t.save(a, b)
		open := t.open(a.Key, b.Key, "no such key", "")
		equal(t, "open streams", len(open), 1)
		equal(t, "id", open[a.Key].ID, a.ID)
		equal(t, "open streams of no keys", len(t.open()), 0)
	}},
	{"streams of one key, told apart by trigger and by type", func(t *suite) {
		a, b, c := stream("t", "5"), stream("u", "5"), stream("t", "")
		c.DistinguishingTraits = winchester.Traits{"customer": int64(5)}
		c.Key = key("t", c.DistinguishingTraits)
		t.save(a, b, c)
		equal(t, "open streams", len(t.open(a.Key, b.Key, c.Key)), 3)
	}},
	{"one open stream a key (I3)", func(t *suite) {
		first := stream("t", "acme")
		t.save(first)
		second := stream("t", "acme")
		err := t.s.Transact(t.ctx, func(tx winchester.Tx) error {
			_, err := tx.InsertEvents(t.ctx, []winchester.Event{event("e", 0, nil)})
			t.ok(err)
			return tx.SaveStreams(t.ctx, []*winchester.Stream{stream("t", "other"), second})
		})
		t.is(err, winchester.ErrConflict)
		n, err := t.s.CountStreams(t.ctx, winchester.StreamQuery{})
		t.ok(err)
		equal(t, "streams after the conflict", n, 1)
		n, err = t.s.CountEvents(t.ctx, winchester.EventQuery{})
		t.ok(err)
		equal(t, "events after the conflict", n, 0)
		second.ID, second.Open = 0, false
		t.save(second) // any number of closed ones
		third := stream("t", "acme")
		third.Open = false
		t.save(third)
		equal(t, "the open one", t.open(first.Key)[first.Key].ID, first.ID)
	}},
	{"a stream is closed and the next one opened in one call", func(t *suite) {
		old := stream("t", "acme")
		t.save(old)
		old.Open = false
		next := stream("t", "acme")
		t.save(next, old) // whichever order they are given in
		equal(t, "the open one", t.open(old.Key)[old.Key].ID, next.ID)
		if next.ID <= old.ID {
			t.Fatalf("ids do not rise: %d after %d", next.ID, old.ID)
		}
		if t.get(old.ID).Open {
			t.Fatal("the old one is still open")
		}
	}},
	{"a stream that was changed since it was read", func(t *suite) {
		s := ready("acme", 0)
		t.save(s)
		stale := *s
		equal(t, "claimed", len(t.claim(winchester.PassFire, time.Second, 1)), 1)
		stale.LastEvent = at(time.Minute)
		err := t.s.Transact(t.ctx, func(tx winchester.Tx) error {
			other := stream("t", "other")
			return tx.SaveStreams(t.ctx, []*winchester.Stream{other, &stale})
		})
		t.is(err, winchester.ErrConflict)
		equal(t, "last event", t.get(s.ID).LastEvent, noon)
		n, err := t.s.CountStreams(t.ctx, winchester.StreamQuery{})
		t.ok(err)
		equal(t, "streams", n, 1)
	}},
	{"a stream that is gone", func(t *suite) {
		s := stream("t", "acme")
		t.save(s)
		t.ok(t.s.PurgeStream(t.ctx, s.ID))
		t.is(t.s.Transact(t.ctx, func(tx winchester.Tx) error { return tx.SaveStreams(t.ctx, []*winchester.Stream{s}) }), winchester.ErrConflict)
		_, err := t.s.StreamByID(t.ctx, s.ID)
		t.is(err, winchester.ErrNoSuchStream)
		again := stream("t", "acme")
		t.save(again)
		if again.ID <= s.ID {
			t.Fatalf("id %d was given again after %d had been purged", again.ID, s.ID)
		}
	}},
	{"nothing to save", func(t *suite) { t.save() }},
	{"2,000 streams", func(t *suite) {
		const n = 2000
		streams, keys := make([]*winchester.Stream, n), make([]string, n)
		for i := range streams {
			streams[i] = stream("t", fmt.Sprint("customer ", i))
			keys[i] = streams[i].Key
		}
		t.save(streams...)
		open := t.open(keys...)
		equal(t, "open streams", len(open), n)
		for i, s := range streams {
			equal(t, "stream", text(*open[keys[i]]), text(*s))
			s.LastEvent = at(time.Duration(i) * time.Microsecond)
		}
		t.save(streams...)
		open = t.open(keys...)
		for i, s := range streams {
			equal(t, "last event", open[keys[i]].LastEvent, s.LastEvent)
		}
	}},
}

// open returns the open streams of the keys.
func (t *suite) open(keys ...string) (open map[string]*winchester.Stream) {
	t.Helper()
	t.do(func(tx winchester.Tx) (err error) {
		open, err = tx.OpenStreams(t.ctx, keys)
		return err
	})
	return open
}

// allStreams has new streams with each field set in some, in each state.
func allStreams() []*winchester.Stream {
	var streams []*winchester.Stream
	for state := winchester.StateActive; state <= winchester.StateRetryExpire; state++ {
		s := stream("trigger "+state.String(), "Zoë 🦉")
		s.State, s.Open = state, state == winchester.StateActive
		s.StateSerialNo = int64(state) * 7
		s.FireTimestamp = at(time.Duration(state) * time.Microsecond)
		s.Attempt = int(state)
		s.Committed, s.LastError, s.LastErrorAt = "first\nsecond", "it's \"broken\": ☠", at(time.Minute)
		s.Progress.Counts = []int{0, 1, int(state)}
		if state.Claimed() {
			s.Owner = "host/1/ab"
		}
		if state.Claimed() || state == winchester.StateRetryFire || state == winchester.StateRetryExpire {
			s.Due = at(time.Duration(state) * time.Hour)
		}
		streams = append(streams, s)
	}
	bare := stream("bare", "")
	bare.DistinguishingTraits, bare.Progress = nil, winchester.Progress{}
	bare.Key = key("bare", nil)
	return append(streams, bare)
}
