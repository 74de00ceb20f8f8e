package timex_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester/timex"
)

// goldenCase is one recorded evaluation of the original implementation. Error
// is its class of error, or "bug" where it crashed or never returned: there any
// error or sane result will do.
type goldenCase struct {
	Expr   string               `json:"expr"`
	Vars   map[string]time.Time `json:"vars"`
	Group  string               `json:"group"`
	Result *goldenResult        `json:"result"`
	Match  []struct {
		T  time.Time `json:"t"`
		In bool      `json:"in"`
	} `json:"match"`
	Error string `json:"error"`
	Phase string `json:"phase"`
}

type goldenResult struct {
	Kind  string    `json:"kind"`
	Begin time.Time `json:"begin"`
	End   time.Time `json:"end"`
}

// deviation is a rule that recognises, from the expression, its variables and
// the recorded result, the cases where the original is known to be wrong. A
// rule and not a list, so that it also holds for recordings not seen before.
type deviation struct {
	id      string
	reason  string
	applies func(goldenCase) bool
}

var deviations = []deviation{{
	id: "pinned-neighbour-length",
	reason: "the original finds the neighbour of a moved month or year by reusing its length in seconds, " +
		"so the range is off wherever the neighbour is longer or shorter",
	applies: steppedByLength,
}}

func TestGolden(t *testing.T) {
	dir := os.Getenv("WINCHESTER_GOLDEN")
	own := dir == ""
	if own {
		dir = filepath.Join("..", "testdata", "golden")
	}
	cases := readGolden(t, filepath.Join(dir, "timex.jsonl"))
	excused := map[string][]string{}
	for i, c := range cases {
		name := fmt.Sprintf("%s/%d", c.Group, i+1)
		t.Run(name, func(t *testing.T) {
			faults := compareGolden(c)
			if len(faults) == 0 {
				return
			}
			for _, d := range deviations {
				if c.Error == "" && d.applies(c) {
					excused[d.id] = append(excused[d.id], name)
					return
				}
			}
			t.Errorf("%q with %v:\n%s", c.Expr, c.Vars, strings.Join(faults, "\n"))
		})
	}
	listed, err := os.ReadFile(filepath.Join("..", "docs", "deviations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range deviations {
		if !strings.Contains(string(listed), "| `"+d.id+"` |") {
			t.Errorf("deviation %s is not in docs/deviations.md", d.id)
		}
		t.Logf("%s excused %d of %d cases (%s): %s",
			d.id, len(excused[d.id]), len(cases), d.reason, strings.Join(excused[d.id], " "))
		if own && len(excused[d.id]) == 0 {
			t.Errorf("rule %s excuses nothing: remove it", d.id)
		}
	}
}

func readGolden(t testing.TB, path string) []goldenCase {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []goldenCase
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c goldenCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatalf("%s:%d: %v", path, len(cases)+1, err)
		}
		cases = append(cases, c)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatalf("%s: no cases", path)
	}
	return cases
}

// compareGolden lists what differs from the recording.
func compareGolden(c goldenCase) (faults []string) {
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Sprintf(format, args...))
	}
	e, err := timex.Parse(c.Expr)
	var v timex.Value
	atParse := err != nil
	if !atParse {
		v, err = e.Eval(timex.Map(c.Vars))
	}
	switch {
	case c.Error == "bug":
		if err == nil {
			faults = checkSane(c, e, v)
		}
	case c.Error != "":
		class := map[string]error{
			"lexer": timex.ErrLex, "parser": timex.ErrSyntax, "expression": timex.ErrExpression,
		}[c.Error]
		if !errors.Is(err, class) {
			fault("got value %v, error %v; want a %s error", v, err, c.Error)
		}
		if c.Phase == "parse" && !atParse {
			fault("the error was found by Eval, want Parse")
		}
	case err != nil:
		fault("error %v; want %+v", err, *c.Result)
	default:
		if v.IsRange() != (c.Result.Kind == "range") || v.IsRange() != e.IsRange() ||
			v.Begin != c.Result.Begin || v.End != c.Result.End {
			fault("got  %v\nwant %+v", v, *c.Result)
		}
		for _, m := range c.Match {
			if v.Contains(m.T) != m.In {
				fault("Contains(%v) is %v", m.T, !m.In)
			}
		}
	}
	return faults
}

