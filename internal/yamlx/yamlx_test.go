package yamlx

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestScalars(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		"": nil, "~": nil, "null": nil, "NULL": nil, "nUll": "nUll", "'null'": "null", "!!str ~": "~",
		"true": true, "False": false, "yes": "yes", "on": "on", "y": "y", `"true"`: "true",
		"42": int64(42), "-7": int64(-7), "+7": int64(7), "1_000": int64(1000), "0x1F": int64(31),
		"010": int64(8), "0o17": int64(15), "0b11": int64(3), "0": int64(0), "'5'": "5", "!!str 5": "5",
		"089": "089", "0x": "0x", "0xg": "0xg", "--5": "--5", "1-2": "1-2", "5-": "5-", "_1": "_1",
		"9223372036854775807": int64(math.MaxInt64), "-9223372036854775808": int64(math.MinInt64),
		"1.5": 1.5, "-.5": -.5, "5.": 5.0, "1.5e3": 1500.0, "1.e-3": .001, ".inf": math.Inf(1), "-.Inf": math.Inf(-1),
		"1e3": "1e3", "1.2.3": "1.2.3", ".": ".", "..5": "..5", "1.5e": "1.5e", "1_0.5": 10.5, "1.x": "1.x",
		"1:30": "1:30", "2014-08-01": "2014-08-01", "$last + 1h": "$last + 1h", "30m": "30m",
		"a b": "a b", "é": "é", `"\u00e9\n"`: "é\n", "'it''s'": "it's", "|\n  x\n  y\n": "x\ny\n", ">-\n  x\n  y\n": "x y",
		"!!python/unicode 'x'": "x", "!!int 5": int64(5),
	} {
		n, err := Parse("f.yaml", []byte("- "+text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := n.Items[0].Any(); !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %T %v, want %T %v", text, got, got, want, want)
		}
	}
	n, err := Parse("f.yaml", []byte("- .nan"))
	if err != nil {
		t.Fatal(err)
	}
	if f, ok := n.Items[0].Value.(float64); !ok || !math.IsNaN(f) {
		t.Errorf(".nan is %v", n.Items[0].Value)
	}
}

func TestTimestamp(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2014-08-01":                   "2014-08-01T00:00:00Z",
		"2014-08-01 10:20:30":          "2014-08-01T10:20:30Z",
		"2014-8-1T1:02:03.5":           "2014-08-01T01:02:03.5Z",
		"2014-08-01T10:20:30Z":         "2014-08-01T10:20:30Z",
		"2014-08-01 10:20:30 +02:00":   "2014-08-01T08:20:30Z",
		"2001-12-14t21:59:43.10-05:00": "2001-12-15T02:59:43.1Z",
		"'2014-08-01'":                 "",
		"2014-08-32":                   "",
		"2014-08-01x":                  "",
		"20140801":                     "",
		"day":                          "",
	} {
		n, err := Parse("f.yaml", []byte("- "+text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got, ok := n.Items[0].Timestamp()
		if ok != (want != "") || ok && got.Format(time.RFC3339Nano) != want {
			t.Errorf("%q is %v %t, want %q", text, got, ok, want)
		}
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	const head = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\n"
	for _, c := range []struct{ name, text, want string }{
		{"explicit wins after", "c:\n  <<: *a\n  x: 9\n", "y=1 x=9"},
		{"explicit wins before", "c:\n  x: 9\n  <<: *a\n", "x=9 y=1"},
		{"first of a list wins", "c:\n  <<: [*a, *b]\n", "x=1 y=1 z=2"},
		{"the other way round", "c:\n  <<: [*b, *a]\n  w: 0\n", "y=2 z=2 x=1 w=0"},
		{"written out", "c:\n  <<: {x: 5}\n  w: 0\n", "x=5 w=0"},
		{"in braces", "c: {w: 0, <<: *a}\n", "w=0 x=1 y=1"},
		{"through a merge", "m: &m\n  <<: *a\n  y: 7\nc:\n  <<: *m\n", "x=1 y=7"},
		{"of nothing", "c:\n  <<: []\n  w: 0\n", "w=0"},
		{"in quotes is a key", "c:\n  '<<': 1\n", "<<=1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, err := Parse("f.yaml", []byte(head+c.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range n.Get("c").Entries {
				got = append(got, e.Key+"="+e.Value.Text)
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("got %s, want %s", s, c.want)
			}
		})
	}
}

