package winchester

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestNumberCriteria(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		trait any
		op    Compare
		want  bool
	}{
		{int64(5), Compare{"int", "5"}, true},
		{int64(5), Compare{"int", 5}, true},
		{5.0, Compare{"int", "= 5"}, true},
		{int64(5), Compare{"float", "5.0"}, true},
		{"5", Compare{"int", "5"}, false},
		{int64(5), Compare{"int", "!= 5"}, false},
		{int64(6), Compare{"int", "!= 5"}, true},
		{"x", Compare{"int", "!= 5"}, false}, // not a number at all
		{int64(5), Compare{"int", ">= 5"}, true},
		{int64(4), Compare{"int", ">= 5"}, false},
		{int64(5), Compare{"int", "<= 5"}, true},
		{int64(6), Compare{"int", "<= 5"}, false},
		{int64(6), Compare{"int", " >   5 "}, true},
		{4.9, Compare{"float", "< 5"}, true},
		{math.NaN(), Compare{"float", "!= 5"}, false},
		// Neighbours that a float cannot tell apart.
		{int64(1<<62 + 1), Compare{"int", "> 4611686018427387904"}, true},
		{int64(1<<62 + 1), Compare{"float", "> 4611686018427387904"}, true},
		{int64(math.MaxInt64), Compare{"float", "< 9223372036854775808"}, true},
		{int64(math.MinInt64), Compare{"float", ">= -9223372036854775808"}, true},
		{int64(0), Compare{"float", "< 1e300"}, true},
		{int64(0), Compare{"float", "> -1e300"}, true},
		{int64(-2), Compare{"float", "> -2.5"}, true},
		{int64(-2), Compare{"float", "< -1.5"}, true},
	} {
		test, err := compileTrait("v", c.op)
		if err != nil {
			t.Errorf("%v: %v", c.op, err)
			continue
		}
		e := Event{Traits: Traits{"v": c.trait}}
		if got := test.test(&e, nil); got != c.want {
			t.Errorf("%v (%T) against %v: %v", c.trait, c.trait, c.op, got)
		}
	}
}

func TestCriterionFaults(t *testing.T) {
	t.Parallel()
	for want, condition := range map[string]any{
		`unknown type "numeric": expected one of`:    Compare{"numeric", "> 4"},
		`unknown type "flaot" (did you mean "float"`: Compare{"flaot", "> 4"},
		`unknown operator "=>"`:                      Compare{"int", "=> 4"},
		`">5" is not a number; write "> 5"`:          Compare{"int", ">5"},
		`int: "1.5" is not a number`:                 Compare{"int", "1.5"},
		`int: "" is not a number`:                    Compare{"int", "  "},
		`expected a number, found bool`:              Compare{"int", true},
		`expected text, found int`:                   Compare{"string", 5},
		`expected a time expression, found int`:      Compare{"datetime", 5},
		`invalid trait type []int`:                   []int{1},
		"dya":                                        Compare{"datetime", "dya"},
	} {
		if _, err := compileTrait("v", condition); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %q, got %v", condition, want, err)
		}
	}
}

func TestConstantCriteria(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		trait, constant any
		want            bool
	}{
		{"a", "a", true}, {"a", "A", false}, {int64(5), 5, true}, {int64(5), 5.0, true}, {"5", 5, false},
		{true, true, true}, {true, false, false}, {true, 1, false}, {at, at, true}, {at, at.In(time.FixedZone("", 60)), true},
		{nil, nil, true}, {"", nil, false},
	} {
		test, err := compileTrait("v", c.constant)
		if err != nil {
			t.Fatal(err)
		}
		e := Event{Traits: Traits{"v": c.trait}}
		if got := test.test(&e, nil); got != c.want {
			t.Errorf("%v against %v: %v", c.trait, c.constant, got)
		}
	}
}

func TestDefinitionFaults(t *testing.T) {
	t.Parallel()
	err := TriggerDefinition{
		DebugLevel:      3,
		DistinguishedBy: []Distinguisher{{Trait: "a"}, {Trait: "a"}, {Trait: "t", Expression: "day($first)"}},
		MatchCriteria:   []Criterion{{MapDistinguishedBy: map[string]string{"nope": "x"}}},
		FireCriteria:    []Criterion{{Number: -2, Timestamp: "day +"}},
		Expiration:      "$lats + 1h",
		FireDelay:       -time.Second,
		Retry:           RetryPolicy{MaxAttempts: -1, OnCommitError: "maybe"},
	}.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{
		"name: is missing", "debug_level: 3", "fire_delay: -1s", "at least one of fire_pipeline", "distinguished_by[1]",
		"distinguished_by[2]", "match_criteria[0].map_distinguished_by", "fire_criteria[0].number", "fire_criteria[0].timestamp",
		"expiration: ", `did you mean "$last"`, "max_attempts", "on_commit_error",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not reported in:\n%v", part, err)
		}
	}
}
