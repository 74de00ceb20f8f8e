package distiller_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 999, time.FixedZone("", 3600))

func newDistiller(t testing.TB, definitions string, c distiller.Config) *distiller.Distiller {
	t.Helper()
	var err error
	if c.Definitions, err = distiller.Load("definitions.yaml", []byte(definitions), nil); err != nil {
		t.Fatal(err)
	}
	if c.Now == nil {
		c.Now = func() time.Time { return now }
	}
	d, err := distiller.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const simple = `
- event_type: a.*
  traits:
    n: {fields: payload.n, type: int}
    r: {fields: [_context.request_id, payload.r]}
    l: {fields: 'payload.l[0]'}
`

func TestDistillEnvelopes(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, simple, distiller.Config{})
	const bare = `{"event_type":"a.b","message_id":"m","timestamp":"2014-07-20 15:45:38.5","publisher_id":"p","_context_request_id":"req","_context_tenant":"t","payload":{"n":5}}`
	const nested = `{"event_type":"a.b","message_id":"m","timestamp":"2014-07-20 15:45:38.5","publisher_id":"p","_context":{"request_id":"req","tenant":"t"},"payload":{"n":5}}`
	want := winchester.Event{
		MessageID: "m", EventType: "a.b", Timestamp: time.Date(2014, 7, 20, 15, 45, 38, 500_000_000, time.UTC),
		Traits: winchester.Traits{"n": int64(5), "r": "req", "request_id": "req", "service": "p", "tenant_id": "t"},
	}
	for name, body := range map[string]string{
		"bare": bare, "nested context": nested,
		"envelope": envelope("2.0", bare), "later version": envelope("2.7", nested), "major only": envelope("2", bare),
		"white space": " \n" + bare + "\t\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := d.Distill([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			var decoded map[string]any
			if err := json.Unmarshal([]byte(body), &decoded); err != nil {
				t.Fatal(err)
			}
			if got, err = d.DistillMap(decoded); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("decoded: got %+v, %v", got, err)
			}
		})
	}
}

func envelope(version, message string) string {
	out, err := json.Marshal(map[string]string{"oslo.version": version, "oslo.message": message})
	if err != nil {
		panic(err)
	}
	return string(out)
}

