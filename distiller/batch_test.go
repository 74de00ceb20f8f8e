package distiller_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	d := newDistiller(t, "[]", distiller.Config{MaxSize: 1000, MaxBatch: 3})
	for _, c := range []struct {
		body  string
		items []string
		batch bool
		err   string
	}{
		{`{"a":[1]}`, nil, false, ""},
		{``, nil, false, ""},
		{` x [`, nil, false, ""},
		{`[]`, nil, true, ""},
		{" [ ] \n", nil, true, ""},
		{` [ {"a":"]"} , [1,2], "x\"," ] `, []string{`{"a":"]"}`, `[1,2]`, `"x\","`}, true, ""},
		{`[1,2,3,4]`, nil, true, "a batch: it has more than 3 notifications"},
		{`[1,]`, nil, true, "a batch: it is not JSON: at byte 4: expected a value, found ']'"},
		{`[,1]`, nil, true, "a batch: it is not JSON: at byte 2: expected a value, found ','"},
		{`[1 2]`, nil, true, "a batch: it is not JSON: at byte 4: expected a comma or ], found '2'"},
		{`[1`, nil, true, "a batch: it is not JSON: at byte 3: expected a comma or ], found the end"},
		{`[`, nil, true, "a batch: it is not JSON: at byte 2: expected a value, found the end"},
		{`[1]{}`, nil, true, "a batch: it is not JSON: at byte 4: expected the end, found '{'"},
		{`[{"a":}]`, nil, true, "a batch: it is not JSON: at byte 7: expected a value, found '}'"},
		{strings.Repeat("[", 400), nil, true, "a batch: it is not JSON: at byte 302: it is nested deeper than 300 levels"},
		{"[" + strings.Repeat(" ", 1000) + "]", nil, true, "a batch of 1002 bytes, at most 1000 are allowed"},
	} {
		items, batch, err := d.Split([]byte(c.body))
		var got []string
		for _, item := range items {
			got = append(got, string(item))
		}
		if batch != c.batch || !reflect.DeepEqual(got, c.items) {
			t.Errorf("%.40s: got %q, %v", c.body, got, batch)
		}
		if (err == nil) != (c.err == "") || err != nil && (err.Error() != "malformed notification: "+c.err || !errors.Is(err, distiller.ErrMalformed) || !errors.Is(err, winchester.ErrInvalidEvent)) {
			t.Errorf("%.40s: got  %v\nwant %s", c.body, err, c.err)
		}
	}
}

// A batch is split into just the items that it has.
func FuzzSplit(f *testing.F) {
	d := newDistiller(f, "[]", distiller.Config{CatchAll: true})
	f.Add([]byte(`[{"specversion":"1.0","type":"t","source":"s","id":"1"}, [1], "\ud800]", -0.1e+5]`))
	f.Add([]byte(`[[[[`))
	f.Fuzz(func(t *testing.T, body []byte) { fuzzSplit(t, d, body) })
}

func fuzzSplit(t *testing.T, d *distiller.Distiller, body []byte) {
	t.Helper()
	items, batch, err := d.Split(body)
	var e *distiller.Error
	if err != nil {
		if !errors.As(err, &e) || !batch {
			t.Errorf("%T: %v", err, err)
		}
		return
	}
	if !batch || !utf8.Valid(body) {
		return
	}
	var want []json.RawMessage
	if err := json.Unmarshal(body, &want); err != nil {
		t.Fatalf("encoding/json has it for no list: %v", err)
	}
	if len(items) != len(want) {
		t.Fatalf("%d items, want %d", len(items), len(want))
	}
	for i := range items {
		if !bytes.Equal(items[i], want[i]) {
			t.Errorf("%d: got %s, want %s", i, items[i], want[i])
		}
		_, _ = d.Distill(items[i])
	}
}
