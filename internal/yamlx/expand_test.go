package yamlx

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	t.Parallel()
	d := NewDecoder("f.yaml")
	top := d.Parse([]byte(`
text: "+A"
number: +A
quoted: '+N'
plain: &n x+N
same: *n
nothing: +E
evil: "+Y"
list: [+A, {key: "+N"}, "++"]
"+A": unchanged
`[1:])).Expand(func(text string) (string, error) {
		return strings.NewReplacer("+A", "12", "+N", "7", "+E", "", "+Y", "a: [b]\n").Replace(text), nil
	})
	want := map[string]any{
		"text": "12", "number": int64(12), "quoted": "7", "plain": "x7", "same": "x7", "nothing": nil, "evil": "a: [b]\n",
		"list": []any{int64(12), map[string]any{"key": "7"}, "++"}, "+A": "unchanged",
	}
	if got := top.Any(); d.Err() != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v", got)
	}
}

func TestExpandedScalars(t *testing.T) {
	t.Parallel()
	d := NewDecoder("f.yaml")
	m := d.Parse([]byte("a: $5\nb: $x\nc: \"$5\"\nd: $\ne: $bad\nf: [$5]")).Expand(func(text string) (string, error) {
		if text == "$bad" {
			return "", errors.New("no such thing")
		}
		return strings.TrimPrefix(text, "$"), nil
	}).Map("a", "b", "c", "d", "e", "f")
	if got := m.Get("a").Text(); got != "5" {
		t.Errorf("as text: %q", got)
	}
	if got := m.Get("a").Int(); got != 5 {
		t.Errorf("as a number: %d", got)
	}
	if got := m.Get("f").Texts(); !reflect.DeepEqual(got, []string{"5"}) {
		t.Errorf("in a list: %q", got)
	}
	if m.Get("d").Exists() {
		t.Error("nothing is something")
	}
	m.Get("b").Int()
	m.Get("c").Int()
	m.Get("e").Int() // what could not be expanded has one fault already
	m.Get("f").Expected("something else")
	want := `f.yaml:2:4: b: expected an integer, found the text "x"
f.yaml:3:4: c: expected an integer, found the text "5"
f.yaml:5:4: e: no such thing
f.yaml:6:4: f: expected something else, found a list`
	if err := d.Err(); err == nil || err.Error() != want || d.Count() != 4 {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestJSONNumbers(t *testing.T) {
	t.Parallel()
	n, err := Parse("f.json", []byte(`[1e3, 1E-7, 1.5e+2, -2e2, 12, "1e3", true, null]`))
	want := []any{1e3, 1e-7, 150.0, -200.0, int64(12), "1e3", true, nil}
	if err != nil || !reflect.DeepEqual(n.Any(), want) {
		t.Errorf("%#v, %v", n.Any(), err)
	}
	if n, err = Parse("f.yaml", []byte(`[1e3, a]`)); err != nil || !reflect.DeepEqual(n.Any(), []any{"1e3", "a"}) {
		t.Errorf("YAML: %#v, %v", n.Any(), err)
	}
}
