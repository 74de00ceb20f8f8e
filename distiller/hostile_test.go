package distiller_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed71495667/winchester/distiller"
)

// Notifications of strangers cost memory in proportion to their size: a list
// of numbers 50 times as much, most of it for what the paths lead to. Not
// parallel, as the count is of the whole process.
func TestHostileNotifications(t *testing.T) {
	d := newDistiller(t, `
- event_type: '*'
  traits:
    a: {fields: $..a}
    b: {fields: 'payload[*].*..b'}
    c: {fields: $..x..y..z}
    d: {fields: $}
`, distiller.Config{})
	head := `{"event_type":"e","message_id":"m","publisher_id":"p","payload":`
	const size = distiller.DefaultMaxSize - 200
	for name, body := range map[string]string{
		"wide list":   head + "[" + strings.Repeat("0,", size/2) + "0]}",
		"wide object": head + "{" + strings.Repeat(`"x":0,`, size/6) + `"x":0}}`,
		"deep":        head + strings.Repeat(`{"x":`, 299) + "0" + strings.Repeat("}", 299) + "}",
		"too deep":    head + strings.Repeat(`[`, size),
		"escapes":     head + `"` + strings.Repeat(`\u0000`, size/6) + `"}`,
		"long text":   head + `"` + strings.Repeat(`x`, size) + `"}`,
		"long number": head + strings.Repeat(`9`, size) + `}`,
		"envelope":    envelope("2.0", head+`"`+strings.Repeat("x", size)+`"}`),
		"base64": `{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"text/json","data_base64":"` +
			base64.StdEncoding.EncodeToString([]byte("["+strings.Repeat("0,", size*3/8-200)+"0]")) + `"}`,
		"deep base64": `{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"text/json","data_base64":"` +
			base64.StdEncoding.EncodeToString([]byte(strings.Repeat("[", 300)+strings.Repeat("]", 300))) + `"}`,
		"versioned objects": head + strings.Repeat(`{"a_object.data":`, 290) + `{"b":[` + strings.Repeat(`{"b_object.data":{"b":1}},`, size/30) + "0]}" + strings.Repeat("}", 291),
		"large by far":      strings.Repeat(head, 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			event, err := d.Distill([]byte(body))
			_ = fmt.Sprint(err)
			runtime.ReadMemStats(&after)
			cost := (after.TotalAlloc - before.TotalAlloc - uint64(len(body))) >> 20
			t.Logf("%d MB, %d traits, error %.200v", cost, len(event.Traits), err)
			if cost > 100 {
				t.Errorf("took %d MB", cost)
			}
		})
	}
}

// However many items a batch has, what Split and its results take is bounded.
func TestHostileBatch(t *testing.T) {
	d := newDistiller(t, "[]", distiller.Config{})
	for name, body := range map[string]string{
		"numbers":   "[" + strings.Repeat("0,", distiller.DefaultMaxSize/2-2) + "0]",
		"in limits": "[" + strings.Repeat("0,", distiller.DefaultMaxBatch-1) + "0]",
		"deep":      "[" + strings.Repeat(strings.Repeat("[", 250)+strings.Repeat("]", 250)+",", 2000) + "0]",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		items, batch, err := d.Split([]byte(body))
		for _, item := range items {
			_, err := d.Distill(item)
			if err == nil {
				t.Errorf("%s: %s", name, item)
			}
		}
		runtime.ReadMemStats(&after)
		cost := (after.TotalAlloc - before.TotalAlloc) >> 20
		t.Logf("%s: %d MB, %d items, %v", name, cost, len(items), err)
		if cost > 50 || !batch || (err == nil) != (name != "numbers") || len(items) > distiller.DefaultMaxBatch {
			t.Errorf("%s: %d MB, %d items, %v", name, cost, len(items), err)
		}
	}
}

