package winchester

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed71495667/winchester/internal/timetext"
	"github.com/seed71495667/winchester/timex"
)

// Traits are the named, typed facts of an event, or the distinguishing values
// of a stream. A value is a string, an int64, a float64, a bool or a
// time.Time; among distinguishing traits also a timex.Range, and nil where the
// event had the trait with a null value.
//
// Wherever traits are handed in, other integer and float types and
// json.Number are accepted and widened. Types matter: 5, 5.0 and "5" are three
// values, and three streams.
type Traits map[string]any

// String returns the named trait if it is a string.
func (t Traits) String(name string) (string, bool) { v, ok := t[name].(string); return v, ok }

// Int returns the named trait if it is an integer.
func (t Traits) Int(name string) (int64, bool) { v, ok := t[name].(int64); return v, ok }

// Float returns the named trait if it is a number; an integer is converted.
func (t Traits) Float(name string) (float64, bool) {
	switch v := t[name].(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	}
	return 0, false
}

// Bool returns the named trait if it is a boolean.
func (t Traits) Bool(name string) (value, ok bool) { v, ok := t[name].(bool); return v, ok }

// Time returns the named trait if it is a time.
func (t Traits) Time(name string) (time.Time, bool) { v, ok := t[name].(time.Time); return v, ok }

// Range returns the named trait if it is a time range, which only a
// distinguishing trait can be.
func (t Traits) Range(name string) (timex.Range, bool) { v, ok := t[name].(timex.Range); return v, ok }

// normalize returns the traits with every value widened to the stored types, or
// one error that names each trait that cannot be kept. What needs no widening,
// as most events do not, is returned as it is: a copy costs more than anything
// else that is done with an event before it is stored.
func (t Traits) normalize(ranges bool) (Traits, error) {
	if len(t) == 0 {
		return nil, nil
	}
	if t.isNormal() {
		return t, nil
	}
	out := make(Traits, len(t))
	var faults []error
	for name, value := range t {
		v, err := normalizeValue(value)
		if _, isRange := v.(timex.Range); err == nil && isRange && !ranges {
			err = errors.New("a time range can only be a distinguishing trait")
		}
		if err == nil && !validText(name) {
			err = errors.New("the name is not valid UTF-8 text")
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("trait %q: %w", name, err))
			continue
		}
		out[name] = v
	}
	if len(faults) > 1 {
		slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	}
	return out, errors.Join(faults...)
}

// isNormal tells whether normalize would change nothing; not if there is a range,
// which it may refuse.
func (t Traits) isNormal() bool {
	for name, value := range t {
		if !validText(name) {
			return false
		}
		switch v := value.(type) {
		case nil, bool, int64, float64:
		case string:
			if !utf8.ValidString(v) {
				return false
			}
		case time.Time:
			if v != microUTC(v) || !storableTime(v) { // also one with a monotonic reading, or of another location
				return false
			}
		default:
			return false
		}
	}
	return true
}

func normalizeValue(value any) (any, error) {
	switch v := value.(type) {
	case nil, bool, int64, float64:
		return v, nil
	case string:
		if !utf8.ValidString(v) {
			return nil, errors.New("the text is not valid UTF-8")
		}
		return v, nil
	case time.Time:
		v = microUTC(v)
		if !storableTime(v) {
			return nil, fmt.Errorf("time %s is outside the years 1 to 9999", v)
		}
		return v, nil
	case timex.Range:
		v = timex.NewRange(v.Begin, v.End)
		if !storableTime(v.Begin) || !storableTime(v.End) {
			return nil, fmt.Errorf("time range %s is outside the years 1 to 9999", v)
		}
		return v, nil
	case int:
		return int64(v), nil
	case int8:
		return int64(v), nil
	case int16:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case uint8:
		return int64(v), nil
	case uint16:
		return int64(v), nil
	case uint32:
		return int64(v), nil
	case uint:
		return fromUint(uint64(v))
	case uint64:
		return fromUint(v)
	case float32:
		return float64(v), nil
	case json.Number:
		return parseNumber(v.String())
	}
	return nil, fmt.Errorf("%w %T: expected a string, an integer, a float, a bool or a time", ErrInvalidTraitType, value)
}

