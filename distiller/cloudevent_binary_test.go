package distiller_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
)

// The same event, as each protocol binding has it.
func TestCloudEventBindings(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, `
- event_type: order.*
  traits:
    order: {fields: data.order_id, type: int}
    content: {fields: datacontenttype}
    note: {fields: note}
`, distiller.Config{})
	want := winchester.Event{
		MessageID: "/shop/eu A-1", EventType: "order.placed", Timestamp: time.Date(2026, 4, 5, 17, 31, 0, 0, time.UTC),
		Traits: winchester.Traits{"service": "/shop/eu", "subject": "o 17", "order": int64(17), "content": "application/json", "note": "Euro € 😀"},
	}
	for name, headers := range map[string]map[string]string{
		"HTTP": {"Content-Type": "application/json", "Ce-Specversion": "1.0", "Ce-Id": "A-1", "Ce-Source": "/shop/eu", "CE-TYPE": "order.placed",
			"ce-time": "2026-04-05T17:31:00Z", "Ce-Subject": "o%2017", "Ce-Note": "Euro%20%E2%82%AC%20%f0%9f%98%80", "Host": "example.org", "X-Ce": "no"},
		"HTTP, quoted": {"content-type": "application/json", "ce-specversion": `"1.0"`, "ce-id": "A-1", "ce-source": "/shop/eu", "ce-type": "order.placed",
			"ce-time": "2026-04-05T17:31:00Z", "ce-subject": `"o\ 17"`, "ce-note": "Euro € 😀"},
		"Kafka": {"content-type": "application/json", "ce_specversion": "1.0", "ce_id": "A-1", "ce_source": "/shop/eu", "ce_type": "order.placed",
			"ce_time": "2026-04-05T17:31:00Z", "ce_subject": "o 17", "ce_note": "Euro € 😀"},
		"AMQP": {"content-type": "application/json", "cloudEvents:specversion": "1.0", "cloudEvents:id": "A-1", "cloudEvents:source": "/shop/eu", "cloudEvents:type": "order.placed",
			"cloudEvents:time": "2026-04-05T17:31:00Z", "cloudEvents:subject": "o 17", "cloudEvents:note": "Euro € 😀"},
		"AMQP with underscores": {"content-type": "application/json", "cloudEvents_specversion": "1.0", "cloudEvents_id": "A-1", "cloudEvents_source": "/shop/eu", "cloudEvents_type": "order.placed",
			"cloudEvents_time": "2026-04-05T17:31:00Z", "cloudEvents_subject": "o 17", "cloudEvents_note": "Euro € 😀"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body, err := d.CloudEvent(headers, []byte(` {"order_id": 17} `))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := d.Distill(body); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s\ngot  %+v %v\nwant %+v", body, got, err, want)
			}
		})
	}
}