func TestAliasIsTheSameNode(t *testing.T) {
	t.Parallel()
	n, err := Parse("f.yaml", []byte("- &a {x: 1}\n- *a\n- &a 2\n- *a\n"))
	if err != nil {
		t.Fatal(err)
	}
	if n.Items[0] != n.Items[1] || n.Items[2] != n.Items[3] || n.Items[0] == n.Items[2] {
		t.Error("aliases are not what they name")
	}
}

func TestEmptyFiles(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "\ufeff", "--- # x\n...\n", "null\n"} {
		if n, err := Parse("f.yaml", []byte(text)); err != nil || n.Kind != Null {
			t.Errorf("%q: %v, %v", text, n, err)
		}
	}
}

func TestKeysAreText(t *testing.T) {
	t.Parallel()
	n, err := Parse("f.yaml", []byte("on: 1\n5: 2\n~: 3\n'a b': 4\n? q\n: 5\n&x k: 6\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"on": int64(1), "5": int64(2), "~": int64(3), "a b": int64(4), "q": int64(5), "k": int64(6)}
	if got := n.Any(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestParseFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"syntax", "a: [1, 2\n", "f.yaml:1:4: sequence end token ']' not found"},
		{"tab", "a:\n\tb: 1\n", "f.yaml:2:1: found character '\t' that cannot start any token"},
		{"no value", "a: @b\n", "f.yaml:1:4: '@' is a reserved character"},
		{"percent", "a: %b\n", "f.yaml:1:4: a word that begins with % must be in quotes; directives are not supported"},
		{"two documents", "- a\n---\n- b\n", "f.yaml:2:1: a second document begins here, only one is expected"},
		{"unknown alias", "a:\n- *.b\n", "f.yaml:2:3: a[0]: there is no anchor &.b before this; put *.b in quotes if text is meant"},
		{"alias to itself", "a: &a [*a]\n", "f.yaml:1:8: a[0]: the alias *a stands inside of what it names"},
		{"merge of a word", "a: {<<: b}\n", `f.yaml:1:5: a: expected a map or a list of maps to merge, found the text "b"`},
		{"merge of a list of words", "a:\n  <<: [b]\n", `f.yaml:2:3: a: expected maps to merge, found the text "b" among them`},
		{"two merges", "a: &a {}\nb:\n  <<: *a\n  <<: *a\n", "f.yaml:4:3: b: a second merge key; write one with a list: <<: [*a, *b]"},
		{"large integer", "a: 99999999999999999999\n", "f.yaml:1:4: a: the integer 99999999999999999999 does not fit into 64 bits; put it in quotes if text is meant"},
		{"large float", "a: 1.0e999\n", "f.yaml:1:4: a: the number 1.0e999 is too large; put it in quotes if text is meant"},
		{"tag", "a: !!binary eA==\n", "f.yaml:1:4: a: the tag !!binary is not supported"},
		{"text tag on a map", "a: !!python/unicode {}\n", "f.yaml:1:4: a: !!python/unicode stands before a map"},
		{"not UTF-8", "a: é\nb: \xff\n", "f.yaml:2:4: byte 0xff is not valid UTF-8"},
		{"control character", "a: \x00\n", "f.yaml:1:4: control character U+0000 is not allowed"},
		{"list as key", "? [a]\n: b\n", "f.yaml:2:1: found an invalid key for this map"},
		{"all together", "a: 1\nb: *x\na: 2\nc: {d: 1, d: 2}\n", "" +
			"f.yaml:2:4: b: there is no anchor &x before this; put *x in quotes if text is meant\n" +
			`f.yaml:3:1: duplicate key "a", first on line 1` + "\n" +
			`f.yaml:4:11: c: duplicate key "d", first on line 4`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, err := Parse("f.yaml", []byte(c.text))
			if err == nil {
				t.Fatal("no error")
			}
			if n != nil {
				t.Error("a node beside an error")
			}
			if err.Error() != c.want {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
			var faults Faults
			if !errors.As(err, &faults) || len(faults) == 0 {
				t.Errorf("not Faults: %T", err)
			}
		})
	}
}
