package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
)

func TestParseTriggers(t *testing.T) {
	t.Parallel()
	got, err := ParseTriggers("triggers.yaml", []byte(`---
- name: everything
  debug_level: "2"
  distinguished_by:
  - instance_id
  - timestamp: "day"
  - {ends: day($timestamp) @ 6h}
  match_criteria:
  - event_type: compute.instance.*
    traits:
      os_distro: ubuntu
      memory_mb: {int: "> 4096"}
      load: {float: <= 1.5}
      vcpus: {int: 4}
      share: 0.5
      gone: null
      deleted: false
      launched_at: {datetime: $timestamp - 1d to $timestamp}
      born: 2014-07-20 12:30:00
      note: "2014-07-20"
      flavour: {text: m1}
  - event_type: [compute.instance.exists, "!compute.instance.exists.failed"]
    timestamp: day($audit_period_beginning)
    map_distinguished_by:
      timestamp: audit_period_beginning
  - event_type: []
  - {}
  fire_criteria:
  - event_type: compute.instance.exists
    number: 3
  - number: 0
  load_criteria: []
  expiration: "$last + 1h"
  fire_delay: 1h 30m
  fire_pipeline: fire
  expire_pipeline: expire
  retry: {max_attempts: 3, initial_backoff: 500ms, max_backoff: 90, multiplier: 1.5, jitter: 0, on_commit_error: ignore}
- name: least
  match_criteria: [{}]
  fire_criteria: []
  expiration: $last
  fire_delay: 2.5
  expire_pipeline: expire
  fire_pipeline: null
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []winchester.TriggerDefinition{{
		Name: "everything", DebugLevel: 2,
		DistinguishedBy: []winchester.Distinguisher{
			{Trait: "instance_id"}, {Trait: "timestamp", Expression: "day"}, {Trait: "ends", Expression: "day($timestamp) @ 6h"},
		},
		MatchCriteria: []winchester.Criterion{
			{EventTypes: []string{"compute.instance.*"}, Traits: map[string]any{
				"os_distro": "ubuntu", "memory_mb": winchester.Compare{Type: "int", Value: "> 4096"},
				"load": winchester.Compare{Type: "float", Value: "<= 1.5"}, "vcpus": winchester.Compare{Type: "int", Value: int64(4)},
				"share": 0.5, "gone": nil, "deleted": false,
				"launched_at": winchester.Compare{Type: "datetime", Value: "$timestamp - 1d to $timestamp"},
				"born":        time.Date(2014, 7, 20, 12, 30, 0, 0, time.UTC), "note": "2014-07-20",
				"flavour": winchester.Compare{Type: "text", Value: "m1"},
			}},
			{
				EventTypes: []string{"compute.instance.exists", "!compute.instance.exists.failed"}, Timestamp: "day($audit_period_beginning)",
				MapDistinguishedBy: map[string]string{"timestamp": "audit_period_beginning"},
			},
			{EventTypes: []string{}},
			{},
		},
		FireCriteria: []winchester.Criterion{{EventTypes: []string{"compute.instance.exists"}, Number: 3}, {Number: winchester.NumberZero}},
		LoadCriteria: []winchester.Criterion{}, Expiration: "$last + 1h", FireDelay: 90 * time.Minute, FirePipeline: "fire", ExpirePipeline: "expire",
		Retry: winchester.RetryPolicy{
			MaxAttempts: 3, InitialBackoff: 500 * time.Millisecond, MaxBackoff: 90 * time.Second, Multiplier: 1.5,
			Jitter: -1, OnCommitError: winchester.CommitErrorIgnore,
		},
	}, {
		Name: "least", MatchCriteria: []winchester.Criterion{{}}, FireCriteria: []winchester.Criterion{},
		Expiration: "$last", FireDelay: 2500 * time.Millisecond, ExpirePipeline: "expire",
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	for _, d := range got {
		if err := d.Validate(); err != nil {
			t.Error(err)
		}
	}
}

// trigger is a whole definition of which a test replaces or adds lines.
func triggerText(lines ...string) string {
	keys := []string{"name: n", "match_criteria: [{}]", "fire_criteria: [{}]", "expiration: $last + 1h", "fire_pipeline: p"}
	for _, line := range lines {
		key, _, _ := strings.Cut(line, ":")
		for i := range keys {
			if strings.HasPrefix(keys[i], key+":") {
				keys[i] = ""
			}
		}
	}
	out := "-"
	for _, line := range append(keys, lines...) {
		if line != "" {
			out += " " + line + "\n "
		}
	}
	return strings.TrimSuffix(out, " ")
}

func TestTriggerFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"top", "name: x", `t.yaml:1:1: expected a list, found a map`},
		{"item", "- x", `t.yaml:1:3: [0]: expected a map that defines a trigger, found the text "x"`},
		{"null item", "-", `t.yaml:1:3: [0]: expected a map that defines a trigger, found nothing`},
		{"empty item", "- {}", `t.yaml:1:3: [0]: name is missing
t.yaml:1:3: [0]: at least one of fire_pipeline and expire_pipeline is required
t.yaml:1:3: [0]: match_criteria is missing
t.yaml:1:3: [0]: fire_criteria is missing
t.yaml:1:3: [0]: expiration is missing`},
		{"not yaml", "- name: [", `t.yaml:1:9: sequence end token ']' not found`},
		{"misspelt key", triggerText("expiraton: $last"), `t.yaml:6:3: [0]: unknown key "expiraton" (did you mean "expiration"?)`},
		{
			"misspelt key of a criterion", triggerText("match_criteria: [{map_distingushed_by: {a: b}}]"),
			`t.yaml:5:21: [0].match_criteria[0]: unknown key "map_distingushed_by" (did you mean "map_distinguished_by"?)`,
		},
		{"misspelt key of retry", triggerText("retry: {attempts: 3}"), `t.yaml:6:11: [0].retry: unknown key "attempts" (did you mean "max_attempts"?)`},

		{"name", triggerText("name: 5"), `t.yaml:5:9: [0].name: expected text, found the integer 5; put it in quotes if text is meant`},
		{"name twice", triggerText() + triggerText(), `t.yaml:6:9: [1].name: a trigger named "n" is on line 1 already`},
		{"empty name", triggerText(`name: ""`), `t.yaml:5:9: [0].name: is missing`},
		{"null name", triggerText(`name:`), `t.yaml:5:3: [0].name: is missing`},

		{"debug_level", triggerText("debug_level: 3"), `t.yaml:6:16: [0].debug_level: expected an integer from 0 to 2, found 3`},
		{"debug_level as text", triggerText(`debug_level: "3"`), `t.yaml:6:16: [0].debug_level: 3 is not 0, 1 or 2`},
		{"debug_level in words", triggerText("debug_level: high"), `t.yaml:6:16: [0].debug_level: expected 0, 1 or 2, found the text "high"`},
		{"null debug_level", triggerText("debug_level:"), `t.yaml:6:3: [0].debug_level: expected 0, 1 or 2, found nothing`},

		{"distinguished_by", triggerText("distinguished_by: a"), `t.yaml:6:21: [0].distinguished_by: expected a list, found the text "a"`},
		{"null distinguished_by", triggerText("distinguished_by:"), `t.yaml:6:3: [0].distinguished_by: expected a list of traits, found nothing`},
		{"two traits in a map", triggerText("distinguished_by: [{a: day, b: day}]"), `t.yaml:6:22: [0].distinguished_by[0]: expected one trait and its time expression, found 2; each needs an item of its own`},
		{"no trait in a map", triggerText("distinguished_by: [{}]"), `t.yaml:6:22: [0].distinguished_by[0]: expected one trait and its time expression, found 0; each needs an item of its own`},
		{"list in distinguished_by", triggerText("distinguished_by: [[a]]"), `t.yaml:6:22: [0].distinguished_by[0]: expected the name of a trait, or a map of one trait to a time expression, found a list`},
		{"trait twice", triggerText("distinguished_by: [a, {a: day}]"), `t.yaml:6:29: [0].distinguished_by[1].a: trait "a" is listed twice`},
		{"no name of a trait", triggerText(`distinguished_by: [""]`), `t.yaml:6:22: [0].distinguished_by[0]: the trait's name is missing`},
		{"distinguishing expression", triggerText("distinguished_by: [{t: day +}]"), `t.yaml:6:31: [0].distinguished_by[0].t: in "day +": expected a duration like "6h" after "+", found the end of the expression`},
		{"distinguishing variable", triggerText("distinguished_by: [{t: day($first)}]"), `t.yaml:6:30: [0].distinguished_by[0].t: in "day($first)": undefined variable "$first"`},
		{"null distinguishing expression", triggerText("distinguished_by: [{t: }]"), `t.yaml:6:23: [0].distinguished_by[0].t: expected a time expression, found nothing`},

		{"match_criteria", triggerText("match_criteria: x"), `t.yaml:5:19: [0].match_criteria: expected a list, found the text "x"`},
		{"null match_criteria", triggerText("match_criteria:"), `t.yaml:5:3: [0].match_criteria: expected a list of criteria, found nothing`},
		{"missing fire_criteria", strings.Replace(triggerText(), "  fire_criteria: [{}]\n", "", 1), `t.yaml:1:3: [0]: fire_criteria is missing`},
		{"criterion", triggerText("match_criteria: [x]"), `t.yaml:5:20: [0].match_criteria[0]: expected a map of conditions, found the text "x"`},
		{"null criterion", triggerText("match_criteria: [~]"), `t.yaml:5:20: [0].match_criteria[0]: expected a map of conditions, found nothing`},
		{"event_type", triggerText("match_criteria: [{event_type: 5}]"), `t.yaml:5:33: [0].match_criteria[0].event_type: expected text or a list of texts, found the integer 5; put it in quotes if text is meant`},
		{"null event_type", triggerText("match_criteria: [{event_type: }]"), `t.yaml:5:21: [0].match_criteria[0].event_type: expected a pattern or a list of patterns, found nothing`},
		{"number in event_type", triggerText("match_criteria: [{event_type: [a, 5]}]"), `t.yaml:5:37: [0].match_criteria[0].event_type[1]: expected text, found the integer 5; put it in quotes if text is meant`},
		{"number", triggerText("fire_criteria: [{number: two}]"), `t.yaml:5:28: [0].fire_criteria[0].number: expected an integer, found the text "two"`},
		{"negative number", triggerText("fire_criteria: [{number: -1}]"), `t.yaml:5:28: [0].fire_criteria[0].number: -1 is negative`},
		{"fraction as number", triggerText("fire_criteria: [{number: 1.5}]"), `t.yaml:5:28: [0].fire_criteria[0].number: expected an integer, found the number 1.5`},
		{"timestamp", triggerText("fire_criteria: [{timestamp: dya}]"), `t.yaml:5:31: [0].fire_criteria[0].timestamp: in "dya": unknown function "dya" (did you mean "day"?)`},
		{"empty timestamp", triggerText(`fire_criteria: [{timestamp: ""}]`), `t.yaml:5:31: [0].fire_criteria[0].timestamp: expected a time expression, found nothing`},
		{"traits", triggerText("fire_criteria: [{traits: [a]}]"), `t.yaml:5:28: [0].fire_criteria[0].traits: expected a map, found a list`},
		{"null traits", triggerText("fire_criteria: [{traits: }]"), `t.yaml:5:20: [0].fire_criteria[0].traits: expected a map of traits, found nothing`},
		{"list as constant", triggerText("fire_criteria: [{traits: {a: [1]}}]"), `t.yaml:5:32: [0].fire_criteria[0].traits.a: expected a constant, or a map of one type to what is compared with, found a list`},
		{"two types", triggerText("fire_criteria: [{traits: {a: {int: 1, float: 2}}}]"), `t.yaml:5:32: [0].fire_criteria[0].traits.a: expected one type and what is compared with, found 2; the types are int, float, string, text and datetime`},
		{"type", triggerText("fire_criteria: [{traits: {a: {numeric: 1}}}]"), `t.yaml:5:42: [0].fire_criteria[0].traits.a.numeric: unknown type "numeric": expected one of int, float, string, text, datetime`},
		{"misspelt type", triggerText("fire_criteria: [{traits: {a: {flaot: 1}}}]"), `t.yaml:5:40: [0].fire_criteria[0].traits.a.flaot: unknown type "flaot" (did you mean "float"?): expected one of int, float, string, text, datetime`},
		{"operator", triggerText(`fire_criteria: [{traits: {a: {int: "=> 1"}}}]`), `t.yaml:5:38: [0].fire_criteria[0].traits.a.int: int: unknown operator "=>": expected one of = != < <= > >=, a space and a number`},
		{"no space", triggerText(`fire_criteria: [{traits: {a: {int: ">5"}}}]`), `t.yaml:5:38: [0].fire_criteria[0].traits.a.int: int: ">5" is not a number; write "> 5"`},
		{"map as operand", triggerText(`fire_criteria: [{traits: {a: {int: {b: 1}}}}]`), `t.yaml:5:38: [0].fire_criteria[0].traits.a.int: expected what is compared with, found a map`},
		{"string of number", triggerText(`fire_criteria: [{traits: {a: {string: 5}}}]`), `t.yaml:5:41: [0].fire_criteria[0].traits.a.string: string: expected text, found int64`},
		{"datetime", triggerText(`fire_criteria: [{traits: {a.b: {datetime: "$x +"}}}]`), `t.yaml:5:50: [0].fire_criteria[0].traits["a.b"].datetime: in "$x +": expected a duration like "6h" after "+", found the end of the expression`},
		{"map_distinguished_by", triggerText("match_criteria: [{map_distinguished_by: [a]}]"), `t.yaml:5:43: [0].match_criteria[0].map_distinguished_by: expected a map, found a list`},
		{"mapped to nothing", triggerText("distinguished_by: [a]", "match_criteria: [{map_distinguished_by: {a: }}]"), `t.yaml:6:44: [0].match_criteria[0].map_distinguished_by.a: expected the name of a trait, found nothing`},
		{"mapped but not distinguishing", triggerText("distinguished_by: [instance]", "match_criteria: [{map_distinguished_by: {instanec: b}}]"), `t.yaml:6:54: [0].match_criteria[0].map_distinguished_by.instanec: "instanec" is not in distinguished_by (did you mean "instance"?)`},

		{"expiration", triggerText("expiration: $lats + 1h"), `t.yaml:5:15: [0].expiration: in "$lats + 1h": undefined variable "$lats" (did you mean "$last"?)`},
		{"two faults of an expiration", triggerText(`expiration: "$a to $b"`), `t.yaml:5:16: [0].expiration: in "$a to $b": undefined variable "$a"
t.yaml:5:22: [0].expiration: in "$a to $b": undefined variable "$b"`},
		{"expiration with an accent", triggerText(`expiration: "é"`), `t.yaml:5:16: [0].expiration: in "é": unexpected character "é"`},
		{"number as expiration", triggerText("expiration: 5"), `t.yaml:5:15: [0].expiration: expected text, found the integer 5; put it in quotes if text is meant`},
		{"null expiration", triggerText("expiration:"), `t.yaml:5:3: [0].expiration: expected a time expression, found nothing`},
		{"fire_delay", triggerText("fire_delay: soon"), `t.yaml:6:15: [0].fire_delay: "soon" is not a duration: expected a number of seconds, or text such as "1h 30m"`},
		{"negative fire_delay", triggerText("fire_delay: -1"), `t.yaml:6:15: [0].fire_delay: a duration of -1 seconds is negative`},
		{"fire_delay as list", triggerText("fire_delay: [1]"), `t.yaml:6:15: [0].fire_delay: expected a duration: a number of seconds, or text such as "1h 30m", found a list`},
		{"no pipeline", triggerText("fire_pipeline:"), `t.yaml:5:3: [0].fire_pipeline: at least one of fire_pipeline and expire_pipeline is required`},
		{"list as pipeline", triggerText("fire_pipeline: [a]"), `t.yaml:5:18: [0].fire_pipeline: expected text, found a list`},
		{"list as the other pipeline", triggerText("fire_pipeline:", "expire_pipeline: [a]"), `t.yaml:6:20: [0].expire_pipeline: expected text, found a list`},

		{"retry", triggerText("retry: 3"), `t.yaml:6:10: [0].retry: expected a map, found the integer 3`},
		{"max_attempts", triggerText("retry: {max_attempts: 0}"), `t.yaml:6:25: [0].retry.max_attempts: expected an integer from 1 to 1000000, found 0`},
		{"initial_backoff", triggerText("retry: {initial_backoff: 0}"), `t.yaml:6:28: [0].retry.initial_backoff: expected a duration longer than 0`},
		{"max_backoff", triggerText("retry: {max_backoff: 5 weeks}"), `t.yaml:6:24: [0].retry.max_backoff: "5 weeks" is not a duration: there is no unit "weeks"; the units are us, ms, s, m, h and d`},
		{"multiplier", triggerText("retry: {multiplier: 0.5}"), `t.yaml:6:23: [0].retry.multiplier: expected a number from 1, found 0.5`},
		{"multiplier in words", triggerText("retry: {multiplier: two}"), `t.yaml:6:23: [0].retry.multiplier: expected a number, found the text "two"`},
		{"jitter", triggerText("retry: {jitter: 2}"), `t.yaml:6:19: [0].retry.jitter: expected a number from 0 to 1, found 2`},
		{"on_commit_error", triggerText("retry: {on_commit_error: retyr}"), `t.yaml:6:28: [0].retry.on_commit_error: expected one of retry, ignore, found "retyr" (did you mean "retry"?)`},

		{
			"all together", triggerText("debug_level: 9", "expiration: $first +", "fire_criteria: [{number: -3}, {numbr: 3}]") + "- 5\n",
			`t.yaml:4:16: [0].debug_level: expected an integer from 0 to 2, found 9
t.yaml:5:23: [0].expiration: in "$first +": expected a duration like "6h" after "+", found the end of the expression
t.yaml:6:28: [0].fire_criteria[0].number: -3 is negative
t.yaml:6:34: [0].fire_criteria[1]: unknown key "numbr" (did you mean "number"?)
t.yaml:7:3: [1]: expected a map that defines a trigger, found the integer 5`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			defs, err := ParseTriggers("t.yaml", []byte(c.text))
			if err == nil || err.Error() != c.want {
				t.Errorf("in\n%s\ngot  %v\nwant %s", c.text, err, c.want)
			}
			if defs != nil {
				t.Error("there are definitions all the same")
			}
			var faults Faults
			if !errors.As(err, &faults) || !errors.Is(err, winchester.ErrDefinition) {
				t.Errorf("a %T", err)
			}
		})
	}
}

func TestNoTriggers(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "---\n", "# nothing\n", "[]", "null"} {
		defs, err := ParseTriggers("t.yaml", []byte(text))
		if err != nil || len(defs) != 0 {
			t.Errorf("%q: %v, %v", text, defs, err)
		}
	}
}

// What a merge key brings in has its faults where it is written.
func TestTriggerMergeKeys(t *testing.T) {
	t.Parallel()
	text := `
- &base
  name: a
  match_criteria: &all [{}]
  fire_criteria: *all
  expiration: $last + 1h
  fire_pipeline: p
- <<: *base
  name: b
  expiration: $first + 1d
`
	defs, err := ParseTriggers("t.yaml", []byte(text))
	if err != nil || len(defs) != 2 || defs[1].Name != "b" || defs[1].Expiration != "$first + 1d" || defs[1].FirePipeline != "p" {
		t.Errorf("%+v, %v", defs, err)
	}
	_, err = ParseTriggers("t.yaml", []byte(strings.Replace(text, "$last + 1h", "$last +", 1)))
	if want := `t.yaml:6:22: [0].expiration: in "$last +": expected a duration like "6h" after "+", found the end of the expression`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
