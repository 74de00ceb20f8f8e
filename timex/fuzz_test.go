package timex_test

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester/timex"
)

// FuzzParse feeds any text to Parse and any times to Eval: both must return,
// and what they return must hold together.
func FuzzParse(f *testing.F) {
	seen := map[string]bool{}
	for _, c := range readGolden(f, filepath.Join("..", "testdata", "golden", "timex.jsonl")) {
		if !seen[c.Expr] {
			seen[c.Expr] = true
			f.Add(c.Expr, c.Vars["timestamp"].UnixMicro(), int64(0))
		}
	}
	f.Add(strings.Repeat("(", 200), int64(-1), int64(1))
	f.Add("month"+strings.Repeat(" + 3652059d", 9), int64(0), int64(1)<<60)
	f.Add("week @ 24h", int64(0), int64(0))
	f.Fuzz(func(t *testing.T, source string, a, b int64) {
		e, err := timex.Parse(source)
		if err != nil {
			checkSyntaxError(t, source, err)
			return
		}
		canonical := e.String()
		again, err := timex.Parse(canonical)
		if err != nil && len(canonical) <= timex.MaxLength {
			t.Fatalf("%q became %q, which fails: %v", source, canonical, err)
		}
		if err == nil && (!again.Equal(e) || again.String() != canonical) {
			t.Fatalf("%q became %q, which parses to %q", source, canonical, again)
		}
		vars := fuzzVars{time.UnixMicro(a), time.UnixMicro(b)}
		v, err := e.Eval(vars)
		if err != nil {
			var eval *timex.EvalError
			if !errors.As(err, &eval) || !errors.Is(err, timex.ErrOutOfRange) || err.Error() == "" {
				t.Fatalf("%q: Eval returned %v", source, err)
			}
			return
		}
		checkFuzzValue(t, source, e, v, vars)
	})
}

func checkSyntaxError(t *testing.T, source string, err error) {
	var syntax *timex.SyntaxError
	if !errors.As(err, &syntax) {
		t.Fatalf("%q: Parse returned %v", source, err)
	}
	if syntax.Column < 1 || syntax.Column > len(source)+1 || syntax.Expr != source || err.Error() == "" {
		t.Fatalf("%q: Parse returned %+v", source, syntax)
	}
}

func checkFuzzValue(t *testing.T, source string, e timex.Expr, v timex.Value, vars timex.Vars) {
	for _, at := range []time.Time{v.Begin, v.End} {
		if at.Year() < 1 || at.Year() > 9999 || at.Nanosecond()%1000 != 0 || at.Location() != time.UTC {
			t.Fatalf("%q: %v is out of range", source, at)
		}
	}
	function, _, _, _ := splitFunction(e.String())
	switch {
	case v.IsRange() != e.IsRange():
		t.Fatalf("%q: IsRange is %v of the value and %v of the expression", source, v.IsRange(), e.IsRange())
	case !v.IsRange():
		if v.Begin != v.End || !v.Contains(v.Begin) {
			t.Fatalf("%q: %v is no timestamp", source, v)
		}
	case function != "" && (!v.Begin.Before(v.End) || !v.Contains(v.Begin) || v.Contains(v.End)):
		t.Fatalf("%q: %v is no range", source, v)
	}
	if same, err := e.Eval(vars); err != nil || same != v {
		t.Fatalf("%q: %v at first, then %v, %v", source, v, same, err)
	}
}

// fuzzVars gives every name one of two times.
type fuzzVars [2]time.Time

func (v fuzzVars) Lookup(name string) (time.Time, bool) {
	var b [8]byte
	copy(b[:], name)
	return v[binary.LittleEndian.Uint64(b[:])%2], true
}
