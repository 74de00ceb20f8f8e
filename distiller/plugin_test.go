package distiller_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
)

func TestRegister(t *testing.T) {
	t.Parallel()
	p := distiller.NewPlugins()
	factory := func(map[string]any) (distiller.TraitPlugin, error) { return nil, errors.New("not today") }
	if err := p.Register("mine", factory); err != nil {
		t.Fatal(err)
	}
	if err := p.Register("split", factory); err != nil {
		t.Errorf("a built-in plugin cannot be replaced: %v", err)
	}
	for name, f := range map[string]distiller.PluginFactory{"mine": factory, "split": factory, "": factory, "none": nil} {
		if err := p.Register(name, f); err == nil {
			t.Errorf("%q is registered", name)
		}
	}
	if got := fmt.Sprint(p.Names()); got != "[bitfield mine split sum]" {
		t.Errorf("got %s", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("MustRegister does not panic")
		}
	}()
	p.MustRegister("mine", factory)
}

// distilWith makes one trait with a plugin and returns it.
func distilWith(t *testing.T, typ string, plugin distiller.TraitPlugin) (any, error) {
	t.Helper()
	p := distiller.NewPlugins()
	p.MustRegister("own", func(map[string]any) (distiller.TraitPlugin, error) { return plugin, nil })
	definitions, err := distiller.Load("f.yaml", []byte("- event_type: '*'\n  traits:\n    v: {fields: ['payload.l[*]', payload.x], type: "+typ+", plugin: own}\n"), p)
	if err != nil {
		t.Fatal(err)
	}
	d, err := distiller.New(distiller.Config{Definitions: definitions})
	if err != nil {
		t.Fatal(err)
	}
	event, err := d.Distill([]byte(`{"event_type":"e","message_id":"m","publisher_id":"p","payload":{"l":[1,null,2.5,18446744073709551615,"s",true,[1,null],{"a":1}]}}`))
	return event.Traits["v"], err
}

func TestPluginMatches(t *testing.T) {
	t.Parallel()
	got, err := distilWith(t, "text", distiller.TraitPluginFunc(func(matches []distiller.Match) (any, error) {
		var b strings.Builder
		for _, m := range matches {
			fmt.Fprintf(&b, "%s %T %v; ", m.Path, m.Value, m.Value)
		}
		return b.String(), nil
	}))
	const want = "payload.l.[0] int64 1; payload.l.[2] float64 2.5; payload.l.[3] json.Number 18446744073709551615; payload.l.[4] string s; " +
		"payload.l.[5] bool true; payload.l.[6] []interface {} [1 <nil>]; payload.l.[7] map[string]interface {} map[a:1]; "
	if err != nil || got != want {
		t.Errorf("got  %v, %v\nwant %s", got, err, want)
	}
}

func TestPluginResults(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 1500, time.FixedZone("", 7200))
	for _, c := range []struct {
		typ  string
		in   any
		want any
	}{
		{"text", nil, nil}, {"text", "", ""}, {"int", "", nil}, {"int", "7", int64(7)}, {"int", 7, int64(7)}, {"float", int64(7), 7.0},
		{"datetime", at, at.UTC().Truncate(time.Microsecond)}, {"text", []any{"a", 1}, `["a",1]`}, {"int", true, int64(1)},
	} {
		got, err := distilWith(t, c.typ, distiller.TraitPluginFunc(func([]distiller.Match) (any, error) { return c.in, nil }))
		if err != nil || got != c.want {
			t.Errorf("%s of %v: got %v, %v, want %v", c.typ, c.in, got, err, c.want)
		}
	}
}

func TestPluginFailures(t *testing.T) {
	t.Parallel()
	cause := errors.New("no idea")
	for _, c := range []struct {
		name   string
		plugin distiller.TraitPluginFunc
		want   string
	}{
		{"an error", func([]distiller.Match) (any, error) { return nil, cause }, "no idea"},
		{"a panic", func(m []distiller.Match) (any, error) { return m[99], nil }, "the plugin panicked: runtime error: index out of range [99] with length 7"},
		{"a strange result", func([]distiller.Match) (any, error) { return struct{}{}, nil }, "the plugin's result: it is a struct {}, expected a text, a number, a boolean, a time, a list or a map"},
		{"a wrong result", func([]distiller.Match) (any, error) { return "x", nil }, `the plugin's result "x": it is no integer, and the trait's type is int`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := distilWith(t, "int", c.plugin)
			if want := `trait cannot be extracted: e m: trait "v": payload.l.[0] is 1: ` + c.want; fmt.Sprint(err) != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if !errors.Is(err, distiller.ErrTrait) || !errors.Is(err, winchester.ErrInvalidEvent) || errors.Is(err, cause) != (c.name == "an error") {
				t.Errorf("%v is of the wrong kind", err)
			}
		})
	}
}

func TestPluginFactoryFailures(t *testing.T) {
	t.Parallel()
	for want, factory := range map[string]distiller.PluginFactory{
		"plugin own: not today":         func(map[string]any) (distiller.TraitPlugin, error) { return nil, errors.New("not today") },
		"plugin own: it panicked: oops": func(map[string]any) (distiller.TraitPlugin, error) { panic("oops") },
		"plugin own: it gave no plugin": func(map[string]any) (distiller.TraitPlugin, error) { return nil, nil },
	} {
		p := distiller.NewPlugins()
		p.MustRegister("own", factory)
		_, err := distiller.Load("f.yaml", []byte("- {event_type: a, traits: {x: {fields: a, plugin: own}}}"), p)
		if got := fmt.Sprint(err); got != "f.yaml:1:51: [0].traits.x.plugin: "+want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestPluginParameters(t *testing.T) {
	t.Parallel()
	p := distiller.NewPlugins()
	var got []string
	p.MustRegister("own", func(parameters map[string]any) (distiller.TraitPlugin, error) {
		got = append(got, fmt.Sprintf("%#v", parameters))
		return distiller.TraitPluginFunc(func([]distiller.Match) (any, error) { return nil, nil }), nil
	})
	_, err := distiller.Load("f.yaml", []byte(`
- event_type: a
  traits:
    a: {fields: a, plugin: own}
    b: {fields: a, plugin: {name: own, parameters: ~}}
    c: {fields: a, plugin: {name: own, parameters: {l: [1, 1.5, x, true, ~]}}}
`), p)
	if err != nil {
		t.Fatal(err)
	}
	if want := `map[string]interface {}{}|map[string]interface {}{}|map[string]interface {}{"l":[]interface {}{1, 1.5, "x", true, interface {}(nil)}}`; strings.Join(got, "|") != want {
		t.Errorf("got %s", got)
	}
}

func TestMapCondenser(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, "- {event_type: '*', traits: {when: {fields: payload.x}, x: {fields: payload.x, type: int}}}", distiller.Config{})
	var c distiller.MapCondenser
	if err := d.Condense([]byte(`{"event_type":"e","message_id":"m","payload":{"x":"5"}}`), &c); err != nil {
		t.Fatal(err)
	}
	first := c.Map()
	if got := fmt.Sprintln(first["event_type"], first["message_id"], first["x"], first["when"], len(first)); got != "e m 5 2026-03-01 11:00:00 +0000 UTC 4\n" {
		t.Errorf("got %s", got)
	}
	if err := d.CondenseMap(map[string]any{"event_type": "e", "message_id": nil}, &c); err != nil {
		t.Fatal(err)
	}
	if second := c.Map(); len(second) != 3 || len(first) != 4 {
		t.Errorf("got %v after %v", second, first)
	}
}
