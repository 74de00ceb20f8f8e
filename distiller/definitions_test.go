package distiller_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
)

func TestLoadFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"no list", "event_type: a\n", "f.yaml:1:1: expected a list, found a map"},
		{"no map", "- a\n", `f.yaml:1:3: [0]: expected a map, found the text "a"`},
		{"nothing in it", "- {}\n", "f.yaml:1:3: [0]: event_type is missing\nf.yaml:1:3: [0]: traits is missing"},
		{"traits null", "- event_type: a\n  traits:\n", "f.yaml:1:3: [0]: traits is missing"},
		{"unknown keys", "- event_typ: a\n  event_type: b\n  traits:\n    x: {feilds: a, fields: b}\n", "" +
			"f.yaml:1:3: [0]: unknown key \"event_typ\" (did you mean \"event_type\"?)\n" +
			"f.yaml:4:9: [0].traits.x: unknown key \"feilds\" (did you mean \"fields\"?)"},
		{"event type", "- event_type: 5\n  traits: {}\n", "f.yaml:1:15: [0].event_type: expected text or a list of texts, found the integer 5; put it in quotes if text is meant"},
		{"trait text", "- event_type: a\n  traits: {x: payload.x}\n", `f.yaml:2:15: [0].traits.x: expected a map, found the text "payload.x"`},
		{"trait null", "- event_type: a\n  traits:\n    x:\n", "f.yaml:3:5: [0].traits.x: expected a map with fields, found nothing"},
		{"type", "- event_type: a\n  traits: {x: {fields: a, type: itn}}\n", `f.yaml:2:33: [0].traits.x.type: expected one of text, int, float, datetime, found "itn" (did you mean "int"?)`},
		{"fields", "- event_type: a\n  traits: {x: {fields: 5}}\n", "f.yaml:2:24: [0].traits.x.fields: expected text, found the integer 5; put it in quotes if text is meant"},
		{"fields null", "- event_type: a\n  traits: {x: {fields: [a, ~]}}\n", "f.yaml:2:28: [0].traits.x.fields[1]: expected a field path, found nothing"},
		{"no fields", "- event_type: a\n  traits: {x: {fields: []}}\n", "f.yaml:2:24: [0].traits.x.fields: expected at least one field path"},
		{"path", "- event_type: a\n  traits:\n    x:\n      fields: payload.a.5\n", `f.yaml:4:25: [0].traits.x.fields: in the field path "payload.a.5": expected a field name, found the number 5; put it in brackets as an index, in quotes as a name`},
		{"path in quotes", "- event_type: a\n  traits:\n    x:\n      fields: ['é', 'a b']\n", "" +
			"f.yaml:4:17: [0].traits.x.fields[0]: in the field path \"é\": unexpected character 'é'; a field name that has it must be in quotes\n" +
			"f.yaml:4:24: [0].traits.x.fields[1]: in the field path \"a b\": unexpected \"b\""},
		{"plugin", "- event_type: a\n  traits: {x: {fields: a, plugin: spilt}}\n", `f.yaml:2:35: [0].traits.x.plugin: there is no plugin "spilt" (did you mean "split"?), only bitfield, split, sum`},
		{"plugin without a name", "- event_type: a\n  traits: {x: {fields: a, plugin: {params: {}}}}\n", "f.yaml:2:35: [0].traits.x.plugin: name is missing\n" +
			`f.yaml:2:36: [0].traits.x.plugin: unknown key "params" (did you mean "parameters"?)`},
		{"plugin parameters", "- event_type: a\n  traits: {x: {fields: a, plugin: {name: split, parameters: [1]}}}\n", "f.yaml:2:61: [0].traits.x.plugin.parameters: expected a map, found a list"},
		{"split", "- event_type: a\n  traits: {x: {fields: a, plugin: {name: split, parameters: {separator: 5, segment: x, max_split: 1.5}}}}\n",
			"f.yaml:2:35: [0].traits.x.plugin: plugin split: separator: expected a text, found 5; segment: expected an integer, found x; max_split: expected an integer, found 1.5"},
		{"split misspelt", "- event_type: a\n  traits: {x: {fields: a, plugin: {name: split, parameters: {maxsplit: 1}}}}\n",
			`f.yaml:2:35: [0].traits.x.plugin: plugin split: unknown parameter "maxsplit" (did you mean "max_split"?)`},
		{"bitfield", "- event_type: a\n  traits: {x: {fields: a, plugin: {name: bitfield, parameters: {initial_bitfield: x, flags: [5, {bit: 1}, {path: a}, {path: a, bit: 63}, {path: a, bits: 1}]}}}}\n",
			"f.yaml:2:35: [0].traits.x.plugin: plugin bitfield: initial_bitfield: expected an integer, found x; flags[0]: expected a map with path and bit, found 5; " +
				`flags[1]: path is missing, or no text; flags[2]: bit is missing; flags[3]: bit: expected a number from 0 to 62, found 63; flags[4]: unknown parameter "bits" (did you mean "bit"?)`},
		{"merged faults once", "- event_type: a\n  traits: &t {x: {fields: 'a b'}}\n- event_type: b\n  traits: {<<: *t}\n", `f.yaml:2:30: [0].traits.x.fields: in the field path "a b": unexpected "b"`},
		{"a duplicate", "- event_type: a\n  traits: {x: {fields: a}, x: {fields: b}}\n", `f.yaml:2:28: [0].traits: duplicate key "x", first on line 2`},
		{"syntax", "- event_type: [a\n", "f.yaml:1:15: sequence end token ']' not found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, err := distiller.Load("f.yaml", []byte(c.text), nil)
			if err == nil {
				t.Fatal("no error")
			}
			if d != nil || !errors.Is(err, winchester.ErrDefinition) {
				t.Errorf("%v, %T", d, err)
			}
			if err.Error() != c.want {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
		})
	}
}

