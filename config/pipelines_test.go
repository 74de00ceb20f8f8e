package config

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/seed71495667/winchester"
)

func TestParsePipelines(t *testing.T) {
	t.Parallel()
	got, err := ParsePipelines("p.yaml", []byte(`
bill:
  - logger
  - name: invoice
    params: {currency: EUR, cents: 3, ratio: 0.5, dry_run: false, tags: [a, b], to: {host: mail, port: 25}, none: null}
  - {name: logger, params: }
nothing: []
another: [logger]
`))
	want := []winchester.PipelineDefinition{
		{Name: "bill", Handlers: []winchester.HandlerSpec{
			{Name: "logger"},
			{Name: "invoice", Params: map[string]any{
				"currency": "EUR", "cents": int64(3), "ratio": 0.5, "dry_run": false, "tags": []any{"a", "b"},
				"to": map[string]any{"host": "mail", "port": int64(25)}, "none": nil,
			}},
			{Name: "logger"},
		}},
		{Name: "nothing"},
		{Name: "another", Handlers: []winchester.HandlerSpec{{Name: "logger"}}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := ParsePipelines("p.json", []byte(`{"p": [{"name": "h", "params": {"x": 1e3}}]}`)); err != nil || got[0].Handlers[0].Params["x"] != 1000.0 {
		t.Errorf("JSON: %+v, %v", got, err)
	}
	for _, text := range []string{"", "---", "{}"} {
		if got, err := ParsePipelines("p.yaml", []byte(text)); err != nil || len(got) != 0 {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestPipelineFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"top", "[a]", `p.yaml:1:1: expected a map, found a list`},
		{"pipeline", "a: logger", `p.yaml:1:4: a: expected a list, found the text "logger"`},
		{"null pipeline", "a:", `p.yaml:1:1: a: expected a list of handlers, found nothing`},
		{"no name", `"": []`, `p.yaml:1:5: [""]: a pipeline needs a name`},
		{"twice", "a: []\nb: []\na: []", `p.yaml:3:1: duplicate key "a", first on line 1`},
		{"handler", "a: [[x]]", `p.yaml:1:5: a[0]: expected the name of a handler, or a map of its name and params, found a list`},
		{"null handler", "a: [~]", `p.yaml:1:5: a[0]: expected the name of a handler, or a map of its name and params, found nothing`},
		{"empty handler", `a: [""]`, `p.yaml:1:5: a[0]: expected the name of a handler, found nothing`},
		{"number", `a: [5]`, `p.yaml:1:5: a[0]: expected text, found the integer 5; put it in quotes if text is meant`},
		{"nameless", "a: [{params: {}}]", `p.yaml:1:5: a[0]: name is missing`},
		{"empty name", `a: [{name: ""}]`, `p.yaml:1:12: a[0].name: expected the name of a handler, found nothing`},
		{"misspelt", "a: [{name: x, parms: {}}]", `p.yaml:1:15: a[0]: unknown key "parms" (did you mean "params"?)`},
		{"params", "a: [{name: x, params: hunter2}]", `p.yaml:1:23: a[0].params: expected a map of parameters`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParsePipelines("p.yaml", []byte(c.text))
			if err == nil || err.Error() != c.want || got != nil {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

type billParams struct {
	Currency string `json:"currency"`
	Cents    int    `json:"cents"`
	Nested   struct {
		Port int `json:"port"`
	} `json:"nested"`
}

func (p *billParams) Validate() error {
	if p.Currency == "" {
		return errNoCurrency
	}
	return nil
}

type stringError string

func (e stringError) Error() string { return string(e) }

const errNoCurrency = stringError("currency is required\nor is it?")

type noHandler struct{ winchester.HandlerDefaults }

func (noHandler) HandleEvents(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
	return events, nil
}

func billRegistry() *winchester.Registry {
	r := Handlers()
	winchester.MustRegister(r, "bill", func(billParams) (winchester.Handler, error) { return noHandler{}, nil })
	return r
}

func TestHandlerFaults(t *testing.T) {
	t.Parallel()
	const how = `write it in Go, register it with winchester.Register, hand the registry in as Options.Handlers and use its name here`
	for _, c := range []struct{ name, text, want string }{
		{"fine", "a: [logger, usage, {name: bill, params: {currency: EUR}}]", ``},
		{"unknown", "a: [loger]", `:1:5: a[0]: unknown handler "loger" (did you mean "logger"?): ` + how + `; known are bill, logger, notify, usage`},
		{"unknown of several", "a:\n- logger\n- name: q", `:3:9: a[1].name: unknown handler "q": ` + how + `; known are bill, logger, notify, usage`},
		{
			"unknown parameter", "a: [{name: bill, params: {currency: EUR, cent: 3}}]",
			`:1:48: a[0].params.cent: handler "bill": parameters: cent: there is no such parameter (did you mean "cents"?)`,
		},
		{
			"type of parameter", "a: [{name: bill, params: {currency: EUR, cents: many}}]",
			`:1:49: a[0].params.cents: handler "bill": parameters: cents: expected int, found string`,
		},
		{
			"type of a nested parameter", "a: [{name: bill, params: {currency: EUR, nested: {port: x}}}]",
			`:1:50: a[0].params.nested: handler "bill": parameters: nested.port: expected int, found string`,
		},
		{"invalid", "a: [{name: bill, params: {cents: 3}}]", `:1:26: a[0].params: handler "bill": parameters: currency is required; or is it?`},
		{"invalid without parameters", "a: [bill]", `:1:5: a[0]: handler "bill": parameters: currency is required; or is it?`},
		{"params of no use", "a: [{name: bill, params: [x]}]", `:1:26: a[0].params: expected a map of parameters`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "p.yaml")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := LoadPipelines(path, Options{Handlers: billRegistry()})
			got := ""
			if err != nil {
				got = strings.TrimPrefix(err.Error(), path)
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
