package usage

import (
	"bytes"
	"cmp"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/seed71495667/winchester"
)

// Trait values come from outside, and from handlers earlier in the pipeline
// whose numbers nobody has widened yet. The rules here are Python's, in which
// the checks were first written, except that what has no order is reported
// and not guessed.

// truthy tells whether a field says anything: a distiller may leave an empty
// text or a zero where there is no value.
func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	}
	n, isNumber := number(v)
	return !isNumber || n != 0
}

// order compares times with times, texts with texts and numbers with numbers.
// Anything else has no order.
func order(a, b any) (c int, ok bool) {
	switch a := a.(type) {
	case time.Time:
		b, ok := b.(time.Time)
		return a.Compare(b), ok
	case string:
		b, ok := b.(string)
		return strings.Compare(a, b), ok
	}
	if a, b := reflect.ValueOf(a), reflect.ValueOf(b); a.IsValid() && b.IsValid() && a.CanInt() && b.CanInt() {
		return cmp.Compare(a.Int(), b.Int()), true
	}
	x, ok1 := number(a)
	y, ok2 := number(b)
	return cmp.Compare(x, y), ok1 && ok2
}

// equal tells whether two values are the same; 2 and 2.0 are.
func equal(a, b any) bool {
	if c, ok := order(a, b); ok {
		return c == 0
	}
	x, err1 := winchester.AppendTraitJSON(nil, a)
	y, err2 := winchester.AppendTraitJSON(nil, b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

func number(v any) (float64, bool) {
	switch r := reflect.ValueOf(v); {
	case !r.IsValid():
		return 0, false
	case r.CanInt():
		return float64(r.Int()), true
	case r.CanUint():
		return float64(r.Uint()), true
	case r.CanFloat():
		return r.Float(), true
	case r.Kind() == reflect.Bool:
		if r.Bool() {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// text writes a value as the original's messages have it; they are read by
// people, and matched by their tools.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case float64:
		s := strconv.FormatFloat(v, 'g', 12, 64)
		if strings.Trim(s, "-0123456789") == "" {
			s += ".0"
		}
		return s
	case time.Time:
		const layout = "2006-01-02 15:04:05"
		if v.Nanosecond() == 0 {
			return v.UTC().Format(layout)
		}
		return v.UTC().Format(layout + ".000000")
	}
	return fmt.Sprint(v)
}
