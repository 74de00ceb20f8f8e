package timex_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/seed71495667/winchester/timex"
)

func TestParseErrors(t *testing.T) {
	t.Parallel()
	cases := []struct {
		expr   string
		column int
		class  error
		msg    string
	}{
		// The expression ends too early. The original crashed on all of these.
		{"", 1, timex.ErrSyntax, `expected a variable like "$timestamp", a function like "day" or "(", found the end of the expression`},
		{" \t\n", 4, timex.ErrSyntax, `found the end of the expression`},
		{"$", 2, timex.ErrSyntax, `expected the name of a variable after "$", found the end of the expression`},
		{"$a +", 5, timex.ErrSyntax, `expected a duration like "6h" after "+", found the end of the expression`},
		{"day @ ", 7, timex.ErrSyntax, `expected a duration like "6h" after "@", found the end of the expression`},
		{"$a to", 6, timex.ErrSyntax, `expected a timestamp like "$timestamp", found the end of the expression`},
		{"(", 2, timex.ErrSyntax, `expected a variable like "$timestamp", a function like "day" or "(", found the end`},
		{"($a", 4, timex.ErrSyntax, `expected an operator, "to" or ")", found the end of the expression`},
		{"(day", 5, timex.ErrSyntax, `expected an operator or ")", found the end of the expression`},
		{"day(", 5, timex.ErrSyntax, `expected a timestamp like "$timestamp", found the end of the expression`},
		{"day($a", 7, timex.ErrSyntax, `expected an operator or ")", found the end of the expression`},

		// A word out of place.
		{"1d", 1, timex.ErrSyntax, `expected a variable like "$timestamp", a function like "day" or "(", found "1"`},
		{"d", 1, timex.ErrSyntax, `found the unit "d"`},
		{"$d", 2, timex.ErrSyntax, `expected the name of a variable after "$", found the unit "d"`},
		{"$to", 2, timex.ErrSyntax, `found the word "to"`},
		{"$a $b", 4, timex.ErrSyntax, `expected an operator, "to" or the end of the expression, found "$"`},
		{"$a to $b to $c", 10, timex.ErrSyntax, `expected an operator or the end of the expression, found the word "to"`},
		{"day to $b", 5, timex.ErrSyntax, `expected an operator or the end of the expression, found the word "to"`},
		{"$a to day", 7, timex.ErrSyntax, `expected a timestamp like "$timestamp", found "day"`},
		{"day(hour)", 5, timex.ErrSyntax, `expected a timestamp like "$timestamp", found "hour"`},
		{"day($a to $b)", 8, timex.ErrSyntax, `expected an operator or ")", found the word "to"`},
		{"($a to $b) to $c", 12, timex.ErrSyntax, `found the word "to"`},
		{"$a + day", 6, timex.ErrSyntax, `expected a duration like "6h" after "+", found "day"`},
		{"$a + (1d)", 6, timex.ErrSyntax, `expected a duration like "6h" after "+", found "("`},
		{"$a - -1d", 6, timex.ErrSyntax, `found "-"`},
		{"$a + 1 days", 8, timex.ErrSyntax, `expected a unit (us, s, m, h, d, mo or y), found "days"`},
		{"$a + 1D", 7, timex.ErrSyntax, `expected a unit (us, s, m, h, d, mo or y), found "D"`},
		{"day @ 6h30m", 8, timex.ErrSyntax, `expected a unit (us, s, m, h, d, mo or y) with a space after each, as in "6h 30m", found "h30m"`},
		{"$a)", 3, timex.ErrSyntax, `found ")"`},
		{"2014-01-01", 1, timex.ErrSyntax, `found "2014"`},

		// A number that has no unit and gets none.
		{"$a + 5", 6, timex.ErrSyntax, `a number without a unit may only follow a range directly, as in "day + 6"`},
		{"$a to $b + 5", 12, timex.ErrSyntax, "a number without a unit"},
		{"day + 1h + 5", 12, timex.ErrSyntax, "a number without a unit"},
		{"(day + 1h) + 5", 14, timex.ErrSyntax, "a number without a unit"},
		{"($a to $b) + 1h + 5", 19, timex.ErrSyntax, "a number without a unit"},
		{"day($a + 5)", 10, timex.ErrSyntax, "a number without a unit"},

		// A character of no use. Columns count characters, not bytes.
		{"$a + 1.5d", 7, timex.ErrLex, `unexpected character "."`},
		{"'day'", 1, timex.ErrLex, `unexpected character "'"`},
		{"$tä + 1d", 3, timex.ErrLex, `unexpected character "ä"`},
		{"$a\r+ 1d", 3, timex.ErrLex, `unexpected character "\r"`},
		{"#", 1, timex.ErrLex, `unexpected character "#"`},
		{"$ #", 3, timex.ErrLex, `unexpected character "#"`},
		{"$a to #", 7, timex.ErrLex, `unexpected character "#"`},
		{"(#", 2, timex.ErrLex, `unexpected character "#"`},
		{"day(#)", 5, timex.ErrLex, `unexpected character "#"`},
		{"day($a + #)", 10, timex.ErrLex, `unexpected character "#"`},
		{"$a + 1 #", 8, timex.ErrLex, `unexpected character "#"`},
		{"$a + 1d;", 8, timex.ErrLex, `unexpected character ";"`},
		{"day\x00", 4, timex.ErrLex, `unexpected character "\x00"`},
		{"day \xff", 5, timex.ErrLex, `unexpected character "\xff"`},

		// The fault that comes first is reported.
		{"day day #", 5, timex.ErrSyntax, `found "day"`},
		{"day # day", 5, timex.ErrLex, `unexpected character "#"`},

		// Faults that the original only found when it evaluated.
		{"week", 1, timex.ErrUnknownFunction, `unknown function "week" (there are hour, day, month and year; a variable is written "$week")`},
		{"dya + 6h", 1, timex.ErrUnknownFunction, `unknown function "dya" (did you mean "day"?)`},
		{"Day", 1, timex.ErrUnknownFunction, `unknown function "Day" (did you mean "day"?)`},
		{"months($a)", 1, timex.ErrUnknownFunction, `unknown function "months" (did you mean "month"?)`},
		{"day @ 24h", 7, timex.ErrOutOfRange, `hour 24 is out of range: must be 0 to 23`},
		{"$a + 1d @ 13mo", 11, timex.ErrOutOfRange, `month 13 is out of range: must be 1 to 12`},
		{"$a + 1h 3652060d", 9, timex.ErrOutOfRange, `the duration is longer than the years 1 to 9999`},
		{"day + 24h 999999999999999999", 11, timex.ErrOutOfRange, `the duration is longer than the years 1 to 9999`},
		{"day + 50000000h 50000000", 7, timex.ErrOutOfRange, `the duration is longer than the years 1 to 9999`},
		{"week @ 24h", 1, timex.ErrUnknownFunction, `unknown function "week"`},
		{"week @ 5", 1, timex.ErrUnknownFunction, `unknown function "week"`},
		// They count less than a fault against the grammar.
		{"week +", 7, timex.ErrSyntax, `found the end of the expression`},
		{"day @ 24h #", 11, timex.ErrLex, `unexpected character "#"`},
	}
	for _, c := range cases {
		e, err := timex.Parse(c.expr)
		var syntax *timex.SyntaxError
		if !errors.As(err, &syntax) || !errors.Is(err, c.class) {
			t.Errorf("%q: got error %v, want %v", c.expr, err, c.class)
			continue
		}
		if syntax.Column != c.column || !strings.Contains(syntax.Msg, c.msg) || syntax.Expr != c.expr {
			t.Errorf("%q: got  column %d: %s\nwant column %d: %s", c.expr, syntax.Column, syntax.Msg, c.column, c.msg)
		}
		if !e.IsZero() {
			t.Errorf("%q: an expression beside an error", c.expr)
		}
		classes := 0
		for _, class := range []error{timex.ErrLex, timex.ErrSyntax, timex.ErrExpression} {
			if errors.Is(err, class) {
				classes++
			}
		}
		if classes != 1 {
			t.Errorf("%q: %v is of %d classes", c.expr, err, classes)
		}
	}
}

