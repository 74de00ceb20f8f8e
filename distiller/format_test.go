package distiller_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
)

var received = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

// catchAll makes an event of anything, of its default traits.
func catchAll(t testing.TB) *distiller.Distiller {
	return newDistiller(t, "[]", distiller.Config{CatchAll: true, Now: func() time.Time { return received }})
}

const (
	cloudEvent = `{"specversion":"1.0","id":"A-1","source":"/shop/eu","type":"order.placed","time":"2026-04-05T17:31:00Z",
		"subject":"o-17","datacontenttype":"application/json","correlationid":"c-9","dataschema":null,"data":{"order_id":17,"amount":12.5}}`
	cadf = `{"typeURI":"http://schemas.dmtf.org/cloud/audit/1.0/event","id":"openstack:f535","eventType":"activity",
		"eventTime":"2026-02-14T01:20:47.932842+0000","action":"authenticate","outcome":"failure",
		"initiator":{"typeURI":"service/security/account/user","id":"c9f7","project_id":"p-1","request_id":"req-7","host":{"address":"127.0.0.1"}},
		"target":{"typeURI":"service/security/account/user","id":"openstack:1c2f"},"observer":{"typeURI":"service/security","id":"openstack:3d4a"}}`
	cadfWithIDs = `{"typeURI":"http://schemas.dmtf.org/cloud/audit/1.0/event","id":"x","eventTime":"2026-02-14T01:20:47Z","action":"read",
		"initiatorId":"i-1","targetId":"t-1","observerId":"o-1"}`
	eventBridge = `{"version":"0","id":"6a7e8feb","detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","account":"111122223333",
		"time":"2026-12-22T18:43:48Z","region":"us-west-1","resources":[],"detail":{"instance-id":"i-12345678","state":"terminated"}}`
	kafkaOslo = `{"event_type":"a.b","message_id":"m","publisher_id":"p","timestamp":"2026-01-01 00:00:00","_context":{"request_id":"req-1","project_id":"t-1"},"payload":{}}`
)