func TestCloudEvent(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, "[]", distiller.Config{MaxSize: 500})
	with := func(more ...string) map[string]string {
		out := map[string]string{"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
		for i := 0; i < len(more); i += 2 {
			out[more[i]] = more[i+1]
		}
		return out
	}
	const head = `"id":"1","source":"/s","specversion":"1.0","type":"t",`
	typed := func(contentType string) string { return `{"datacontenttype":"` + contentType + `",` + head }
	for _, c := range []struct {
		name, body string
		headers    map[string]string
		want, err  string
		kind       error
	}{
		{"no data", "", with(), "{" + head + `"data":null}`, "", nil},
		{"JSON of no type", `[1]`, with(), "{" + head + `"data":[1]}`, "", nil},
		{"no JSON and no type", `[1`, with(), "{" + head + `"data_base64":"WzE="}`, "", nil},
		{"JSON by its suffix", `{}`, with("Content-Type", "application/x+json;v=1"), typed("application/x+json;v=1") + `"data":{}}`, "", nil},
		{"text", "a\"\n", with("content-type", "text/plain"), typed("text/plain") + `"data":"a\"\u000a"}`, "", nil},
		{"XML", "<a/>", with("content-type", "application/x+xml"), typed("application/x+xml") + `"data":"<a/>"}`, "", nil},
		{"text that is none", "\xff", with("content-type", "text/plain"), typed("text/plain") + `"data_base64":"/w=="}`, "", nil},
		{"bytes", "ab", with("content-type", "application/octet-stream"), typed("application/octet-stream") + `"data_base64":"YWI="}`, "", nil},
		{"a percent sign", "", with("ce-x", "100% %4 %"), "{" + head + `"x":"100% %4 %","data":null}`, "", nil},
		{"a header twice, the same", "", with("Ce-Id", "1"), "{" + head + `"data":null}`, "", nil},
		{"structured", `{"specversion":"1.0"}`, map[string]string{"Content-Type": "application/cloudevents+json; charset=UTF-8"}, `{"specversion":"1.0"}`, "", nil},
		{"batch", ` [] `, map[string]string{"content-type": "Application/CloudEvents-Batch+json"}, ` [] `, "", nil},

		{"JSON that would add members", `1,"id":"2"`, with("content-type", "application/json"), "", `t 1: the data, which is application/json: it is not JSON: at byte 2: expected the end, found ','`, distiller.ErrMalformed},
		{"a header twice", "", with("Ce-Id", "2"), "", `the headers Ce-Id and ce-id say different things`, distiller.ErrMalformed},
		{"content types", "", with("content-type", "text/plain", "ce-datacontenttype", "text/html"), "", `the headers ce-datacontenttype and content-type say different things`, distiller.ErrMalformed},
		{"data as a header", "", with("ce-data", "x", "ce-data_base64", "x"), "", "header ce-data: no attribute has that name\nheader ce-data_base64: no attribute has that name", distiller.ErrMalformed},
		{"overlong UTF-8", "", with("ce-subject", "%C0%A0"), "", `header ce-subject: it is not valid UTF-8`, distiller.ErrMalformed},
		{"structured list", `[]`, map[string]string{"content-type": "application/cloudevents+json"}, "", "its content type is application/cloudevents+json, and it is a list: a batch is application/cloudevents-batch+json", distiller.ErrMalformed},
		{"batch of one", `{}`, map[string]string{"content-type": "application/cloudevents-batch+json"}, "", "its content type is application/cloudevents-batch+json, and it is no list", distiller.ErrMalformed},
		{"another format", `{}`, map[string]string{"content-type": "application/cloudevents+avro"}, "", "content type application/cloudevents+avro, of these only JSON is supported", distiller.ErrUnknownFormat},
		{"no event", `{}`, map[string]string{"Content-Type": "application/json", "Authorization": "secret"}, "", `no specversion among its headers (ce-specversion, ce_specversion, cloudEvents:specversion): "Authorization", "Content-Type"`, distiller.ErrUnknownFormat},
		{"no headers", `{}`, nil, "", `no specversion among its headers (ce-specversion, ce_specversion, cloudEvents:specversion): there are none`, distiller.ErrUnknownFormat},
		{"large", strings.Repeat(" ", 501), with(), "", "it has 501 bytes, at most 500 are allowed", distiller.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := d.CloudEvent(c.headers, []byte(c.body))
			if c.err == "" {
				if err != nil || string(got) != c.want {
					t.Errorf("got  %s, %v\nwant %s", got, err, c.want)
				}
				return
			}
			if err == nil || !strings.HasSuffix(err.Error(), c.err) || !errors.Is(err, c.kind) || !errors.Is(err, winchester.ErrInvalidEvent) {
				t.Errorf("got  %v, %s\nwant %s", err, got, c.err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%v tells what a header says", err)
			}
		})
	}
}

// Whatever a message is, it becomes an event or an error, and no part of the
// body becomes an attribute.
func FuzzCloudEvent(f *testing.F) {
	d := newDistiller(f, `[{event_type: '*', traits: {d: {fields: data}, b: {fields: data_base64}}}]`, distiller.Config{})
	f.Add("application/json", "1", "%41%", []byte(`{"id":"2"}`))
	f.Add("", "\"1\\\"", "/s", []byte(`1,"id":"2"`))
	f.Add("text/plain", "1", "/s", []byte("\xff"))
	f.Add("application/cloudevents-batch+json", "1", "/s", []byte(`[{"specversion":"1.0","type":"t","source":"s","id":"1"},2]`))
	f.Fuzz(func(t *testing.T, contentType, id, source string, body []byte) {
		headers := map[string]string{"content-type": contentType, "ce-specversion": "1.0", "ce_id": id, "ce-source": source, "ce-type": "t"}
		structured, err := d.CloudEvent(headers, body)
		var e *distiller.Error
		if err != nil {
			if !errors.As(err, &e) {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		items, batch, err := d.Split(structured)
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%T: %v", err, err)
		}
		if !batch {
			items = [][]byte{structured}
		}
		for _, item := range items {
			event, err := d.Distill(item)
			if err != nil && !errors.As(err, &e) {
				t.Errorf("%T: %v", err, err)
			}
			binary := !strings.HasPrefix(strings.ToLower(strings.TrimSpace(contentType)), "application/cloudevents")
			if err == nil && binary && (event.EventType != "t" || !strings.HasSuffix(event.MessageID, id) && !strings.HasPrefix(event.MessageID, "sha256:")) {
				t.Errorf("%s: %+v", structured, event)
			}
		}
	})
}