// Definitions are tried from the last to the first.
func TestDefinitionOrder(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, `
- {event_type: 'a.*', traits: {d1: {fields: message_id}}}
- {event_type: ['a.b.*', '!a.b.x'], traits: {d2: {fields: message_id}}}
- {event_type: '!a.*', traits: {d3: {fields: message_id}}}
- {event_type: [], traits: {d4: {fields: message_id}}}
`, distiller.Config{})
	for eventType, want := range map[string]string{"a.b": "d1", "a.b.c": "d2", "a.b.x": "d1", "b": "d3"} {
		event, err := d.Distill([]byte(`{"event_type":"` + eventType + `","message_id":"m"}`))
		if err != nil || event.Traits[want] != "m" || len(event.Traits) != 1 {
			t.Errorf("%s: %v, %v, want %s", eventType, event.Traits, err, want)
		}
	}
}

func TestMergeKeys(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, `
- event_type: a
  traits: &a
    x: {fields: payload.x}
    y: {fields: payload.y}
- event_type: b
  traits: &b
    y: {fields: payload.z, type: int}
    <<: *a
- event_type: c
  traits:
    <<: [*b, *a]
`, distiller.Config{})
	for eventType, want := range map[string]string{"a": "map[x:1 y:2]", "b": "map[x:1 y:3]", "c": "map[x:1 y:3]"} {
		event, err := d.Distill([]byte(`{"event_type":"` + eventType + `","message_id":"m","payload":{"x":"1","y":"2","z":"3"}}`))
		if err != nil || fmt.Sprint(event.Traits) != want {
			t.Errorf("%s: got %v, %v, want %s", eventType, event.Traits, err, want)
		}
	}
}

func TestLoadFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "definitions.yaml")
	if _, err := distiller.LoadFile(file, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(file, []byte("- {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := distiller.LoadFile(file, nil); err == nil || !strings.HasPrefix(err.Error(), file+":1:3: ") {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(file, []byte(novaDefinitions), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := distiller.LoadFile(file, nil); err != nil {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(file, []byte(strings.Repeat("#\n", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := distiller.LoadFile(file, nil); err == nil || !strings.Contains(err.Error(), "at most 1048576 are allowed") {
		t.Errorf("got %v", err)
	}
}

// A file may be written to be costly; it costs memory in proportion to its
// size all the same. Not parallel, as the count is of the whole process.
func TestHostileDefinitions(t *testing.T) {
	trait := "t: &t {fields: [payload.a.b.c, payload.d.e.f]}"
	many := func(n int, line string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, line, i)
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"one trait, many definitions": "- event_type: a\n  traits: &all\n    " + trait + "\n" + strings.Repeat("- {event_type: a, traits: {<<: *all}}\n", 8000),
		"many traits":                 "- event_type: a\n  traits: {" + many(9000, "t%d: {fields: payload.x},") + "}\n",
		"shared traits":               "- event_type: a\n  traits: &all {x: &x {fields: payload.x}, " + many(1000, "t%d: *x, ") + "}\n" + strings.Repeat("- {event_type: a, traits: *all}\n", 60),
		"shared too often":            "- event_type: a\n  traits: &all {x: &x {fields: payload.x}, " + many(1000, "t%d: *x, ") + "}\n" + strings.Repeat("- {event_type: a, traits: *all}\n", 5000),
		"long paths":                  "- event_type: a\n  traits: {" + many(1000, "t%d: {fields: "+strings.Repeat("a.", 400)+"a},") + "}\n",
		"deep paths":                  "- event_type: a\n  traits: {x: {fields: '" + strings.Repeat("(", 500000) + "'}}\n",
		"many faults":                 strings.Repeat("- {evnt_type: a, trats: 1, fileds: 1}\n", 6000),
		"many globs":                  "- event_type: ['" + strings.Repeat("*a", 200000) + "']\n  traits: {}\n",
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := distiller.Load("f.yaml", []byte(text), nil)
			runtime.ReadMemStats(&after)
			cost := (after.TotalAlloc - before.TotalAlloc) >> 20
			t.Logf("%d MB for %d KB, error %.100v", cost, len(text)>>10, err)
			if cost > 128 {
				t.Errorf("took %d MB", cost)
			}
		})
	}
}

func FuzzDefinitions(f *testing.F) {
	f.Add([]byte(novaDefinitions))
	f.Add([]byte(simple))
	f.Add([]byte("- event_type: ['!a', '*']\n  traits:\n    x: {fields: [a.b, \"c['d']\"], type: int, plugin: {name: split, parameters: {separator: '-', segment: -1}}}\n"))
	f.Add([]byte("- {event_type: a, traits: &a {x: {fields: a, plugin: {name: bitfield, parameters: {flags: [{path: a, bit: 1, value: x}]}}}}}\n- {event_type: b, traits: {<<: *a}}\n"))
	f.Add([]byte("- {event_type: 'a.*.b', rename: 'c.*', traits: {n: {fields: [a, b], type: int, plugin: sum}}}\n- {event_type: x, rename: y, traits: {}}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		definitions, err := distiller.Load("f.yaml", data, nil)
		if err != nil {
			if !errors.Is(err, winchester.ErrDefinition) || err.Error() == "" {
				t.Errorf("%T", err)
			}
			return
		}
		d, err := distiller.New(distiller.Config{Definitions: definitions})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = d.Distill([]byte(novaNotification))
		_, _ = d.Distill([]byte(`{"event_type":"a.x.b","message_id":"m","payload":{}}`))
		_, _ = d.Distill([]byte(`{"event_type":"a","message_id":"m","payload":{"l":[1,{"x":null}],"s":"é"},"_context":{"a":1}}`))
	})
}
