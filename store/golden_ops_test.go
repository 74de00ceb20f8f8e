package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// goldenRun runs recorded operations.
type goldenRun struct {
	excused *excuses
	cases   *goldenCases
	s       *store.Store
	labels  map[string]winchester.Stream // streams as the caller has read them
}

// goldenErrors are the original's exceptions.
var goldenErrors = map[string]error{
	"NoSuchEventError":  winchester.ErrNoSuchEvent,
	"NoSuchStreamError": winchester.ErrNoSuchStream,
	"LockError":         winchester.ErrLocked,
}

// check runs one operation and compares its result. One that is recorded as
// optional depends on a quirk of the original: it must only not break anything.
func (r *goldenRun) check(t *testing.T, op goldenOp) {
	t.Helper()
	got, err := r.run(t, op)
	differs := func(format string, args ...any) {
		t.Helper()
		if r.excused.by(t, op) {
			return
		}
		if op.Optional != "" {
			t.Logf("differs, optionally (%s): %s", op.Optional, fmt.Sprintf(format, args...))
			return
		}
		t.Errorf("%s: %s", op.Op, fmt.Sprintf(format, args...))
	}
	switch want := goldenErrors[op.Error]; {
	case op.Error != "" && err == nil:
		differs("no error; want %s (%s)", op.Error, op.Detail)
		return
	case op.Error != "":
		if want != nil && !errors.Is(err, want) {
			differs("error is %v; want %v", err, want)
		}
		return
	case err != nil:
		differs("error %v", err)
		return
	}
	if op.Op == "rest" && op.JSON == nil || op.Op == "purge_stream" || op.Op == "purge_events" {
		return // nothing is returned
	}
	var want any
	text := op.Result
	if op.Op == "rest" {
		text = op.JSON
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if got = plain(t, got); !reflect.DeepEqual(got, want) {
		differs("\n got %v\nwant %v", got, want)
	}
}

// goldenRules are the deviations: each says which operations it excuses, also
// among cases that nobody here has seen.
var goldenRules = map[string]func(op goldenOp) bool{
	"queries-empty-trigger-name": func(op goldenOp) bool {
		return op.Op == "find_streams" && op.Args.Name != nil && *op.Args.Name == ""
	},
}

// excuses collects which operations each rule has excused.
type excuses struct {
	mu    sync.Mutex
	cases map[string][]string
}

func (e *excuses) by(t *testing.T, op goldenOp) bool {
	for id, applies := range goldenRules {
		if applies(op) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.cases[id] = append(e.cases[id], t.Name())
			return true
		}
	}
	return false
}

