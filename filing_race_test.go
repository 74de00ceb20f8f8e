package winchester_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
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

// TestFilingKeepsCount: whoever meets whom, in the end each event is in one stream
// and the streams say what their events are.
func TestFilingKeepsCount(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"alone", "purge", "redefine"} {
		t.Run(mode, func(t *testing.T) { filingLoad(t, mode) })
	}
}

func filingLoad(t *testing.T, mode string) {
	const feeders, keys, events, number = 6, 6, 1200, 9
	url := testdb.PostgresSchema(t)
	echo := func(events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
		e := winchester.Event{
			MessageID: fmt.Sprint("echo-", env.StreamID), EventType: "placed", Timestamp: time.Now(),
			Traits: winchester.Traits{"id": rand.IntN(keys)},
		}
		return append(events, e), nil
	}
	definition := func(number int) winchester.TriggerDefinition {
		return winchester.TriggerDefinition{
			Name: "order", DistinguishedBy: winchester.By("id"), MatchCriteria: []winchester.Criterion{{EventTypes: []string{"placed", "paid"}}},
			FireCriteria: []winchester.Criterion{{EventTypes: []string{"paid"}, Number: number}}, Expiration: "$last + 1s",
			FirePipeline: "p", ExpirePipeline: "p",
		}
	}
	configure := func(c *winchester.Config) {
		c.PollInterval, c.KeepCompleted, c.Triggers = 50*time.Millisecond, true, []winchester.TriggerDefinition{definition(number)}
	}
	engines := make([]*winchester.Engine, 3)
	var st winchester.Store
	for i := range engines {
		engines[i], st = process(t, url, echo, configure)
	}
	for _, e := range engines[:2] {
		must(t, e.Start(context.Background()))
	}
	var feeding sync.WaitGroup
	begin := time.Now()
	for f := range feeders {
		feeding.Go(func() {
			random := rand.New(rand.NewPCG(uint64(f), 7))
			var mine []winchester.Event
			for i := range events {
				if f < 3 || i%2 == 0 { // most come several times
					mine = append(mine, winchester.Event{
						MessageID: fmt.Sprint("m", i), EventType: []string{"placed", "paid"}[i%2], Timestamp: begin.Add(time.Duration(i) * time.Millisecond),
						Traits: winchester.Traits{"id": i / 2 % keys},
					})
				}
			}
			random.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
			for len(mine) > 0 {
				n := min(len(mine), 1+random.IntN(25))
				if _, err := engines[f%3].AddEvents(t.Context(), mine[:n]); err != nil {
					t.Error(err)
					return
				}
				mine = mine[n:]
			}
		})
	}
	done := make(chan struct{})
	go func() { feeding.Wait(); close(done) }()
	purged := int64(0)
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			switch mode {
			case "purge":
				found, err := st.FindEvents(t.Context(), winchester.EventQuery{Limit: 4})
				must(t, err)
				var ids []int64
				for _, e := range found {
					ids = append(ids, e.ID)
				}
				n, err := st.PurgeEvents(t.Context(), ids...)
				if err != nil && !errors.Is(err, winchester.ErrConflict) {
					t.Error(err)
				}
				purged += n
			case "redefine":
				must(t, engines[rand.IntN(3)].ReplaceTrigger(definition(number+rand.IntN(2))))
			}
			_, err := st.NextDue(t.Context()) // which takes a moment
			must(t, err)
		}
	}
	for _, e := range engines[:2] {
		must(t, e.Stop(context.Background()))
	}
	for k := range keys { // the last word on what is open
		for _, e := range engines {
			must(t, e.ReplaceTrigger(definition(number)))
		}
		submit(t, engines[0], "placed", fmt.Sprint("last", k), k)
	}
	streams, err := st.FindStreams(t.Context(), winchester.StreamQuery{IncludeEvents: true})
	must(t, err)
	in := map[string]int64{}
	open := map[string]bool{}
	active := 0
	for _, s := range streams {
		paid := 0
		var first, last time.Time
		for _, e := range s.Events {
			if other := in[e.MessageID]; other != 0 {
				t.Errorf("%s is in %d and %d", e.MessageID, other, s.ID)
			}
			in[e.MessageID] = s.ID
			if e.EventType == "paid" {
				paid++
			}
			if first.IsZero() || e.Timestamp.Before(first) {
				first = e.Timestamp
			}
			if e.Timestamp.After(last) {
				last = e.Timestamp
			}
		}
		if mode != "purge" && (!s.FirstEvent.Equal(first) || !s.LastEvent.Equal(last)) {
			t.Errorf("stream %d is of %s to %s, its events are of %s to %s", s.ID, s.FirstEvent, s.LastEvent, first, last)
		}
		if s.Open {
			if open[s.Key] {
				t.Errorf("two streams are open of %s", s.Key)
			}
			open[s.Key] = true
		}
		if mode == "alone" && s.FireTimestamp.IsZero() != (paid < number) {
			t.Errorf("stream %d, %s, has %d of %d, and fires at %s", s.ID, s.State, paid, number, s.FireTimestamp)
		}
		if s.State == winchester.StateActive && s.FireTimestamp.IsZero() && s.Progress.Fingerprint != "" {
			active++
			if len(s.Progress.Counts) != 1 || s.Progress.Counts[0] != min(paid, number) {
				t.Errorf("stream %d has %d and counts %v", s.ID, paid, s.Progress.Counts)
			}
		}
	}
	all, err := st.FindEvents(t.Context(), winchester.EventQuery{})
	must(t, err)
	if len(all) != len(in) {
		t.Errorf("%d events are stored, %d in streams", len(all), len(in))
	}
	t.Log(mode, len(streams), "streams", len(all), "events", active, "counting", purged, "purged")
}
