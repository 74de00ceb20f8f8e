package yamlx

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// settings exercises every expectation once.
type settings struct {
	Name    string
	Types   []string
	Number  int64
	Port    int64
	Ratio   float64
	Purge   bool
	Level   string
	Params  any
	Entries map[string]string
}

func decode(text string) (out settings, err error) {
	d := NewDecoder("f.yaml")
	m := d.Parse([]byte(text)).Map("name", "types", "number", "port", "ratio", "purge", "level", "params", "entries")
	out.Name = m.Require("name").Text()
	out.Types = m.Get("types").Texts()
	out.Number = m.Get("number").Int()
	out.Port = m.Get("port").IntBetween(1, 65535)
	out.Ratio = m.Get("ratio").Float()
	out.Purge = m.Get("purge").Bool()
	out.Level = m.Get("level").OneOf("debug", "info", "error")
	out.Params = m.Get("params").Any()
	for key, v := range m.Get("entries").Entries() {
		if out.Entries == nil {
			out.Entries = map[string]string{}
		}
		out.Entries[key] = v.Text()
	}
	return out, d.Err()
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		want       settings
	}{
		{"nothing optional", "name: a", settings{Name: "a"}},
		{"nothing behind the keys", "name: a\ntypes:\nnumber: ~\nlevel:\nentries:\n", settings{Name: "a"}},
		{"all", "name: 'no'\ntypes: [a, '5']\nnumber: -5\nport: 80\nratio: 1.5\npurge: true\nlevel: info\nparams: {a: [1, x, ~]}\nentries: {k: v}\n",
			settings{"no", []string{"a", "5"}, -5, 80, 1.5, true, "info", map[string]any{"a": []any{int64(1), "x", nil}}, map[string]string{"k": "v"}}},
		{"other spellings", "name: on\ntypes: a\nratio: 3\npurge: Yes\n", settings{Name: "on", Types: []string{"a"}, Ratio: 3, Purge: true}},
		{"exponent, off", "name: a\nratio: 1e3\npurge: off\ntypes: []\n", settings{Name: "a", Ratio: 1000, Types: []string{}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := decode(c.text)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestDecodeFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"required", "types: a\n", "f.yaml:1:1: name is missing"},
		{"required but empty", "name:\n", "f.yaml:1:1: name is missing"},
		{"unknown key", "name: a\ntpyes: b\n", `f.yaml:2:1: unknown key "tpyes" (did you mean "types"?)`},
		{"not a map", "- a\n", "f.yaml:1:1: expected a map, found a list"},
		{"text", "name: 5\n", "f.yaml:1:7: name: expected text, found the integer 5; put it in quotes if text is meant"},
		{"text, a list", "name: [a]\n", "f.yaml:1:7: name: expected text, found a list"},
		{"texts", "name: a\ntypes: {a: b}\n", "f.yaml:2:8: types: expected text or a list of texts, found a map"},
		{"texts, one not", "name: a\ntypes: [a, true, ~]\n", "" +
			"f.yaml:2:12: types[1]: expected text, found the boolean true; put it in quotes if text is meant\n" +
			"f.yaml:2:18: types[2]: expected text, found nothing"},
		{"integer", "name: a\nnumber: '5'\n", `f.yaml:2:9: number: expected an integer, found the text "5"`},
		{"integer, a float", "name: a\nnumber: 1.5\n", "f.yaml:2:9: number: expected an integer, found the number 1.5"},
		{"range", "name: a\nport: 0\n", "f.yaml:2:7: port: expected an integer from 1 to 65535, found 0"},
		{"range of no integer", "name: a\nport: x\n", `f.yaml:2:7: port: expected an integer, found the text "x"`},
		{"number", "name: a\nratio: inf\n", `f.yaml:2:8: ratio: expected a number, found the text "inf"`},
		{"boolean", "name: a\npurge: 'yes'\n", `f.yaml:2:8: purge: expected true or false, found the text "yes"`},
		{"boolean, a number", "name: a\npurge: 1\n", `f.yaml:2:8: purge: expected true or false, found the integer 1`},
		{"one of", "name: a\nlevel: inof\n", `f.yaml:2:8: level: expected one of debug, info, error, found "inof" (did you mean "info"?)`},
		{"one of, no text", "name: a\nlevel: {}\n", "f.yaml:2:8: level: expected text, found a map"},
		{"entries", "name: a\nentries: {a b: 5}\n", `f.yaml:2:16: entries["a b"]: expected text, found the integer 5; put it in quotes if text is meant`},
		{"all together, by position", "level: x\nnme: 5\nport: x\nport: 5\n", "" +
			"f.yaml:1:1: name is missing\n" +
			`f.yaml:1:8: level: expected one of debug, info, error, found "x"` + "\n" +
			`f.yaml:2:1: unknown key "nme" (did you mean "name"?)` + "\n" +
			`f.yaml:3:7: port: expected an integer, found the text "x"` + "\n" +
			`f.yaml:4:1: duplicate key "port", first on line 3`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := decode(c.text)
			if err == nil {
				t.Fatal("no error")
			}
			if err.Error() != c.want {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
		})
	}
}