// check fails if a rule is not listed among the deviations, or excuses nothing
// any more among the repository's own cases.
func (e *excuses) check(t *testing.T, own bool) {
	list, err := os.ReadFile(filepath.Join("..", "docs", "deviations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for id := range goldenRules {
		if !strings.Contains(string(list), "| `"+id+"` |") {
			t.Errorf("deviation %s is not listed", id)
		}
		switch cases := e.cases[id]; {
		case len(cases) > 0:
			t.Logf("deviation %s excuses %s", id, strings.Join(cases, ", "))
		case own:
			t.Errorf("deviation %s excuses nothing any more: take it out", id)
		}
	}
}

// plain brings a result to what JSON decodes to.
func plain(t *testing.T, v any) any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

type row map[string]any

func (r *goldenRun) run(t *testing.T, op goldenOp) (any, error) {
	t.Helper()
	ctx, a := t.Context(), op.Args
	switch op.Op {
	case "find_events":
		return r.findEvents(t, a)
	case "find_streams":
		return r.findStreams(t, a)
	case "get_event_by_message_id":
		e, err := r.s.EventByMessageID(ctx, a.MessageID)
		return goldenOf(e.Event), err
	case "get_stream_by_id":
		s, err := r.s.StreamByID(ctx, *a.StreamID)
		return row{"stream": s.ID}, err
	case "stream_has_dist_trait":
		return r.hasTrait(t, a)
	case "find_older_events":
		ids, err := r.s.OlderEvents(ctx, goldenMoment(t, a.PurgeDate), a.Batchsize)
		return append([]int64{}, ids...), err // none is [] in the recordings
	case "load":
		s, err := r.s.StreamByID(ctx, a.Stream)
		return r.labelled(a.As, s), err
	case "set_stream_state":
		s := r.labels[a.Object]
		change := winchester.StreamChange{Stream: s, SerialBefore: s.StateSerialNo}
		change.Stream.State = goldenState(t, a.State)
		change.Stream.StateSerialNo++
		err := r.s.Transact(ctx, func(tx winchester.Tx) error { return tx.ChangeStreams(ctx, []winchester.StreamChange{change}) })
		return r.labelled(a.As, change.Stream), err
	case "reset_stream":
		s, err := winchester.ResetStream(ctx, r.s, r.labels[a.Object], time.Now())
		return r.labelled(a.As, s), err
	case "purge_stream":
		return nil, r.s.PurgeStream(ctx, r.labels[a.Object].ID)
	case "purge_events":
		_, err := r.s.PurgeEvents(ctx, a.Events...)
		return nil, err
	case "rest":
		return r.rest(ctx, t, a)
	}
	t.Fatalf("unknown operation %q", op.Op)
	return nil, nil
}

func (r *goldenRun) labelled(label string, s winchester.Stream) row {
	if label != "" {
		r.labels[label] = s
	}
	return row{"stream": s.ID, "state": s.State.String(), "state_serial_no": s.StateSerialNo}
}

// limit translates: 0 rows is NoRows, no limit is 0.
func limit(n *int) int {
	switch {
	case n == nil:
		return 0
	case *n == 0:
		return winchester.NoRows
	}
	return *n
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (r *goldenRun) findEvents(t *testing.T, a goldenArgs) (any, error) {
	t.Helper()
	q := winchester.EventQuery{
		From: goldenMoment(t, a.FromDatetime), To: goldenMoment(t, a.ToDatetime), Traits: decodeTraits(t, a.Traits), Mark: a.Mark, Limit: limit(a.Limit),
	}
	if a.EventName != nil {
		q.EventTypes = []string{*a.EventName}
	}
	if a.Count {
		n, err := r.s.CountEvents(t.Context(), q)
		return []row{{"count": n}}, err
	}
	found, err := r.s.FindEvents(t.Context(), q)
	rows := []row{}
	for _, e := range found {
		rows = append(rows, row{"event": e.ID, "_mark": e.Mark})
		want := r.cases.State.Events[e.ID-1].decode(t)
		if got, want := eventText(t, e.Event), eventText(t, want); got != want {
			t.Errorf("event:\n got %s\nwant %s", got, want)
		}
	}
	return rows, err
}

func (r *goldenRun) findStreams(t *testing.T, a goldenArgs) (any, error) {
	t.Helper()
	q := winchester.StreamQuery{
		OlderThan: goldenMoment(t, a.OlderThan), YoungerThan: goldenMoment(t, a.YoungerThan), Name: deref(a.Name),
		Traits: decodeTraits(t, a.DistinguishingTraits), IncludeEvents: a.IncludeEvents, Mark: a.Mark, Limit: limit(a.Limit),
	}
	if a.StreamID != nil {
		q.IDs = []int64{*a.StreamID}
	}
	if a.State != "" {
		q.State = goldenState(t, a.State)
	}
	if a.Count {
		n, err := r.s.CountStreams(t.Context(), q)
		return []row{{"count": n}}, err
	}
	found, err := r.s.FindStreams(t.Context(), q)
	rows := []row{}
	for _, s := range found {
		one := row{"stream": s.ID, "_mark": s.Mark}
		if a.IncludeEvents {
			one["events"] = idsByTime(s.Events)
		}
		rows = append(rows, one)
		if r.labels == nil { // nothing has changed since the state was loaded
			want := r.cases.State.Streams[s.ID-1]
			if got, want := streamText(t, s.Stream, want.Events), want.text(t); got != want {
				t.Errorf("stream:\n got %s\nwant %s", got, want)
			}
		}
	}
	return rows, err
}

// hasTrait is stream_has_dist_trait, which is a query of streams here. Without
// a value, or with null, any value will do.
func (r *goldenRun) hasTrait(t *testing.T, a goldenArgs) (any, error) {
	t.Helper()
	q := winchester.StreamQuery{IDs: []int64{*a.StreamID}}
	if a.Value != nil && a.Value.Type != "none" {
		q.Traits = winchester.Traits{deref(a.Name): a.Value.decode(t)}
	}
	found, err := r.s.FindStreams(t.Context(), q)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	value, ok := found[0].DistinguishingTraits[deref(a.Name)]
	if !ok {
		return nil, nil
	}
	return row{deref(a.Name): typedOf(value)}, nil
}

// rest maps a REST call to what it means. Of an answer only what a store knows
// is compared.
func (r *goldenRun) rest(ctx context.Context, t *testing.T, a goldenArgs) (any, error) {
	t.Helper()
	tail, ok := strings.CutPrefix(a.Path, "/v1/streams/")
	if !ok {
		t.Fatalf("no rule for the call %s %s", a.Method, a.Path)
	}
	id, err := strconv.ParseInt(tail, 10, 64)
	if err != nil {
		return nil, err
	}
	switch a.Method {
	case http.MethodPut:
		s, err := r.s.StreamByID(ctx, id)
		if err == nil {
			_, err = winchester.ResetStream(ctx, r.s, s, time.Now())
		}
		return nil, err
	case http.MethodDelete:
		return nil, r.s.PurgeStream(ctx, id)
	case http.MethodGet:
		found, err := r.s.FindStreams(ctx, winchester.StreamQuery{IDs: []int64{id}})
		rows := []row{}
		for _, s := range found {
			rows = append(rows, row{"id": s.ID, "state": s.State.String()})
		}
		return rows, err
	}
	t.Fatalf("no rule for the call %s %s", a.Method, a.Path)
	return nil, nil
}
