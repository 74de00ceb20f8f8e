package distiller_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
)

// recorded is an expected line: what the original made of a notification.
type recorded struct {
	MessageID any                      `json:"message_id"`
	Dropped   bool                     `json:"dropped"`
	EventType string                   `json:"event_type"`
	Timestamp string                   `json:"timestamp"`
	Event     map[string]recordedTrait `json:"event"`
	Valid     *bool                    `json:"winchester_valid"`
	Error     string                   `json:"error"`
	Detail    string                   `json:"detail"`
}

type recordedTrait struct {
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
}

// outcome is what this implementation made of it.
type outcome struct {
	event winchester.Event
	types map[string]distiller.Type
	err   error
}

// compare lists how the outcome differs from the recording, each line
// beginning with the name of a trait or of a part of the event.
func compare(want recorded, got outcome) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	switch {
	case want.Error != "":
		if got.err == nil {
			fault("error: recorded %s, got none", want.Detail)
			return faults
		}
		return compareError(want, got.err)
	case want.Dropped:
		if !errors.Is(got.err, winchester.ErrDropped) || errors.Is(got.err, winchester.ErrInvalidEvent) {
			fault("error: recorded as dropped, got %v", got.err)
		}
	case want.Valid != nil && !*want.Valid:
		if !errors.Is(got.err, winchester.ErrInvalidEvent) || errors.Is(got.err, winchester.ErrDropped) {
			fault("error: recorded as invalid, got %v", got.err)
		}
		return faults // what an invalid event has in it is not told
	case got.err != nil:
		fault("error: recorded none, got %v", got.err)
		return faults
	}
	if id, ok := want.MessageID.(string); !ok || id != got.event.MessageID {
		fault("message_id: recorded %v, got %q", want.MessageID, got.event.MessageID)
	}
	if want.Dropped {
		return faults
	}
	if want.EventType != got.event.EventType {
		fault("event_type: recorded %q, got %q", want.EventType, got.event.EventType)
	}
	if at := got.event.Timestamp; at.Location() != time.UTC || at.Format("2006-01-02T15:04:05.000000Z") != want.Timestamp {
		fault("timestamp: recorded %s, got %s", want.Timestamp, at)
	}
	for name, w := range want.Event {
		g, ok := got.event.Traits[name]
		if !ok {
			fault("trait %s: recorded %s, got none", name, w.Value)
			continue
		}
		if t := got.types[name].String(); t != w.Type || !sameValue(w, g) {
			fault("trait %s: recorded %s %s, got %s %v", name, w.Type, w.Value, t, g)
		}
	}
	for name, g := range got.event.Traits {
		if _, ok := want.Event[name]; !ok {
			fault("trait %s: recorded none, got %v", name, g)
		}
	}
	return faults
}

func compareError(want recorded, err error) (faults []string) {
	var e *distiller.Error
	if !errors.As(err, &e) {
		return []string{fmt.Sprintf("error: got a %T", err)}
	}
	if !errors.Is(err, winchester.ErrInvalidEvent) {
		faults = append(faults, fmt.Sprintf("error: %v is no ErrInvalidEvent", err))
	}
	conversion := want.Error == "ValueError" || want.Error == "ParseError" || want.Error == "OverflowError"
	if conversion && (e.Path == "" || e.Value == "" || e.MessageID == "" || e.EventType == "") {
		faults = append(faults, fmt.Sprintf("error: %v does not say what is wrong where", err))
	}
	for _, part := range []string{e.EventType, e.MessageID, e.Trait, e.Path, e.Value} {
		if !strings.Contains(err.Error(), part) {
			faults = append(faults, fmt.Sprintf("error: %v does not name %s", err, part))
		}
	}
	if errors.Is(err, distiller.ErrTrait) != (e.Trait != "") {
		faults = append(faults, fmt.Sprintf("error: %v names no trait", err))
	}
	return faults
}

func sameValue(want recordedTrait, got any) bool {
	switch got := got.(type) {
	case string:
		var s string
		return json.Unmarshal(want.Value, &s) == nil && s == got
	case int64:
		return string(want.Value) == fmt.Sprint(got)
	case float64:
		switch string(want.Value) {
		case `"NaN"`:
			return math.IsNaN(got)
		case `"Infinity"`:
			return math.IsInf(got, 1)
		case `"-Infinity"`:
			return math.IsInf(got, -1)
		}
		var f float64
		return json.Unmarshal(want.Value, &f) == nil && f == got && math.Signbit(f) == math.Signbit(got)
	case time.Time:
		var s string
		return json.Unmarshal(want.Value, &s) == nil && got.Location() == time.UTC && got.Format("2006-01-02T15:04:05.000000Z") == s
	}
	return false
}
