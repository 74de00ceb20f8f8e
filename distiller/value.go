package distiller

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"
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

func fromJSON(v *fastjson.Value) value {
	switch v.Type() {
	case fastjson.TypeString:
		return value{kind: kindText, text: string(v.GetStringBytes())}
	case fastjson.TypeNumber:
		if n, err := v.Int64(); err == nil {
			return value{kind: kindInt, n: n}
		}
		return numberText(string(v.MarshalTo(nil)))
	case fastjson.TypeTrue, fastjson.TypeFalse:
		return value{kind: kindBool, flag: v.Type() == fastjson.TypeTrue}
	}
	return value{kind: kindOther, text: string(appendValue(nil, v))}
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
func describe(v *fastjson.Value) string {
	switch v.Type() {
	case fastjson.TypeObject:
		return "an object"
	case fastjson.TypeArray:
		return "a list"
	case fastjson.TypeString:
		return "a text"
	case fastjson.TypeNumber:
		return "a number"
	case fastjson.TypeNull:
		return "null"
	}
	return "a boolean"
}

func isInteger(v *fastjson.Value) bool { return isIntegerText(string(v.MarshalTo(nil))) }

func isIntegerText(s string) bool { return !strings.ContainsAny(s, ".eENnIi") }

// toAny gives a value to a plugin: a text, an int64, a float64, a boolean,
// []any or map[string]any, and a json.Number where an integer is too large.
func toAny(v *fastjson.Value) any {
	switch v.Type() {
	case fastjson.TypeString:
		return string(v.GetStringBytes())
	case fastjson.TypeTrue:
		return true
	case fastjson.TypeFalse:
		return false
	case fastjson.TypeNumber:
		switch n := fromJSON(v); n.kind {
		case kindInt:
			return n.n
		case kindLargeInt:
			return json.Number(n.text)
		default:
			f, _ := strconv.ParseFloat(n.text, 64) // beyond the range it is infinite
			return f
		}
	case fastjson.TypeArray:
		items := v.GetArray()
		out := make([]any, len(items))
		for i, item := range items {
			out[i] = toAny(item)
		}
		return out
	case fastjson.TypeObject:
		o := v.GetObject()
		out := make(map[string]any, o.Len())
		o.Visit(func(key []byte, v *fastjson.Value) { out[string(key)] = toAny(v) })
		return out
	}
	return nil
}

// appendValue writes compact JSON with sorted keys and numbers as they came,
// so that the order in which a service writes its keys makes no difference.
// (The library's own writer makes no valid JSON of control characters.)
func appendValue(b []byte, v *fastjson.Value) []byte {
	switch v.Type() {
	case fastjson.TypeString:
		return appendQuoted(b, string(v.GetStringBytes()))
	case fastjson.TypeArray:
		b = append(b, '[')
		for i, item := range v.GetArray() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, item)
		}
		return append(b, ']')
	case fastjson.TypeObject:
		o := v.GetObject()
		keys := make([]string, 0, o.Len())
		o.Visit(func(key []byte, _ *fastjson.Value) { keys = append(keys, string(key)) })
		slices.Sort(keys)
		keys = slices.Compact(keys)
		b = append(b, '{')
		for i, key := range keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendQuoted(b, key), ':')
			b = appendValue(b, o.Get(key))
		}
		return append(b, '}')
	}
	return v.MarshalTo(b)
}

const hexDigits = "0123456789abcdef"

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
