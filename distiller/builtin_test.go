package distiller_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
)

var update = flag.Bool("update", false, "write the events that the built-in definitions make, instead of comparing them")

func builtin(t testing.TB, names ...string) *distiller.Distiller {
	t.Helper()
	var sources []distiller.Source
	for _, name := range names {
		more, err := distiller.Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, more...)
	}
	definitions, err := distiller.LoadSources(nil, sources...)
	if err != nil {
		t.Fatal(err)
	}
	d, err := distiller.New(distiller.Config{Definitions: definitions})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// samples are the notifications in a file under testdata/builtin, written by
// the projects' documentation.
func samples(t testing.TB, d *distiller.Distiller, name string) [][]byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "builtin", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	items, batch, err := d.Split(data)
	if err != nil || !batch || len(items) == 0 {
		t.Fatalf("%d items, %v, %v", len(items), batch, err)
	}
	return items
}

// What each set makes of the samples is what stands in testdata, alone and
// together with the other sets.
func TestBuiltin(t *testing.T) {
	t.Parallel()
	all := builtin(t, "openstack")
	for _, name := range distiller.BuiltinNames() {
		if name == "openstack" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := builtin(t, name)
			var out bytes.Buffer
			for _, body := range samples(t, d, name) {
				event, err := d.Distill(body)
				if err != nil {
					t.Fatalf("%s: %v", body, err)
				}
				if other, err := all.Distill(body); err != nil || !reflect.DeepEqual(other, event) {
					t.Errorf("with all sets: got %+v, %v\nwant %+v", other, err, event)
				}
				line, err := json.MarshalIndent(event, "", " ")
				if err != nil {
					t.Fatal(err)
				}
				out.Write(append(line, '\n'))
			}
			file := filepath.Join("testdata", "builtin", name+".events.json")
			if *update {
				if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out.Bytes(), want) {
				t.Errorf("got\n%s\nwant\n%s", out.Bytes(), want)
			}
		})
	}
}

// One instance, told of in both of Nova's formats, makes the same events but
// for what one of the formats does not have.
func TestBuiltinNovaFormats(t *testing.T) {
	t.Parallel()
	d := builtin(t, "nova")
	events := map[string]winchester.Event{}
	for _, body := range samples(t, d, "nova") {
		event, err := d.Distill(body)
		if err != nil {
			t.Fatal(err)
		}
		key := event.EventType + event.Timestamp.String()
		other, ok := events[key]
		if events[key] = event; !ok || !strings.HasPrefix(event.EventType, "compute.instance.") {
			continue
		}
		for name, want := range other.Traits {
			switch got := event.Traits[name]; name {
			case "bandwidth_in", "bandwidth_out", "rax_options", "os_distro", "os_version", "message":
				if got != nil {
					t.Errorf("%s: %s is %v", event.EventType, name, got)
				}
			case "service":
				if got != "nova-compute" || want != "compute" {
					t.Errorf("%s and %s", got, want)
				}
			case "state_description": // "" there, absent here
			default:
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s: %s is %v, want %v", event.EventType, name, got, want)
				}
			}
		}
		for name := range event.Traits {
			if other.Traits[name] == nil {
				t.Errorf("%s: %s is only in the versioned one", event.EventType, name)
			}
		}
		delete(events, key)
	}
	pairs := 0
	for key := range events {
		if strings.HasPrefix(key, "compute.instance.") {
			pairs++
		}
	}
	if pairs != 2 { // resize_finish.end and create.error have no twin
		t.Errorf("%d have no twin", pairs)
	}
}

func TestBuiltinUnknown(t *testing.T) {
	t.Parallel()
	_, err := distiller.Builtin("nvoa")
	if err == nil || err.Error() != `there are no built-in definitions "nvoa" (did you mean "nova"?), only cinder, glance, keystone, neutron, nova, openstack` {
		t.Error(err)
	}
}

// Of several files the last that matches applies, faults of all are reported,
// and built-in sets have their own plugins.
func TestLoadSources(t *testing.T) {
	t.Parallel()
	sources, err := distiller.Builtin("glance")
	if err != nil {
		t.Fatal(err)
	}
	plugins := distiller.NewPlugins()
	plugins.MustRegister("split", func(map[string]any) (distiller.TraitPlugin, error) {
		return distiller.TraitPluginFunc(func([]distiller.Match) (any, error) { return "mine", nil }), nil
	})
	own := distiller.Source{File: "own.yaml", Data: []byte("- {event_type: image.create, traits: {a: {fields: payload.name, plugin: split}}}")}
	definitions, err := distiller.LoadSources(plugins, append(sources, own)...)
	if err != nil {
		t.Fatal(err)
	}
	d, err := distiller.New(distiller.Config{Definitions: definitions})
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range samples(t, d, "glance")[:2] {
		event, err := d.Distill(body)
		if err != nil || (event.Traits["a"] != nil) == (event.EventType == "image.upload") || (event.Traits["image_id"] != nil) == (event.EventType == "image.create") ||
			event.EventType == "image.create" && event.Traits["a"] != "mine" || event.EventType == "image.upload" && event.Traits["service"] != "image" {
			t.Errorf("%+v, %v", event, err)
		}
	}
	_, err = distiller.LoadSources(nil, distiller.Source{File: "a", Data: []byte("- {event_type: a}")}, own, distiller.Source{File: "b", Data: []byte("5")})
	if err == nil || err.Error() != "a:1:3: [0]: traits is missing\nb:1:1: expected a list, found the integer 5" || !errors.Is(err, winchester.ErrDefinition) {
		t.Error(err)
	}
}

func TestSum(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, "- {event_type: '*', traits: {n: {fields: [payload.a, payload.b, 'payload.l[*]'], type: int, plugin: sum}, x: {fields: event_type}}}", distiller.Config{})
	for payload, want := range map[string]any{
		`{}`:                                nil,
		`{"a":null}`:                        nil,
		`{"a":20,"b":5}`:                    int64(25),
		`{"a":-3}`:                          int64(-3),
		`{"a":"7","l":[1,2]}`:               int64(10),
		`{"a":9223372036854775807}`:         int64(9223372036854775807),
		`{"a":9223372036854775807,"b":1}`:   "the sum does not fit into a 64-bit integer",
		`{"a":-9223372036854775808,"b":-1}`: "the sum does not fit into a 64-bit integer",
		`{"a":"x"}`:                         "payload.a: it is no integer",
		`{"a":{}}`:                          "payload.a: it is no integer",
	} {
		got, err := d.Distill([]byte(`{"event_type":"e","message_id":"m","payload":` + payload + `}`))
		if text, isText := want.(string); isText {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v", payload, err)
			}
		} else if err != nil || got.Traits["n"] != want {
			t.Errorf("%s: got %v, %v", payload, got.Traits["n"], err)
		}
	}
	if _, err := distiller.Load("e", []byte("- {event_type: a, traits: {n: {fields: a, plugin: {name: sum, parameters: {x: 1}}}}}"), nil); err == nil || !strings.Contains(err.Error(), "x: it has no parameters") {
		t.Error(err)
	}
}
