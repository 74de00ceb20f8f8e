package usage_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/handlers/usage"
	"github.com/seed71495667/winchester/timex"
)

func TestPartialPeriods(t *testing.T) {
	t.Parallel()
	type traits = winchester.Traits
	hour := func(h int) time.Time { return begin.Add(time.Duration(h) * time.Hour) }
	for _, c := range []struct {
		name       string
		begin, end any
		before     string // type of an event before the record
		warns      bool
	}{
		{"whole day", begin, end, "", false},
		{"next day, not at midnight", hour(1), hour(25), "", false},
		{"next day in UTC", begin.In(time.FixedZone("", 7200)), end.In(time.FixedZone("", -7200)), "", false},
		{"until a microsecond before midnight", begin, end.Add(-step), "", true},
		{"part of a day", hour(1), hour(9), "", true},
		{"two days", begin, hour(48), "", true},
		{"no time at all", begin, begin, "", true},
		{"backwards", end, begin, "", true},
		{"not times", "2026-03-01", "2026-03-02", "compute.instance.update", true},
		{"explained by a rebuild", hour(1), hour(9), "compute.instance.rebuild.end", false},
		{"explained by a resize", hour(1), hour(9), "compute.instance.finish_resize.end", false},
		{"explained by a rescue", hour(1), hour(9), "compute.instance.rescue.end", false},
		{"not explained by an update", hour(1), hour(9), "compute.instance.update", true},
		{"no period", nil, nil, "", false},
		{"no end", hour(1), nil, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			events := []winchester.Event{record(traits{"audit_period_beginning": c.begin, "audit_period_ending": c.end, "state": "stopped"})}
			if c.before != "" {
				events = slices.Insert(events, 0, operation(c.before, nil))
			}
			_, warnings := summary(handle(t, new(usage.Handler), events...))
			if got := len(warnings) > 0; got != c.warns {
				t.Errorf("warnings: %q, want some: %t", warnings, c.warns)
			}
		})
	}
}

// TestWarningsAreBounded: a record repeats the warnings of those before it, but
// not so many that a long stream costs the square of its length.
func TestWarningsAreBounded(t *testing.T) {
	t.Parallel()
	events := make([]winchester.Event, 1000)
	for i := range events {
		e := record(winchester.Traits{"audit_period_ending": begin.Add(time.Hour)})
		e.MessageID = fmt.Sprintf("record-%04d", i)
		events[i] = e
	}
	_, warnings := summary(handle(t, new(usage.Handler), events...))
	if len(warnings) != len(events) {
		t.Fatalf("%d warnings events, want %d", len(warnings), len(events))
	}
	last := lastOf(warnings)
	if n := strings.Count(last, "Non-EOD"); n != 100 {
		t.Errorf("the last repeats %d warnings, want 100", n)
	}
	if !strings.Contains(last, "record-0999") || strings.Contains(last, "record-0899") {
		t.Errorf("the last does not have the latest: %s", last)
	}
}

// TestEventTypes: what counts as what can be changed, list by list.
func TestEventTypes(t *testing.T) {
	t.Parallel()
	reverted := operation("instance.resize_revert.end", winchester.Traits{"tenant_id": "t-2"})
	r := record(nil)
	r.EventType = "instance.exists"
	p := usage.Params{OperationTypes: []string{"instance.resize_revert.end"}}
	for _, c := range []struct {
		params usage.Params
		want   string
	}{
		{usage.Params{}, ""},
		{p, "U2"},
		{usage.Params{DeleteTypes: []string{"instance.resize_revert.end"}}, "U6"},
		{usage.Params{ExistsTypes: []string{"compute.instance.exists"}}, "U0"},
	} {
		made := handle(t, usage.New(c.params), reverted, r)
		if codes, _ := summary(made); !slices.Equal(codes, []string{c.want}) {
			t.Errorf("%+v: codes are %q, want %q", c.params, codes, c.want)
		}
	}
	rebuild := operation("instance.rebuild.end", winchester.Traits{"tenant_id": "t-2"})
	if codes, _ := summary(handle(t, usage.New(p), rebuild, r)); !slices.Equal(codes, []string{""}) {
		t.Errorf("a type that is no operation any more: codes are %q", codes)
	}
}

