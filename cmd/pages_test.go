package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/store"
)

// pagedStore notes how many rows are asked for at once.
type pagedStore struct {
	*store.Store
	queries, most int
	whole         bool // all of something was asked for
}

func (p *pagedStore) note(limit, got int) {
	p.queries++
	p.most = max(p.most, got)
	p.whole = p.whole || limit == 0 || limit > pageSize
}

func (p *pagedStore) FindEvents(ctx context.Context, q winchester.EventQuery) ([]winchester.StoredEvent, error) {
	found, err := p.Store.FindEvents(ctx, q)
	p.note(q.Limit, len(found))
	return found, err
}

func (p *pagedStore) FindStreams(ctx context.Context, q winchester.StreamQuery) ([]winchester.StoredStream, error) {
	found, err := p.Store.FindStreams(ctx, q)
	p.note(q.Limit, len(found))
	p.whole = p.whole || q.IncludeEvents
	return found, err
}

// longStreams tests with a store with streams of so many events, on both databases.
func longStreams(t *testing.T, test func(t *testing.T, st *pagedStore, sizes []int)) {
	t.Helper()
	sizes := []int{3*pageSize + 7, 2 * pageSize, 1}
	run := func(name string, url func(t *testing.T) string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := testdb.OpenURL(t, url(t), store.Options{})
			engine, err := winchester.New(winchester.Config{Store: st, Handlers: winchester.NewRegistry(), Triggers: []winchester.TriggerDefinition{{
				Name: "order", DistinguishedBy: winchester.By("order"), Expiration: "$first + 100y", FirePipeline: "p",
				MatchCriteria: []winchester.Criterion{{EventTypes: []string{"order.*"}}}, FireCriteria: []winchester.Criterion{{EventTypes: []string{"order.none"}}},
			}}, Pipelines: []winchester.PipelineDefinition{{Name: "p"}}})
			if err != nil {
				t.Fatal(err)
			}
			for i, size := range sizes {
				events := make([]winchester.Event, size)
				for j := range events {
					events[j] = winchester.Event{
						MessageID: fmt.Sprintf("%d-%d", i, j), EventType: "order.seen", Timestamp: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC),
						Traits: winchester.Traits{"order": i, "text": "<&>"},
					}
				}
				if _, err := engine.AddEvents(t.Context(), events); err != nil {
					t.Fatal(err)
				}
			}
			test(t, &pagedStore{Store: st}, sizes)
		})
	}
	run("SQLite", func(t *testing.T) string { return "sqlite:///" + filepath.Join(t.TempDir(), "w.db") })
	run("PostgreSQL", func(t *testing.T) string { return testdb.PostgresSchema(t) })
}

// What is in memory does not grow with a stream, nor with a list.
func TestListsArePaged(t *testing.T) {
	t.Parallel()
	longStreams(t, func(t *testing.T, st *pagedStore, sizes []int) {
		total := 0
		var ids []int64
		found, err := st.Store.FindStreams(t.Context(), winchester.StreamQuery{Mark: "+"})
		if err != nil || len(found) != len(sizes) {
			t.Fatal(len(found), err)
		}
		for i, size := range sizes {
			total += size
			ids = append(ids, found[i].ID)
		}
		for name, c := range map[string]struct {
			show func(s *streams) error
			want int
		}{
			"show":         {func(s *streams) error { return s.showAll(t.Context(), st, ids) }, total},
			"show, a page": {func(s *streams) error { s.limit = pageSize + 3; return s.showAll(t.Context(), st, ids[:1]) }, pageSize + 3},
			"list": {func(s *streams) error {
				s.details = true
				return s.print(t.Context(), st, winchester.StreamQuery{})
			}, total},
			"events": {func(s *streams) error {
				return (&events{options: s.options}).print(t.Context(), st, winchester.EventQuery{})
			}, total},
		} {
			for _, asJSON := range []bool{false, true} {
				var out bytes.Buffer
				s := &streams{options: &options{out: newOutput(&out), errs: &out, json: asJSON}}
				st.queries, st.most, st.whole = 0, 0, false
				if err := c.show(s); err != nil {
					t.Fatal(name, err)
				}
				if err := s.out.flush(); err != nil {
					t.Fatal(err)
				}
				if st.whole || st.most > pageSize || st.queries < c.want/pageSize {
					t.Errorf("%s: %d queries of up to %d rows, whole: %t", name, st.queries, st.most, st.whole)
				}
				if got := strings.Count(out.String(), "order.seen"); got != c.want {
					t.Errorf("%s: %d events, want %d", name, got, c.want)
				}
				if asJSON {
					sameJSON(t, name, out.Bytes())
				}
			}
		}
	})
}

// sameJSON expects what an encoder makes of the whole at once, but for the order of
// keys.
func sameJSON(t *testing.T, name string, got []byte) {
	t.Helper()
	var v []json.RawMessage
	if err := json.Unmarshal(got, &v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s: got\n%.500s\nwant\n%.500s", name, got, want.Bytes())
	}
}

// With --watch JSON is a line each time.
func TestJSONInLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	o := &options{out: newOutput(&out), watching: true}
	list := o.jsonList()
	if err := list.object(map[string]int{"a": 1}, "b", func(l *jsonList) error { return l.add(2) }); err != nil {
		t.Fatal(err)
	}
	if err := list.object(map[string]int{"a": 1}, "b", func(*jsonList) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := list.close(); err != nil {
		t.Fatal(err)
	}
	if err := o.jsonList().close(); err != nil {
		t.Fatal(err)
	}
	_ = o.out.flush()
	if want := "[{\"a\":1,\"b\":[2]},{\"a\":1,\"b\":[]}]\n[]\n"; out.String() != want {
		t.Errorf("%s", out.String())
	}
}
