package notify

import (
	"encoding/json"
	"fmt"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/rabbit"
	"github.com/seed71495667/winchester/timex"
)

// osloTime is how oslo.messaging writes times: UTC, without saying so.
const osloTime = "2006-01-02 15:04:05.000000"

// publisherID is what a notification is from if its event does not say.
const publisherID = "winchester"

// notification is the form in which OpenStack's services send notifications, and
// in which they can be read again.
type notification struct {
	MessageID   string         `json:"message_id"`
	PublisherID string         `json:"publisher_id"`
	EventType   string         `json:"event_type"`
	Priority    string         `json:"priority"`
	Timestamp   string         `json:"timestamp"`
	Payload     map[string]any `json:"payload"`
}

// ofEvent is the message for an event: a notification with its traits as payload.
func (t *target) ofEvent(e winchester.Event) (rabbit.Message, error) {
	n := notification{
		MessageID: e.MessageID, EventType: e.EventType, Priority: "INFO", PublisherID: publisherID,
		Timestamp: e.Timestamp.UTC().Format(osloTime), Payload: make(map[string]any, len(e.Traits)),
	}
	for name, value := range e.Traits {
		n.Payload[name] = plain(value)
	}
	if from, ok := e.Traits["publisher_id"].(string); ok && from != "" {
		n.PublisherID = from
	}
	body, err := json.Marshal(n)
	if err != nil {
		return rabbit.Message{}, fmt.Errorf("event %s (%s): %w", e.MessageID, e.EventType, err)
	}
	return t.message(e.MessageID, e.EventType, body), nil
}

// plain gives a trait a form that JSON has.
func plain(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case timex.Range:
		return map[string]any{"begin": plain(v.Begin), "end": plain(v.End)}
	}
	return v
}

func (t *target) message(id, eventType string, body []byte) rabbit.Message {
	return rabbit.Message{Exchange: t.exchange, Key: t.route, Mandatory: t.mandatory, Publishing: amqp091.Publishing{
		ContentType: "application/json", DeliveryMode: amqp091.Persistent, MessageId: id, Type: short(eventType), AppId: publisherID, Body: body,
	}}
}

// short fits text into what AMQP has for a property.
func short(s string) string {
	if len(s) > 255 {
		return ""
	}
	return s
}

// ofValue makes messages of a list of notifications that a handler has left in the
// environment. key is unique to the list.
func (t *target) ofValue(value any, key string) ([]rabbit.Message, error) {
	var list []any
	switch v := value.(type) {
	case nil:
	case []winchester.Event:
		for _, e := range v {
			list = append(list, e)
		}
	case []map[string]any:
		for _, m := range v {
			list = append(list, m)
		}
	case []json.RawMessage:
		for _, m := range v {
			list = append(list, m)
		}
	case []any:
		list = v
	default:
		return nil, fmt.Errorf("expected a list of notifications ([]map[string]any, []winchester.Event, []json.RawMessage or []any), found %T", value)
	}
	messages := make([]rabbit.Message, 0, len(list))
	for i, item := range list {
		m, err := t.ofItem(item, fmt.Sprintf("%s-%d", key, i))
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// ofItem: a notification without a message id of its own gets one that is the same
// for every attempt.
func (t *target) ofItem(item any, fallback string) (rabbit.Message, error) {
	if e, ok := item.(winchester.Event); ok {
		return t.ofEvent(e)
	}
	body, err := json.Marshal(item)
	if err != nil {
		return rabbit.Message{}, err
	}
	var head struct {
		MessageID any `json:"message_id"`
		EventType any `json:"event_type"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return rabbit.Message{}, fmt.Errorf("expected a map, found %T", item)
	}
	id, ok := head.MessageID.(string)
	if !ok || short(id) == "" {
		id = short(fallback)
	}
	eventType, _ := head.EventType.(string)
	return t.message(id, eventType, body), nil
}
