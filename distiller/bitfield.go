package distiller

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// bitfield sets a bit for each flag that is found: the plugin "bitfield".
type bitfield struct {
	initial int64
	flags   []flag
}

type flag struct {
	path   string
	mask   int64
	value  any
	always bool // whatever the value
}

// newBitfield takes initial_bitfield (default 0) and flags, a list of maps: a
// bit (0 to 62) is set if there is a match of exactly that path and, where a
// value is given, of that value.
func newBitfield(parameters map[string]any) (TraitPlugin, error) {
	if err := misspelt(parameters, "initial_bitfield", "flags"); err != nil {
		return nil, err
	}
	out := &bitfield{}
	var faults []error
	if v, ok := parameters["initial_bitfield"]; ok {
		if out.initial, ok = v.(int64); !ok {
			faults = append(faults, fmt.Errorf("initial_bitfield: expected an integer, found %v", v))
		}
	}
	list, ok := parameters["flags"].([]any)
	if !ok && parameters["flags"] != nil {
		faults = append(faults, fmt.Errorf("flags: expected a list, found %v", parameters["flags"]))
	}
	for i, item := range list {
		f, err := newFlag(item)
		if err != nil {
			faults = append(faults, fmt.Errorf("flags[%d]: %w", i, err))
		}
		out.flags = append(out.flags, f)
	}
	return out, errors.Join(faults...)
}

func newFlag(item any) (out flag, err error) {
	m, ok := item.(map[string]any)
	if !ok {
		return out, fmt.Errorf("expected a map with path and bit, found %v", item)
	}
	if err := misspelt(m, "path", "bit", "value"); err != nil {
		return out, err
	}
	if out.path, ok = m["path"].(string); !ok {
		return out, errors.New("path is missing, or no text")
	}
	bit := int64(-1)
	switch v := m["bit"].(type) {
	case int64:
		bit = v
	case float64:
		bit = int64(v)
	case string:
		if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
			bit = n
		}
	case nil:
		return out, errors.New("bit is missing")
	}
	if bit < 0 || bit > 62 {
		return out, fmt.Errorf("bit: expected a number from 0 to 62, found %v", m["bit"])
	}
	out.mask = 1 << bit
	value, given := m["value"]
	out.value, out.always = value, !given
	return out, nil
}

func (b *bitfield) Value(matches []Match) (any, error) {
	out := b.initial
	for _, f := range b.flags {
		// Of several matches of one path the last one counts.
		for i := len(matches) - 1; i >= 0; i-- {
			if matches[i].Path == f.path {
				if f.always || equal(matches[i].Value, f.value) {
					out |= f.mask
				}
				break
			}
		}
	}
	return out, nil
}

// equal compares as Python does: 1, 1.0 and true are equal.
func equal(a, b any) bool {
	x, ok := number(a)
	if y, also := number(b); ok && also {
		return x == y
	}
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			if w, ok := b[k]; !ok || !equal(v, w) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		if v > -1<<53 && v < 1<<53 {
			return float64(v), true
		}
	case float64:
		return v, !math.IsNaN(v)
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	return 0, false
}
