package distiller

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/valyala/fastjson"
)

// index returns the item of an array or the character of a text. Beyond the
// end is nothing. It is an error to index what has no order: a number, a
// boolean, null, or an object that is not known to be too small.
func (s *state) index(v *fastjson.Value, i int) (*fastjson.Value, error) {
	switch v.Type() {
	case fastjson.TypeArray:
		items := v.GetArray()
		switch {
		case i >= len(items):
			return nil, nil
		case i < -len(items):
			return nil, fmt.Errorf("there is no item [%d] in a list of %d", i, len(items))
		case i < 0:
			i += len(items)
		}
		return items[i], nil
	case fastjson.TypeString:
		return s.character(string(v.GetStringBytes()), i)
	case fastjson.TypeObject:
		if i >= v.GetObject().Len() {
			return nil, nil
		}
	}
	return nil, fmt.Errorf("[%d] needs a list, found %s", i, describe(v))
}

func (s *state) character(text string, i int) (*fastjson.Value, error) {
	n := utf8.RuneCountInString(text)
	switch {
	case i >= n:
		return nil, nil
	case i < -n:
		return nil, fmt.Errorf("there is no character [%d] in a text of %d", i, n)
	case i < 0:
		i += n
	}
	for at := range text {
		if i--; i < 0 {
			_, width := utf8.DecodeRuneInString(text[at:])
			return s.arena.NewString(text[at : at+width]), nil
		}
	}
	return nil, nil
}

// slice finds a part of a list. An object, a text, an integer or a boolean is
// taken for a list of itself.
func (s *state) slice(n *node, m *match, out []*match) ([]*match, error) {
	if m.context {
		return out, nil
	}
	items := []*fastjson.Value{m.value}
	switch m.value.Type() {
	case fastjson.TypeArray:
		items = m.value.GetArray()
	case fastjson.TypeNull:
		return nil, errors.New("a slice needs a list, found null")
	case fastjson.TypeNumber:
		if !isInteger(m.value) {
			return nil, fmt.Errorf("a slice needs a list, found %s", describe(m.value))
		}
	}
	start, end := bound(n.start, 0, len(items)), bound(n.end, len(items), len(items))
	for i := start; i < end; i++ {
		c, err := s.child(m, items[i], step{index: i, indexed: true})
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// bound is an end of a slice: from the back if it is negative, and never
// outside.
func bound(at *int, absent, length int) int {
	if at == nil {
		return absent
	}
	i := *at
	if i < 0 {
		i += length
	}
	return min(max(i, 0), length)
}
