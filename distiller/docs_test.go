package distiller

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func manual(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "docs", "event-definitions.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func blocks(text, language string) (out []string) {
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// What the manual says of a path is so.
func TestManualPaths(t *testing.T) {
	t.Parallel()
	text := manual(t)
	document := blocks(text, "json")[0]
	row := regexp.MustCompile("(?m)^\\| `+([^|]*?[^`|\\\\](?:\\\\\\|[^|]*?)*)`+ \\| (.*)\\|$")
	_, table, _ := strings.Cut(text, "| path | values |")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := row.FindAllStringSubmatch(table, -1)
	if want := strings.Count(table, "\n") - 1; len(rows) != want {
		t.Errorf("%d of %d rows understood", len(rows), want)
	}
	for _, m := range rows {
		source := strings.ReplaceAll(m[1], `\|`, "|")
		o := newOutline()
		p, perr := compilePath(o, source)
		if perr != nil {
			t.Errorf("%s: %v", source, perr)
			continue
		}
		s := reading(t, o, document)
		all, err := p.all(s)
		if err != nil {
			t.Errorf("%s: %v", source, err)
		}
		var got []string
		for _, f := range all {
			got = append(got, "`"+string(s.appendValue(nil, f.value))+"`")
		}
		if g, want := strings.Join(got, " "), strings.TrimSpace(m[2]); g != want {
			t.Errorf("%s: got %s, the manual says %s", source, g, want)
		}
	}
}

// Every YAML in the manual can be loaded.
func TestManualDefinitions(t *testing.T) {
	t.Parallel()
	plugins := NewPlugins()
	plugins.MustRegister("upper", func(map[string]any) (TraitPlugin, error) {
		return TraitPluginFunc(func([]Match) (any, error) { return nil, nil }), nil
	})
	all := blocks(manual(t), "yaml")
	if len(all) < 4 {
		t.Errorf("only %d blocks found", len(all))
	}
	for _, text := range all {
		if _, err := Load("manual.yaml", []byte(text), plugins); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

// What the manual says of bitfield is so.
func TestManualBitfield(t *testing.T) {
	t.Parallel()
	definitions, err := Load("manual.yaml", []byte(blocks(manual(t), "yaml")[2]), nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(Config{Definitions: definitions})
	if err != nil {
		t.Fatal(err)
	}
	for payload, want := range map[string]int64{`{}`: 0, `{"rescued": 0}`: 1, `{"state": "error"}`: 2, `{"rescued": true, "state": "error"}`: 3, `{"state": "active"}`: 0} {
		body, err := json.Marshal(map[string]any{"event_type": "e", "message_id": "m", "payload": json.RawMessage(payload)})
		if err != nil {
			t.Fatal(err)
		}
		event, err := d.Distill(body)
		if got, _ := event.Traits.Int("flags"); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", payload, got, err, want)
		}
	}
}
