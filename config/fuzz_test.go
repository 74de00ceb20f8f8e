package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed71495667/winchester/internal/yamlx"
)

// FuzzParseTriggers looks for definitions that crash, or that are taken and
// then refused by the engine, or that are refused without a place.
func FuzzParseTriggers(f *testing.F) {
	sample, err := os.ReadFile(filepath.Join("testdata", "etc", "triggers.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	for _, d := range deviations {
		f.Add([]byte("[" + d.example + "]"))
	}
	for _, text := range []string{
		triggerText("distinguished_by: [a, {t: day @ 6h}]", "match_criteria: [{traits: {a: {int: '> 5'}, b: 2014-01-01, c: ~}, map_distinguished_by: {a: b}}]"),
		triggerText("fire_delay: 1h 30m", "retry: {max_attempts: 3, jitter: 0, multiplier: 2}", "debug_level: '1'"),
		"- &a\n  name: a\n  match_criteria: [{}]\n  fire_criteria: []\n  expiration: $last\n  fire_pipeline: p\n- <<: *a\n  name: b\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		defs, err := ParseTriggers("f.yaml", data)
		var faults Faults
		switch {
		case err == nil:
		case !errors.As(err, &faults) || defs != nil:
			t.Fatalf("%v and %v", defs, err)
		default:
			for _, fault := range faults {
				if fault.Message == "" || strings.Contains(fault.Error(), "\n") || fault.File != "f.yaml" || fault.Line < 0 || fault.Line > 0 && fault.Column < 1 {
					t.Errorf("%+v", fault)
				}
			}
		}
		names := map[string]bool{}
		for _, d := range defs {
			if err := d.Validate(); err != nil {
				t.Errorf("taken, but %v", err)
			}
			if names[d.Name] {
				t.Errorf("%q twice", d.Name)
			}
			names[d.Name] = true
		}
	})
}

func FuzzParsePipelines(f *testing.F) {
	f.Add([]byte("p: [logger, {name: usage, params: {core_fields: [a]}}]"))
	f.Add([]byte(`{"p": [{"name": "h", "params": {"x": 1e3, "y": [null, {"z": "\ud83d\ude00"}]}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		defs, err := ParsePipelines("f.yaml", data)
		if (err == nil) != (defs != nil) {
			t.Fatalf("%v and %v", defs, err)
		}
		s := newSource("f.yaml", data, env("A", "1"))
		(&handlerNames{registry: Handlers()}).check(s, readPipelines(s))
		_ = s.faults()
		for _, d := range defs {
			for _, h := range d.Handlers {
				if h.Name == "" {
					t.Errorf("%+v", d)
				}
			}
		}
	})
}

func FuzzLoad(f *testing.F) {
	sample, err := os.ReadFile(filepath.Join("testdata", "etc", "winchester.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(sample))
	f.Add("database: {url: 'sqlite://${A:-x}'}\nretry: {jitter: 0}\nlease: 1h 30m\npipeline_handlers: {a: logger}")
	handlers := Handlers()
	f.Fuzz(func(t *testing.T, text string) {
		s := newSource("winchester.yaml", []byte(text), env("A", "1", "B", "~"))
		l := &loader{
			main: s, cfg: &Config{Settings: defaults()}, opts: Options{Handlers: handlers}, names: handlerNames{registry: handlers},
			plugins: Options{}.traitPlugins(), values: map[string]yamlx.Value{}, given: map[string]bool{},
		}
		l.readSettings()
		if c := l.cfg; s.faults() == nil {
			ec := c.EngineConfig(nil)
			if c.Database.URL == "" || ec.BatchSize < 1 || ec.PollInterval <= 0 || ec.Lease < 0 || ec.Retry.Validate() != nil {
				t.Errorf("%+v", c.Settings)
			}
		}
	})
}
