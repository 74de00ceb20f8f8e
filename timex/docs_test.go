package timex_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester/timex"
)

// The tables of the users' reference are evaluated, so that they stay true.
func TestDocumentedExamples(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "docs", "time-expressions.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `([^`]+)` \\| `([^`]+)` \\|$").FindAllStringSubmatch(string(text), -1)
	if len(rows) < 40 {
		t.Fatalf("only %d examples found", len(rows))
	}
	for _, row := range rows {
		expr, value, want := row[1], row[2], row[3]
		at, err := time.Parse(time.RFC3339Nano, value)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		v, err := timex.MustParse(expr).Eval(timex.VarsFunc(func(string) (time.Time, bool) { return at, true }))
		got := v.String()
		if err != nil {
			_, msg, _ := strings.Cut(err.Error(), `": `)
			got = "error: " + msg
		}
		if got != want {
			t.Errorf("%s at %s is %s, not %s", expr, value, got, want)
		}
	}
	for _, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "timex: ") {
			continue
		}
		if got := documentedError(line); got != line {
			t.Errorf("documented %s\nbut it is  %s", line, got)
		}
	}
}

// documentedError is the error that the expression quoted in line gives today.
func documentedError(line string) string {
	expr := strings.Split(line, `"`)[1]
	e, err := timex.Parse(expr)
	if err == nil && strings.HasPrefix(line, "timex: column") {
		err = e.CheckVariables("first", "last", "timestamp")
	} else if err == nil {
		_, err = e.Eval(timex.Map{"last": at("2014-06-20")})
	}
	if err == nil {
		return "no error"
	}
	return err.Error()
}
