package distiller

import (
	"fmt"
	"strings"
	"testing"
)

func TestOutline(t *testing.T) {
	t.Parallel()
	o := newOutline()
	places := map[string]int32{}
	var text strings.Builder
	text.WriteString(`{"other":{"aa0aa":0}`)
	for i := range 1000 { // alike in all that the hash looks at, by hundreds
		name := fmt.Sprintf("a%daa%da", i/100, i%100)
		places[name] = o.place("p", name, "x")
		if i%2 == 0 {
			fmt.Fprintf(&text, `,"p%d":{"%s":{"x":1}}`, i, name)
		}
	}
	text.WriteString(`,"p":{"":{"x":-1}`)
	for i := range 1000 {
		if i%2 == 0 {
			fmt.Fprintf(&text, `,"a%daa%da":{"y":0,"x":%d,"x":-1}`, i/100, i%100, i)
		}
	}
	text.WriteString(`},"p":{"a0aa1a":{"x":-1}}}`)
	s := reading(t, o, text.String())
	for i := range 1000 {
		name := fmt.Sprintf("a%daa%da", i/100, i%100)
		if o.place("p", name, "x") != places[name] {
			t.Fatalf("%s has two places", name)
		}
		want := fmt.Sprint(i)
		if i%2 == 1 {
			want = ""
		}
		if v := s.slots[places[name]]; string(s.bytes(v)) != want {
			t.Errorf("%s: got %s, want %s", name, s.bytes(v), want)
		}
	}
	if s.slots[placeRoot] != root || s.slots[placeEventType] != 0 {
		t.Errorf("the root is at %d, the event type at %d", s.slots[placeRoot], s.slots[placeEventType])
	}
}
