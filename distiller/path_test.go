package distiller

import (
	"strings"
	"testing"
)

const pathDocument = `{
	"a": {"b": 1, "c": "x", "n": null, "d-e": 2, "x.y": 3, "@t": 4, "42": 5, "where": 6, "it's": 7, "b\\c": 8},
	"l": [{"g": 10}, {"g": null, "h": 11}, {"g": 12}],
	"s": "aüc", "i": 7, "f": 1.5, "t": true, "z": null, "e": [], "m": [[1, 2], [3, 4]],
	"r": {"p": {"q": {"deep": 20}}, "deep": 21},
	"_context_request_id": "req", "_context_user": {"id": "u"}
}`

func TestPath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, want string }{
		{"a.b", "a.b=1"},
		{" a . b ", "a.b=1"},
		{"$.a.b", "a.b=1"},
		{"a['b']", "a.b=1"},
		{`a["b"]`, "a.b=1"},
		{"a[b]", "a.b=1"},
		{"a.[b]", "a.b=1"},
		{"[a].b", "a.b=1"},
		{"(a).(b)", "a.b=1"},
		{"a.d-e", "a.d-e=2"},
		{"a.'x.y'", "a.x.y=3"},
		{"a.@t", "a.@t=4"},
		{"a.'42'", "a.42=5"},
		{"a.'where'", "a.where=6"},
		{`a.'it\'s'`, "a.it's=7"},
		{`a."it's"`, "a.it's=7"},
		{`a.'b\\c'`, `a.b\c=8`},
		{"a.n", ""},
		{"a.b.c", ""},
		{"a.missing.x", ""},
		{"i.x", ""},

		{"l[0].g", "l.[0].g=10"},
		{"l.[0].g", "l.[0].g=10"},
		{"l[-1].g", "l.[-1].g=12"},
		{"l[3].g", ""},
		{"l[-4].g", "error: l[-4].g: there is no item [-4] in a list of 3"},
		{"e[0]", ""},
		{"s[1]", `s.[1]="ü"`},
		{"s[-1]", `s.[-1]="c"`},
		{"s[3]", ""},
		{"s[-4]", "error: s[-4]: there is no character [-4] in a text of 3"},
		{"i[0]", "error: i[0]: [0] needs a list, found a number"},
		{"t[0]", "error: t[0]: [0] needs a list, found a boolean"},
		{"z[0]", "error: z[0]: [0] needs a list, found null"},
		{"r[0]", "error: r[0]: [0] needs a list, found an object"},
		{"r[2]", ""},
		{"m[1][0]", "m.[1].[0]=3"},

		{"l[*].g", "l.[0].g=10 l.[2].g=12"},
		{"l[:2].g", "l.[0].g=10"},
		{"l[1:].g", "l.[2].g=12"},
		{"l[-1:].g", "l.[2].g=12"},
		{"l[:-1].g", "l.[0].g=10"},
		{"l[2:1].g", ""},
		{"l[-9:9].g", "l.[0].g=10 l.[2].g=12"},
		{"i[*]", "i.[0]=7"},
		{"s[:]", `s.[0]="aüc"`},
		{"t[*]", "t.[0]=true"},
		{"r[*].deep", "r.[0].deep=21"},
		{"f[*]", "error: f[*]: a slice needs a list, found a number"},
		{"z[*]", "error: z[*]: a slice needs a list, found null"},
		{"a.*", `a.b=1 a.c="x" a.d-e=2 a.x.y=3 a.@t=4 a.42=5 a.where=6 a.it's=7 a.b\c=8`},
		{"l.*", ""},
		{"*.deep", "r.deep=21"},
		{"m[*][1]", "m.[0].[1]=2 m.[1].[1]=4"},

		{"r..deep", "r.deep=21 r.p.q.deep=20"},
		{"$..deep", "r.deep=21 r.p.q.deep=20"},
		{"r..p..deep", "r.p.q.deep=20"},
		{"r..p.q.deep", "r.p.q.deep=20"},
		{"l..g", "l.[0].g=10 l.[2].g=12"},

		{"a.c,b", `a.c="x" a.b=1`},
		{"a['c','b']", `a.c="x" a.b=1`},
		{"a,r.deep", "r.deep=21"},
		{"a.(missing|b)", "a.b=1"},
		{"(a.n)|(a.b)", "a.b=1"},
		{"a.b|c", `a.b=1 a.c="x"`},
		{"a.n|a.b", ""}, // a.(n|a).b
		{"a|r[deep]", "r.deep=21"},
		{"(a.b|c) & (a.c)", `a.c="x"`},

		{"r where deep", `r={"deep":21,"p":{"q":{"deep":20}}}`},
		{"r where missing", ""},
		{"(l[*] where h).h", "l.[1].h=11"},
		{"(l[*] where g).g", "l.[0].g=10 l.[2].g=12"},
		{"(l[*] where g).`this`.h", "l.[1].h=11"}, // null is found, too
		{"r.p.`parent`.deep", "r.deep=21"},
		{"r.p.q.`parent`.`parent`.deep", "r.deep=21"},
		{"`parent`", ""},
		{"a.`this`.b", "a.b=1"},
		{"a.$.r.deep", "r.deep=21"},

		{"_context_request_id", `_context_request_id="req"`},
		{"_context.request_id", `_context.request_id="req"`},
		{"_context['request_id']", `_context.request_id="req"`},
		{"_context.*", `_context.request_id="req" _context.user={"id":"u"}`},
		{"_context.user.id", `_context.user.id="u"`},
		{"(_context)..id", ""},
		{"_context", ""},
		{"_context[0]", ""},
		{"_context.x,user.id", `_context.user.id="u"`},
		{"_context_missing", ""},
	} {
		if got := findAll(t, c.path, pathDocument); got != c.want {
			t.Errorf("%s: got %s, want %s", c.path, got, c.want)
		}
	}
}