// Each format, as it is and in the envelope, gives an event with its default
// traits, whether given as JSON or decoded.
func TestFormats(t *testing.T) {
	t.Parallel()
	d := catchAll(t)
	cadfTraits := winchester.Traits{
		"action": "authenticate", "outcome": "failure", "initiator_id": "c9f7", "target_id": "openstack:1c2f",
		"target_type": "service/security/account/user", "observer_id": "openstack:3d4a", "request_id": "req-7",
		"service": "service/security", "tenant_id": "p-1",
	}
	inNotification := winchester.Traits{}
	for k, v := range cadfTraits {
		inNotification[k] = v
	}
	inNotification["service"] = "identity.h1"
	for _, c := range []struct {
		name, body string
		want       winchester.Event
	}{
		{"CloudEvent", cloudEvent, winchester.Event{MessageID: "/shop/eu A-1", EventType: "order.placed", Timestamp: time.Date(2026, 4, 5, 17, 31, 0, 0, time.UTC),
			Traits: winchester.Traits{"service": "/shop/eu", "subject": "o-17", "request_id": "c-9"}}},
		{"CloudEvent of what must be", `{"specversion":"1.0","id":"1","source":"urn:x","type":"t"}`, winchester.Event{MessageID: "urn:x 1", EventType: "t", Timestamp: received,
			Traits: winchester.Traits{"service": "urn:x"}}},
		{"CloudEvent with nulls", `{"specversion":"1.0","id":"1","source":"urn:x","type":"t","time":null,"subject":null,"datacontenttype":null,"data":null,"data_base64":null}`,
			winchester.Event{MessageID: "urn:x 1", EventType: "t", Timestamp: received, Traits: winchester.Traits{"service": "urn:x"}}},
		{"CADF", cadf, winchester.Event{MessageID: "openstack:f535", EventType: "cadf.authenticate", Timestamp: time.Date(2026, 2, 14, 1, 20, 47, 932842000, time.UTC), Traits: cadfTraits}},
		{"CADF with ids", cadfWithIDs, winchester.Event{MessageID: "x", EventType: "cadf.read", Timestamp: time.Date(2026, 2, 14, 1, 20, 47, 0, time.UTC),
			Traits: winchester.Traits{"action": "read", "initiator_id": "i-1", "target_id": "t-1", "observer_id": "o-1"}}},
		{"CADF in a notification", `{"event_type":"identity.authenticate","message_id":"m","publisher_id":"identity.h1","timestamp":"2026-02-14 01:20:48","payload":` + cadf + `}`,
			winchester.Event{MessageID: "m", EventType: "identity.authenticate", Timestamp: time.Date(2026, 2, 14, 1, 20, 48, 0, time.UTC), Traits: inNotification}},
		{"EventBridge", eventBridge, winchester.Event{MessageID: "6a7e8feb", EventType: "EC2 Instance State-change Notification", Timestamp: time.Date(2026, 12, 22, 18, 43, 48, 0, time.UTC),
			Traits: winchester.Traits{"service": "aws.ec2", "tenant_id": "111122223333", "region": "us-west-1"}}},
		{"notification from Kafka", kafkaOslo, winchester.Event{MessageID: "m", EventType: "a.b", Timestamp: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
			Traits: winchester.Traits{"service": "p", "request_id": "req-1", "tenant_id": "t-1"}}},
		{"a CloudEvent that looks like a notification too", `{"event_type":"a.b","message_id":"m","specversion":"1.0","id":"1","source":"s","type":"t"}`,
			winchester.Event{MessageID: "s 1", EventType: "t", Timestamp: received, Traits: winchester.Traits{"service": "s"}}},
		{"a key twice", `{"specversion":"1.0","id":"1","id":"2","source":"s","source":"u","type":"t"}`,
			winchester.Event{MessageID: "s 1", EventType: "t", Timestamp: received, Traits: winchester.Traits{"service": "s"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for way, distil := range map[string]func() (winchester.Event, error){
				"as it is":    func() (winchester.Event, error) { return d.Distill([]byte(c.body)) },
				"in envelope": func() (winchester.Event, error) { return d.Distill([]byte(envelope("2.0", c.body))) },
				"decoded": func() (winchester.Event, error) {
					var m map[string]any
					if err := json.Unmarshal([]byte(c.body), &m); err != nil {
						t.Fatal(err)
					}
					if strings.Count(c.body, `"id"`) > 1 && strings.Contains(c.name, "twice") {
						return d.Distill([]byte(c.body)) // a map keeps the last
					}
					return d.DistillMap(m)
				},
			} {
				if got, err := distil(); err != nil || !reflect.DeepEqual(got, c.want) {
					t.Errorf("%s: got  %+v, %v\nwant %+v", way, got, err, c.want)
				}
			}
		})
	}
}

func TestFormatErrors(t *testing.T) {
	t.Parallel()
	d := catchAll(t)
	without := func(body, key string) string {
		var m map[string]any
		if err := json.Unmarshal([]byte(body), &m); err != nil {
			t.Fatal(err)
		}
		delete(m, key)
		out, _ := json.Marshal(m)
		return string(out)
	}
	set := func(body, key, value string) string {
		return strings.Replace(body, "{", "{"+fmt.Sprintf("%q:%s,", key, value), 1)
	}
	for _, c := range []struct {
		name, body string
		kind       error
		want       string
	}{
		{"version 0.3", set(cloudEvent, "specversion", `"0.3"`), distiller.ErrMalformed, `specversion "0.3" is not supported, only 1.0 is`},
		{"version as a number", set(cloudEvent, "specversion", `1.0`), distiller.ErrMalformed, `specversion: expected a text, found a number`},
		{"version null", set(cloudEvent, "specversion", `null`), distiller.ErrMalformed, `specversion: expected a text, found null`},
		{"no id", without(cloudEvent, "id"), distiller.ErrMalformed, `order.placed (none): id is missing`},
		{"no source", without(cloudEvent, "source"), distiller.ErrMalformed, `order.placed (none): source is missing`},
		{"no type", without(cloudEvent, "type"), distiller.ErrMalformed, `(none) /shop/eu A-1: type is missing`},
		{"nothing but a version", `{"specversion":"1.0"}`, distiller.ErrMalformed, "malformed notification: type is missing\nid is missing\nsource is missing"},
		{"empty id", set(cloudEvent, "id", `""`), distiller.ErrMalformed, `id is empty`},
		{"id a number", set(cloudEvent, "id", `7`), distiller.ErrMalformed, `id: expected a text, found a number`},
		{"source a list", set(cloudEvent, "source", `[]`), distiller.ErrMalformed, `source: expected a text, found a list`},
		{"source with a space", set(cloudEvent, "source", `"/a b"`), distiller.ErrMalformed, `source: expected a URI reference, found "/a b" with white space in it`},
		{"type an object", set(cloudEvent, "type", `{}`), distiller.ErrMalformed, `type: expected a text, found an object`},
		{"time a number", set(cloudEvent, "time", `0`), distiller.ErrMalformed, `time: expected a text, found a number`},
		{"time empty", set(cloudEvent, "time", `""`), distiller.ErrMalformed, `time is empty`},
		{"time unreadable", set(cloudEvent, "time", `"noon"`), distiller.ErrMalformed, `time is "noon": it is no ISO 8601 time`},
		{"subject a boolean", set(cloudEvent, "subject", `true`), distiller.ErrMalformed, `subject: expected a text, found a boolean`},
		{"schema a list", set(cloudEvent, "dataschema", `[]`), distiller.ErrMalformed, `dataschema: expected a text, found a list`},
		{"content type a number", set(cloudEvent, "datacontenttype", `1`), distiller.ErrMalformed, `datacontenttype: expected a text, found a number`},
		{"data twice", set(cloudEvent, "data_base64", `"e30="`), distiller.ErrMalformed, `it has both data and data_base64`},
		{"base64 a number", set(without(cloudEvent, "data"), "data_base64", `5`), distiller.ErrMalformed, `data_base64: expected a text, found a number`},
		{"no base64", set(without(cloudEvent, "data"), "data_base64", `"?"`), distiller.ErrMalformed, `data_base64: illegal base64 data at input byte 0`},
		{"base64 of no JSON", set(without(cloudEvent, "data"), "data_base64", `"aGVsbG8="`), distiller.ErrMalformed, `data_base64, which is application/json: it is not JSON: at byte 1: expected a value, found 'h'`},
		{"base64 of more than one value", set(without(cloudEvent, "data"), "data_base64", `"MSwiaWQiOiJ4Ig=="`), distiller.ErrMalformed, `it is not JSON: at byte 2: expected the end, found ','`},
		{"base64 of what is not UTF-8", set(without(cloudEvent, "data"), "data_base64", `"Iv8i"`), distiller.ErrMalformed, `it is not valid UTF-8`},
		{"all wrong", `{"specversion":"1.0","type":1,"id":2,"source":3,"time":4,"subject":5,"dataschema":6,"datacontenttype":7,"data_base64":8}`, distiller.ErrMalformed,
			"type: expected a text, found a number\nid: expected a text, found a number\nsource: expected a text, found a number\ntime: expected a text, found a number\n" +
				"subject: expected a text, found a number\ndataschema: expected a text, found a number\ndatacontenttype: expected a text, found a number\ndata_base64: expected a text, found a number"},

		{"CADF of another version", set(cadf, "typeURI", `"http://schemas.dmtf.org/cloud/audit/2.0/event"`), distiller.ErrMalformed, `typeURI "http://schemas.dmtf.org/cloud/audit/2.0/event" is not supported, only http://schemas.dmtf.org/cloud/audit/1.0/event is`},
		{"a typeURI of something else", `{"typeURI":"service/security"}`, distiller.ErrUnknownFormat, `among its keys: "typeURI"`},
		{"a typeURI that is no text", `{"typeURI":5,"id":"x"}`, distiller.ErrUnknownFormat, `among its keys: "typeURI", "id"`},
		{"CADF without all", `{"typeURI":"http://schemas.dmtf.org/cloud/audit/1.0/event"}`, distiller.ErrMalformed, "malformed notification: action is missing\nid is missing\neventTime is missing"},
		{"CADF with nothing right", `{"typeURI":"http://schemas.dmtf.org/cloud/audit/1.0/event","action":[],"id":{},"eventTime":1,"eventType":2,"outcome":3,"initiator":4,"target":[5],"observer":"6"}`, distiller.ErrMalformed,
			"action: expected a text, found a list\nid: expected a text, found an object\neventTime: expected a text, found a number\neventType: expected a text, found a number\noutcome: expected a text, found a number"},
		{"CADF time", set(cadf, "eventTime", `"later"`), distiller.ErrMalformed, `cadf.authenticate openstack:f535: eventTime is "later": it is no ISO 8601 time`},

		{"EventBridge", `{"detail-type":5,"detail":{}}`, distiller.ErrMalformed, "detail-type: expected a text, found a number\nid is missing\nsource is missing"},
		{"a batch in the envelope", envelope("2.0", "["+cloudEvent+"]"), distiller.ErrMalformed, "oslo.message: expected a JSON object, found a list: batches do not nest"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			event, err := d.Distill([]byte(c.body))
			if err == nil {
				t.Fatalf("no error, but %+v", event)
			}
			if !strings.HasSuffix(err.Error(), c.want) && !strings.Contains(err.Error(), c.want+"\n") {
				t.Errorf("got  %s\nwant ...%s", err, c.want)
			}
			if !errors.Is(err, c.kind) || !errors.Is(err, winchester.ErrInvalidEvent) {
				t.Errorf("%v is of another kind than %v", err, c.kind)
			}
		})
	}
}