// checkSane holds where the original crashed and this package gives a value.
func checkSane(c goldenCase, e timex.Expr, v timex.Value) (faults []string) {
	for _, at := range []time.Time{v.Begin, v.End} {
		if at.Location() != time.UTC || at.Nanosecond()%1000 != 0 || at.Year() < 1 || at.Year() > 9999 {
			faults = append(faults, fmt.Sprintf("%v is not a UTC time in microseconds", at))
		}
	}
	if v.IsRange() && !strings.Contains(c.Expr, "to") && !v.Begin.Before(v.End) {
		faults = append(faults, fmt.Sprintf("%v of %v is empty", v, e))
	}
	return faults
}

// steppedByLength retraces the original: both ends of a function's range are
// moved, then the range is moved on by its own length until it contains the
// pin. The rule applies where that gives just what was recorded, and where it
// was moved on by a length that neighbours need not have.
func steppedByLength(c goldenCase) bool {
	e, err := timex.Parse(c.Expr)
	if err != nil || c.Result == nil {
		return false
	}
	function, argument, steps, ok := splitFunction(e.String())
	if !ok {
		return false
	}
	pin := evalTime(argument, c.Vars)
	plain, err := timex.MustParse(function + "(" + argument + ")").Eval(timex.Map(c.Vars))
	if err != nil || pin.IsZero() {
		return false
	}
	begin, end, faulty := plain.Begin, plain.End, false
	for _, step := range steps {
		begin = evalTime("$t"+step, map[string]time.Time{"t": begin})
		end = evalTime("$t"+step, map[string]time.Time{"t": end})
		length := end.Sub(begin)
		if begin.IsZero() || end.IsZero() || length <= 0 {
			return false
		}
		fixed := map[string]time.Duration{"hour": time.Hour, "day": 24 * time.Hour}[function]
		faulty = faulty || fixed > 0 && length != fixed
		for begin.After(pin) {
			begin, end = begin.Add(-length), begin
			faulty = faulty || fixed == 0
		}
		for !end.After(pin) {
			begin, end = end, end.Add(length)
			faulty = faulty || fixed == 0
		}
	}
	return faulty && begin.Equal(c.Result.Begin) && end.Equal(c.Result.End)
}

// splitFunction takes the canonical form of a function with steps apart.
func splitFunction(expr string) (function, argument string, steps []string, ok bool) {
	i := strings.IndexFunc(expr, func(r rune) bool { return r < 'a' || r > 'z' })
	if i <= 0 {
		return "", "", nil, false
	}
	function, rest := expr[:i], expr[i:]
	argument = "$timestamp"
	if inner, ok := strings.CutPrefix(rest, "("); ok {
		argument, rest, _ = strings.Cut(inner, ")")
	}
	for rest != "" {
		next := len(rest)
		if i := strings.IndexAny(rest[2:], "+-@"); i >= 0 {
			next = 2 + i - 1
		}
		steps = append(steps, rest[:next])
		rest = rest[next:]
	}
	return function, argument, steps, true
}

// evalTime is the value of a timestamp expression, or the zero time.
func evalTime(expr string, vars map[string]time.Time) time.Time {
	e, err := timex.Parse(expr)
	if err != nil {
		return time.Time{}
	}
	v, err := e.Eval(timex.Map(vars))
	if err != nil {
		return time.Time{}
	}
	return v.Timestamp()
}

func TestSplitFunction(t *testing.T) {
	function, argument, steps, ok := splitFunction("month($x + 1d @ 2h) + 3d 4h - 5s @ 1m")
	if function != "month" || argument != "$x + 1d @ 2h" || !ok ||
		!slices.Equal(steps, []string{" + 3d 4h", " - 5s", " @ 1m"}) {
		t.Error(function, argument, steps, ok)
	}
	if _, _, _, ok := splitFunction("$x + 1d"); ok {
		t.Error("a timestamp is no function")
	}
}