func TestParseLimits(t *testing.T) {
	t.Parallel()
	nested := func(n int) string { return strings.Repeat("(", n) + "$a" + strings.Repeat(")", n) }
	long := "$a" + strings.Repeat(" ", timex.MaxLength-2)
	for _, expr := range []string{nested(timex.MaxDepth), "day" + nested(timex.MaxDepth), long} {
		if _, err := timex.Parse(expr); err != nil {
			t.Errorf("%.20s: %v", expr, err)
		}
	}
	for expr, column := range map[string]int{
		nested(timex.MaxDepth + 1):            timex.MaxDepth + 1,
		"day(" + nested(timex.MaxDepth) + ")": timex.MaxDepth + 4,
		strings.Repeat("(", 4000):             timex.MaxDepth + 1,
		strings.Repeat("day(", 1000):          5,
		long + " ":                            timex.MaxLength + 1,
		strings.Repeat("é", timex.MaxLength):  timex.MaxLength/2 + 1,
	} {
		_, err := timex.Parse(expr)
		var syntax *timex.SyntaxError
		if !errors.As(err, &syntax) || !errors.Is(err, timex.ErrSyntax) || syntax.Column != column {
			t.Errorf("%.20s: %v, want column %d", expr, err, column)
		} else if len(err.Error()) > 500 {
			t.Errorf("the message has %d bytes: %s", len(err.Error()), err)
		}
	}
}

