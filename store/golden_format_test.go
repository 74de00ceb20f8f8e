package store_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/timex"
)

// How the recordings are written.

const goldenTime = "2006-01-02T15:04:05.000000Z"

// goldenCases is queries/cases.json.
type goldenCases struct {
	State struct {
		Events  []goldenEvent
		Streams []goldenStream
	}
	Queries []goldenOp
	Changes []goldenChange
}

// goldenOp is a query or a change, and what the original made of it.
type goldenOp struct {
	ID       string
	Op       string
	Args     goldenArgs
	Result   json.RawMessage
	Error    string
	Detail   string
	Optional string
	// Of REST calls.
	Status int
	JSON   json.RawMessage
}

type goldenArgs struct {
	FromDatetime         string  `json:"from_datetime"`
	ToDatetime           string  `json:"to_datetime"`
	EventName            *string `json:"event_name"`
	Traits               map[string]typed
	Mark                 string
	Limit                *int
	Count                bool
	StreamID             *int64 `json:"stream_id"`
	State                string
	OlderThan            string           `json:"older_than"`
	YoungerThan          string           `json:"younger_than"`
	Name                 *string          // of a trigger, or a trait
	DistinguishingTraits map[string]typed `json:"distinguishing_traits"`
	IncludeEvents        bool             `json:"include_events"`
	MessageID            string           `json:"message_id"`
	Value                *typed
	PurgeDate            string `json:"purge_date"`
	Batchsize            int
	Events               []int64
	Stream               int64
	Object               string
	As                   string
	Method               string
	Path                 string
}

type goldenEvent struct {
	N         int64
	EventType string `json:"event_type"`
	MessageID string `json:"message_id"`
	Timestamp string
	Traits    map[string]typed
}

type goldenStream struct {
	N               int64
	Trigger         string
	State           string
	StateSerialNo   int64            `json:"state_serial_no"`
	DistinguishedBy map[string]typed `json:"distinguished_by"`
	FirstEvent      string           `json:"first_event"`
	LastEvent       string           `json:"last_event"`
	FireTimestamp   string           `json:"fire_timestamp"`
	ExpireTimestamp string           `json:"expire_timestamp"`
	Events          []string
}

// typed is a typed value as the recordings write it.
type typed struct {
	Type  string
	Value json.RawMessage
}

func (v typed) decode(t *testing.T) any {
	t.Helper()
	read := func(into any) {
		t.Helper()
		if err := json.Unmarshal(v.Value, into); err != nil {
			t.Fatal(err)
		}
	}
	switch v.Type {
	case "none":
		return nil
	case "string", "uuid":
		var s string
		read(&s)
		return s
	case "int":
		var n int64
		read(&n)
		return n
	case "float":
		var f float64
		read(&f)
		return f
	case "bool":
		var b bool
		read(&b)
		return b
	case "datetime":
		var s string
		read(&s)
		return goldenMoment(t, s)
	case "timerange":
		var r struct{ Begin, End string }
		read(&r)
		return timex.Range{Begin: goldenMoment(t, r.Begin), End: goldenMoment(t, r.End)}
	}
	t.Fatalf("typed value of unknown type %q", v.Type)
	return nil
}

func goldenMoment(t *testing.T, s string) time.Time {
	t.Helper()
	if s == "" {
		return time.Time{}
	}
	at, err := time.Parse(goldenTime, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func decodeTraits(t *testing.T, in map[string]typed) winchester.Traits {
	t.Helper()
	if in == nil {
		return nil
	}
	out := winchester.Traits{}
	for name, v := range in {
		out[name] = v.decode(t)
	}
	return out
}

func (e goldenEvent) decode(t *testing.T) winchester.Event {
	t.Helper()
	return winchester.Event{MessageID: e.MessageID, EventType: e.EventType, Timestamp: goldenMoment(t, e.Timestamp), Traits: decodeTraits(t, e.Traits)}
}

func (s goldenStream) text(t *testing.T) string {
	t.Helper()
	return streamText(t, winchester.Stream{
		ID: s.N, Name: s.Trigger, State: goldenState(t, s.State), StateSerialNo: s.StateSerialNo,
		DistinguishingTraits: decodeTraits(t, s.DistinguishedBy), FirstEvent: goldenMoment(t, s.FirstEvent), LastEvent: goldenMoment(t, s.LastEvent),
		FireTimestamp: goldenMoment(t, s.FireTimestamp), ExpireTimestamp: goldenMoment(t, s.ExpireTimestamp),
	}, s.Events)
}

func goldenState(t *testing.T, name string) winchester.State {
	t.Helper()
	state, err := winchester.ParseState(name)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func traitsText(t *testing.T, traits winchester.Traits) string {
	t.Helper()
	b, err := traits.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// streamText is what the recordings tell of a stream, as text.
func streamText(t *testing.T, s winchester.Stream, events []string) string {
	t.Helper()
	return fmt.Sprint(s.ID, " ", s.Name, " ", traitsText(t, s.DistinguishingTraits), " ", s.State, " ", s.StateSerialNo, " first ", s.FirstEvent,
		" last ", s.LastEvent, " fire ", s.FireTimestamp, " expire ", s.ExpireTimestamp, " ", events)
}

func eventText(t *testing.T, e winchester.Event) string {
	t.Helper()
	return fmt.Sprint(e.MessageID, " ", e.EventType, " ", e.Timestamp, " ", traitsText(t, e.Traits))
}

// idsByTime lists message ids in the order of the events; where times are
// equal, the original has no order, and so by id.
func idsByTime(events []winchester.Event) []string {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b winchester.Event) int {
		if c := a.Timestamp.Compare(b.Timestamp); c != 0 {
			return c
		}
		return strings.Compare(a.MessageID, b.MessageID)
	})
	ids := []string{}
	for i, e := range sorted {
		ids = append(ids, e.MessageID)
		if e.Timestamp != events[i].Timestamp {
			return append(ids, "not sorted by time")
		}
	}
	return ids
}

// goldenChange is a series of operations on a fresh copy of the state.
type goldenChange struct {
	Name     string
	Optional string
	Ops      []goldenOp
	After    struct {
		Events         []int64
		Streams        []int64
		ChangedStreams []goldenStream `json:"changed_streams"`
		Counts         struct {
			Members     int `json:"streamevent"`
			EventTraits int `json:"trait"`
			Traits      int `json:"dist_trait"`
		}
	}
}

// goldenOf writes an event as the recordings do.
func goldenOf(e winchester.Event) any {
	traits := row{}
	for name, value := range e.Traits {
		traits[name] = typedOf(value)
	}
	return row{"event_type": e.EventType, "message_id": e.MessageID, "timestamp": e.Timestamp.Format(goldenTime), "traits": traits}
}

// typedOf writes a value as the recordings do.
func typedOf(value any) any {
	switch v := value.(type) {
	case nil:
		return row{"type": "none", "value": nil}
	case string:
		return row{"type": "string", "value": v}
	case int64:
		return row{"type": "int", "value": v}
	case float64:
		return row{"type": "float", "value": v}
	case bool:
		return row{"type": "bool", "value": v}
	case time.Time:
		return row{"type": "datetime", "value": v.Format(goldenTime)}
	case timex.Range:
		return row{"type": "timerange", "value": row{"begin": v.Begin.Format(goldenTime), "end": v.End.Format(goldenTime)}}
	}
	return fmt.Sprintf("%T", value)
}