func TestDistillErrors(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, simple, distiller.Config{MaxSize: 2000})
	const good = `{"event_type":"a.b","message_id":"m","payload":{"r":"x"}}`
	for _, c := range []struct {
		name, body string
		kind       error
		want       string
	}{
		{"empty", "", distiller.ErrMalformed, "malformed notification: it is not JSON: at byte 1: expected a value, found the end"},
		{"no JSON", "hello", distiller.ErrMalformed, "malformed notification: it is not JSON: "},
		{"cut short", good[:30], distiller.ErrMalformed, "malformed notification: it is not JSON: "},
		{"two values", good + good, distiller.ErrMalformed, "malformed notification: it is not JSON: "},
		{"bad number", `{"event_type":"a.b","message_id":01}`, distiller.ErrMalformed, "malformed notification: it is not JSON: "},
		{"NaN", `{"event_type":"a.b","message_id":"m","x":NaN}`, distiller.ErrMalformed, "malformed notification: it is not JSON: "},
		{"raw newline", "{\"event_type\":\"a\n\"}", distiller.ErrMalformed, "malformed notification: it is not JSON: "},
		{"not UTF-8", "{\"event_type\":\"a.\xff\",\"message_id\":\"m\"}", distiller.ErrMalformed, "malformed notification: it is not valid UTF-8"},
		{"a list", "[" + good + "]", distiller.ErrMalformed, "malformed notification: expected a JSON object, found a list: batches do not nest"},
		{"null", "null", distiller.ErrMalformed, "malformed notification: expected a JSON object, found null"},
		{"a text", `"x"`, distiller.ErrMalformed, "malformed notification: expected a JSON object, found a text"},
		{"too large", `{"x":"` + strings.Repeat("x", 2000) + `"}`, distiller.ErrMalformed, "malformed notification: it has 2008 bytes, at most 2000 are allowed"},
		{"too deep", strings.Repeat("[", 600) + strings.Repeat("]", 600), distiller.ErrMalformed, "malformed notification: it is not JSON: at byte 301: it is nested deeper than 300 levels"},

		{"nothing known", `{"spec":"1.0","id":"A-1","source":"/shop"}`, distiller.ErrUnknownFormat, `unknown notification format: no event_type, oslo.message, specversion, CADF typeURI or detail-type among its keys: "spec", "id", "source"`},
		{"nothing at all", `{}`, distiller.ErrUnknownFormat, `unknown notification format: no event_type, oslo.message, specversion, CADF typeURI or detail-type among its keys: there are none`},
		{"many keys", `{` + strings.Repeat(`"x":1,`, 24) + `"y":2}`, distiller.ErrUnknownFormat, `unknown notification format: no event_type, oslo.message, specversion, CADF typeURI or detail-type among its keys: ` + strings.Repeat(`"x", `, 20) + `and 5 more`},
		{"no event type", `{"message_id":"m"}`, distiller.ErrMalformed, "malformed notification: (none) m: event_type is missing"},
		{"no message id", `{"event_type":"a.b"}`, distiller.ErrMalformed, "malformed notification: a.b (none): message_id is missing"},
		{"both wrong", `{"event_type":5,"message_id":[]}`, distiller.ErrMalformed, "malformed notification: event_type: expected a text, found a number\nmessage_id: expected a text, found a list"},
		{"event type null", `{"event_type":null,"message_id":"m"}`, distiller.ErrMalformed, "malformed notification: (none) m: event_type: expected a text, found null"},
		{"message id null", `{"event_type":"a.b","message_id":null,"payload":{"r":"x"}}`, winchester.ErrInvalidEvent, "invalid event: a.b (none): it has no message_id"},
		{"time", `{"event_type":"a.b","message_id":"m","timestamp":"yesterday"}`, distiller.ErrMalformed, `malformed notification: a.b m: timestamp is "yesterday": it is no ISO 8601 time`},
		{"context time", `{"event_type":"a.b","message_id":"m","_context":{"timestamp":5}}`, distiller.ErrMalformed, `malformed notification: a.b m: _context_timestamp is 5: it is no ISO 8601 time`},

		{"envelope without version", `{"oslo.message":"{}"}`, distiller.ErrMalformed, "malformed notification: oslo.message without oslo.version"},
		{"envelope without message", `{"oslo.version":"2.0"}`, distiller.ErrMalformed, "malformed notification: oslo.version without oslo.message"},
		{"envelope version", envelope("1.0", good), distiller.ErrMalformed, `malformed notification: oslo.version "1.0" is not supported, only 2.x is`},
		{"envelope version 20", envelope("20.0", good), distiller.ErrMalformed, `malformed notification: oslo.version "20.0" is not supported, only 2.x is`},
		{"envelope version number", `{"oslo.version":2.0,"oslo.message":"{}"}`, distiller.ErrMalformed, "malformed notification: oslo.version: expected a text, found a number"},
		{"envelope object", `{"oslo.version":"2.0","oslo.message":` + good + `}`, distiller.ErrMalformed, "malformed notification: oslo.message: expected a text of JSON, found an object"},
		{"envelope of no JSON", envelope("2.0", "hello"), distiller.ErrMalformed, "malformed notification: oslo.message: it is not JSON: "},
		{"envelope of an envelope", envelope("2.0", envelope("2.0", good)), distiller.ErrMalformed, "malformed notification: oslo.message: an envelope in an envelope"},
		{"envelope of nothing known", envelope("2.0", `{"a":1}`), distiller.ErrUnknownFormat, `unknown notification format: no event_type, oslo.message, specversion, CADF typeURI or detail-type among its keys: "a"`},

		{"dropped", `{"event_type":"b.b","message_id":"m","payload":{"n":"x"}}`, winchester.ErrDropped, "dropped: b.b m"},
		{"no traits", `{"event_type":"a.b","message_id":"m"}`, winchester.ErrInvalidEvent, "invalid event: a.b m: it has no traits"},
		{"conversion", `{"event_type":"a.b","message_id":"m","payload":{"n":"x y"}}`, distiller.ErrTrait, `trait cannot be extracted: a.b m: trait "n": payload.n is "x y": it is no integer, and the trait's type is int`},
		{"large integer", `{"event_type":"a.b","message_id":"m","payload":{"n":99999999999999999999}}`, distiller.ErrTrait, `trait cannot be extracted: a.b m: trait "n": payload.n is 99999999999999999999: it does not fit into a 64-bit integer, and the trait's type is int`},
		{"long value", `{"event_type":"a.b","message_id":"m","payload":{"n":"` + strings.Repeat("x", 500) + `"}}`, distiller.ErrTrait, `trait cannot be extracted: a.b m: trait "n": payload.n is "` + strings.Repeat("x", 100) + `...": it is no integer, and the trait's type is int`},
		{"list", `{"event_type":"a.b","message_id":"m","payload":{"n":[1,"a"]}}`, distiller.ErrTrait, `trait cannot be extracted: a.b m: trait "n": payload.n is [1,"a"]: it is no integer, and the trait's type is int`},
		{"path", `{"event_type":"a.b","message_id":"m","payload":{"l":{"x":1}}}`, distiller.ErrTrait, `trait cannot be extracted: a.b m: trait "l": payload.l[0]: [0] needs a list, found an object`},
		{"long id", `{"event_type":"` + strings.Repeat("b", 300) + `","message_id":"m"}`, winchester.ErrDropped, "dropped: " + strings.Repeat("b", 100) + "... m"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			event, err := d.Distill([]byte(c.body))
			if err == nil {
				t.Fatalf("no error, but %+v", event)
			}
			if text := err.Error(); text != c.want && !(strings.HasSuffix(c.want, "JSON: ") && strings.HasPrefix(text, c.want)) {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
			var e *distiller.Error
			if !errors.As(err, &e) || !errors.Is(e.Kind, c.kind) || !errors.Is(err, c.kind) {
				t.Errorf("%T is not of kind %v", err, c.kind)
			}
			if errors.Is(err, winchester.ErrInvalidEvent) == errors.Is(c.kind, winchester.ErrDropped) {
				t.Error("all but what is dropped are invalid events")
			}
			if event.EventType != e.EventType || event.MessageID != e.MessageID || event.Traits != nil {
				t.Errorf("the event beside the error is %+v", event)
			}
		})
	}
}