// Parentheses side by side are not nested.
func TestParseDepthIsGivenBack(t *testing.T) {
	t.Parallel()
	expr := "($a)" + strings.Repeat(" + 1d", 3) + " to ($b)"
	for range timex.MaxDepth - 1 {
		expr = "(" + expr + ")"
	}
	if _, err := timex.Parse(expr); err != nil {
		t.Error(err)
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"$timestamp":                    "$timestamp",
		" ( ( $a ) )+1d":                "$a + 1d",
		"$ a to$b":                      "$a to $b",
		"($a + 1hr) to ($b - 5min)":     "$a + 1h to $b - 5m",
		"(($a to $b)) @ 6h":             "($a to $b) @ 6h",
		"day":                           "day",
		"day($timestamp)":               "day",
		"day(($timestamp))":             "day",
		"day($timestamp + 0d)":          "day($timestamp + 0d)",
		"(month($a)) @ 3d\n- 1h":        "month($a) @ 3d - 1h",
		"$a + 18s 11d 21m 4mo 22hr 5yr": "$a + 5y 4mo 11d 22h 21m 18s",
		"$a @ 3h 4h":                    "$a @ 7h",
		"$a - 0007us":                   "$a - 7us",
		"hour + 5":                      "hour + 5m",
		"day @ 5 30s":                   "day @ 5h 30s",
		"month + 1 1":                   "month + 2d",
		"year + 3 1mo":                  "year + 4mo",
		"($a to $b) + 5 1h":             "($a to $b) + 1h 5",
		"($a to $b) @ 5":                "($a to $b) @ 5",
	} {
		e, err := timex.Parse(source)
		if err != nil {
			t.Errorf("%q: %v", source, err)
			continue
		}
		if e.String() != want || e.Source() != source {
			t.Errorf("%q: got %q from %q, want %q", source, e, e.Source(), want)
		}
		if again, err := timex.Parse(e.String()); err != nil || !again.Equal(e) {
			t.Errorf("%q: %q parses to %q, %v", source, e, again, err)
		}
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	groups := [][]string{
		{"$a", "($a)", "$ a"}, {"$b"}, {"$a + 1d", "($a) + 1 d"}, {"$a + 24h"}, {"$a + 2d"}, {"$a - 1d"},
		{"$a to $b", "($a to $b)"}, {"$b to $a"}, {"$a to $b + 1d"}, {"($a to $b) + 1d"},
		{"day", "day($timestamp)"}, {"hour"}, {"day($a)"}, {"day + 6h", "day + 6", "day+6hr"}, {"day + 5h"},
	}
	for i, g := range groups {
		for j, h := range groups {
			for _, a := range g {
				for _, b := range h {
					if got := timex.MustParse(a).Equal(timex.MustParse(b)); got != (i == j) {
						t.Errorf("Equal(%q, %q) is %v", a, b, got)
					}
				}
			}
		}
	}
	zero := timex.Expr{}
	if !zero.Equal(timex.Expr{}) || zero.Equal(timex.MustParse("$a")) || timex.MustParse("$a").Equal(zero) {
		t.Error("the zero Expr equals only itself")
	}
}

func TestIsRange(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]bool{
		"$a": false, "($a + 1d) @ 2h": false, "$a to $b": true, "day": true, "(day) + 1h": true,
	} {
		if e := timex.MustParse(expr); e.IsRange() != want || e.IsZero() {
			t.Errorf("IsRange of %s is %v", expr, e.IsRange())
		}
	}
	zero := timex.Expr{}
	if zero.IsRange() || !zero.IsZero() || zero.String() != "" || zero.Source() != "" {
		t.Error("the zero Expr is nothing")
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string][]string{
		"$b + 1d":                {"b"},
		"($last) to $first - 1d": {"last", "first"},
		"$a to $a":               {"a"},
		"day":                    {"timestamp"},
		"day($launched_at) @ 6h": {"launched_at"},
	} {
		e := timex.MustParse(expr)
		if got := e.Variables(); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", expr, got, want)
		}
		if err := e.CheckVariables(want...); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
	}
	if got := (timex.Expr{}).Variables(); got != nil {
		t.Errorf("the zero Expr uses %v", got)
	}
	if err := (timex.Expr{}).CheckVariables(); err != nil {
		t.Error(err)
	}
}

func TestCheckVariables(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expr, want string }{
		{"$last + 1d", ""},
		{"day", ""},
		{"($laast) + 1d", `timex: column 2 of "($laast) + 1d": undefined variable "$laast" (did you mean "$last"?)`},
		{"day($event)", `timex: column 5 of "day($event)": undefined variable "$event"`},
		{"$x1 to $Last", `timex: column 1 of "$x1 to $Last": undefined variable "$x1"` + "\n" +
			`timex: column 8 of "$x1 to $Last": undefined variable "$Last" (did you mean "$last"?)`},
	} {
		err := timex.MustParse(c.expr).CheckVariables("first", "last", "timestamp")
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.expr, err)
			}
			continue
		}
		var syntax *timex.SyntaxError
		if !errors.As(err, &syntax) || !errors.Is(err, timex.ErrUndefinedVariable) || err.Error() != c.want {
			t.Errorf("%s:\ngot  %v\nwant %s", c.expr, err, c.want)
		}
	}
}

func TestMustParse(t *testing.T) {
	t.Parallel()
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, timex.ErrSyntax) {
			t.Errorf("panicked with %v", err)
		}
	}()
	timex.MustParse("$")
}
