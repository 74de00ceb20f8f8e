package storetest

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/seed71495667/winchester"
)

var eventTests = []test{
	{"an event comes back as it went in", func(t *suite) {
		for i, e := range allEvents() {
			id := t.insert(e)[0]
			got, err := t.s.EventByMessageID(t.ctx, e.MessageID)
			t.ok(err)
			equal(t, fmt.Sprintf("event %d", i), eventText(got.Event), eventText(e))
			equal(t, "id", got.ID, id)
			if got.Timestamp != e.Timestamp {
				t.Fatalf("times do not compare with ==: %#v and %#v", got.Timestamp, e.Timestamp)
			}
		}
	}},
	{"a trait comes back in its type", func(t *suite) {
		want := everyTrait()
		t.insert(event("e", 0, want))
		got, err := t.s.EventByMessageID(t.ctx, "e")
		t.ok(err)
		equal(t, "number of traits", len(got.Traits), len(want))
		for name, value := range want {
			if fmt.Sprintf("%T %#v", got.Traits[name], got.Traits[name]) != fmt.Sprintf("%T %#v", value, value) {
				t.Errorf("trait %q: got %#v, want %#v", name, got.Traits[name], value)
			}
		}
	}},
	{"a trait that is nil is not stored", func(t *suite) {
		given := winchester.Traits{"null": nil, "set": "x"}
		t.insert(event("e", 0, given))
		got, err := t.s.EventByMessageID(t.ctx, "e")
		t.ok(err)
		equal(t, "event", eventText(got.Event), eventText(event("e", 0, winchester.Traits{"set": "x"})))
		equal(t, "number of traits handed in, afterwards", len(given), 2)
	}},
	{"a duplicate is reported and changes nothing", func(t *suite) {
		first := event("e", 0, winchester.Traits{"n": int64(1)})
		t.insert(first)
		again := event("e", time.Hour, winchester.Traits{"n": int64(2)})
		ids := t.insert(event("before", 0, nil), again, event("after", 0, nil))
		if ids[0] == 0 || ids[1] != 0 || ids[2] == 0 || ids[2] <= ids[0] {
			t.Fatalf("ids are %v; want two that rise and 0 for the duplicate between them", ids)
		}
		got, err := t.s.EventByMessageID(t.ctx, "e")
		t.ok(err)
		equal(t, "event", eventText(got.Event), eventText(first))
		after, err := t.s.EventByMessageID(t.ctx, "after")
		t.ok(err)
		equal(t, "id of the event behind the duplicate", after.ID, ids[2])
		equal(t, "ids of nothing but duplicates", fmt.Sprint(t.insert(again, event("before", 0, nil))), "[0 0]")
	}},
	{"message ids differ by case, blanks and accents", func(t *suite) {
		ids := []string{"a", "A", "a ", " a", "\u00e1", "a\u0301", "ä", "ß", "ss", "e'; --", `"`, `\`, "%", "_", strings.Repeat("é", 127)}
		for _, id := range ids {
			if t.insert(event(id, 0, nil))[0] == 0 {
				t.Errorf("%q counts as a duplicate", id)
			}
		}
		for _, id := range ids {
			got, err := t.s.EventByMessageID(t.ctx, id)
			t.ok(err)
			equal(t, "message id", got.MessageID, id)
		}
	}},
	{"an event that is not there", func(t *suite) {
		for _, id := range []string{"", "nope"} {
			_, err := t.s.EventByMessageID(t.ctx, id)
			t.is(err, winchester.ErrNoSuchEvent)
		}
	}},
	{"ids rise and are never given twice", func(t *suite) {
		a := t.insert(event("1", 0, nil), event("2", -time.Hour, nil), event("3", time.Hour, nil))
		if a[0] <= 0 || a[1] <= a[0] || a[2] <= a[1] {
			t.Fatalf("ids %v do not rise in the order the events were given", a)
		}
		_, err := t.s.PurgeEvents(t.ctx, a...)
		t.ok(err)
		b := t.insert(event("1", 0, nil))
		if b[0] <= a[2] {
			t.Fatalf("id %d was given after %v had been deleted", b[0], a)
		}
	}},
	{"nothing to insert", func(t *suite) {
		equal(t, "number of ids", len(t.insert()), 0)
	}},
	{"a batch of 5,000 with duplicates", func(t *suite) {
		const n = 5000
		var before, batch []winchester.Event
		for i := range n {
			e := event(fmt.Sprintf("event-%05d", i), time.Duration(i%100)*time.Second, winchester.Traits{"n": int64(i), "text": "näïve"})
			batch = append(batch, e)
			if i%3 == 0 {
				before = append(before, e)
			}
		}
		t.insert(before...)
		ids := t.insert(batch...)
		seen := map[int64]bool{}
		for i, id := range ids {
			if (id == 0) != (i%3 == 0) || id != 0 && seen[id] {
				t.Fatalf("event %d has id %d", i, id)
			}
			seen[id] = true
		}
		count, err := t.s.CountEvents(t.ctx, winchester.EventQuery{})
		t.ok(err)
		equal(t, "events stored", count, n)
		for _, i := range []int{1, 2500, 4999} {
			got, err := t.s.EventByMessageID(t.ctx, batch[i].MessageID)
			t.ok(err)
			equal(t, "id", got.ID, ids[i])
			equal(t, "event", eventText(got.Event), eventText(batch[i]))
		}
	}},
}

// everyTrait has a trait of each type, and of each value that is hard to keep.
func everyTrait() winchester.Traits {
	return winchester.Traits{
		"string": "x", "empty": "", "digits": "5", "null as text": "null", "unicode": "Zoë 🦉 名前", "quotes": `'"\/`,
		"control": "a\x00b\n\t\x1f", "long": strings.Repeat("abc", 5000),
		"int": int64(5), "zero": int64(0), "min": int64(math.MinInt64), "max": int64(math.MaxInt64),
		"float": 5.0, "tenth": 0.1, "tiny": 5e-324, "huge": math.MaxFloat64, "negative zero": math.Copysign(0, -1),
		"infinite": math.Inf(1), "minus infinite": math.Inf(-1), "no number": math.NaN(), "true": true, "false": false,
		"time": time.Date(2026, 2, 28, 23, 59, 59, 999999000, time.UTC), "whole": noon,
		"": "no name", "a.b": "dot", `q"uote`: "quote", `back\slash`: "backslash", "[0]": "index", "$": "dollar", "ключ": "name", "a'b?@c": "signs",
	}
}

func allEvents() []winchester.Event {
	times := []time.Time{
		noon, noon.Add(time.Microsecond), noon.Add(999999 * time.Microsecond),
		time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 500000000, time.UTC),
		time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC),
	}
	var events []winchester.Event
	for i, at := range times {
		events = append(events, winchester.Event{
			MessageID: fmt.Sprint("event ", i), EventType: fmt.Sprint("тип.", i), Timestamp: at, Traits: everyTrait(),
		})
	}
	return append(events, winchester.Event{MessageID: "bare", EventType: "b", Timestamp: noon})
}
