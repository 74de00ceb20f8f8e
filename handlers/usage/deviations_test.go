package usage_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/handlers/usage"
	"github.com/seed71495667/winchester/internal/testgolden"
)

// A deviation is a rule for where this handler differs from the original on
// purpose. docs/deviations.md says of each what, and why. Rules are predicates
// and name no case, so that they also hold for recordings made later.
type deviation struct {
	id string
	// exception tells whether the rule covers an exception that left the
	// original; the first rule that does counts. Nil for rules about values.
	exception func(class, detail string) bool
	// codes are those of which one must come out instead of the exception. Nil
	// where the exception says nothing about the verdict.
	codes []string
}

const (
	ruleKey   = "usage-missing-key"
	ruleField = "usage-one-sided-field"
	ruleID    = "usage-foreign-message-id"
	ruleType  = "usage-escaped-exception"
	ruleUUID4 = "usage-deterministic-id"
	ruleClock = "usage-injected-clock"
)

var deviations = []deviation{
	{id: ruleKey, exception: func(class, detail string) bool {
		return class == "KeyError" && (detail == "'message_id'" || detail == "'event_type'")
	}},
	{id: ruleField, exception: func(class, detail string) bool {
		return class == "KeyError" && isField(fieldOf(detail))
	}, codes: []string{usage.CodeConflict}},
	{id: ruleID, exception: func(class, detail string) bool {
		return class == "ValueError" && strings.Contains(detail, "UUID")
	}},
	{id: ruleType, exception: func(class, _ string) bool { return class == "TypeError" }, codes: []string{
		usage.CodeNoLaunchedAt, usage.CodeDeletedBeforeLaunch, usage.CodeNoDeleteEvent, usage.CodeNoLaunchEvent,
	}},
	{id: ruleType, exception: func(class, _ string) bool { return class == "AttributeError" }},
	{id: ruleType, exception: func(class, _ string) bool { return class == "UnicodeEncodeError" }, codes: []string{usage.CodeConflict}},
	{id: ruleUUID4},
	{id: ruleClock},
}

// deviationIDs lists the rules, sorted and each once.
func deviationIDs() []string {
	ids := make([]string, 0, len(deviations))
	for _, rule := range deviations {
		ids = append(ids, rule.id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// fieldOf returns the name in the text of a KeyError.
func fieldOf(detail string) string { return strings.Trim(strings.TrimPrefix(detail, "u"), "'") }

func isField(name string) bool {
	return name == "deleted_at" || slices.Contains(usage.DefaultCoreFields(), name)
}

// excuseException finds the rule for an exception of the original.
func (c goldenCase) excuseException(t *testing.T, made []winchester.Event, excused *excuses) {
	t.Helper()
	codes, _ := summary(made)
	for _, rule := range deviations {
		if rule.exception == nil || !rule.exception(c.Raised, c.Detail) {
			continue
		}
		// What is null on one side and absent on the other was a KeyError too,
		// and is no conflict.
		null := slices.ContainsFunc(c.Events, func(e map[string]testgolden.Value) bool { return e[fieldOf(c.Detail)].Type == "none" })
		found := slices.ContainsFunc(codes, func(code string) bool { return slices.Contains(rule.codes, code) })
		if rule.codes != nil && !found && !null {
			t.Errorf("%s: codes are %q, none of %q", rule.id, codes, rule.codes)
		}
		excused.add(rule.id, c.Name)
		return
	}
	t.Errorf("no rule excuses that the original raised %s (%s) and this gives %q", c.Raised, c.Detail, codes)
}

// excuseValues replaces, in events that differ, the recorded values for which a
// rule gives the reason by those that came out.
func (c goldenCase) excuseValues(in []winchester.Event, got, want []recorded, excused *excuses) {
	timeless := slices.ContainsFunc(in, func(e winchester.Event) bool { return e.Timestamp.IsZero() })
	for i := range min(len(got), len(want)) {
		if want[i].id == "<uuid4>" && isVersion5(got[i].id) {
			want[i].id = got[i].id
			excused.add(ruleUUID4, c.Name)
		}
		if timeless && got[i].timestamp == runTime.Format(goldenTime) && want[i].timestamp != got[i].timestamp {
			want[i].timestamp = got[i].timestamp
			excused.add(ruleClock, c.Name)
		}
	}
}

// checkVerdicts demands what must hold where there is nothing to compare with:
// one verdict on every record, in order, and one on the events after the last.
func checkVerdicts(t *testing.T, in, made []winchester.Event) {
	t.Helper()
	var want, got []string
	rest := false
	for _, e := range in {
		if rest = e.EventType != "compute.instance.exists"; !rest {
			want = append(want, e.MessageID)
		}
	}
	if rest {
		want = append(want, usage.CodeNoExists)
	}
	for _, e := range made {
		if !isVersion5(e.MessageID) {
			t.Errorf("message id %q is no name-based UUID", e.MessageID)
		}
		switch code, _ := e.Traits.String("error_code"); {
		case e.EventType == usage.EventWarnings:
		case code == usage.CodeNoExists:
			got = append(got, code)
		default:
			id, _ := e.Traits.String("original_message_id")
			got = append(got, id)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("verdicts on %q, want %q", got, want)
	}
}

func isVersion5(id string) bool {
	u, err := uuid.Parse(id)
	return err == nil && u.Version() == 5 && u.String() == id
}

// summary returns the codes of the verdicts, "" for verified, and the texts of
// the warnings events.
func summary(made []winchester.Event) (codes, warnings []string) {
	for _, e := range made {
		if text, ok := e.Traits.String("warnings"); ok {
			warnings = append(warnings, text)
			continue
		}
		code, _ := e.Traits.String("error_code")
		codes = append(codes, code)
	}
	return codes, warnings
}

func texts(codes []*string) []string {
	out := make([]string, len(codes))
	for i, code := range codes {
		if code != nil {
			out[i] = *code
		}
	}
	return out
}

func joined(warnings []string) string { return strings.Join(warnings, ", ") }

func lastOf(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[len(s)-1]
}

// excuses notes which cases each rule excused.
type excuses struct {
	mu    sync.Mutex
	cases map[string][]string
}

func newExcuses() *excuses { return &excuses{cases: map[string][]string{}} }

func (x *excuses) add(rule, name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !slices.Contains(x.cases[rule], name) {
		x.cases[rule] = append(x.cases[rule], name)
	}
}

func (x *excuses) by(rule string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Sorted(slices.Values(x.cases[rule]))
}

// TestDeviationsAreListed holds the table against the rules.
func TestDeviationsAreListed(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile(filepath.Join("..", "..", "docs", "deviations.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `(usage-[a-z0-9-]+)` \\|").FindAllStringSubmatch(string(table), -1)
	listed := make([]string, 0, len(rows))
	for _, m := range rows {
		listed = append(listed, m[1])
	}
	slices.Sort(listed)
	if ids := deviationIDs(); !slices.Equal(listed, ids) {
		t.Errorf("docs/deviations.md lists %q, the rules are %q", listed, ids)
	}
}