// The data of a CloudEvent can be reached whichever way it came.
func TestCloudEventPaths(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, `
- event_type: order.*
  traits:
    order: {fields: data.order_id, type: int}
    amount: {fields: data.amount, type: float}
    trace: {fields: traceparent}
    raw: {fields: data_base64}
    text: {fields: data}
    any: {fields: $..order_id}
`, distiller.Config{})
	const head = `{"specversion":"1.0","id":"1","source":"/s","type":"order.x","traceparent":"00-1",`
	for body, want := range map[string]winchester.Traits{
		head + `"data":{"order_id":17,"amount":12.5}}`: {"order": int64(17), "amount": 12.5, "text": `{"amount":12.5,"order_id":17}`, "any": "17"},
		head + `"datacontenttype":"application/vnd.x+json; charset=utf-8","data_base64":"eyJvcmRlcl9pZCI6MTd9","data":null}`: {"order": int64(17), "text": `{"order_id":17}`, "any": "17"},
		head + `"datacontenttype":"Application/JSON","data_base64":"\u0065yJvcmRlcl9pZCI6MTd9"}`:                             {"order": int64(17), "text": `{"order_id":17}`, "any": "17"},
		head + `"datacontenttype":"application/octet-stream","data_base64":"eyJvcmRlcl9pZCI6MTd9"}`:                          {"raw": "eyJvcmRlcl9pZCI6MTd9"},
		head + `"data_base64":""}`:                           {"raw": ""},
		head + `"datacontenttype":"text/plain","data":"hi"}`: {"text": "hi"},
	} {
		want["service"], want["trace"] = "/s", "00-1"
		for _, body := range []string{body, envelope("2.0", body)} {
			if got, err := d.Distill([]byte(body)); err != nil || !reflect.DeepEqual(got.Traits, want) || got.MessageID != "/s 1" {
				t.Errorf("%s\ngot  %v %v\nwant %v", body, got, err, want)
			}
		}
	}
}

