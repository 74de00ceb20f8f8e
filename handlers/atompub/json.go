package atompub

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/seed71495667/winchester"
)

// jsonOf writes an event as one flat object: its traits, and event_type,
// message_id and timestamp among them, as the original had its events. Times
// are RFC 3339 in UTC; floats always have a point or an exponent, and those that
// JSON has no numbers for are the texts NaN, Infinity and -Infinity.
func jsonOf(e winchester.Event) (string, error) {
	flat := make(map[string]any, len(e.Traits)+3)
	for name, value := range e.Traits {
		flat[name] = jsonValue(value)
	}
	for name, value := range map[string]string{"event_type": e.EventType, "message_id": e.MessageID} {
		if value != "" {
			flat[name] = value
		}
	}
	if !e.Timestamp.IsZero() {
		flat["timestamp"] = jsonValue(e.Timestamp)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // which is for JSON within HTML
	if err := enc.Encode(flat); err != nil {
		return "", err
	}
	return ascii(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

func jsonValue(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case float64:
		switch {
		case math.IsNaN(v):
			return "NaN"
		case math.IsInf(v, 0):
			if v < 0 {
				return "-Infinity"
			}
			return "Infinity"
		}
		return json.Number(floatText(v))
	}
	return v
}

// ascii writes what is not ASCII as \u escapes, like the original. So JSON
// carries every character, also those that the XML around it cannot.
func ascii(text []byte) string {
	b := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		switch {
		case r < utf8.RuneSelf:
			b = append(b, byte(r))
		case r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		}
	}
	return string(b)
}
