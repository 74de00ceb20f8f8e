package storetest

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/timex"
)

var findEventsTests = []test{
	{"from is exclusive, to is inclusive", func(t *suite) {
		t.insert(event("a", 0, nil), event("b", time.Microsecond, nil), event("c", time.Second, nil))
		t.finds(winchester.EventQuery{}, "c", "b", "a")
		t.finds(winchester.EventQuery{From: at(0)}, "c", "b")
		t.finds(winchester.EventQuery{From: at(-time.Microsecond)}, "c", "b", "a")
		t.finds(winchester.EventQuery{To: at(0)}, "a")
		t.finds(winchester.EventQuery{To: at(time.Microsecond)}, "b", "a")
		t.finds(winchester.EventQuery{From: at(0), To: at(time.Microsecond)}, "b")
		t.finds(winchester.EventQuery{From: at(time.Second), To: at(0)})
		t.finds(winchester.EventQuery{From: at(0).In(time.FixedZone("elsewhere", 7200))}, "c", "b")
		t.finds(winchester.EventQuery{From: noon.AddDate(-9000, 0, 0), To: noon.AddDate(9000, 0, 0)}, "c", "b", "a")
	}},
	{"in a stream, page by page", func(t *suite) {
		a, b := stream("t", "a"), stream("t", "b")
		t.save(a, b)
		ids := t.insert(event("1", 0, nil), event("2", time.Minute, nil), event("3", 0, nil), event("4", 0, nil))
		t.do(func(tx winchester.Tx) error {
			return tx.AddMembers(t.ctx, []winchester.Member{
				{StreamID: a.ID, EventID: ids[0]}, {StreamID: a.ID, EventID: ids[1]}, {StreamID: a.ID, EventID: ids[3]},
				{StreamID: b.ID, EventID: ids[1]}, {StreamID: b.ID, EventID: ids[2]},
			})
		})
		t.finds(winchester.EventQuery{StreamID: a.ID}, "4", "2", "1")
		t.finds(winchester.EventQuery{StreamID: a.ID, Mark: "+"}, "1", "2", "4")
		t.finds(winchester.EventQuery{StreamID: b.ID}, "3", "2")
		t.finds(winchester.EventQuery{StreamID: b.ID, To: noon}, "3")
		t.finds(winchester.EventQuery{StreamID: 4711})
		t.finds(winchester.EventQuery{StreamID: a.ID, Limit: 2}, "4", "2")
		t.finds(winchester.EventQuery{StreamID: a.ID, Mark: winchester.Mark{}.At(ids[1])}, "1")
		t.finds(winchester.EventQuery{StreamID: a.ID, Mark: winchester.Mark{Ascending: true}.At(ids[0])}, "2", "4")
		n, err := t.s.CountEvents(t.ctx, winchester.EventQuery{StreamID: a.ID})
		t.ok(err)
		equal(t, "count", n, 3)
	}},
	{"by type, exactly", func(t *suite) {
		for _, kind := range []string{"order.paid", "Order.paid", "order.paid ", "order", "order.*", "bestellung.überfällig"} {
			t.insert(winchester.Event{MessageID: kind, EventType: kind, Timestamp: noon})
		}
		t.finds(winchester.EventQuery{EventTypes: []string{"order.paid"}}, "order.paid")
		t.finds(winchester.EventQuery{EventTypes: []string{"order", "bestellung.überfällig", "none"}}, "bestellung.überfällig", "order")
		t.finds(winchester.EventQuery{EventTypes: []string{"order.*"}}, "order.*")
		t.finds(winchester.EventQuery{EventTypes: []string{"none"}})
		t.finds(winchester.EventQuery{EventTypes: []string{""}})
		t.finds(winchester.EventQuery{EventTypes: []string{}}) // one of no types
	}},
	{"a trait matches one of the same type and value only", func(t *suite) {
		values := []any{
			"2", int64(2), 2.0, 2.5, "2.0", "", "x", "X", "null", "true", true, false, int64(1), int64(0), 1.0, 0.0, math.Copysign(0, -1),
			noon, noon.Format(time.RFC3339), at(time.Microsecond), int64(math.MaxInt64), float64(math.MaxInt64), math.Inf(1), "Zoë", "it's",
			`{"$time":"2026-04-05T12:00:00.000000Z"}`, `say "x"`, `back\slash`, "line\nbreak", 0.1, 1e300,
		}
		for i, v := range values {
			t.insert(event(fmt.Sprint(i), 0, winchester.Traits{"v": v, "n": int64(i)}))
		}
		t.insert(event("without", 0, winchester.Traits{"w": "2"}))
		for i, v := range values {
			t.finds(winchester.EventQuery{Traits: winchester.Traits{"v": v}}, fmt.Sprint(i))
		}
		for _, v := range []any{nil, "3", int64(3), time.Time{}, timex.Range{Begin: noon, End: at(time.Hour)}, math.NaN()} {
			t.finds(winchester.EventQuery{Traits: winchester.Traits{"v": v}})
		}
		t.finds(winchester.EventQuery{Traits: winchester.Traits{"v": 2}}, "1") // widened, as everywhere
		t.finds(winchester.EventQuery{Traits: winchester.Traits{"v": int64(2), "n": int64(1)}}, "1")
		t.finds(winchester.EventQuery{Traits: winchester.Traits{"v": int64(2), "n": int64(2)}})
		t.finds(winchester.EventQuery{Traits: winchester.Traits{"no such": "2"}})
		t.finds(winchester.EventQuery{Traits: winchester.Traits{"message_id": "1"}}) // is no trait
	}},
	{"names of traits that are hard to write", func(t *suite) {
		names := []string{
			"", " ", "a.b", "a", "b", "[0]", "$", "$.a", "#", "a b", `"`, `a"b`, `\`, `a\b`, `a\"b`, `\"`, "\n", "\x01", "'", "a'b", "?", "@x", ":n", "%",
			",", ",:", `":"`, `,"a":5,`, "名前", "é", "ключ", "null", "-", "a/b", "a-b", "A",
		}
		for i, name := range names {
			t.insert(event(fmt.Sprint(i), 0, winchester.Traits{name: int64(5), "x": `,"a":5,`, "y": "a,"}))
			t.insert(event(fmt.Sprint("other ", i), 0, winchester.Traits{name: "5", "z": name + `":5,`}))
		}
		for i, name := range names {
			t.finds(winchester.EventQuery{Traits: winchester.Traits{name: int64(5)}}, fmt.Sprint(i))
		}
	}},
	{"a trait of a type that cannot be stored", func(t *suite) {
		_, err := t.s.FindEvents(t.ctx, winchester.EventQuery{Traits: winchester.Traits{"v": []int{1}}})
		t.is(err, winchester.ErrInvalidQuery)
		_, err = t.s.CountEvents(t.ctx, winchester.EventQuery{Traits: winchester.Traits{"v": struct{}{}}})
		t.is(err, winchester.ErrInvalidQuery)
	}},
	{"everything together", func(t *suite) {
		for i := range 40 {
			t.insert(winchester.Event{
				MessageID: fmt.Sprint(i), EventType: fmt.Sprint("type", i%4), Timestamp: at(time.Duration(i) * time.Second),
				Traits: winchester.Traits{"odd": i%2 == 1},
			})
		}
		q := winchester.EventQuery{
			From: at(4 * time.Second), To: at(25 * time.Second), EventTypes: []string{"type1", "type2"}, Traits: winchester.Traits{"odd": true},
		}
		t.finds(q, "25", "21", "17", "13", "9", "5")
		q.Mark, q.Limit = "+", 2
		t.finds(q, "5", "9")
	}},
	{"pages, in both directions", func(t *suite) {
		var all []string
		for i := range 23 {
			all = append(all, fmt.Sprint(i))
			t.insert(event(all[i], -time.Duration(i)*time.Minute, nil)) // the order is not that of time
		}
		backwards := slices.Clone(all)
		slices.Reverse(backwards)
		for mark, want := range map[string][]string{"+": all, "": backwards, "-": backwards} {
			var got []string
			for page := 0; ; page++ {
				found, err := t.s.FindEvents(t.ctx, winchester.EventQuery{Mark: mark, Limit: 5})
				t.ok(err)
				if len(found) > 5 || page > 5 {
					t.Fatalf("page %d has %d rows", page, len(found))
				}
				if len(found) == 0 {
					break
				}
				for _, e := range found {
					got = append(got, e.MessageID)
				}
				left, err := t.s.CountEvents(t.ctx, winchester.EventQuery{Mark: found[len(found)-1].Mark, Limit: 1})
				t.ok(err)
				equal(t, "events behind the mark", left, int64(len(all)-len(got)))
				mark = found[len(found)-1].Mark
			}
			equalList(t, "all pages", got, want)
		}
		middle, err := t.s.EventByMessageID(t.ctx, "11")
		t.ok(err)
		t.finds(winchester.EventQuery{Mark: middle.Mark, Limit: 2}, "10", "9")
		t.finds(winchester.EventQuery{Mark: "+" + middle.Mark, Limit: 2}, "12", "13")
		t.finds(winchester.EventQuery{Mark: "0"})
		t.finds(winchester.EventQuery{Mark: "7fffffffffffffff", Limit: 1}, "22")
	}},
	{"limits", func(t *suite) {
		t.insert(event("a", 0, nil), event("b", 0, nil))
		t.finds(winchester.EventQuery{Limit: 0}, "b", "a")
		t.finds(winchester.EventQuery{Limit: 1}, "b")
		t.finds(winchester.EventQuery{Limit: 3}, "b", "a")
		found, err := t.s.FindEvents(t.ctx, winchester.EventQuery{Limit: winchester.NoRows})
		t.ok(err)
		equal(t, "rows of NoRows", len(found), 0)
		n, err := t.s.CountEvents(t.ctx, winchester.EventQuery{Limit: winchester.NoRows})
		t.ok(err)
		equal(t, "count of NoRows", n, 2)
	}},
	{"a mark that cannot be read", func(t *suite) {
		for _, mark := range []string{"zz", "+zz", "--1", " ", "ffffffffffffffffff"} {
			_, err := t.s.FindEvents(t.ctx, winchester.EventQuery{Mark: mark})
			t.is(err, winchester.ErrInvalidQuery)
			_, err = t.s.CountEvents(t.ctx, winchester.EventQuery{Mark: mark})
			t.is(err, winchester.ErrInvalidQuery)
		}
	}},
}

// finds checks what a query finds, in order, and that counting agrees.
func (t *suite) finds(q winchester.EventQuery, want ...string) {
	t.Helper()
	found, err := t.s.FindEvents(t.ctx, q)
	t.ok(err)
	var got []string
	for _, e := range found {
		got = append(got, e.MessageID)
	}
	equalList(t, fmt.Sprintf("FindEvents(%+v)", q), got, want)
	if q.Limit == 0 {
		n, err := t.s.CountEvents(t.ctx, q)
		t.ok(err)
		equal(t, fmt.Sprintf("CountEvents(%+v)", q), n, int64(len(want)))
	}
}
