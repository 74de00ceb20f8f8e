package distiller

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Type is the type of a trait, as a definition names it.
type Type uint8

// The types of traits, and the Go types of their values.
const (
	Text     Type = iota // string
	Int                  // int64
	Float                // float64
	Datetime             // time.Time, in UTC and truncated to microseconds
)

var typeNames = []string{"text", "int", "float", "datetime"}

// String returns the name of the type in definitions.
func (t Type) String() string {
	if int(t) >= len(typeNames) {
		return "Type(" + strconv.Itoa(int(t)) + ")"
	}
	return typeNames[t]
}

func parseType(name string) Type {
	for i, n := range typeNames {
		if n == name {
			return Type(i)
		}
	}
	return Text
}

var (
	errNoInt     = errors.New("it is no integer")
	errLargeInt  = errors.New("it does not fit into a 64-bit integer")
	errNoFloat   = errors.New("it is no number")
	errNoTime    = errors.New("it is no ISO 8601 time")
	errTimeRange = errors.New("in UTC it is outside the years 1 to 9999")
)

// convert gives a value the type of its trait. It follows the conversions of
// Python where they are well defined; a text is never cut or rounded.
func (t Type) convert(v value) (any, error) {
	switch t {
	case Int:
		return toInt(v)
	case Float:
		return toFloat(v)
	case Datetime:
		return toTime(v)
	}
	return toText(v), nil
}

// quick is convert for what nearly all notifications have, straight from the
// document; nil means that it takes the long way.
func (t Type) quick(s *state, v ref) any {
	switch form := s.form(v); {
	case form == formText && t == Text:
		return s.texts.value(s.bytes(v))
	case form == formText && t == Datetime:
		if at, ok := commonTime(s.bytes(v)); ok {
			return at
		}
	case form == formNumber && t == Int:
		if n, err := strconv.ParseInt(string(s.bytes(v)), 10, 64); err == nil {
			return n
		}
	}
	return nil
}

// time reads a value as a time.
func (d *document) time(v ref) (time.Time, error) {
	if d.form(v) == formText {
		if at, ok := commonTime(d.bytes(v)); ok {
			return at, nil
		}
	}
	at, err := toTime(d.decode(v))
	if err != nil {
		return time.Time{}, err
	}
	return at.(time.Time), nil
}

// toInt cuts the fraction off a number, but takes no text with a fraction.
func toInt(v value) (any, error) {
	switch v.kind {
	case kindInt:
		return v.n, nil
	case kindLargeInt:
		return nil, errLargeInt
	case kindText:
		n, err := strconv.ParseInt(strings.TrimSpace(v.text), 10, 64)
		switch {
		case errors.Is(err, strconv.ErrRange):
			return nil, errLargeInt
		case err != nil:
			return nil, errNoInt
		}
		return n, nil
	case kindFloat:
		f, err := strconv.ParseFloat(v.text, 64)
		switch {
		case math.IsNaN(f) || err != nil && !errors.Is(err, strconv.ErrRange):
			return nil, errNoInt
		case f < -1<<63 || f >= 1<<63:
			return nil, errLargeInt
		}
		return int64(f), nil
	case kindBool:
		if v.flag {
			return int64(1), nil
		}
		return int64(0), nil
	}
	return nil, errNoInt
}

// toFloat also takes the texts nan, inf and infinity, with a sign and in any
// case; what is too large is infinite.
func toFloat(v value) (any, error) {
	switch v.kind {
	case kindInt:
		return float64(v.n), nil
	case kindLargeInt, kindFloat, kindText:
		text := strings.TrimSpace(v.text)
		if v.kind == kindText && strings.ContainsAny(text, "xXpP_") { // Go's spellings, not everyone's
			return nil, errNoFloat
		}
		f, err := strconv.ParseFloat(text, 64)
		switch {
		case strings.EqualFold(strings.TrimLeft(text, "+-"), "nan") && len(text) <= len("-nan"):
			return math.NaN(), nil
		case err != nil && !errors.Is(err, strconv.ErrRange):
			return nil, errNoFloat
		}
		return f, nil
	case kindBool:
		if v.flag {
			return 1.0, nil
		}
		return 0.0, nil
	}
	return nil, errNoFloat
}

func toTime(v value) (any, error) {
	switch v.kind {
	case kindTime:
		return normalTime(v.time)
	case kindText:
		t, err := parseTime(v.text)
		if err != nil {
			return nil, err
		}
		return normalTime(t)
	}
	return nil, errNoTime
}

func normalTime(t time.Time) (any, error) {
	t = t.UTC().Truncate(time.Microsecond)
	if y := t.Year(); y < 1 || y > 9999 {
		return nil, errTimeRange
	}
	return t, nil
}

// toText writes what is no text as JSON has it.
func toText(v value) string {
	switch v.kind {
	case kindInt:
		return strconv.FormatInt(v.n, 10)
	case kindBool:
		return strconv.FormatBool(v.flag)
	case kindTime:
		return v.time.UTC().Format("2006-01-02T15:04:05.999999Z")
	case kindFloat:
		return floatText(v.text)
	}
	return v.text
}

// floatText gives every float one spelling: the shortest that reads back the
// same, with a point or an exponent, which begins at 1e+16 and 1e-05.
func floatText(text string) string {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return text
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	out := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(out, ".") {
		out += ".0"
	}
	return out
}
