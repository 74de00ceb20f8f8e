package amqp

import (
	"testing"

	"github.com/seed71495667/winchester/distiller"
)

// TestEventTypeIsTheDistillers: a filter goes by the event type that the event
// would have; by any other it would throw away what is wanted.
func TestEventTypeIsTheDistillers(t *testing.T) {
	t.Parallel()
	d, err := distiller.New(distiller.Config{CatchAll: true})
	if err != nil {
		t.Fatal(err)
	}
	const rest = `"message_id":"1","timestamp":"2026-05-08 20:23:48.028195","publisher_id":"p","payload":{"tenant_id":"t"}`
	for _, body := range []string{
		`{"event_type":"a.b",` + rest + `}`,
		`{"event_type":"a.b","Event_Type":"other",` + rest + `}`,
		`{"event_type":"a.b","event_type":"other",` + rest + `}`,
		`{"event_type":"a.b","type":7,"action":{},` + rest + `}`,
		`{"event_type":"a.b","typeURI":"x","action":"y",` + rest + `}`,
		`{"oslo.version":"2.0","oslo.message":"{\"event_type\":\"in\",\"message_id\":\"1\",\"timestamp\":\"2026-05-08 20:23:48.028195\",\"payload\":{\"tenant_id\":\"t\"}}"}`,
		`{"specversion":"1.0","type":"order.placed","id":"1","source":"s","time":"2026-05-08T20:23:48Z"}`,
		`{"typeURI":"http://schemas.dmtf.org/cloud/audit/1.0/event","action":"authenticate","id":"1","eventTime":"2026-05-08T20:23:48Z"}`,
		`{"version":"0","id":"1","detail-type":"EC2 Instance","source":"aws.ec2","account":"1","time":"2026-05-08T20:23:48Z","region":"r","detail":{"x":1}}`,
	} {
		e, err := d.Distill([]byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if got, ok := eventType([]byte(body)); !ok || got != e.EventType {
			t.Errorf("%s: the filter sees %q, the event is %q", body, got, e.EventType)
		}
	}
}
