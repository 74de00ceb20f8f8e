package winchester

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester/timex"
)

func TestTraitsRoundTrip(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 2, 3, 4, 5, 6, 7000, time.UTC)
	traits := Traits{
		"text": "übel \"quoted\" \\ \n\t\x01 中", "empty": "", "int": int64(math.MinInt64), "float": 5.0, "tiny": 1e-300,
		"huge": 1e300, "exact": 0.1, "true": true, "false": false, "time": at, "old": time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
		"range": timex.Range{Begin: at, End: at.AddDate(0, 0, 1)}, "null": nil, "inf": math.Inf(-1), `odd "name"`: int64(1),
	}
	data, err := json.Marshal(traits)
	if err != nil {
		t.Fatal(err)
	}
	var back Traits
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	if !reflect.DeepEqual(traits, back) {
		t.Errorf("round trip through %s:\n got %#v\nwant %#v", data, back, traits)
	}
	// It is JSON for everyone else, too.
	var any map[string]any
	if err := json.Unmarshal(data, &any); err != nil || any["text"] != traits["text"] {
		t.Errorf("%s: %v", data, err)
	}
}

func TestTraitsCanonical(t *testing.T) {
	t.Parallel()
	got, err := Traits{"b": 5, "a": 5.0, "c": "5", "d": float32(0.5), "e": uint8(7), "f": json.Number("12"), "g": json.Number("1e2")}.MarshalJSON()
	if want := `{"a":5.0,"b":5,"c":"5","d":0.5,"e":7,"f":12,"g":100.0}`; err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

func TestEventNormalize(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("x", 3600)
	in := Event{
		MessageID: "m", EventType: "t", Timestamp: time.Date(2026, 1, 1, 1, 0, 0, 1999, zone),
		Traits: Traits{"n": 5, "at": time.Date(2026, 1, 1, 1, 0, 0, 1999, zone), "nil": nil},
	}
	e, err := in.normalize()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 1000, time.UTC)
	if e.Timestamp != at || !reflect.DeepEqual(e.Traits, Traits{"n": int64(5), "at": at, "nil": nil}) {
		t.Errorf("normalized: %+v", e)
	}
	if !reflect.DeepEqual(e.stored().Traits, Traits{"n": int64(5), "at": at}) {
		t.Errorf("stored: %+v", e.stored())
	}
	if _, ok := in.Traits["n"].(int); !ok {
		t.Error("the caller's traits were changed")
	}
}

func TestEventFaults(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for text, e := range map[string]Event{
		"message_id is missing":                                {EventType: "t", Timestamp: now},
		"event_type is missing":                                {MessageID: "m", Timestamp: now},
		"timestamp is missing":                                 {MessageID: "m", EventType: "t"},
		"message_id has 256":                                   {MessageID: strings.Repeat("x", 256), EventType: "t", Timestamp: now},
		"message_id is not UTF-8":                              {MessageID: "\xff", EventType: "t", Timestamp: now},
		"outside the years":                                    {MessageID: "m", EventType: "t", Timestamp: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		`trait "x": invalid trait type []string`:               {MessageID: "m", EventType: "t", Timestamp: now, Traits: Traits{"x": []string{}}},
		`trait "u": integer 18446744073709551615 does not fit`: {MessageID: "m", EventType: "t", Timestamp: now, Traits: Traits{"u": uint64(math.MaxUint64)}},
		`trait "r": a time range can only be a distinguishing`: {MessageID: "m", EventType: "t", Timestamp: now, Traits: Traits{"r": timex.Range{}}},
		`trait "s": the text is not valid UTF-8`:               {MessageID: "m", EventType: "t", Timestamp: now, Traits: Traits{"s": "\xff"}},
	} {
		_, err := e.normalize()
		if !errors.Is(err, ErrInvalidEvent) || !strings.Contains(err.Error(), text) {
			t.Errorf("want %q, got %v", text, err)
		}
	}
	_, err := Event{Traits: Traits{"x": struct{}{}}}.normalize()
	for _, part := range []string{"message_id", "event_type", "timestamp", `trait "x"`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("not all faults are reported: %v", err)
		}
	}
	if !errors.Is(err, ErrInvalidTraitType) {
		t.Errorf("the cause is not matchable: %v", err)
	}
}
