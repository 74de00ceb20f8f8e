package amqp

import (
	"bytes"
	"encoding/json"

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

// eventType finds the event type of a notification in any of its forms.
func eventType(body []byte) (string, bool) {
	var n struct {
		EventType   *string `json:"event_type"`
		Enveloped   *string `json:"oslo.message"`
		SpecVersion *string `json:"specversion"`
		Type        *string `json:"type"`
		TypeURI     *string `json:"typeURI"`
		Action      *string `json:"action"`
	}
	if json.Unmarshal(body, &n) != nil {
		return "", false
	}
	switch {
	case n.Enveloped != nil:
		var inner struct {
			EventType *string `json:"event_type"`
		}
		if json.Unmarshal([]byte(*n.Enveloped), &inner) != nil || inner.EventType == nil {
			return "", false
		}
		return *inner.EventType, true
	case n.SpecVersion != nil && n.Type != nil:
		return *n.Type, true
	case n.EventType != nil:
		return *n.EventType, true
	case n.TypeURI != nil && n.Action != nil:
		return "cadf." + *n.Action, true
	}
	return "", false
}
