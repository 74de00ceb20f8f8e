package amqp

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/seed71495667/winchester/internal/glob"
)

// filter leaves notifications out by their event type.
type filter struct {
	on                 bool
	included, excluded glob.Set
}

func newFilter(q Queue) filter {
	f := filter{on: len(q.Filters) > 0 || len(q.ExcludeFilters) > 0}
	if len(q.Filters) > 0 {
		f.included = glob.NewSet(q.Filters)
	} else {
		f.included = glob.NewSet(nil)
	}
	f.excluded = glob.NewSet(append([]string{}, q.ExcludeFilters...))
	return f
}

// apply returns what is left of a body, nil if nothing is, and how many
// notifications were left out. One whose event type cannot be seen is not left
// out: whoever can make nothing of it either will say so.
func (f filter) apply(body []byte) (rest []byte, left int) {
	if !f.on {
		return body, 0
	}
	if text := bytes.TrimLeft(body, " \t\r\n"); len(text) > 0 && text[0] == '[' {
		return f.applyToItems(body)
	}
	if name, ok := eventType(body); ok && !f.passes(name) {
		return nil, 1
	}
	return body, 0
}

func (f filter) passes(name string) bool { return f.included.Match(name) && !f.excluded.Match(name) }

func (f filter) applyToItems(body []byte) (rest []byte, left int) {
	var items, kept []json.RawMessage
	if json.Unmarshal(body, &items) != nil {
		return body, 0
	}
	for _, item := range items {
		if name, ok := eventType(item); !ok || f.passes(name) {
			kept = append(kept, item)
		}
	}
	switch left = len(items) - len(kept); {
	case left == 0:
		return body, 0
	case len(kept) == 0:
		return nil, left
	}
	rest, err := json.Marshal(kept)
	if err != nil { // unreachable: it was JSON before
		return body, 0
	}
	return rest, left
}

// eventType finds the event type of a notification in any of its forms. It must
// be the one that the event would have: what is left out is gone.
func eventType(body []byte) (string, bool) {
	m := members(body)
	if inner, ok := m.text("oslo.message"); ok {
		return members([]byte(inner)).text("event_type")
	}
	switch {
	case m["oslo.message"] != nil:
		return "", false
	case m["specversion"] != nil:
		return m.text("type")
	case m["event_type"] != nil:
		return m.text("event_type")
	case m["typeURI"] != nil:
		if action, ok := m.text("action"); ok {
			return "cadf." + action, true
		}
	case m["detail"] != nil:
		return m.text("detail-type")
	}
	return "", false
}

// object has the members of a JSON object that tell its form.
type object map[string]json.RawMessage

func (o object) text(key string) (string, bool) {
	var text *string
	if json.Unmarshal(o[key], &text) != nil || text == nil {
		return "", false
	}
	return *text, true
}

var telling = []string{"oslo.message", "specversion", "type", "event_type", "typeURI", "action", "detail-type", "detail"}

// members reads an object. Unlike a struct of encoding/json it tells capitals from
// small letters, and where a key comes twice, the first counts. What is no object
// has no members.
func members(body []byte) object {
	dec := json.NewDecoder(bytes.NewReader(body))
	if begin, err := dec.Token(); err != nil || begin != json.Delim('{') || !json.Valid(body) {
		return nil
	}
	out := object{}
	for dec.More() {
		key, err := dec.Token()
		var value json.RawMessage
		if err != nil || dec.Decode(&value) != nil {
			return nil // unreachable: it is valid
		}
		if name, ok := key.(string); ok && out[name] == nil && slices.Contains(telling, name) {
			out[name] = value
		}
	}
	return out
}
