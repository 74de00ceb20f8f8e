package timex_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seed71495667/winchester/timex"
)

func TestEvalErrors(t *testing.T) {
	t.Parallel()
	now := at("2014-07-20")
	cases := []struct {
		expr     timex.Expr
		vars     timex.Vars
		is       error
		variable string
		want     string
	}{
		{timex.MustParse("$nope + 1d"), timex.Map{"timestamp": now}, timex.ErrUndefinedVariable, "nope",
			`timex: cannot evaluate "$nope + 1d": undefined variable "$nope"`},
		{timex.MustParse("day"), timex.Map{}, timex.ErrUndefinedVariable, "timestamp",
			`timex: cannot evaluate "day": undefined variable "$timestamp"`},
		{timex.MustParse("$a to $b"), timex.Map{"a": now}, timex.ErrUndefinedVariable, "b", ""},
		{timex.MustParse("$a"), nil, timex.ErrUndefinedVariable, "a", ""},
		{timex.MustParse("$a"), timex.Map(nil), timex.ErrUndefinedVariable, "a", ""},
		{timex.MustParse("$a"), timex.Map{"a": time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, timex.ErrOutOfRange, "a",
			`timex: cannot evaluate "$a": "$a" is outside the years 1 to 9999`},
		{timex.MustParse("day($a)"), timex.Map{"a": time.Time{}.Add(-1)}, timex.ErrOutOfRange, "a", ""},
		{timex.MustParse("$a"), timex.Map{"a": time.Unix(1<<62, 0)}, timex.ErrOutOfRange, "a", ""},
		{timex.MustParse("$a + 8000y"), timex.Map{"a": now}, timex.ErrOutOfRange, "", ""},
		{timex.Expr{}, timex.Map{"timestamp": now}, timex.ErrExpression, "",
			`timex: cannot evaluate "": there is no expression (zero Expr)`},
	}
	for _, c := range cases {
		v, err := c.expr.Eval(c.vars)
		var eval *timex.EvalError
		if !errors.As(err, &eval) || !errors.Is(err, c.is) || !errors.Is(err, timex.ErrExpression) ||
			errors.Is(err, timex.ErrSyntax) || errors.Is(err, timex.ErrLex) {
			t.Errorf("%v: error is %v", c.expr, err)
			continue
		}
		if eval.Variable != c.variable || eval.Expr != c.expr.Source() || c.want != "" && err.Error() != c.want {
			t.Errorf("%v: got %+v: %v", c.expr, eval, err)
		}
		if v != (timex.Value{}) {
			t.Errorf("%v: value %v beside an error", c.expr, v)
		}
	}
}

// Variables come in any zone and precision, also with a monotonic reading.
func TestEvalNormalizes(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("east", 5*3600+1800)
	in := time.Date(2014, 7, 20, 2, 15, 0, 1999, zone)
	v, err := timex.MustParse("$t").Eval(timex.Map{"t": in})
	want := time.Date(2014, 7, 19, 20, 45, 0, 1000, time.UTC)
	if err != nil || v.Begin != want || v.End != want || v.Begin.Location() != time.UTC {
		t.Errorf("got %v, %v", v, err)
	}
	if !v.Contains(in) {
		t.Error("a timestamp must contain the time it was made from")
	}
	v, err = timex.MustParse("day($t)").Eval(timex.Map{"t": in})
	if err != nil || v.Begin != at("2014-07-19") || !v.Contains(in) {
		t.Errorf("the day must be that of UTC: got %v, %v", v, err)
	}
	before := time.Unix(-1, 999_999_999)
	v, err = timex.MustParse("$t").Eval(timex.Map{"t": before})
	if err != nil || v.Begin != time.Unix(-1, 999_999_000).UTC() {
		t.Errorf("truncation must be downwards before 1970: got %v, %v", v, err)
	}
	v, err = timex.MustParse("$t").Eval(timex.Map{"t": time.Now()})
	if err != nil || v.Begin != v.Begin.Round(0) {
		t.Errorf("a monotonic reading is left: %v, %v", v, err)
	}
}

func TestEvalLooksUpEachUseOnce(t *testing.T) {
	t.Parallel()
	var asked []string
	vars := timex.VarsFunc(func(name string) (time.Time, bool) {
		asked = append(asked, name)
		return at("2014-07-20"), true
	})
	if _, err := timex.MustParse("$b - 1h to $a + 1h").Eval(vars); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(asked); got != "[b a]" {
		t.Errorf("looked up %s", got)
	}
}

func TestEvalConcurrently(t *testing.T) {
	t.Parallel()
	e := timex.MustParse("month($t) + 3d @ 6h")
	vars := timex.Map{"t": at("2014-03-01")}
	want, err := e.Eval(vars)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if v, err := e.Eval(vars); v != want || err != nil {
					t.Errorf("got %v, %v; want %v", v, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
}
