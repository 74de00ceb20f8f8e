package amqp

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

// cloudEvent returns the body of a delivery as it is handed in. A CloudEvent in
// binary mode, whose attributes are properties and whose body is its data
// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/amqp-protocol-binding.md),
// becomes one in structured mode, so that it shares transactions with all else.
// AMQP 0-9-1 has headers where AMQP 1.0 has application properties.
func cloudEvent(d amqp091.Delivery) ([]byte, error) {
	event := map[string]any{}
	for name, value := range d.Headers {
		attribute, ok := strings.CutPrefix(name, "cloudEvents:")
		if !ok {
			attribute, ok = strings.CutPrefix(name, "cloudEvents_")
		}
		if ok && attribute != "" && attribute != "data" && attribute != "data_base64" {
			event[attribute] = attributeValue(value)
		}
	}
	if _, ok := event["specversion"]; !ok {
		return d.Body, nil
	}
	if d.ContentType != "" {
		event["datacontenttype"] = d.ContentType
	}
	switch {
	case len(d.Body) == 0:
	case !isJSON(d.ContentType):
		event["data_base64"] = d.Body
	case json.Valid(d.Body):
		event["data"] = json.RawMessage(d.Body)
	default:
		return nil, fmt.Errorf("a CloudEvent whose data is not the JSON that its content type %q promises", d.ContentType)
	}
	body, err := json.Marshal(event)
	if err != nil {
		return nil, errors.New("a CloudEvent with an attribute that JSON does not have")
	}
	return body, nil
}

// attributeValue gives an attribute the JSON form that CloudEvents has for it.
func attributeValue(v any) any {
	switch v := v.(type) {
	case string, bool, int8, int16, int32, int64, int, byte:
		return v
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case []byte: // CloudEvents has base64 for bytes, and so has encoding/json
		return v
	}
	return fmt.Sprint(v)
}

// isJSON: without a content type, JSON is what CloudEvents takes data to be.
func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return contentType == "" || err == nil && (kind == "application/json" || kind == "text/json" || strings.HasSuffix(kind, "+json"))
}
