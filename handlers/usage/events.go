package usage

import (
	"maps"
	"strings"
	"time"

	"github.com/seed71495667/winchester"
)

// The types of the events that the handler makes.
const (
	EventVerified = "compute.instance.exists.verified"
	EventFailed   = "compute.instance.exists.failed"
	EventWarnings = "compute.instance.exists.warnings"
)

// publisher is what the original called itself, StackTach version 3. Consumers
// select by it.
const publisher = "stv3"

// maker makes the new events of one run.
type maker struct{ env *winchester.Env }

// verdict is the record itself under another type and id, so that whoever
// bills needs nothing else, with the fault if there is one.
func (m maker) verdict(b block, f *fault) winchester.Event {
	record := b.record()
	traits := maps.Clone(record.Traits)
	if traits == nil {
		traits = winchester.Traits{}
	}
	for name, value := range map[string]any{"bandwidth_in": int64(0), "bandwidth_out": int64(0), "rax_options": "0"} {
		if _, given := traits[name]; !given {
			traits[name] = value
		}
	}
	eventType := EventVerified
	// "None", not a missing trait: the original's consumers compare with it.
	traits["error"], traits["error_code"] = "None", nil
	if f != nil {
		eventType = EventFailed
		traits["error"], traits["error_code"] = f.text, f.code
	}
	traits["original_message_id"] = record.MessageID
	traits["publisher_id"] = publisher
	traits["stream_id"] = m.env.StreamID
	return winchester.Event{
		MessageID: m.recordID(b, eventType),
		EventType: eventType,
		Timestamp: record.Timestamp,
		Traits:    traits,
	}
}

// warnings tells about a record what is odd and still no failure.
func (m maker) warnings(b block, warnings []string) winchester.Event {
	record := b.record()
	instance, given := record.Traits["instance_id"]
	if !given {
		instance = "n/a"
	}
	return winchester.Event{
		MessageID: m.streamID(b, len(b.events)-1, EventWarnings),
		EventType: EventWarnings,
		Timestamp: m.time(record),
		Traits: winchester.Traits{
			"instance_id":  instance,
			"publisher_id": publisher,
			"stream_id":    m.env.StreamID,
			"warnings":     strings.Join(warnings, ", "),
		},
	}
}

// noExists is the verdict on events that no record follows.
func (m maker) noExists(rest block) winchester.Event {
	first := rest.events[0]
	return winchester.Event{
		MessageID: m.streamID(rest, 0, EventFailed),
		EventType: EventFailed,
		Timestamp: m.time(first),
		Traits: winchester.Traits{
			"error":       "Notifications, but no .exists notification found.",
			"error_code":  CodeNoExists,
			"instance_id": first.Traits["instance_id"],
			"stream_id":   m.env.StreamID,
		},
	}
}

// time is that of the event, or of the run where the event has none.
func (m maker) time(e winchester.Event) time.Time {
	if e.Timestamp.IsZero() {
		return m.env.Now
	}
	return e.Timestamp
}
