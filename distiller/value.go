package distiller

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind is what a value is, as far as conversions care.
type kind uint8

const (
	kindText kind = iota
	kindInt
	kindLargeInt // beyond 64 bits
	kindFloat
	kindBool
	kindTime
	kindOther // a list or an object
)

// value is a JSON value, or what a plugin returned, ready to be converted.
type value struct {
	kind kind
	text string // of a text; of a float or a large integer as written; of a list or object in JSON
	n    int64
	flag bool
	time time.Time
}

// decode copies a value out of the document.
func (d *document) decode(v ref) value {
	switch d.form(v) {
	case formText:
		return value{kind: kindText, text: string(d.bytes(v))}
	case formNumber:
		return numberText(string(d.bytes(v)))
	case formTrue, formFalse:
		return value{kind: kindBool, flag: d.form(v) == formTrue}
	}
	return value{kind: kindOther, text: string(d.appendValue(nil, v))}
}

// fromAny takes what a plugin returned.
func fromAny(v any) (value, error) {
	switch v := v.(type) {
	case string:
		return value{kind: kindText, text: v}, nil
	case bool:
		return value{kind: kindBool, flag: v}, nil
	case int:
		return value{kind: kindInt, n: int64(v)}, nil
	case int64:
		return value{kind: kindInt, n: v}, nil
	case uint64:
		return numberText(strconv.FormatUint(v, 10)), nil
	case float64:
		return value{kind: kindFloat, text: strconv.FormatFloat(v, 'g', -1, 64)}, nil
	case json.Number:
		return numberText(v.String()), nil
	case time.Time:
		return value{kind: kindTime, time: v}, nil
	case []any, map[string]any:
		e := encoder{limit: DefaultMaxSize}
		err := e.encode(v, 0)
		return value{kind: kindOther, text: string(e.buf)}, err
	}
	return value{}, fmt.Errorf("it is a %T, expected a text, a number, a boolean, a time, a list or a map", v)
}

// numberText takes a number as it is written.
func numberText(text string) value {
	if !isIntegerText(text) {
		return value{kind: kindFloat, text: text}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return value{kind: kindLargeInt, text: text}
	}
	return value{kind: kindInt, n: n}
}

// String shows the value in an error, shortened.
func (v value) String() string {
	const most = 100
	text := v.text
	switch v.kind {
	case kindText:
		if len(text) > most {
			text = strings.ToValidUTF8(text[:most], "") + "..."
		}
		return strconv.Quote(text)
	case kindInt:
		return strconv.FormatInt(v.n, 10)
	case kindBool:
		return strconv.FormatBool(v.flag)
	case kindTime:
		return v.time.UTC().Format(time.RFC3339Nano)
	}
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

// describe names a JSON value's type, to stand after "found".
func (d *document) describe(v ref) string {
	switch d.form(v) {
	case formObject:
		return "an object"
	case formList:
		return "a list"
	case formText:
		return "a text"
	case formNumber:
		return "a number"
	case formNull:
		return "null"
	}
	return "a boolean"
}

func isIntegerText(s string) bool { return !strings.ContainsAny(s, ".eENnIi") }

// toAny gives a value to a plugin: a text, an int64, a float64, a boolean,
// []any or map[string]any, and a json.Number where an integer is too large.
func (d *document) toAny(v ref) any {
	switch d.form(v) {
	case formText:
		return string(d.bytes(v))
	case formTrue:
		return true
	case formFalse:
		return false
	case formNumber:
		switch n := d.decode(v); n.kind {
		case kindInt:
			return n.n
		case kindLargeInt:
			return json.Number(n.text)
		default:
			f, _ := strconv.ParseFloat(n.text, 64) // beyond the range it is infinite
			return f
		}
	case formList:
		out := make([]any, d.len(v))
		for i, item := range d.items(v) {
			out[i] = d.toAny(item)
		}
		return out
	case formObject:
		out := make(map[string]any, d.len(v))
		for key, value := range d.members(v) {
			out[string(d.bytes(key))] = d.toAny(value)
		}
		return out
	}
	return nil
}

// appendValue writes compact JSON with sorted keys and numbers as they came,
// so that the order in which a service writes its keys makes no difference.
func (d *document) appendValue(b []byte, v ref) []byte {
	switch d.form(v) {
	case formText:
		return appendQuoted(b, string(d.bytes(v)))
	case formList:
		b = append(b, '[')
		for i, item := range d.items(v) {
			if i > 0 {
				b = append(b, ',')
			}
			b = d.appendValue(b, item)
		}
		return append(b, ']')
	case formObject:
		keys := make([]ref, 0, d.len(v))
		for key := range d.members(v) {
			keys = append(keys, key)
		}
		// Where a key comes twice, the first counts.
		slices.SortStableFunc(keys, func(k, l ref) int { return bytes.Compare(d.bytes(k), d.bytes(l)) })
		keys = slices.CompactFunc(keys, func(k, l ref) bool { return bytes.Equal(d.bytes(k), d.bytes(l)) })
		b = append(b, '{')
		for i, key := range keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendQuoted(b, string(d.bytes(key))), ':')
			b = d.appendValue(b, key+1)
		}
		return append(b, '}')
	}
	return append(b, d.bytes(v)...)
}

const hexDigits = "0123456789abcdef"

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	done := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(append(b, s[done:i]...), '\\')
		if c < 0x20 {
			b = append(b, 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		} else {
			b = append(b, c)
		}
		done = i + 1
	}
	return append(append(b, s[done:]...), '"')
}
