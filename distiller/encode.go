package distiller

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// encoder writes decoded JSON as JSON again, since everything else works on
// that. It stops at its limit: maps may be shared or contain themselves, and
// what they amount to has nothing to do with what they occupy.
type encoder struct {
	buf   []byte
	keys  []string // of the objects that are being written
	limit int
}

// encode appends a value. Keys are sorted: what a wildcard finds first must
// not depend on Go's order of maps.
func (e *encoder) encode(v any, depth int) error {
	switch {
	case depth > MaxDepth:
		return fmt.Errorf("it is nested deeper than %d levels", MaxDepth)
	case len(e.buf) > e.limit:
		return fmt.Errorf("it has more than %d bytes", e.limit)
	}
	switch v := v.(type) {
	case nil:
		e.buf = append(e.buf, "null"...)
	case string:
		e.buf = appendQuoted(e.buf, v)
	case bool:
		e.buf = strconv.AppendBool(e.buf, v)
	case int:
		e.buf = strconv.AppendInt(e.buf, int64(v), 10)
	case int64:
		e.buf = strconv.AppendInt(e.buf, v, 10)
	case float64:
		return e.float(v)
	case []any:
		return e.list(v, depth)
	case map[string]any:
		return e.object(v, depth)
	default: // json.Number, and whatever else encoding/json knows
		out, err := json.Marshal(v)
		if err != nil {
			return errors.New(shorten(err.Error()))
		}
		e.buf = append(e.buf, out...)
	}
	return nil
}

// float writes a number without a fraction as an integer, as encoding/json
// decodes integers to float64 unless told otherwise.
func (e *encoder) float(f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("%v is not JSON", f)
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	e.buf = strconv.AppendFloat(e.buf, f, format, -1, 64)
	return nil
}

func (e *encoder) list(items []any, depth int) error {
	e.buf = append(e.buf, '[')
	for i, item := range items {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		if err := e.encode(item, depth+1); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	e.buf = append(e.buf, ']')
	return nil
}

func (e *encoder) object(o map[string]any, depth int) error {
	e.buf = append(e.buf, '{')
	from := len(e.keys)
	for key := range o {
		e.keys = append(e.keys, key)
	}
	keys := e.keys[from:]
	slices.Sort(keys)
	for i, key := range keys {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		e.buf = append(appendQuoted(e.buf, key), ':')
		if err := e.encode(o[key], depth+1); err != nil {
			return fmt.Errorf("%s: %w", shorten(key), err)
		}
	}
	e.buf = append(e.buf, '}')
	clear(e.keys[from:])
	e.keys = e.keys[:from]
	return nil
}
