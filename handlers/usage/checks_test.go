package usage_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/handlers/usage"
)

// The audit period of the records in these tests, and one microsecond, the
// smallest step that is stored.
var (
	begin = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	end   = begin.AddDate(0, 0, 1)
)

const step = time.Microsecond

// record is an end-of-day record that verifies, with some traits changed; a
// nil trait is left out.
func record(change winchester.Traits) winchester.Event {
	e := operation("compute.instance.exists", nil)
	e.MessageID = "6d2f0d5e-7d5c-4f0e-9a8e-3a1f6f3f0a01"
	e.Timestamp = end.Add(10 * time.Minute)
	e.Traits["state"] = "active"
	e.Traits["audit_period_beginning"] = begin
	e.Traits["audit_period_ending"] = end
	return with(e, change)
}

// operation is an event of the same instance that agrees with record.
func operation(eventType string, change winchester.Traits) winchester.Event {
	return with(winchester.Event{
		MessageID: "b3c1c9a0-6f5e-4d58-8c1e-0c8d1d0f0b02",
		EventType: eventType,
		Timestamp: begin.Add(time.Hour),
		Traits: winchester.Traits{
			"instance_id":        "i-1",
			"tenant_id":          "t-1",
			"instance_flavor_id": int64(2),
			"launched_at":        begin.AddDate(0, 0, -5),
		},
	}, change)
}

func with(e winchester.Event, change winchester.Traits) winchester.Event {
	e.Traits = maps.Clone(e.Traits)
	for name, value := range change {
		if e.Traits[name] = value; value == nil {
			delete(e.Traits, name)
		}
	}
	return e
}

func handle(t *testing.T, h *usage.Handler, events ...winchester.Event) []winchester.Event {
	t.Helper()
	out, err := h.HandleEvents(t.Context(), events, &winchester.Env{StreamID: 7, Now: runTime})
	if err != nil {
		t.Fatal(err)
	}
	return out[len(events):]
}