func TestDistillMapErrors(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, simple, distiller.Config{MaxSize: 2000})
	self := map[string]any{"event_type": "a.b", "message_id": "m"}
	self["payload"] = self
	twice := map[string]any{"event_type": "a.b", "message_id": "m"}
	twice["payload"], twice["other"] = twice, twice
	for _, c := range []struct {
		name string
		body map[string]any
		want string
	}{
		{"nil", nil, "unknown notification format: no event_type, oslo.message, specversion, CADF typeURI or detail-type among its keys: there are none"},
		{"a function", map[string]any{"payload": map[string]any{"f": []any{func() {}}}}, "malformed notification: payload: f: [0]: json: unsupported type: func()"},
		{"NaN", map[string]any{"x": math.NaN()}, "malformed notification: x: NaN is not JSON"},
		{"contains itself", self, "malformed notification: message_id"},
		{"contains itself twice", twice, "malformed notification: "},
		{"not UTF-8", map[string]any{"x": "\xff"}, "malformed notification: it is not valid UTF-8"},
		{"too large", map[string]any{"a": strings.Repeat("x", 3000), "b": 1}, "malformed notification: b: it has more than 2000 bytes"},
		{"a bad number", map[string]any{"x": json.Number("1x")}, "malformed notification: x: json: invalid number literal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := d.DistillMap(c.body); err == nil || !strings.HasPrefix(err.Error(), strings.TrimSuffix(c.want, "message_id")) {
				t.Errorf("got %.300v, want %s", err, c.want)
			}
		})
	}
}

