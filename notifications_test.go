package winchester_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
	"github.com/seed71495667/winchester/store"
)

// doorStore counts transactions, and fails them while there is an error.
type doorStore struct {
	*store.Store
	transactions atomic.Int64
	err          error
}

func (s *doorStore) Transact(ctx context.Context, fn func(winchester.Tx) error) error {
	s.transactions.Add(1)
	if s.err != nil {
		return s.err
	}
	return s.Store.Transact(ctx, fn)
}

func doorRig(t *testing.T) (*rig, *doorStore) {
	t.Helper()
	definitions, err := distiller.Load("e.yaml", []byte(`
- event_type: [placed, paid]
  traits: {id: {fields: [payload.id, data.id]}, n: {fields: payload.n, type: int}}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := distiller.New(distiller.Config{Definitions: definitions, MaxBatch: 5})
	if err != nil {
		t.Fatal(err)
	}
	st := &doorStore{}
	r := newRig(t, nil, nil, func(c *winchester.Config) {
		st.Store = c.Store.(*store.Store)
		c.Store, c.Distiller = st, d
	})
	return r, st
}

func notification(eventType, messageID, id string) string {
	return fmt.Sprintf(`{"event_type":%q,"message_id":%q,"timestamp":"2026-05-06 12:00:00","publisher_id":"p","payload":{"id":%q}}`, eventType, messageID, id)
}

// outline is a result as text: its outcome, its id and, in parentheses, its
// streams or its items.
func outline(r winchester.Result) string {
	out := fmt.Sprintf("%s %s", r.Outcome, r.MessageID)
	if r.Items != nil {
		out += fmt.Sprint(outlines(r.Items))
	}
	if r.Streams != nil {
		out += fmt.Sprintf("(%d)", len(r.Streams))
	}
	return strings.TrimSpace(out)
}

func outlines(results []winchester.Result) []string {
	out := make([]string, len(results))
	for i, r := range results {
		out[i] = outline(r)
	}
	return out
}

// Good, bad, unknown and double notifications and batches of them are one
// transaction, and each costs the others nothing.
func TestAddNotifications(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r, st := doorRig(t)
	bodies := []string{
		notification("placed", "1", "A"),
		notification("unheard", "2", "A"),
		`{"event_type":"placed"`,
		"[" + notification("paid", "3", "A") + `, {"event_type":"placed","message_id":"4","payload":{"n":"x"}}, [], ` + notification("placed", "1", "B") + "]",
		notification("placed", "1", "A"),
		`[]`,
		`[1,2,3,4,5,6]`,
		notification("placed", strings.Repeat("x", 256), "A"),
		`[` + notification("placed", "5", "B") + `,]`,
		notification("placed", "6", "B"),
		"{\"event_type\":\"placed\xff\"}",
	}
	given := make([][]byte, len(bodies))
	for i, b := range bodies {
		given[i] = []byte(b)
	}
	results, err := r.AddNotifications(ctx, given)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"stored 1(1)", "dropped 2", "failed", "batch [stored 3(1) failed 4 failed duplicate 1]", "duplicate 1", "batch []", "failed",
		"failed " + strings.Repeat("x", 256), "failed", "stored 6(1)", "failed",
	}
	if got := outlines(results); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	var check func(results []winchester.Result)
	check = func(results []winchester.Result) {
		for _, res := range results {
			switch {
			case res.Outcome == winchester.OutcomeDropped && errors.Is(res.Err, winchester.ErrDropped):
			case res.Outcome == winchester.OutcomeFailed && errors.Is(res.Err, winchester.ErrInvalidEvent):
			case res.Outcome != winchester.OutcomeDropped && res.Outcome != winchester.OutcomeFailed && res.Err == nil:
			default:
				t.Errorf("%s: %v", outline(res), res.Err)
			}
			check(res.Items)
		}
	}
	check(results)
	if n := st.transactions.Load(); n != 1 {
		t.Errorf("%d transactions", n)
	}
	if s := r.Stats(); s.Received != 13 || s.Saved != 3 || s.Duplicates != 2 || s.Dropped != 1 || s.Failed != 7 {
		t.Errorf("%+v", s)
	}
	if n, err := r.store.CountEvents(ctx, winchester.EventQuery{}); err != nil || n != 3 {
		t.Errorf("%d events, %v", n, err)
	}
	if results, err := r.AddNotifications(ctx, nil); results != nil || err != nil {
		t.Errorf("nothing: %v, %v", results, err)
	}
	if results, err := r.AddNotifications(ctx, [][]byte{[]byte("x")}); err != nil || results[0].Outcome != winchester.OutcomeFailed || st.transactions.Load() != 1 {
		t.Errorf("nothing to store: %v, %v", results, err)
	}
}

// A transaction that fails stores nothing, and says so once; the call can be
// repeated.
func TestAddNotificationsFail(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r, st := doorRig(t)
	bodies := [][]byte{[]byte(notification("placed", "1", "A")), []byte("x"), []byte("[" + notification("placed", "2", "A") + "]")}
	st.err = fmt.Errorf("no way: %w", winchester.ErrUnavailable)
	results, err := r.AddNotifications(ctx, bodies)
	if results != nil || !errors.Is(err, winchester.ErrUnavailable) || errors.Is(err, winchester.ErrInvalidEvent) {
		t.Errorf("%v, %v", results, err)
	}
	if res, err := r.AddNotification(ctx, bodies[2]); !errors.Is(err, winchester.ErrUnavailable) || res.Outcome != winchester.OutcomeFailed || res.Items != nil || !errors.Is(res.Err, winchester.ErrUnavailable) {
		t.Errorf("%+v, %v", res, err)
	}
	if s := r.Stats(); s.Received != 4 || s.Failed != 4 {
		t.Errorf("%+v", s)
	}
	st.err = nil
	results, err = r.AddNotifications(ctx, bodies)
	if err != nil || !reflect.DeepEqual(outlines(results), []string{"stored 1(1)", "failed", "batch [stored 2(1)]"}) {
		t.Errorf("%v, %v", outlines(results), err)
	}
}

func TestAddNotificationBatch(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r, st := doorRig(t)
	res, err := r.AddNotification(ctx, []byte(" ["+notification("placed", "1", "A")+","+notification("paid", "2", "A")+",7]"))
	if err != nil || outline(res) != "batch [stored 1(1) stored 2(1) failed]" || st.transactions.Load() != 1 || !res.Items[1].Streams[0].Ready {
		t.Errorf("%s, %v", outline(res), err)
	}
	res, err = r.AddNotification(ctx, []byte("[1"))
	if !errors.Is(err, distiller.ErrMalformed) || res.Outcome != winchester.OutcomeFailed || res.Err == nil {
		t.Errorf("%s, %v", outline(res), err)
	}
	res, err = r.AddNotification(ctx, []byte("[7]"))
	if err != nil || outline(res) != "batch [failed]" {
		t.Errorf("%s, %v", outline(res), err)
	}
}

// One CloudEvent, in every mode and over every protocol, is stored once.
func TestAddCloudEvent(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r, _ := doorRig(t)
	const structured = `{"specversion":"1.0","id":"1","source":"/shop","type":"placed","time":"2026-05-06T12:00:00Z","data":{"id":"A"}}`
	for _, c := range []struct {
		headers    map[string]string
		body, want string
	}{
		{map[string]string{"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "/shop", "Ce-Type": "placed", "Content-Type": "application/json"}, `{"id":"A"}`, "stored /shop 1(1)"},
		{map[string]string{"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/shop", "ce_type": "placed", "content-type": "application/json"}, `{"id":"A"}`, "duplicate /shop 1"},
		{map[string]string{"cloudEvents:specversion": "1.0", "cloudEvents:id": "1", "cloudEvents:source": "/shop", "cloudEvents:type": "placed"}, `{"id":"A"}`, "duplicate /shop 1"},
		{map[string]string{"content-type": "application/cloudevents+json; charset=utf-8"}, structured, "duplicate /shop 1"},
		{map[string]string{"content-type": "application/cloudevents-batch+json"}, "[" + structured + "]", "batch [duplicate /shop 1]"},
		{map[string]string{"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/other", "ce-type": "placed"}, `{"id":"A"}`, "stored /other 1(1)"},
		{map[string]string{"ce-specversion": "1.0", "ce-id": "2", "ce-source": "/shop", "ce-type": "unheard"}, ``, "dropped /shop 2"},
		{map[string]string{"ce-specversion": "1.0", "ce-id": "3", "ce-source": "/shop", "ce-type": "placed"}, `[{"id":"A"}]`, "stored /shop 3(0)"},
		{map[string]string{"ce-specversion": "1.0", "ce-id": "4", "ce-source": "/shop"}, ``, "failed /shop 4"},
		{map[string]string{"content-type": "application/json"}, structured, "failed"},
		{nil, ``, "failed"},
	} {
		res, err := r.AddCloudEvent(ctx, c.headers, []byte(c.body))
		if outline(res) != c.want || (err != nil) != strings.HasPrefix(c.want, "failed") || err != nil && (!errors.Is(err, winchester.ErrInvalidEvent) || res.Err == nil) {
			t.Errorf("%v: got %s, %v, want %s", c.headers, outline(res), err, c.want)
		}
	}
	if s := r.Stats(); s.Received != 11 || s.Saved != 3 || s.Duplicates != 4 || s.Dropped != 1 || s.Failed != 3 {
		t.Errorf("%+v", s)
	}
}

func TestNoDistiller(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := newRig(t, nil, nil)
	for name, add := range map[string]func() (winchester.Result, error){
		"AddNotification":    func() (winchester.Result, error) { return r.AddNotification(ctx, []byte("[]")) },
		"AddNotificationMap": func() (winchester.Result, error) { return r.AddNotificationMap(ctx, nil) },
		"AddCloudEvent":      func() (winchester.Result, error) { return r.AddCloudEvent(ctx, nil, nil) },
	} {
		if res, err := add(); !errors.Is(err, winchester.ErrNoDistiller) || res.Outcome != winchester.OutcomeFailed {
			t.Errorf("%s: %+v, %v", name, res, err)
		}
	}
	if res, err := r.AddNotifications(ctx, [][]byte{nil}); res != nil || !errors.Is(err, winchester.ErrNoDistiller) {
		t.Errorf("%+v, %v", res, err)
	}
}
