package distiller

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestScan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{`{"b":1,"a":[true,false,null,"x",{}]}`, `{"a":[true,false,null,"x",{}],"b":1}`},
		{" \t\r\n[ 1 , -0 , 0.50 , 1E+2 , 12e-01 ] ", `[1,-0,0.50,1E+2,12e-01]`},
		{`"\"\\\/\b\f\n\r\t\u00fC"`, `"\"\\/\u0008\u000c\u000a\u000d\u0009ü"`},
		{`"\ud83d\ude00 \uDE00 \ud83d \ud83d\u0041 \ud83d\n"`, "\"😀 \ufffd \ufffd \ufffdA \ufffd\\u000a\""},
		{`{"k\u0065y":1,"key":2}`, `{"key":1}`}, // where a key comes twice, the first counts
		{"\"\u2028 ünï\x7f\"", "\"\u2028 ünï\x7f\""},

		{"", "at byte 1: expected a value, found the end"},
		{" \ufeff{}", `at byte 2: expected a value, found '\ufeff'`},
		{"{}x", "at byte 3: expected the end, found 'x'"},
		{"[1 2]", "at byte 4: expected a comma or ], found '2'"},
		{"[1,]", "at byte 4: expected a value, found ']'"},
		{`{"a" 1}`, "at byte 6: expected a colon, found '1'"},
		{`{"a":1 "b":2}`, `at byte 8: expected a comma or }, found '"'`},
		{`{"a":1,}`, "at byte 8: expected a key in quotes, found '}'"},
		{`{a:1}`, "at byte 2: expected a key in quotes, found 'a'"},
		{`{"a":1`, "at byte 7: expected a comma or }, found the end"},
		{`nul`, "at byte 1: expected a value, found 'n'"},
		{`+1`, "at byte 1: expected a value, found '+'"},
		{`-`, "at byte 2: expected a digit, found the end"},
		{`01`, "at byte 2: expected the end, found '1'"},
		{`1.`, "at byte 3: expected a digit, found the end"},
		{`1.e5`, "at byte 3: expected a digit, found 'e'"},
		{`1e+`, "at byte 4: expected a digit, found the end"},
		{`"abc`, "at byte 5: expected a closing quote, found the end"},
		{`"abc\`, "at byte 6: expected an escape, found the end"},
		{`"abc\"`, "at byte 7: expected a closing quote, found the end"},
		{`"a\x"`, "at byte 4: expected an escape that JSON has, found 'x'"},
		{`"\u12g4"`, `at byte 2: expected an escape with four hexadecimal digits, found '\\'`},
		{"\"tab\there\"", `at byte 5: expected an escape for a control character, found '\t'`},
		{"\"\\n\x00\"", `at byte 4: expected an escape for a control character, found '\x00'`},
		{strings.Repeat("[", 300) + strings.Repeat("]", 300), strings.Repeat("[", 300) + strings.Repeat("]", 300)},
		{strings.Repeat("[", 300) + "1" + strings.Repeat("]", 300), "at byte 301: it is nested deeper than 300 levels"},
		{strings.Repeat(`{"":`, 300) + "1" + strings.Repeat("}", 300), "at byte 1201: it is nested deeper than 300 levels"},

		{"\"\xff\"", "it is not valid UTF-8"},
		{"[\"12345678\xc3\"]", "it is not valid UTF-8"},
		{"[\"\\n12345678\xed\xa0\x80\"]", "it is not valid UTF-8"},
		{"[\xff", "it is not valid UTF-8"},
	} {
		var d document
		got := ""
		if err := d.scan([]byte(c.text)); err != nil {
			got = strings.TrimPrefix(err.Error(), "it is not JSON: ")
		} else {
			got = string(d.appendValue(nil, root))
		}
		if got != c.want {
			t.Errorf("%.50s: got %s, want %s", c.text, got, c.want)
		}
	}
}