func TestFaultAtOffset(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a: abc":         "1:5",
		"a: éüx":         "1:4", // the offset is one of bytes, the column one of characters
		"a: 'abc'":       "1:6",
		`a: "abc"`:       "1:6",
		`a: "a\x62c"`:    "1:4", // escapes: the place within is not known
		"a: |\n  abc\n":  "1:4",
		"a: a\n  bc":     "1:4",
		"a: !!str abc\n": "1:4",
	} {
		offset := 1
		if strings.Contains(text, "é") {
			offset = 0
		}
		d := NewDecoder("f")
		d.Parse([]byte(text)).Map("a").Get("a").FaultAtf(offset, "x")
		if got := fmt.Sprint(d.Err()); got != "f:"+want+": a: x" {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
	d := NewDecoder("f")
	d.Parse([]byte("a: éüx")).Map("a").Get("a").FaultAtf(4, "x")
	if got := fmt.Sprint(d.Err()); got != "f:1:6: a: x" {
		t.Errorf("characters are not counted: %s", got)
	}
}

func TestAbsentValues(t *testing.T) {
	t.Parallel()
	var v Value
	for range v.Items() {
		t.Error("items")
	}
	for range v.Entries() {
		t.Error("entries")
	}
	m := v.Map("a")
	if v.Exists() || m.Require("a").Exists() || m.Value().Exists() || v.Text() != "" || v.Texts() != nil || v.Int() != 0 ||
		v.IntBetween(1, 2) != 0 || v.Float() != 0 || v.Bool() || v.OneOf("a") != "" || v.Any() != nil || v.Path() != "" {
		t.Error("an absent value is not zero")
	}
	v.Faultf("goes nowhere")
	v.FaultAtf(3, "nor does this")
}

func TestFaultsAreLimited(t *testing.T) {
	t.Parallel()
	d := NewDecoder("f")
	d.Parse([]byte("{" + strings.Repeat("x,", 5000) + "y: 1}")).Map("name")
	lines := strings.Split(d.Err().Error(), "\n")
	if len(lines) != maxFaults+1 || lines[maxFaults] != "f: 4901 further faults are not listed" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

func ExampleDecoder() {
	d := NewDecoder("pipelines.yaml")
	for name, pipeline := range d.Parse([]byte(`
test_pipeline:
  - logger
  - name: usage
    parms: {a: 1}
`)).Entries() {
		for _, handler := range pipeline.Items() {
			if handler.Node().Kind != Map {
				fmt.Println(name, handler.Text())
				continue
			}
			m := handler.Map("name", "params")
			fmt.Println(name, m.Require("name").Text(), m.Get("params").Any())
		}
	}
	fmt.Println(d.Err())
	// Output:
	// test_pipeline logger
	// test_pipeline usage <nil>
	// pipelines.yaml:5:5: test_pipeline[1]: unknown key "parms" (did you mean "params"?)
}