func TestChecks(t *testing.T) {
	t.Parallel()
	type traits = winchester.Traits
	const update, rebuild, gone = "compute.instance.update", "compute.instance.rebuild.end", "compute.instance.delete.end"
	ev := operation
	list := func(events ...winchester.Event) []winchester.Event { return events }
	deleted := traits{"state": "deleted", "deleted_at": begin.Add(time.Hour)}
	for _, c := range []struct {
		name   string
		events []winchester.Event
		codes  []string // "" is verified
	}{
		{"nothing", nil, nil},
		{"a plain day", list(record(nil)), []string{""}},

		{"U0: no record", list(ev(update, nil)), []string{"U0"}},
		{"U0: events after the record", list(record(nil), ev(update, nil)), []string{"", "U0"}},
		{"U0 has no say over the record", list(record(traits{"launched_at": nil}), ev(update, nil)), []string{"U1", "U0"}},

		{"U1: active and never launched", list(record(traits{"launched_at": nil})), []string{"U1"}},
		{"U1: an empty text is no launched_at", list(record(traits{"launched_at": ""})), []string{"U1"}},
		{"not U1: being built", list(record(traits{"launched_at": nil, "state": "building"})), []string{""}},
		{"U1: deleted and never launched", list(record(traits{"state": "deleted", "deleted_at": begin, "launched_at": nil})), []string{"U1"}},

		{"U2: another flavor", list(ev(rebuild, traits{"instance_flavor_id": int64(3)}), record(nil)), []string{"U2"}},
		{"U2: text is not a number", list(ev(rebuild, traits{"instance_flavor_id": "2"}), record(nil)), []string{"U2"}},
		{"not U2: 2.0 is 2", list(ev(rebuild, traits{"instance_flavor_id": 2.0}), record(nil)), []string{""}},
		{"U2: a field on one side only", list(ev(rebuild, traits{"os_version": "7"}), record(nil)), []string{"U2"}},
		{"not U2: null is missing", list(ev(rebuild, nil), withNull(record(nil), "os_version")), []string{""}},
		{"not U2: a later operation agrees", list(ev(rebuild, traits{"tenant_id": "t-2"}), ev(rebuild, nil), record(nil)), []string{""}},
		{"not U2: no operation", list(ev(update, traits{"tenant_id": "t-2"}), record(nil)), []string{""}},
		{"U2: deleted at another time", list(ev(gone, traits{"deleted_at": begin}), record(deleted)), []string{"U2"}},
		{"not U2: the delete event's flavor", list(ev(gone, traits{"deleted_at": begin.Add(time.Hour), "instance_flavor_id": int64(9)}), record(deleted)), []string{""}},

		{"U3: deleted_at, yet active", list(record(traits{"deleted_at": begin})), []string{"U3"}},
		{"U3: deleted_at, and no state", list(record(traits{"deleted_at": begin, "state": nil})), []string{"U3"}},

		{"U4: deleted before launched", list(record(traits{"state": "deleted", "launched_at": begin.Add(-time.Hour), "deleted_at": begin.Add(-time.Hour - step)})), []string{"U4"}},
		{"not U4: deleted when launched", list(record(traits{"state": "deleted", "launched_at": begin.Add(-time.Hour), "deleted_at": begin.Add(-time.Hour)})), []string{""}},
		{"U4: deleted_at is text", list(record(traits{"state": "deleted", "deleted_at": "2026-03-01"})), []string{"U4"}},

		{"not U5: just before the period", list(record(traits{"state": "deleted", "deleted_at": begin.Add(-step)})), []string{""}},
		{"U5: at its beginning", list(record(traits{"state": "deleted", "deleted_at": begin})), []string{"U5"}},
		{"U5: at its end", list(record(traits{"state": "deleted", "deleted_at": end})), []string{"U5"}},
		{"not U5: just after the period", list(record(traits{"state": "deleted", "deleted_at": end.Add(step)})), []string{""}},
		{"not U5: no period", list(record(traits{"state": "deleted", "deleted_at": begin, "audit_period_ending": nil})), []string{""}},
		{"U5: the period is no time", list(record(traits{"state": "deleted", "deleted_at": begin, "audit_period_beginning": "x", "audit_period_ending": end})), []string{"U5"}},
		{"not U5: the delete event is there", list(ev(gone, traits{"deleted_at": begin.Add(time.Hour)}), record(deleted)), []string{""}},

		{"U6: delete event, no deleted_at", list(ev(gone, traits{"deleted_at": begin}), record(nil)), []string{"U6"}},
		{"U6 before U7", list(ev(gone, nil), ev(gone, nil), record(nil)), []string{"U6"}},
		{"U7: two delete events", list(ev(gone, deleted), ev(gone, deleted), record(deleted)), []string{"U7"}},
		{"not U7: one in each block", list(ev(gone, traits{"deleted_at": begin.Add(time.Hour)}), record(deleted), ev(gone, traits{"deleted_at": begin.Add(time.Hour)}), record(deleted)), []string{"", ""}},
		{"U3 before U7", list(ev(gone, deleted), ev(gone, deleted), record(traits{"deleted_at": begin})), []string{"U3"}},
		{"U2 of an operation before U6", list(ev(rebuild, traits{"tenant_id": "t-2"}), ev(gone, nil), record(nil)), []string{"U2"}},

		{"not U8: just before the period", list(record(traits{"launched_at": begin.Add(-step)})), []string{""}},
		{"U8: at its beginning", list(record(traits{"launched_at": begin})), []string{"U8"}},
		{"U8: at its end", list(record(traits{"launched_at": end})), []string{"U8"}},
		{"not U8: just after the period", list(record(traits{"launched_at": end.Add(step)})), []string{""}},
		{"not U8: any event will do", list(ev(update, nil), record(traits{"launched_at": begin})), []string{""}},
		{"U8: events of the block before do not count", list(ev(update, nil), record(nil), record(traits{"launched_at": begin})), []string{"", "U8"}},
		{"U8: launched_at is text", list(ev(update, nil), record(traits{"launched_at": "2026-03-01"})), []string{"U8"}},
		{"U8 before U2", list(record(traits{"launched_at": begin, "deleted_at": begin})), []string{"U8"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			made := handle(t, new(usage.Handler), c.events...)
			if codes, _ := summary(made); !slices.Equal(codes, c.codes) {
				t.Errorf("codes are %q, want %q: %v", codes, c.codes, made)
			}
		})
	}
}

func withNull(e winchester.Event, name string) winchester.Event {
	e.Traits = maps.Clone(e.Traits)
	e.Traits[name] = nil
	return e
}

// TestConflictText: operators' tools match these texts, so they are spelt as
// the original spelt them.
func TestConflictText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		theirs, ours any
		want         string
	}{
		{"a", "b", "'a' != 'b'"},
		{"a", nil, "'a' != 'None'"},
		{int64(3), "3", "'3' != '3'"},
		{3.0, 2.5, "'3.0' != '2.5'"},
		{1e16, -2.0, "'1e+16' != '-2.0'"},
		{true, false, "'True' != 'False'"},
		{begin, begin.Add(step), "'2026-03-01 00:00:00' != '2026-03-01 00:00:00.000001'"},
		{"näme", "name", "'näme' != 'name'"},
	} {
		made := handle(t, usage.New(usage.Params{CoreFields: []string{"f"}}),
			operation("compute.instance.rebuild.end", winchester.Traits{"f": c.theirs}), record(winchester.Traits{"f": c.ours}))
		if got, _ := made[0].Traits.String("error"); got != "Conflicting 'f' values ("+c.want+")" {
			t.Errorf("error is %q, want %s", got, c.want)
		}
	}
}

func TestRecordWithoutTraits(t *testing.T) {
	t.Parallel()
	made := handle(t, new(usage.Handler), winchester.Event{MessageID: "m", EventType: "compute.instance.exists", Timestamp: end})
	if len(made) != 1 || made[0].EventType != usage.EventVerified || made[0].Traits["rax_options"] != "0" {
		t.Errorf("made %v, want one verified event with its defaults", made)
	}
}