// Texts are read eight bytes at a time: what ends them must be found wherever
// it stands, and whatever stands around it.
func TestPlain(t *testing.T) {
	t.Parallel()
	for _, fill := range []string{" ", "a", "!", "#", "[", "]", "\x7f", "\x80", "\xff", "\xa2", "\xdc"} {
		for n := range 20 {
			for _, stop := range []string{`"`, `\`, "\x00", "\x1f", ""} {
				text := strings.Repeat(fill, n) + stop + strings.Repeat("\x00", 9*len(stop))
				end, high := plain([]byte("12"+text), 2)
				if end != 2+n || (high&highBits != 0) != (n > 0 && fill[0] >= 0x80) {
					t.Errorf("%q after %d of %q: found at %d, %x", stop, n, fill, end, high)
				}
			}
		}
	}
}

// encoding/json and the scanner agree on what is JSON and what it says, except
// that the scanner refuses what is not UTF-8 and what is nested deeper than
// MaxDepth. (Of a key that comes twice, field gives the first; decoding to a
// map, the last.)
func FuzzScan(f *testing.F) {
	for _, s := range []string{
		`{"a":{"b":{"c":1}},"_context":{"x":[1.50e-7,-0,true,null]},"a":2}`, `"\ud83d\ude00\u0041\\\"\/\b\f\n\r\t"`, "[\"\xff\"]",
		`{"\u0061":[],"a":{"b":{}},"":{"":0}}`, ` [ "ünïcode\u2028" , {} , [ ] ] `, `{"key":"a text longer than eight bytes","k":"\u00e9 and \ud800 more"}`,
		`[0.1,1e5,1E+5,-1,01,1.,.5,+1]`, strings.Repeat("[", 301) + strings.Repeat("]", 301), "\ufeff{}", "nul", "\"a\nb\"", "{\"a\":1}\x00",
	} {
		f.Add([]byte(s))
	}
	o := newOutline()
	ways := [][]string{{"a"}, {"a", "b"}, {"a", "b", "c"}, {""}, {"", ""}, {"_context", "x"}, {"key"}, {"event_type"}}
	places := make([]int32, len(ways))
	for i, names := range ways {
		places[i] = o.place(names...)
	}
	var d document
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		err := d.scan(text)
		if !bytes.Equal(text, before) {
			t.Fatal("the text was changed")
		}
		want, wantErr := decodeJSON(text)
		if wantErr != nil || !utf8.Valid(text) || len(text) > MaxDepth && levels(text) > MaxDepth {
			if err == nil {
				t.Fatalf("accepted, but encoding/json says %v, and it has %d levels", wantErr, levels(text))
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := decodeTape(t, &d, root); !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %#v\nwant %#v", got, want)
		}
		if d.form(root) != formObject {
			return
		}
		slots := o.locate(&d, nil)
		for i, names := range ways {
			v := root
			for _, name := range names {
				v = d.field(v, name)
			}
			if slots[places[i]] != v {
				t.Errorf("%q is at %d, field says %d", names, slots[places[i]], v)
			}
		}
	})
}

func decodeJSON(text []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err = d.Decode(&v); err == nil {
		if _, err = d.Token(); err == io.EOF {
			return v, nil
		}
		return v, io.ErrUnexpectedEOF
	}
	return v, err
}

// levels is how deeply the values of a JSON text are nested; one that is in
// nothing has 1.
func levels(text []byte) int {
	level, most := 1, 1
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if err != nil {
			return most
		}
		most = max(most, level)
		switch token {
		case json.Delim('['), json.Delim('{'):
			level++
		case json.Delim(']'), json.Delim('}'):
			level--
		}
	}
}

// decodeTape is what encoding/json makes of a value, with UseNumber; on the
// way it checks the tape.
func decodeTape(t *testing.T, d *document, v ref) any {
	n := 0
	switch d.form(v) {
	case formNull:
		return nil
	case formFalse, formTrue:
		return d.form(v) == formTrue
	case formNumber:
		return json.Number(d.bytes(v))
	case formText:
		return string(d.bytes(v))
	case formList:
		out := []any{}
		for i, item := range d.items(v) {
			if i != n || d.item(v, i) != item {
				t.Fatalf("item %d is not at %d", n, i)
			}
			n++
			out = append(out, decodeTape(t, d, item))
		}
		if d.len(v) != n {
			t.Fatalf("%d items, not %d", n, d.len(v))
		}
		return out
	}
	out := map[string]any{}
	for key, value := range d.members(v) {
		n++
		name := string(d.bytes(key))
		if _, twice := out[name]; !twice && d.field(v, name) != value {
			t.Fatalf("the field %q is at %d, not %d", name, d.field(v, name), value)
		}
		out[name] = decodeTape(t, d, value)
	}
	if d.len(v) != n {
		t.Fatalf("%d members, not %d", n, d.len(v))
	}
	return out
}
