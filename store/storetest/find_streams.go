package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/timex"
)

var findStreamsTests = []test{
	{"by id, state and name", func(t *suite) {
		a, b, c := ready("a", 0), stream("t", "b"), stream("T", "c")
		t.save(a, b, c)
		equal(t, "claimed", len(t.claim(winchester.PassFire, time.Second, 1)), 1)
		t.findsStreams(winchester.StreamQuery{}, c, b, a)
		t.findsStreams(winchester.StreamQuery{IDs: []int64{b.ID}}, b)
		t.findsStreams(winchester.StreamQuery{IDs: []int64{a.ID, c.ID, 4711}}, c, a)
		t.findsStreams(winchester.StreamQuery{IDs: []int64{4711}})
		t.findsStreams(winchester.StreamQuery{IDs: []int64{}}) // one of no streams
		t.findsStreams(winchester.StreamQuery{State: winchester.StateFiring}, a)
		t.findsStreams(winchester.StreamQuery{State: winchester.StateActive}, c, b)
		t.findsStreams(winchester.StreamQuery{State: winchester.StateCompleted})
		t.findsStreams(winchester.StreamQuery{Name: "t"}, b, a)
		t.findsStreams(winchester.StreamQuery{Name: "T", State: winchester.StateActive}, c)
		t.findsStreams(winchester.StreamQuery{Name: "none"})
	}},
	{"with an event, whatever their state", func(t *suite) {
		a, b, c := ready("a", 0), stream("t", "b"), stream("u", "a")
		t.save(a, b, c)
		ids := t.insert(event("1", 0, nil), event("2", 0, nil), event("3", 0, nil))
		t.do(func(tx winchester.Tx) error {
			return tx.AddMembers(t.ctx, []winchester.Member{
				{StreamID: a.ID, EventID: ids[0]}, {StreamID: c.ID, EventID: ids[0]}, {StreamID: b.ID, EventID: ids[1]},
			})
		})
		equal(t, "claimed", len(t.claim(winchester.PassFire, time.Second, 1)), 1)
		t.findsStreams(winchester.StreamQuery{EventID: ids[0]}, c, a)
		t.findsStreams(winchester.StreamQuery{EventID: ids[0], Mark: "+"}, a, c)
		t.findsStreams(winchester.StreamQuery{EventID: ids[0], State: winchester.StateFiring}, a)
		t.findsStreams(winchester.StreamQuery{EventID: ids[0], Mark: winchester.Mark{}.At(c.ID)}, a)
		t.findsStreams(winchester.StreamQuery{EventID: ids[1]}, b)
		t.findsStreams(winchester.StreamQuery{EventID: ids[2]})
		t.findsStreams(winchester.StreamQuery{EventID: 4711})
		n, err := t.s.CountStreams(t.ctx, winchester.StreamQuery{EventID: ids[0]})
		t.ok(err)
		equal(t, "count", n, 2)
	}},
	{"first event before, last event after, both exclusive", func(t *suite) {
		a, b := stream("t", "a"), stream("t", "b")
		b.FirstEvent, b.LastEvent = at(time.Microsecond), at(time.Hour)
		t.save(a, b)
		t.findsStreams(winchester.StreamQuery{OlderThan: noon})
		t.findsStreams(winchester.StreamQuery{OlderThan: at(time.Microsecond)}, a)
		t.findsStreams(winchester.StreamQuery{OlderThan: at(2 * time.Microsecond)}, b, a)
		t.findsStreams(winchester.StreamQuery{YoungerThan: at(-time.Microsecond)}, b, a)
		t.findsStreams(winchester.StreamQuery{YoungerThan: noon}, b)
		t.findsStreams(winchester.StreamQuery{YoungerThan: at(time.Hour)})
		t.findsStreams(winchester.StreamQuery{OlderThan: at(time.Hour), YoungerThan: at(-time.Hour)}, b, a)
	}},
	{"by distinguishing traits, in their exact type", func(t *suite) {
		day := timex.Range{Begin: noon, End: at(24 * time.Hour)}
		values := []any{"5", int64(5), 5.0, nil, "null", true, noon, day, timex.Range{Begin: noon, End: day.End.Add(time.Microsecond)}, "Zoë's \"x\""}
		var streams []*winchester.Stream
		for i, v := range values {
			s := stream("t", "")
			s.DistinguishingTraits = winchester.Traits{"v": v, "i": int64(i)}
			s.Key = key("t", s.DistinguishingTraits)
			streams = append(streams, s)
		}
		streams = append(streams, stream("t", "5"))
		t.save(streams...)
		for i, v := range values {
			t.findsStreams(winchester.StreamQuery{Traits: winchester.Traits{"v": v}}, streams[i])
		}
		t.findsStreams(winchester.StreamQuery{Traits: winchester.Traits{"v": nil, "i": int64(3)}}, streams[3])
		t.findsStreams(winchester.StreamQuery{Traits: winchester.Traits{"v": nil, "i": int64(4)}})
		t.findsStreams(winchester.StreamQuery{Traits: winchester.Traits{"customer": nil}}) // absent is not null
		t.findsStreams(winchester.StreamQuery{Name: "t", Traits: winchester.Traits{"customer": "5"}}, streams[len(values)])
		t.findsStreams(winchester.StreamQuery{Name: "u", Traits: winchester.Traits{"customer": "5"}})
		_, err := t.s.FindStreams(t.ctx, winchester.StreamQuery{Traits: winchester.Traits{"v": []string{"5"}}})
		t.is(err, winchester.ErrInvalidQuery)
	}},
	{"with their events", func(t *suite) {
		a, b, empty := stream("t", "a"), stream("t", "b"), stream("t", "empty")
		t.save(a, b, empty)
		ids := t.insert(event("late", time.Second, nil), event("early", 0, nil), event("both", 2*time.Second, winchester.Traits{"n": int64(1)}))
		t.join(a.ID, ids...)
		t.join(b.ID, ids[2])
		found, err := t.s.FindStreams(t.ctx, winchester.StreamQuery{IncludeEvents: true, Mark: "+"})
		t.ok(err)
		equal(t, "streams", len(found), 3)
		equalList(t, "events of a", messageIDs(found[0].Events), []string{"early", "late", "both"})
		equalList(t, "events of b", messageIDs(found[1].Events), []string{"both"})
		equal(t, "events of the empty one", len(found[2].Events), 0)
		equal(t, "event", eventText(found[1].Events[0]), eventText(event("both", 2*time.Second, winchester.Traits{"n": int64(1)})))
		found, err = t.s.FindStreams(t.ctx, winchester.StreamQuery{})
		t.ok(err)
		equal(t, "events not asked for", len(found[2].Events), 0)
	}},
	{"pages, in both directions", func(t *suite) {
		var all []int64
		for i := range 13 {
			s := stream("t", fmt.Sprint(i))
			t.save(s)
			all = append(all, s.ID)
		}
		backwards := slices.Clone(all)
		slices.Reverse(backwards)
		for mark, want := range map[string][]int64{"+": all, "": backwards} {
			var got []int64
			for {
				found, err := t.s.FindStreams(t.ctx, winchester.StreamQuery{Mark: mark, Limit: 4})
				t.ok(err)
				if len(found) == 0 {
					break
				}
				for _, s := range found {
					got = append(got, s.ID)
				}
				mark = found[len(found)-1].Mark
				left, err := t.s.CountStreams(t.ctx, winchester.StreamQuery{Mark: mark})
				t.ok(err)
				equal(t, "streams behind the mark", left, int64(len(all)-len(got)))
			}
			equalList(t, "all pages", got, want)
		}
		_, err := t.s.FindStreams(t.ctx, winchester.StreamQuery{Mark: "q"})
		t.is(err, winchester.ErrInvalidQuery)
		_, err = t.s.CountStreams(t.ctx, winchester.StreamQuery{Mark: "q"})
		t.is(err, winchester.ErrInvalidQuery)
		found, err := t.s.FindStreams(t.ctx, winchester.StreamQuery{Limit: winchester.NoRows, IncludeEvents: true})
		t.ok(err)
		equal(t, "rows of NoRows", len(found), 0)
	}},
	{"a stream that is not there", func(t *suite) {
		for _, id := range []int64{0, -1, 1} {
			_, err := t.s.StreamByID(t.ctx, id)
			t.is(err, winchester.ErrNoSuchStream)
		}
	}},
}

// findsStreams checks what a query finds, in order, and that counting agrees.
func (t *suite) findsStreams(q winchester.StreamQuery, want ...*winchester.Stream) {
	t.Helper()
	found, err := t.s.FindStreams(t.ctx, q)
	t.ok(err)
	var got, ids []int64
	for _, s := range found {
		got = append(got, s.ID)
		equal(t, "the same stream by id", text(s.Stream), text(t.get(s.ID)))
	}
	for _, s := range want {
		ids = append(ids, s.ID)
	}
	equalList(t, fmt.Sprintf("FindStreams(%+v)", q), got, ids)
	n, err := t.s.CountStreams(t.ctx, q)
	t.ok(err)
	equal(t, fmt.Sprintf("CountStreams(%+v)", q), n, int64(len(want)))
}