// With the context nested, as it comes through Kafka, the same paths lead to
// the same values.
func TestPathNestedContext(t *testing.T) {
	t.Parallel()
	const document = `{"_context": {"request_id": "req", "user": {"id": "u"}}, "x": {"_context_request_id": 1}}`
	for _, c := range []struct{ path, want string }{
		{"_context_request_id", `_context_request_id="req"`},
		{"_context.request_id", `_context.request_id="req"`},
		{"_context_user.id", `_context_user.id="u"`},
		{"$._context_request_id", `_context_request_id="req"`},
		{"(_context_request_id where missing)", ""},
		{"_context_x,_context_request_id", `_context_request_id="req"`},
		{"_context.*.id", `_context.user.id="u"`},
		{"x._context_request_id", "x._context_request_id=1"},
		{"x._context_user", ""}, // only at the top
		{"_context_missing", ""},
	} {
		if got := findAll(t, c.path, document); got != c.want {
			t.Errorf("%s: got %s, want %s", c.path, got, c.want)
		}
	}
}

// reading is the state in which paths are evaluated.
func reading(t *testing.T, o *outline, text string) *state {
	t.Helper()
	s := &state{}
	s.document = &s.outer
	if err := s.scan([]byte(text)); err != nil {
		t.Fatal(err)
	}
	s.slots = o.locate(s.document, nil)
	return s
}

func findAll(t *testing.T, source, document string) string {
	t.Helper()
	o := newOutline()
	p, perr := compilePath(o, source)
	if perr != nil {
		t.Fatalf("%s: %v", source, perr)
	}
	s := reading(t, o, document)
	all, err := p.all(s)
	first, firstErr := p.first(s)
	if err != nil {
		if firstErr == nil {
			t.Errorf("%s: first finds no fault, all does: %v", source, err)
		}
		return "error: " + err.Error()
	}
	var out []string
	for _, f := range all {
		out = append(out, f.path()+"="+string(s.appendValue(nil, f.value)))
	}
	switch {
	case firstErr != nil:
		t.Errorf("%s: %v", source, firstErr)
	case len(all) == 0 && first.value != 0, len(all) > 0 && (first.value == 0 || first.path() != all[0].path()):
		t.Errorf("%s: first and all differ", source)
	}
	return strings.Join(out, " ")
}

// All alternatives are looked at, even when the first has a value: whether a
// notification can be distilled must not depend on that.
func TestPathAlternatives(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ paths, want string }{
		{"a.n a.b", "a.b=1"},
		{"a.b a.c", "a.b=1"},
		{"a.missing a.n", ""},
		{"a.b i[0]", "error: i[0]: [0] needs a list, found a number"},
		{"l[1].g l[2].g", "l.[2].g=12"},
		{"a.b l[*].g", "a.b=1"},
		{"(e[0])|(a.b)|(f[*])", "error: f[*]: a slice needs a list, found a number"},
	} {
		paths := strings.Fields(c.paths)
		o := newOutline()
		p, perr := compilePath(o, paths...)
		if perr != nil {
			t.Fatal(perr)
		}
		s := reading(t, o, pathDocument)
		got, err := p.first(s)
		text := ""
		if err != nil {
			text = "error: " + strings.ReplaceAll(err.Error(), "(e[0])|(a.b)|(f[*]): ", "f[*]: ")
		} else if got.value != 0 {
			text = got.path() + "=" + string(s.appendValue(nil, got.value))
		}
		if text != c.want {
			t.Errorf("%s: got %s, want %s", c.paths, text, c.want)
		}
	}
}

func TestPathFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, want string }{
		{"", "at character 1: expected a field name, found the end of the path"},
		{"a.", "at character 3: expected a field name, found the end of the path"},
		{".a", `at character 1: expected a field name, found "."`},
		{"..a", `at character 1: expected a field name, found ".."`},
		{"a b", `at character 3: unexpected "b"`},
		{"a|", "at character 3: expected a field name, found the end of the path"},
		{"**", `at character 2: unexpected "*"`},
		{"a,*", `at character 3: expected a field name, found "*"`},
		{"a.5", "at character 3: expected a field name, found the number 5; put it in brackets as an index, in quotes as a name"},
		{"a.where", `at character 3: expected a field name, found "where"; a field of that name must be in quotes`},
		{"a[1:5:2]", `at character 6: expected "]", found ":"`},
		{"a[?(@.b)]", `at character 3: unexpected character '?'; a field name that has it must be in quotes`},
		{"a.ü", `at character 3: unexpected character 'ü'; a field name that has it must be in quotes`},
		{"a[", "at character 3: expected an index, a slice, * or field names in brackets, found the end of the path"},
		{"a[]", `at character 3: expected an index, a slice, * or field names in brackets, found "]"`},
		{"a[b", `at character 4: expected "]", found the end of the path`},
		{"a..[b", `at character 6: expected "]", found the end of the path`},
		{"(a", `at character 3: expected ")", found the end of the path`},
		{"a)", `at character 2: unexpected ")"`},
		{"a['b]", "at character 3: the quote ' is not closed"},
		{`a.'b\`, "at character 3: the quote ' is not closed"},
		{"`len`", "at character 1: unknown operator `len`, expected `this` or `parent`"},
		{"a[99999999999]", "at character 3: 99999999999 is too large for an index"},
		{strings.Repeat("(", 51) + "a" + strings.Repeat(")", 51), "at character 51: too many parentheses"},
		{"a" + strings.Repeat(".a", 300), "at character 501: the path is too long"},
	} {
		_, err := compilePath(newOutline(), c.path)
		if err == nil {
			t.Errorf("%.40s: no error", c.path)
		} else if err.Error() != c.want {
			t.Errorf("%.40s: got %s, want %s", c.path, err, c.want)
		}
	}
}

// Each ".." and "*" multiplies what it is given; the product is bounded.
func TestPathVisitsAreBounded(t *testing.T) {
	t.Parallel()
	document := strings.Repeat(`{"a":[1,`, 60) + "1" + strings.Repeat("]}", 60)
	for _, source := range []string{"$..*..*..*..*..*", "$..$..$..$..$", "$..`this`..`this`..`this`..`this`..`this`", "$..a where $..a..a..a..a"} {
		o := newOutline()
		p, perr := compilePath(o, source)
		if perr != nil {
			t.Fatal(perr)
		}
		if _, err := p.first(reading(t, o, document)); err == nil || !strings.Contains(err.Error(), "more than 250000 values") {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, source := range []string{
		"payload.image_meta.'org.openstack__1__architecture'", "$..a[*]['b',c].`parent`", "(a|b).c where d", "a[-1][1:2]", "a..b & c", `a."\"".*`,
	} {
		f.Add(source, pathDocument)
	}
	f.Fuzz(func(t *testing.T, source, text string) {
		o := newOutline()
		p, perr := compilePath(o, source)
		if perr != nil {
			if perr.offset < 0 || perr.offset > len(source) {
				t.Errorf("fault at %d of %d bytes", perr.offset, len(source))
			}
			return
		}
		var d document
		if d.scan([]byte(text)) != nil || d.form(root) != formObject {
			return
		}
		s := reading(t, o, text)
		all, allErr := p.all(s)
		s.visits = 0
		first, firstErr := p.first(s)
		if (allErr == nil) != (firstErr == nil) {
			t.Fatalf("all: %v, first: %v", allErr, firstErr)
		}
		if firstErr == nil && (len(all) == 0) != (first.value == 0) {
			t.Errorf("%d values, but the first is %v", len(all), first.value)
		}
	})
}