func fromUint(v uint64) (any, error) {
	if v > math.MaxInt64 {
		return nil, fmt.Errorf("integer %d does not fit 64 bits with a sign", v)
	}
	return int64(v), nil
}

func parseNumber(s string) (any, error) {
	if strings.ContainsAny(s, ".eE") {
		return strconv.ParseFloat(s, 64)
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("integer %s does not fit 64 bits with a sign", s)
	}
	return n, nil
}

// The typed JSON form of traits: what is stored, and what a stream's key is
// made of. Names are sorted and every value has exactly one spelling, so equal
// traits are equal bytes. Integers are written without a fraction, floats
// always with a point or an exponent; what JSON has no type for is an object
// with one tagged member, which no trait of the user's can be.
const (
	timeTag  = "$time"
	rangeTag = "$range"
	floatTag = "$float" // NaN and the infinities
)

// MarshalJSON writes the canonical, typed form. nil values are kept.
func (t Traits) MarshalJSON() ([]byte, error) { return t.AppendJSON(make([]byte, 0, 32*len(t)+2)) }

// AppendJSON appends the canonical, typed form of t to b. nil values are kept.
func (t Traits) AppendJSON(b []byte) ([]byte, error) {
	var buf [24]string
	return t.appendJSON(b, t.sortedNames(buf[:0]), true)
}

func (t Traits) sortedNames(names []string) []string {
	for name := range t {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

var errOtherNames = errors.New("the traits have other names")

// appendJSON returns errOtherNames if the names are not those of t.
func (t Traits) appendJSON(b []byte, names []string, keepNil bool) ([]byte, error) {
	if len(names) != len(t) {
		return nil, errOtherNames
	}
	b = append(b, '{')
	empty := len(b)
	for _, name := range names {
		value, ok := t[name]
		if !ok {
			return nil, errOtherNames
		}
		if value == nil && !keepNil {
			continue
		}
		if len(b) > empty {
			b = append(b, ',')
		}
		b = appendString(b, name)
		b = append(b, ':')
		var err error
		if b, err = AppendTraitJSON(b, value); err != nil {
			return nil, fmt.Errorf("trait %q: %w", name, err)
		}
	}
	return append(b, '}'), nil
}

// TraitsWriter writes the traits of many events, which mostly have the same names
// as those before and then are not sorted again. Its zero value is ready; it is
// for one goroutine.
type TraitsWriter struct{ names []string }

// Append appends the canonical, typed form of t, without the traits that are nil.
func (w *TraitsWriter) Append(b []byte, t Traits) ([]byte, error) {
	out, err := t.appendJSON(b, w.names, false)
	if err == errOtherNames { //nolint:errorlint // it is itself
		w.names = t.sortedNames(w.names[:0])
		out, err = t.appendJSON(b, w.names, false)
	}
	return out, err
}

// AppendTraitJSON appends the canonical, typed form of one trait value. Two
// values are equal, in type and content, exactly if these bytes are.
func AppendTraitJSON(b []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return appendString(b, v), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case float64:
		return appendFloat(b, v), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case time.Time:
		b = append(b, `{"`+timeTag+`":"`...)
		b = append(b, timetext.Format(v)...)
		return append(b, `"}`...), nil
	case timex.Range:
		b = append(b, `{"`+rangeTag+`":["`...)
		b = append(b, timetext.Format(v.Begin)...)
		b = append(b, `","`...)
		b = append(b, timetext.Format(v.End)...)
		return append(b, `"]}`...), nil
	}
	v, err := normalizeValue(value)
	if err != nil {
		return nil, err
	}
	return AppendTraitJSON(b, v)
}

func appendFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		b = append(b, `{"`+floatTag+`":"`...)
		b = strconv.AppendFloat(b, f, 'g', -1, 64)
		return append(b, `"}`...)
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	for _, c := range b[start:] {
		if c == '.' || c == 'e' {
			return b
		}
	}
	return append(b, ".0"...)
}

const hexDigits = "0123456789abcdef"

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		if c == '"' || c == '\\' {
			b = append(b, '\\', c)
		} else {
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}

// UnmarshalJSON reads the typed form that MarshalJSON writes.
func (t *Traits) UnmarshalJSON(data []byte) (err error) {
	*t, err = ParseTraits(string(data))
	return err
}