// Whatever encoding/json can write may be in a map.
func TestDistillMapTypes(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, "- event_type: '*'\n  traits: {v: {fields: payload.v}}\n", distiller.Config{})
	for _, c := range []struct {
		in   any
		want any
	}{
		{"x", "x"}, {5, "5"}, {int64(5), "5"}, {uint8(5), "5"}, {5.0, "5"}, {5.5, "5.5"}, {1e-7, "1e-07"}, {json.Number("5.0"), "5.0"}, {true, "true"},
		{nil, nil}, {[]string{"a"}, `["a"]`}, {map[string]int{"a": 1}, `{"a":1}`}, {[]any{1, nil}, `[1,null]`},
		{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "2026-01-02T03:04:05Z"},
	} {
		event, err := d.DistillMap(map[string]any{"event_type": "e", "message_id": "m", "publisher_id": "p", "payload": map[string]any{"v": c.in}})
		if err != nil || event.Traits["v"] != c.want {
			t.Errorf("%T %v: got %v, %v", c.in, c.in, event.Traits["v"], err)
		}
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	t.Parallel()
	if _, err := distiller.New(distiller.Config{MaxSize: -1}); err == nil {
		t.Error("a negative size is no error")
	}
	d, err := distiller.New(distiller.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Distill([]byte(novaNotification)); !errors.Is(err, winchester.ErrDropped) {
		t.Errorf("without definitions: %v", err)
	}
	if d, err = distiller.New(distiller.Config{Definitions: &distiller.Definitions{}, CatchAll: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Distill([]byte(novaNotification)); err != nil {
		t.Errorf("with empty definitions: %v", err)
	}
}

func TestDistillTime(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, "[]", distiller.Config{CatchAll: true})
	event, err := d.Distill([]byte(`{"event_type":"e","message_id":"m","publisher_id":"p","timestamp":null}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := now.UTC().Truncate(time.Microsecond); event.Timestamp != want {
		t.Errorf("got %v, want %v", event.Timestamp, want)
	}
}

func TestDefaultTraits(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, "- {event_type: own, traits: {tenant_id: {fields: payload.owner}}}", distiller.Config{CatchAll: true})
	for _, c := range []struct{ name, body, want string }{
		{"payload first", `"payload":{"tenant_id":"a"},"_context_tenant":"b","_context_project_id":"c"`, "map[tenant_id:a]"},
		{"context second", `"payload":{"tenant_id":null},"_context_tenant":"b","_context_project_id":"c"`, "map[tenant_id:b]"},
		{"project last", `"payload":{},"_context_project_id":"c"`, "map[tenant_id:c]"},
		{"nested", `"_context":{"project_id":"c","request_id":"r"}`, "map[request_id:r tenant_id:c]"},
		{"all", `"publisher_id":"p","_context_request_id":"r","_context_tenant":"b"`, "map[request_id:r service:p tenant_id:b]"},
	} {
		event, err := d.Distill([]byte(`{"event_type":"e","message_id":"m",` + c.body + `}`))
		if err != nil || fmt.Sprint(event.Traits) != c.want {
			t.Errorf("%s: got %v, %v, want %s", c.name, event.Traits, err, c.want)
		}
	}
	event, err := d.Distill([]byte(`{"event_type":"own","message_id":"m","publisher_id":"p","_context_tenant":"b"}`))
	if err != nil || fmt.Sprint(event.Traits) != "map[service:p]" {
		t.Errorf("a definition's own trait has the default's fields: %v, %v", event.Traits, err)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, novaDefinitions, distiller.Config{})
	want, err := d.Distill([]byte(novaNotification))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				got, err := d.Distill([]byte(novaNotification))
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("got %+v, %v", got, err)
					return
				}
				if _, err := d.Distill([]byte(envelope("2.0", novaNotification)[:500])); err == nil {
					t.Error("half an envelope is no error")
				}
			}
		})
	}
	wg.Wait()
}

// An event must not change when its notification's memory is used again.
func TestEventsKeepNothing(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, novaDefinitions, distiller.Config{})
	body := []byte(novaNotification)
	event, err := d.Distill(body)
	if err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprint(event)
	clear(body)
	for range 100 {
		_, _ = d.Distill([]byte(strings.ReplaceAll(novaNotification, "7104", "9999")))
	}
	if after := fmt.Sprint(event); after != before {
		t.Errorf("was %s\nis  %s", before, after)
	}
}
