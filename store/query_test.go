package store_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed71495667/winchester"
)

// Few names and values, so that queries meet what is stored; and all that is
// hard to write in SQL or JSON.
var (
	traitNames  = rapid.SampledFrom([]string{"a", "b", "a.b", "", `"`, `\`, `a"b`, ",", ":", "é", "a\n", "$", "[0]", "?", "a b", "null"})
	traitValues = rapid.OneOf(
		rapid.Just[any]("5"), rapid.Just[any](int64(5)), rapid.Just[any](5.0), rapid.Just[any](true), rapid.Just[any](`,"a":5,`), rapid.Just[any]("a,"),
		rapid.Just[any](time.Date(2026, 4, 5, 0, 0, 0, 0, time.UTC)),
		rapid.Map(rapid.Int64(), func(v int64) any { return v }),
		rapid.Map(rapid.Float64(), func(v float64) any { return v }),
		rapid.Map(rapid.String(), func(v string) any { return v }),
		rapid.Map(anyTime, func(v time.Time) any { return v }),
	)
	anyTime = rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMicro(rapid.Int64Range(-1e15, 1e16).Draw(t, "microseconds")).UTC()
	})
	someTime = rapid.Custom(func(t *rapid.T) time.Time {
		return time.Date(2026, 4, 5, 12, 0, rapid.IntRange(0, 3).Draw(t, "seconds"), 0, time.UTC)
	})
	anyType = rapid.SampledFrom([]string{"order.paid", "order.placed", "Order.paid", "ü"})
)

// TestFindEventsAgainstAModel compares queries with a loop over all events.
func TestFindEventsAgainstAModel(t *testing.T) {
	t.Parallel()
	s := openFile(t)
	ctx := t.Context()
	var ids []int64 // of what the check before has stored
	rapid.Check(t, func(t *rapid.T) {
		if _, err := s.PurgeEvents(ctx, ids...); err != nil {
			t.Fatal(err)
		}
		batch := make([]winchester.Event, rapid.IntRange(0, 12).Draw(t, "events"))
		for i := range batch {
			batch[i] = winchester.Event{
				MessageID: fmt.Sprint(i), EventType: anyType.Draw(t, "type"), Timestamp: someTime.Draw(t, "time"),
				Traits: rapid.MapOfN(traitNames, traitValues, 0, 5).Draw(t, "traits"),
			}
		}
		err := s.Transact(ctx, func(tx winchester.Tx) (err error) {
			ids, err = tx.InsertEvents(ctx, batch)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		stored := make([]winchester.StoredEvent, len(batch))
		for i, id := range ids {
			stored[i] = winchester.StoredEvent{ID: id, Event: batch[i]}
		}
		for range 5 {
			q := drawQuery(t, stored)
			want, count := model(q, stored)
			found, err := s.FindEvents(ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range found {
				got = append(got, e.MessageID)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("FindEvents(%+v):\n got %v\nwant %v", q, got, want)
			}
			if n, err := s.CountEvents(ctx, q); err != nil || n != count {
				t.Fatalf("CountEvents(%+v): got %d, %v; want %d", q, n, err, count)
			}
		}
	})
}

// drawQuery draws a query that is likely to find something.
func drawQuery(t *rapid.T, stored []winchester.StoredEvent) winchester.EventQuery {
	q := winchester.EventQuery{
		Mark:  rapid.SampledFrom([]string{"", "+", "-"}).Draw(t, "direction"),
		Limit: rapid.SampledFrom([]int{0, winchester.NoRows, 1, 5}).Draw(t, "limit"),
	}
	if rapid.Bool().Draw(t, "by time") {
		q.From, q.To = someTime.Draw(t, "from"), someTime.Draw(t, "to")
	}
	if rapid.Bool().Draw(t, "by type") {
		q.EventTypes = rapid.SliceOfN(anyType, 0, 2).Draw(t, "types")
	}
	if len(stored) == 0 || rapid.Bool().Draw(t, "strange traits") {
		q.Traits = rapid.MapOfN(traitNames, traitValues, 0, 2).Draw(t, "wanted")
		return q
	}
	like := rapid.SampledFrom(stored).Draw(t, "like")
	if rapid.Bool().Draw(t, "behind it") {
		mark, _ := winchester.ParseMark(q.Mark)
		q.Mark = mark.At(like.ID)
	}
	q.Traits = winchester.Traits{}
	for _, name := range slices.Sorted(maps.Keys(like.Traits)) {
		if rapid.Bool().Draw(t, "with a trait of it") {
			q.Traits[name] = like.Traits[name]
		}
	}
	return q
}

// model is what a query means.
func model(q winchester.EventQuery, stored []winchester.StoredEvent) (ids []string, count int64) {
	mark, err := winchester.ParseMark(q.Mark)
	if err != nil {
		panic(err)
	}
	var found []winchester.StoredEvent
	for _, e := range stored {
		if !q.From.IsZero() && !e.Timestamp.After(q.From) || !q.To.IsZero() && e.Timestamp.After(q.To) ||
			q.EventTypes != nil && !slices.Contains(q.EventTypes, e.EventType) ||
			mark.After && mark.Ascending && e.ID <= mark.ID || mark.After && !mark.Ascending && e.ID >= mark.ID || !hasTraits(e.Traits, q.Traits) {
			continue
		}
		found = append(found, e)
	}
	slices.SortFunc(found, func(a, b winchester.StoredEvent) int {
		if mark.Ascending {
			return cmp.Compare(a.ID, b.ID)
		}
		return cmp.Compare(b.ID, a.ID)
	})
	for i, e := range found {
		if q.Limit == 0 || i < q.Limit {
			ids = append(ids, e.MessageID)
		}
	}
	return ids, int64(len(found))
}

func hasTraits(traits, wanted winchester.Traits) bool {
	for name, value := range wanted {
		v, ok := traits[name]
		a, _ := winchester.AppendTraitJSON(nil, v)
		b, _ := winchester.AppendTraitJSON(nil, value)
		if !ok || string(a) != string(b) {
			return false
		}
	}
	return true
}
