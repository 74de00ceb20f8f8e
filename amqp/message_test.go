package amqp

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/seed71495667/winchester"
)

func TestEventType(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"event_type":"a.b","message_id":"1"}`:                                               "a.b",
		`{"oslo.version":"2.0","oslo.message":"{\"event_type\":\"in.side\"}"}`:                "in.side",
		`{"event_type":"out","oslo.message":"{\"event_type\":\"in\"}"}`:                       "in",
		`{"oslo.version":"2.0","oslo.message":"no JSON"}`:                                     "",
		`{"specversion":"1.0","type":"order.placed","id":"1"}`:                                "order.placed",
		`{"typeURI":"http://schemas.dmtf.org/cloud/audit/1.0/event","action":"authenticate"}`: "cadf.authenticate",
		`{"type":"no CloudEvent"}`:                                                            "",
		`{"event_type":7}`:                                                                    "",
		`[]`:                                                                                  "",
		``:                                                                                    "",
		`null`:                                                                                "",
	} {
		if got, ok := eventType([]byte(body)); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %t", body, got, ok)
		}
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	f := newFilter(Queue{Filters: []string{"a.*", "!a.c"}, ExcludeFilters: []string{"a.d"}})
	for _, c := range []struct {
		body, rest string
		left       int
	}{
		{`{"event_type":"a.b"}`, `{"event_type":"a.b"}`, 0},
		{`{"event_type":"a.c"}`, ``, 1},
		{`{"event_type":"a.d"}`, ``, 1},
		{`{"event_type":"b"}`, ``, 1},
		{`rubbish`, `rubbish`, 0},
		{`{}`, `{}`, 0},
		{` [{"event_type":"a.b"}, {"event_type":"b"}, {}]`, `[{"event_type":"a.b"},{}]`, 1},
		{`[{"event_type":"b"}]`, ``, 1},
		{`[{"event_type":"a.b"} ]`, `[{"event_type":"a.b"} ]`, 0},
		{`[`, `[`, 0},
	} {
		if rest, left := f.apply([]byte(c.body)); string(rest) != c.rest || left != c.left {
			t.Errorf("%s: %q, %d left out", c.body, rest, left)
		}
	}
	only := newFilter(Queue{ExcludeFilters: []string{"a.*"}})
	if _, left := only.apply([]byte(`{"event_type":"b"}`)); left != 0 {
		t.Error("without filters all but the excluded should pass")
	}
	if rest, _ := newFilter(Queue{}).apply([]byte(`{"event_type":"b"}`)); rest == nil {
		t.Error("no filter filters")
	}
}

func TestCloudEvent(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 4, 5, 19, 31, 0, 0, time.FixedZone("", 7200))
	headers := amqp091.Table{
		"cloudEvents:specversion": "1.0", "cloudEvents:id": "A-1", "cloudEvents:source": "/shop", "cloudEvents_type": "order.placed",
		"cloudEvents:time": at, "cloudEvents:sequence": int32(7), "cloudEvents:urgent": true, "cloudEvents:data": "no", "other": "x",
	}
	for _, c := range []struct{ contentType, body, data string }{
		{"application/json; charset=utf-8", `{"n":1}`, `"data":{"n":1},"datacontenttype":"application/json; charset=utf-8",`},
		{"application/vnd.x+json", `[1]`, `"data":[1],"datacontenttype":"application/vnd.x+json",`},
		{"", `1`, `"data":1,`},
		{"text/plain", `{"n":1}`, `"data_base64":"eyJuIjoxfQ==","datacontenttype":"text/plain",`},
		{"text/plain", ``, `"datacontenttype":"text/plain",`},
	} {
		got, err := cloudEvent(amqp091.Delivery{Headers: headers, ContentType: c.contentType, Body: []byte(c.body)})
		want := `{` + c.data + `"id":"A-1","sequence":7,"source":"/shop","specversion":"1.0","time":"2026-04-05T17:31:00Z","type":"order.placed","urgent":true}`
		if err != nil || string(got) != want {
			t.Errorf("%s: %v\n%s\n%s", c.contentType, err, got, want)
		}
	}
	if _, err := cloudEvent(amqp091.Delivery{Headers: headers, ContentType: "application/json", Body: []byte("{")}); err == nil {
		t.Error("data that is no JSON passes for it")
	}
	plain := amqp091.Delivery{Headers: amqp091.Table{"cloudEvents:id": "x"}, Body: []byte("as it is")}
	if got, err := cloudEvent(plain); err != nil || string(got) != "as it is" {
		t.Errorf("%s, %v", got, err)
	}
}

// TestUnreadableHeaders: whatever the headers are, the body is kept.
func TestUnreadableHeaders(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "dead")
	f, err := openDeadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l := letter{Delivery: amqp091.Delivery{Headers: amqp091.Table{"n": math.NaN()}}, body: []byte("body"), reason: errors.New(strings.Repeat("ä", 5000))}
	if err := f.put(t.Context(), []letter{l}); err != nil {
		t.Fatal(err)
	}
	f.close()
	if err := f.put(t.Context(), []letter{l}); err == nil {
		t.Error("a file that cannot be written is no error")
	}
	data, err := os.ReadFile(path)
	var line deadLine
	if err != nil || json.Unmarshal(data, &line) != nil || *line.Body != "body" || len(line.Reason) > 2100 {
		t.Errorf("%s, %v", data, err)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	_, err := New(Config{
		URL: "http://user:hush@host/", BatchWait: -1, DeadLetters: DeadLetters{File: "f", Exchange: "e"},
		Queues: []Queue{
			{Name: "q", ExchangeType: "topik", MaxMessages: 10, Prefetch: 5, Exchange: "e"},
			{Name: "q", RoutingKeys: []string{"k"}, ExcludeFilters: []string{"!x"}, Filters: []string{""}},
			{Name: strings.Repeat("n", 256), Prefetch: 70000, MaxMessages: -1, Arguments: map[string]any{"x": struct{}{}}},
			{},
		},
	})
	if err == nil {
		t.Fatal("no fault found")
	}
	for _, want := range []string{
		`Config.URL: a URL of scheme "http" is not one of RabbitMQ`, "Sink is required", "BatchWait is negative",
		`exchange_type: unknown type "topik" (did you mean "topic"?)`, "prefetch: 5 is less than max_messages, 10", "q is listed twice",
		"routing_key: is of no use without an exchange", "exclude_filters: expected patterns", "filters: an empty pattern",
		"name: 256 bytes are too many", "prefetch: 70000: expected a number from 1 to 65535", "max_messages: -1", "arguments: ",
		"name: is required", "dead letters go to a file or to an exchange, not to both",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not reported", want)
		}
	}
	if strings.Contains(err.Error(), "hush") {
		t.Errorf("%v has the password in it", err)
	}
	sink := sinkFunc(nil)
	for _, q := range []Queue{{Name: DefaultDeadLetters}, {Name: "q", Exchange: DefaultDeadLetters}} {
		if _, err := New(Config{URL: "amqp://h/", Sink: sink, Queues: []Queue{q}}); err == nil || !strings.Contains(err.Error(), "in a circle") {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if _, err := New(Config{URL: "amqp://h/", Sink: sink}); err == nil || !strings.Contains(err.Error(), "Queues is empty") {
		t.Errorf("%v", err)
	}
}

type sinkFunc func(context.Context, [][]byte) ([]winchester.Result, error)

func (f sinkFunc) AddNotifications(ctx context.Context, b [][]byte) ([]winchester.Result, error) {
	return f(ctx, b)
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := Config{Queues: []Queue{{Name: "q"}, {Name: "r", Prefetch: 10}, {Name: "s", MaxMessages: 40000}}}.withDefaults()
	want := Queue{Name: "q", ExchangeType: "topic", RoutingKeys: []string{"q"}, MaxMessages: 500, Prefetch: 1000}
	if !reflect.DeepEqual(c.Queues[0], want) {
		t.Errorf("%+v", c.Queues[0])
	}
	if q := c.Queues[1]; q.MaxMessages != 10 || q.Prefetch != 10 {
		t.Errorf("%+v", q)
	}
	if q := c.Queues[2]; q.Prefetch != 65535 {
		t.Errorf("%+v", q)
	}
	if c.DeadLetters != (DeadLetters{Exchange: DefaultDeadLetters, Queue: DefaultDeadLetters}) || c.Logger != slog.Default() {
		t.Errorf("%+v", c)
	}
}

// FuzzMessage: whatever comes, looking at it does not fail.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(`[{"event_type":"a.b"},{"oslo.message":"{}"}]`), "application/json", "1.0")
	f.Add([]byte(`{"event_type":"a.c"}`), "", "")
	filter := newFilter(Queue{Filters: []string{"a.*"}, ExcludeFilters: []string{"a.c"}})
	f.Fuzz(func(t *testing.T, body []byte, contentType, version string) {
		if rest, left := filter.apply(body); left == 0 && string(rest) != string(body) {
			t.Errorf("%q became %q", body, rest)
		}
		headers := amqp091.Table{"cloudEvents:specversion": version}
		if out, err := cloudEvent(amqp091.Delivery{Headers: headers, ContentType: contentType, Body: body}); err == nil && !json.Valid(out) {
			t.Errorf("%q", out)
		}
	})
}
