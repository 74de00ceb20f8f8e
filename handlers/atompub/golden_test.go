package atompub

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/testgolden"
)

// TestGoldenAtomPub compares entries with recordings of the original:
// testdata/golden of the repository, or the directory that WINCHESTER_GOLDEN
// names. Where the two differ, a rule in deviations_test.go must say why.
func TestGoldenAtomPub(t *testing.T) {
	t.Parallel()
	dir, own := os.Getenv("WINCHESTER_GOLDEN"), false
	if dir == "" {
		dir, own = filepath.Join("..", "..", "testdata", "golden"), true
	}
	cases := testgolden.Cases[goldenCase](t, filepath.Join(dir, "atompub", "cases.jsonl"))
	excused := &excuses{cases: map[string][]string{}}
	t.Run("cases", func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				c.run(t, excused)
			})
		}
	})
	for _, rule := range deviations {
		names := excused.cases[rule]
		slices.Sort(names)
		t.Logf("%s excused %d of %d cases: %q", rule, len(names), len(cases), names)
		if own && len(names) == 0 {
			t.Errorf("rule %s excuses nothing: remove it", rule)
		}
	}
}

// goldenCase is one event, and what the original made of it.
type goldenCase struct {
	Name          string                      `json:"name"`
	Params        map[string]any              `json:"params"`
	Event         map[string]testgolden.Value `json:"event"`
	Matched       *bool                       `json:"matched"`
	Content       string                      `json:"content"`
	ContentParsed json.RawMessage             `json:"content_parsed"`
	Atom          string                      `json:"atom"`
	Raised        string                      `json:"raised"`
	Detail        string                      `json:"detail"`
}

func (c goldenCase) run(t *testing.T, excused *excuses) {
	params := map[string]any{"url": "http://feed.example.com/nova"}
	for name, value := range c.Params {
		params[name] = value
	}
	registry := winchester.NewRegistry()
	if err := Register(registry); err != nil {
		t.Fatal(err)
	}
	factory, err := registry.Factory(Name, params)
	if err != nil {
		c.excuseRefusedParams(t, err, excused)
		return
	}
	handler, err := factory()
	if err != nil {
		t.Fatal(err)
	}
	h := handler.(*Handler)
	e := testgolden.Event(t, c.Event)
	if c.Matched != nil && h.types.Match(e.EventType) != *c.Matched {
		t.Errorf("matched: %t, want %t", !*c.Matched, *c.Matched)
	}
	got, err := h.params.entryOf(e)
	if c.Raised != "" {
		c.excuseException(t, e, string(got), err, excused)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	c.excuseIncomplete(e, excused)
	want := c.escaped(t, e, excused)
	gotTokens, gotJSON := dissect(t, string(got))
	wantTokens, wantJSON := dissect(t, want)
	if !slices.Equal(gotTokens, wantTokens) {
		t.Errorf("entry\n got %q\nwant %q", gotTokens, wantTokens)
	}
	if !reflect.DeepEqual(gotJSON, wantJSON) {
		t.Errorf("content\n got %v\nwant %v", gotJSON, wantJSON)
	}
	if len(c.ContentParsed) > 0 && !reflect.DeepEqual(gotJSON, parseJSON(t, c.ContentParsed)) {
		t.Errorf("content\n got %v\nwant %s", gotJSON, c.ContentParsed)
	}
}

// dissect reads a whole document: its elements with their attributes, in order,
// and text; and the JSON that is its content, parsed.
func dissect(t *testing.T, document string) (tokens []string, content any) {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(document))
	dec.Strict = true
	isJSON := false
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return tokens, content
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, document)
		}
		switch token := token.(type) {
		case xml.StartElement:
			text := "<" + token.Name.Space + " " + token.Name.Local
			for _, a := range token.Attr {
				text += fmt.Sprintf(" %s %s=%q", a.Name.Space, a.Name.Local, a.Value)
				isJSON = isJSON || token.Name.Local == "content" && a.Value == "application/json"
			}
			tokens = append(tokens, text)
		case xml.EndElement:
			tokens, isJSON = append(tokens, "/"+token.Name.Local), false
		case xml.CharData:
			if isJSON {
				content = parseJSON(t, token)
				continue
			}
			tokens = append(tokens, string(token))
		default:
			t.Fatalf("a %T in %s", token, document)
		}
	}
}

// parseJSON keeps the spelling of integers, which may have more than 64 bits.
func parseJSON(t *testing.T, text []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// excuses notes which cases each rule excused.
type excuses struct {
	mu    sync.Mutex
	cases map[string][]string
}

func (x *excuses) add(rule, name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !slices.Contains(x.cases[rule], name) {
		x.cases[rule] = append(x.cases[rule], name)
	}
}