// A notification and what encoding/json decodes of it make the same event, and
// are refused for the same kind of reason.
func FuzzEntrances(f *testing.F) {
	d := newDistiller(f, novaDefinitions, distiller.Config{CatchAll: true})
	f.Add([]byte(novaNotification))
	f.Add([]byte(envelope("2.0", `{"event_type":"e","message_id":7,"_context":{"request_id":"\ud800\u0041"},"payload":{"tenant_id":1.50}}`)))
	f.Add([]byte(cloudEvent))
	f.Add([]byte(cadf))
	f.Add([]byte(eventBridge))
	f.Add([]byte(`{"event_type":"compute.instance.x","message_id":"m","publisher_id":"p.h","payload":{"b_object.data":{"state":"b"},"a_object.data":{"state":"a","image_meta":{"a_object.data":{}}}}}`))
	f.Add([]byte(`{"event_type":"compute.instance.x","message_id":1e400,"payload":{"vcpus":5,"state":["\n",{"b":-0,"a":"\u00e9"}],"launched_at":"2014"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		var decoded map[string]any
		err := decoder.Decode(&decoded)
		if _, more := decoder.Token(); err != nil || more != io.EOF || decoded == nil || !utf8.Valid(body) || repeats(body) {
			return
		}
		want, wantErr := d.Distill(body)
		got, gotErr := d.DistillMap(decoded)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		var e, f *distiller.Error
		if errors.As(gotErr, &e) != errors.As(wantErr, &f) || e != nil && (!errors.Is(e.Kind, f.Kind) || e.Trait != f.Trait || e.Path != f.Path) {
			t.Errorf("got  %v\nwant %v", gotErr, wantErr)
		}
	})
}

// repeats tells whether an object, or one within a text, has a key twice: the
// first counts, but encoding/json keeps the last.
func repeats(body []byte) bool {
	var keys []map[string]bool // nil for a list
	name := false              // whether a key comes next
	for d := json.NewDecoder(bytes.NewReader(body)); ; {
		token, err := d.Token()
		if err != nil {
			return false
		}
		switch token := token.(type) {
		case json.Delim:
			switch token {
			case '{':
				keys = append(keys, map[string]bool{})
			case '[':
				keys = append(keys, nil)
			default:
				keys = keys[:len(keys)-1]
			}
			name = len(keys) > 0 && keys[len(keys)-1] != nil
			continue
		case string:
			if name {
				if keys[len(keys)-1][token] {
					return true
				}
				keys[len(keys)-1][token] = true
				name = false
				continue
			}
			if strings.Contains(token, "{") && repeats([]byte(token)) {
				return true
			}
		}
		name = len(keys) > 0 && keys[len(keys)-1] != nil
	}
}

func FuzzNotification(f *testing.F) {
	d := newDistiller(f, novaDefinitions+`
- event_type: fuzz
  traits:
    a: {fields: '$..x', type: int}
    b: {fields: ['payload.l[*]', 'payload.l[-1]', _context.id], type: float}
    c: {fields: payload.*, plugin: {name: bitfield, parameters: {flags: [{path: payload.x, bit: 1}]}}}
    d: {fields: $, type: text}
    e: {fields: payload.t, type: datetime}
`, distiller.Config{CatchAll: true})
	f.Add([]byte(novaNotification))
	f.Add([]byte(envelope("2.0", `{"event_type":"fuzz","message_id":"m","payload":{"x":1,"l":[1,2.5],"t":"2014-01-01"},"_context":{"id":7}}`)))
	f.Add([]byte(cloudEvent))
	f.Add([]byte(cadf))
	f.Add([]byte(`{"specversion":"1.0","type":"fuzz","source":"/s","id":"1","datacontenttype":"a/json","data_base64":"eyJ4IjoxfQ==","payload":{"x_object.data":{"t":"2014"}}}`))
	f.Add([]byte(`{"event_type":"fuzz","message_id":1e400,"payload":{"l":"\ud800\u00e9"},"timestamp":"2014"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		event, err := d.Distill(body)
		var e *distiller.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("%T: %v", err, err)
		}
		_ = fmt.Sprint(err)
		if err == nil && (event.MessageID == "" || event.EventType == "" || event.Timestamp.IsZero() || len(event.Traits) == 0) {
			t.Errorf("no event: %+v", event)
		}
		if err == nil {
			if _, err := json.Marshal(event); err != nil {
				t.Errorf("%+v: %v", event, err)
			}
		}
	})
}