// TestIDs: running a stream again gives the same ids; no two events share one.
func TestIDs(t *testing.T) {
	t.Parallel()
	partial := func(id string) winchester.Event {
		e := record(winchester.Traits{"audit_period_ending": begin.Add(time.Hour)})
		e.MessageID = id
		return e
	}
	events := []winchester.Event{
		partial("6d2f0d5e-7d5c-4f0e-9a8e-3a1f6f3f0a01"), partial("source/1"), partial("source/2"), partial(""), partial(""),
		operation("compute.instance.update", nil),
	}
	ids := func(streamID int64, at time.Time) []string {
		out, err := new(usage.Handler).HandleEvents(t.Context(), events, &winchester.Env{StreamID: streamID, Now: at})
		if err != nil {
			t.Fatal(err)
		}
		ids := make([]string, 0, 11)
		for _, e := range out[len(events):] {
			ids = append(ids, e.MessageID)
		}
		return ids
	}
	first := ids(7, runTime)
	if again := ids(7, runTime.AddDate(0, 0, 1)); !slices.Equal(first, again) {
		t.Errorf("the second run gives other ids:\n%q\n%q", first, again)
	}
	if distinct := slices.Compact(slices.Sorted(slices.Values(first))); len(distinct) != 11 {
		t.Errorf("%d distinct ids, want 11 (5 verdicts, 5 warnings, U0): %q", len(distinct), first)
	}
	// Per record: a warning (of the stream) and a verdict (of the record).
	other := ids(8, runTime)
	for i := range first {
		ofRecord := i == 1 || i == 3 || i == 5
		if same := first[i] == other[i]; same != ofRecord {
			t.Errorf("event %d has the same id in another stream: %t, want %t", i, same, ofRecord)
		}
	}
}

// TestAnyValue: whatever the traits hold, every record gets a verdict.
func TestAnyValue(t *testing.T) {
	t.Parallel()
	values := []any{
		nil, "", "x", "näme", int64(0), int64(-5), 7, uint8(3), 2.5, true, false, begin, end, time.Time{},
		timex.Range{Begin: begin, End: end}, []string{"no", "trait"}, map[string]any{}, struct{ f func() }{},
	}
	fields := append(usage.DefaultCoreFields(), "state", "deleted_at", "audit_period_beginning", "audit_period_ending", "instance_id")
	for _, field := range fields {
		for _, value := range values {
			for _, state := range []string{"active", "deleted", "building"} {
				r := record(winchester.Traits{"state": state, "deleted_at": begin})
				if state == "active" {
					r = record(nil)
				}
				r.Traits[field] = value
				in := []winchester.Event{operation("compute.instance.rebuild.end", nil), r, r, operation("compute.instance.delete.end", winchester.Traits{field: value}), r}
				if codes, _ := summary(handle(t, new(usage.Handler), in...)); len(codes) != 3 {
					t.Errorf("%s = %v: codes are %q, want three", field, value, codes)
				}
			}
		}
	}
}

func TestRegister(t *testing.T) {
	t.Parallel()
	r := winchester.NewRegistry()
	if err := usage.Register(r); err != nil {
		t.Fatal(err)
	}
	if err := usage.Register(r); err == nil {
		t.Error("registered twice without an error")
	}
	for _, c := range []struct {
		params map[string]any
		fault  string // "" for none
	}{
		{nil, ""},
		{map[string]any{"core_fields": nil}, ""},
		{map[string]any{"core_fields": []any{"launched_at", "region"}}, ""},
		{map[string]any{"core_fields": []any{}}, "core_fields: is empty"},
		{map[string]any{"core_fields": []any{"a", "", "a"}}, "core_fields[2]: a is listed twice"},
		{map[string]any{"core_fields": []any{"timestamp"}}, "timestamp differs"},
		{map[string]any{"core_fields": "launched_at"}, "core_fields"},
		{map[string]any{"exists_types": []any{"a.exists"}, "operation_types": []any{}, "delete_types": []any{"a.gone"}}, ""},
		{map[string]any{"exists_types": []any{}}, "exists_types: is empty"},
		{map[string]any{"operation_types": []any{"instance.*.end"}}, `operation_types[0]: expected the name of an event type, found the pattern "instance.*.end"`},
		{map[string]any{"operation_types": []any{"a", "", "a"}}, "operation_types[1]: is empty\noperation_types[2]: a is listed twice"},
		{map[string]any{"operation_types": []any{"instance.delete.end"}}, "delete_types[1]: instance.delete.end is in operation_types as well"},
		{map[string]any{"fields": []any{"launched_at"}}, "fields"},
	} {
		_, err := r.Factory(usage.Name, c.params)
		if c.fault == "" && err != nil || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
			t.Errorf("%v: error is %v, want %q", c.params, err, c.fault)
		}
	}
	if _, err := r.Factory("usag", nil); !errors.Is(err, winchester.ErrUnknownHandler) {
		t.Errorf("error is %v, want ErrUnknownHandler", err)
	}
}

func TestCoreFields(t *testing.T) {
	t.Parallel()
	rebuild := operation("compute.instance.rebuild.end", winchester.Traits{"tenant_id": "t-2", "region": "north"})
	for _, c := range []struct {
		fields []string
		want   string
	}{
		{nil, "U2"},
		{[]string{"launched_at"}, ""},
		{[]string{"launched_at", "region"}, "U2"},
	} {
		made := handle(t, usage.New(usage.Params{CoreFields: c.fields}), rebuild, record(nil))
		if codes, _ := summary(made); !slices.Equal(codes, []string{c.want}) {
			t.Errorf("%q: codes are %q, want %q", c.fields, codes, c.want)
		}
	}
}
