package distiller

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// index returns the item of a list or the character of a text. Beyond the end
// is nothing. It is an error to index what has no order: a number, a boolean,
// null, or an object that is not known to be too small.
func (s *state) index(v ref, i int) (ref, error) {
	switch s.form(v) {
	case formList:
		n := s.len(v)
		switch {
		case i >= n:
			return 0, nil
		case i < -n:
			return 0, fmt.Errorf("there is no item [%d] in a list of %d", i, n)
		case i < 0:
			i += n
		}
		return s.item(v, i), nil
	case formText:
		return s.character(v, i)
	case formObject:
		if i >= s.len(v) {
			return 0, nil
		}
	}
	return 0, fmt.Errorf("[%d] needs a list, found %s", i, s.describe(v))
}

func (s *state) character(v ref, i int) (ref, error) {
	text := s.bytes(v)
	n := utf8.RuneCount(text)
	switch {
	case i >= n:
		return 0, nil
	case i < -n:
		return 0, fmt.Errorf("there is no character [%d] in a text of %d", i, n)
	case i < 0:
		i += n
	}
	at := 0
	for ; i > 0; i-- {
		_, width := utf8.DecodeRune(text[at:])
		at += width
	}
	_, width := utf8.DecodeRune(text[at:])
	return s.piece(v, at, at+width), nil
}

// slice finds a part of a list. An object, a text, an integer or a boolean is
// taken for a list of itself.
func (s *state) slice(n *node, m *match, out []*match) ([]*match, error) {
	if m.context {
		return out, nil
	}
	one := func(i int, v ref) error {
		c, err := s.child(m, v, step{index: i, indexed: true})
		out = append(out, c)
		return err
	}
	switch s.form(m.value) {
	case formList:
		length := s.len(m.value)
		start, end := bound(n.start, 0, length), bound(n.end, length, length)
		for i, item := range s.items(m.value) {
			if i >= end {
				break
			}
			if i < start {
				continue
			}
			if err := one(i, item); err != nil {
				return nil, err
			}
		}
		return out, nil
	case formNull:
		return nil, errors.New("a slice needs a list, found null")
	case formNumber:
		if !isIntegerText(string(s.bytes(m.value))) {
			return nil, fmt.Errorf("a slice needs a list, found %s", s.describe(m.value))
		}
	}
	if bound(n.start, 0, 1) < bound(n.end, 1, 1) {
		if err := one(0, m.value); err != nil {
			return nil, err
		}
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
