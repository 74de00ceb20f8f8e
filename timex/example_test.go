package timex_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/seed71495667/winchester/timex"
)

func Example() {
	expr, err := timex.Parse("$last + 2d")
	if err != nil {
		panic(err)
	}
	v, err := expr.Eval(timex.Map{"last": time.Date(2015, 3, 10, 15, 0, 0, 0, time.UTC)})
	fmt.Println(v, err)
	// Output: 2015-03-12T15:00:00Z <nil>
}

// A function gives a range, which is pinned to the time it was made for.
func ExampleExpr_Eval_range() {
	expr := timex.MustParse("day @ 6h")
	for _, hour := range []int{5, 7} {
		at := time.Date(2015, 3, 10, hour, 0, 0, 0, time.UTC)
		v, err := expr.Eval(timex.Map{"timestamp": at})
		fmt.Println(v, v.Contains(at), v.Duration(), err)
	}
	// Output:
	// [2015-03-09T06:00:00Z, 2015-03-10T06:00:00Z) true 24h0m0s <nil>
	// [2015-03-10T06:00:00Z, 2015-03-11T06:00:00Z) true 24h0m0s <nil>
}

// Faults that a configuration can have are found when it is loaded.
func ExampleParse_errors() {
	for _, expr := range []string{"dya + 6h", "$last + ", "day @ 24h"} {
		_, err := timex.Parse(expr)
		fmt.Println(err)
	}
	// Output:
	// timex: column 1 of "dya + 6h": unknown function "dya" (did you mean "day"?)
	// timex: column 9 of "$last + ": expected a duration like "6h" after "+", found the end of the expression
	// timex: column 7 of "day @ 24h": hour 24 is out of range: must be 0 to 23
}

func ExampleExpr_CheckVariables() {
	expr := timex.MustParse("$frist to $last + 1h")
	fmt.Println(expr.Variables())
	fmt.Println(expr.CheckVariables("first", "last", "timestamp"))
	// Output:
	// [frist last]
	// timex: column 1 of "$frist to $last + 1h": undefined variable "$frist" (did you mean "$first"?)
}

// An event that lacks a trait is no match, not a failure.
func ExampleEvalError() {
	expr := timex.MustParse("day($launched_at)")
	_, err := expr.Eval(timex.Map{})
	var eval *timex.EvalError
	if errors.Is(err, timex.ErrUndefinedVariable) && errors.As(err, &eval) {
		fmt.Println("no trait", eval.Variable)
	}
	// Output: no trait launched_at
}

// Variables need no map: whatever can look a name up will do.
func ExampleVarsFunc() {
	first := time.Date(2015, 3, 10, 15, 0, 0, 0, time.UTC)
	vars := timex.VarsFunc(func(name string) (time.Time, bool) {
		return first, name == "first"
	})
	v, err := timex.MustParse("hour($first)").Eval(vars)
	fmt.Println(v, err)
	// Output: [2015-03-10T15:00:00Z, 2015-03-10T16:00:00Z) <nil>
}

func ExampleExpr_String() {
	fmt.Println(timex.MustParse("((day))@30min 6hr"))
	// Output: day @ 6h 30m
}

func ExampleRange() {
	v, err := timex.MustParse("day").Eval(timex.Map{"timestamp": time.Date(2015, 3, 10, 15, 0, 0, 0, time.UTC)})
	if err != nil {
		panic(err)
	}
	midnight := time.Date(2015, 3, 10, 0, 0, 0, 0, time.UTC)
	fmt.Println(v.Range() == timex.NewRange(midnight, midnight.AddDate(0, 0, 1)))
	// Output: true
}
