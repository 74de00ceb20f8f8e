package winchester_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/testdb"
)

// meddling is a store in which somebody does something between the reading of
// the open streams and their writing.
type meddling struct {
	winchester.Store
	meddle func()
}

func (s *meddling) Transact(ctx context.Context, fn func(winchester.Tx) error) error {
	return s.Store.Transact(ctx, func(tx winchester.Tx) error { return fn(&meddlingTx{tx, s}) })
}

type meddlingTx struct {
	winchester.Tx
	s *meddling
}

func (tx *meddlingTx) OpenStreams(ctx context.Context, keys []string) (map[string]*winchester.Stream, error) {
	open, err := tx.Tx.OpenStreams(ctx, keys)
	if meddle := tx.s.meddle; meddle != nil {
		tx.s.meddle = nil
		meddle()
	}
	return open, err
}

// TestFilingMeetsOthers: what others do to a stream after a batch has read it is
// not undone, and the batch's events are where they would be had it come later.
func TestFilingMeetsOthers(t *testing.T) {
	t.Parallel()
	url := testdb.PostgresSchema(t)
	other, st := process(t, url, nil)
	s := &meddling{Store: st}
	filer, _ := process(t, url, nil, func(c *winchester.Config) { c.Store = s })
	claim := func(t *testing.T, id int) {
		t.Helper()
		submit(t, other, "paid", t.Name()+"paid", id)
		got, err := st.Claim(t.Context(), winchester.Claim{
			Pass: winchester.PassFire, Owner: "w", Now: time.Now().Add(time.Minute), LeaseUntil: time.Now().Add(time.Hour), Limit: 10,
		})
		must(t, err)
		if len(got) != 1 {
			t.Fatalf("%d streams are claimed", len(got))
		}
	}
	opened := func(t *testing.T, id int) { submit(t, other, "placed", t.Name()+"first", id) }
	for i, tt := range []struct {
		name   string
		before func(t *testing.T, id int)
		meddle func(t *testing.T, id int)
		opened bool
		want   []string // the events of the stream that it joins
	}{
		{name: "nobody", opened: true, want: []string{"new"}},
		{
			name: "nobody, with a stream", before: opened,
			want: []string{"first", "new"},
		},
		{
			name: "opened", meddle: func(t *testing.T, id int) { submit(t, other, "placed", t.Name()+"other", id) },
			want: []string{"other", "new"},
		},
		{
			name: "filed", before: opened,
			meddle: func(t *testing.T, id int) { submit(t, other, "placed", t.Name()+"other", id) },
			want:   []string{"first", "other", "new"},
		},
		{
			name: "claimed", before: opened,
			meddle: claim, opened: true,
			want: []string{"new"},
		},
		{
			name: "claimed and opened", before: opened,
			meddle: func(t *testing.T, id int) { claim(t, id); submit(t, other, "placed", t.Name()+"other", id) },
			want:   []string{"other", "new"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.before != nil {
				tt.before(t, i)
			}
			if tt.meddle != nil {
				s.meddle = func() { tt.meddle(t, i) }
			}
			r, err := filer.AddEvent(t.Context(), winchester.Event{
				MessageID: t.Name() + "new", EventType: "paid", Timestamp: time.Now(), Traits: winchester.Traits{"id": i},
			})
			must(t, err)
			if len(r.Streams) != 1 || r.Streams[0].Opened != tt.opened || !r.Streams[0].Ready {
				t.Fatalf("it joined %+v; want one stream that is ready, opened %v", r.Streams, tt.opened)
			}
			joined, err := st.StreamByID(t.Context(), r.Streams[0].StreamID)
			must(t, err)
			events, err := st.StreamEvents(t.Context(), joined.ID)
			must(t, err)
			var want []string
			for _, name := range tt.want {
				want = append(want, t.Name()+name)
			}
			got := ids(events[joined.ID])
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("its events are %q; want %q", got, want)
			}
			if !slices.Equal(joined.Progress.Counts, []int{1}) || joined.State != winchester.StateActive {
				t.Errorf("its progress is %v, its state %s", joined.Progress.Counts, joined.State)
			}
			first, last := events[joined.ID][0].Timestamp, events[joined.ID][len(want)-1].Timestamp
			if !joined.FirstEvent.Equal(first) || !joined.LastEvent.Equal(last) || !joined.ExpireTimestamp.Equal(last.Add(time.Hour)) {
				t.Errorf("it is of %s to %s and expires at %s; its events are of %s to %s", joined.FirstEvent, joined.LastEvent, joined.ExpireTimestamp, first, last)
			}
			must(t, st.PurgeStream(t.Context(), joined.ID))
		})
	}
}