// Whatever sources and ids there are, two of them that differ have message ids
// that differ, and none is too long.
func TestCloudEventIDs(t *testing.T) {
	t.Parallel()
	d := catchAll(t)
	seen := map[string]string{}
	long := strings.Repeat("x", 300)
	for _, source := range []string{"a", "ab", "/a", "a:", "sha256:", "a/" + long, "b/" + long} {
		for _, id := range []string{"b", "bb", " b", "b ", "a b", "x b", long, long + "y"} {
			event, err := d.Distill(fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":%q,"type":"t"}`, id, source))
			if err != nil {
				t.Fatal(err)
			}
			if other, ok := seen[event.MessageID]; ok || len(event.MessageID) > winchester.MaxMessageID {
				t.Errorf("%q of %q and %q", event.MessageID, source+"|"+id, other)
			}
			seen[event.MessageID] = source + "|" + id
		}
	}
	// The form is part of the interface: another one would let events in again.
	sum := sha256.Sum256([]byte("a/" + long + " b"))
	if want := "sha256:" + hex.EncodeToString(sum[:]); seen[want] != "a/"+long+"|b" {
		t.Errorf("%s is of %q", want, seen[want])
	}
}

// A CADF event is its own payload: what reads it in a notification reads it
// alone.
func TestCADFPaths(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, `
- event_type: [identity.*, cadf.*]
  traits:
    address: {fields: payload.initiator.host.address}
    by_wildcard: {fields: payload.initiator.*.address}
    user: {fields: '(payload.initiator where id).id'}
    outcome: {fields: [nothing, payload.outcome]}
`, distiller.Config{})
	for _, body := range []string{cadf, `{"event_type":"identity.x","message_id":"m","payload":` + cadf + `}`} {
		got, err := d.Distill([]byte(body))
		for name, want := range map[string]any{"address": "127.0.0.1", "by_wildcard": "127.0.0.1", "user": "c9f7", "outcome": "failure", "action": "authenticate"} {
			if err != nil || got.Traits[name] != want {
				t.Errorf("%s: got %v, want %v of %s: %v", name, got.Traits[name], want, body, err)
			}
		}
	}
	// Alone it may be read from the top as well, and what is no CADF has no payload by itself.
	d = newDistiller(t, "- {event_type: '*', traits: {a: {fields: initiator.id}, b: {fields: payload}, c: {fields: 'payload.*'}}}", distiller.Config{})
	if got, err := d.Distill([]byte(cadf)); err != nil || got.Traits["a"] != "c9f7" || got.Traits["b"] == nil || got.Traits["c"] == nil {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := d.Distill([]byte(cloudEvent)); err != nil || got.Traits["b"] != nil || got.Traits["c"] != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

// Versioned objects are looked through, wherever they are, but not where the
// notification itself must be.
func TestVersionedObjects(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, `
- event_type: '*'
  traits:
    uuid: {fields: payload.uuid}
    quoted: {fields: payload.'nova_object.data'.uuid}
    version: {fields: payload.'nova_object.version'}
    ram: {fields: payload.flavor.memory_mb, type: int}
    half_quoted: {fields: payload.'nova_object.data'.flavor.memory_mb, type: int}
    ip: {fields: 'payload.ip_addresses[0].address'}
    last_ip: {fields: 'payload.ip_addresses[-1:].address'}
    own: {fields: payload.flavor.name}
    null_of_its_own: {fields: payload.flavor.swap}
    once: {fields: 'payload..memory_mb', type: int, plugin: sum}
    below: {fields: 'payload..flavor.memory_mb', type: int, plugin: sum}
    by_names: {fields: 'payload.(nothing|flavor).(x|memory_mb)'}
`, distiller.Config{})
	const object = `"nova_object.version":"1.0","nova_object.data":`
	body := `{"event_type":"instance.x","message_id":"m","publisher_id":"nova-compute:c1","payload":{` + object + `{"uuid":"178b","flavor":{` + object +
		`{"memory_mb":512,"name":"inner","swap":7},"name":"outer","swap":null},"ip_addresses":[{` + object + `{"address":"10.0.0.1"}}]},"fault":{}}}`
	body = strings.Replace(body, `,"fault":{}}}`, `}}`, 1)
	want := winchester.Traits{"service": "nova-compute:c1", "uuid": "178b", "quoted": "178b", "version": "1.0", "ram": int64(512), "half_quoted": int64(512),
		"ip": "10.0.0.1", "last_ip": "10.0.0.1", "own": "outer", "by_names": "512", "once": int64(512), "below": int64(512)}
	for _, body := range []string{body, strings.ReplaceAll(body, "nova_object", "ironic_object")} {
		if strings.Contains(body, "ironic") {
			delete(want, "quoted")
			delete(want, "half_quoted")
			delete(want, "version")
		}
		if got, err := d.Distill([]byte(body)); err != nil || !reflect.DeepEqual(got.Traits, want) {
			t.Errorf("%s\ngot  %v %v\nwant %v", body, got.Traits, err, want)
		}
	}
	if _, err := d.Distill([]byte(`{"nova_object.data":{"event_type":"a","message_id":"m","publisher_id":"p"}}`)); !errors.Is(err, distiller.ErrUnknownFormat) {
		t.Errorf("a notification in a versioned object: %v", err)
	}
	deep := `{"event_type":"e","message_id":"m","publisher_id":"p","payload":` + strings.Repeat(`{"a_object.data":`, 298) + "0" + strings.Repeat("}", 299)
	if _, err := d.Distill([]byte(deep)); err != nil {
		t.Error(err)
	}
}

func TestRename(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, `
- {event_type: instance.*, rename: compute.instance.*, traits: {}}
- {event_type: instance.resize_finish.*, rename: compute.instance.finish_resize.*, traits: {}}
- {event_type: [old, older], rename: new, traits: {}}
- {event_type: '*.v1', rename: '*', traits: {}}
`, distiller.Config{})
	for from, want := range map[string]string{
		"instance.exists": "compute.instance.exists", "instance.": "compute.instance.", "instance.resize_finish.end": "compute.instance.finish_resize.end",
		"older": "new", "a.v1": "a",
	} {
		got, err := d.Distill(fmt.Appendf(nil, `{"event_type":%q,"message_id":"m","publisher_id":"p"}`, from))
		if err != nil || got.EventType != want {
			t.Errorf("%s: got %s, want %s: %v", from, got.EventType, want, err)
		}
	}
	if _, err := d.Distill([]byte(`{"event_type":".v1","message_id":"m","publisher_id":"p"}`)); !errors.Is(err, winchester.ErrInvalidEvent) {
		t.Errorf("renamed to nothing: %v", err)
	}
	for source, want := range map[string]string{
		"{event_type: a.*, rename: b.*.*, traits: {}}":      `expected an event type with one * at most, found "b.*.*"`,
		"{event_type: a, rename: b.*, traits: {}}":          "what the * in event_type matches",
		"{event_type: [a.*, c.*], rename: b.*, traits: {}}": "what the * in event_type matches",
		"{event_type: '!a.*', rename: b.*, traits: {}}":     "what the * in event_type matches",
		"{event_type: 'a?.*', rename: b.*, traits: {}}":     "what the * in event_type matches",
		"{event_type: a, rename: '', traits: {}}":           "expected an event type, found nothing",
		"{event_type: a, rename: [b], traits: {}}":          "[0].rename: expected text, found a list",
	} {
		_, err := distiller.Load("e.yaml", []byte("- "+source), nil)
		if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, winchester.ErrDefinition) || strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%s: %v", source, err)
		}
	}
}
