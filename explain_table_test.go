package winchester

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester/timex"
)

var explainNoon = time.Date(2026, 4, 5, 12, 0, 0, 0, time.UTC)

// TestMismatches: every reason that a criterion has, with what it is about, and
// as the original worded it.
func TestMismatches(t *testing.T) {
	t.Parallel()
	event := Event{MessageID: "m", EventType: "order.paid", Timestamp: explainNoon, Traits: Traits{
		"state": "error", "count": int64(5), "text": "5", "at": explainNoon.Add(36 * time.Hour), "ok": true,
	}}
	compare := func(kind string, value any) map[string]any {
		return map[string]any{"count": Compare{Type: kind, Value: value}}
	}
	for want, c := range map[string]Criterion{
		"event_type: want order.placed or user.* but not user.x, got order.paid (Wrong event type)":                                  {EventTypes: []string{"order.placed", "user.*", "!user.x"}},
		"event_type: want no event type, got order.paid (Wrong event type)":                                                          {EventTypes: []string{}},
		"timestamp: want day($at) (which is [2026-04-07T00:00:00Z, 2026-04-08T00:00:00Z)), got 2026-04-05T12:00:00Z (Not time yet.)": {Timestamp: "day($at)"},
		"timestamp: want $no (for which there is no time $no), got 2026-04-05T12:00:00Z (No timestamp trait)":                        {Timestamp: "$no"},
		"traits.state: want active, got error (== failed)":                                                                           {Traits: map[string]any{"state": "active"}},
		`traits.text: want 5, got "5" (== failed)`:                                                                                   {Traits: map[string]any{"text": 5}},
		`traits.count: want "5", got 5 (== failed)`:                                                                                  {Traits: map[string]any{"count": "5"}},
		`traits.ok: want "true", got true (== failed)`:                                                                               {Traits: map[string]any{"ok": "true"}},
		"traits.gone: want x, got nothing (not gone)":                                                                                {Traits: map[string]any{"gone": "x"}},
		"traits.count: want > 5, got 5 (> failed)":                                                                                   {Traits: compare("int", "> 5")},
		"traits.count: want <= 4.5, got 5 (<= failed)":                                                                               {Traits: compare("float", "<= 4.5")},
		"traits.count: want 4, got 5 (== failed)":                                                                                    {Traits: compare("int", "= 4")},
		"traits.count: want != 5, got 5 (!= failed)":                                                                                 {Traits: compare("int", "!= 5")},
		"traits.gone: want < 1, got nothing (not gone)":                                                                              {Traits: map[string]any{"gone": Compare{Type: "int", Value: "< 1"}}},
		"traits.at: want day (which is [2026-04-05T00:00:00Z, 2026-04-06T00:00:00Z)), got 2026-04-07T00:00:00Z (Not in timerange)":   {Traits: map[string]any{"at": Compare{Type: "datetime", Value: "day"}}},
		"traits.at: want $no (for which there is no time $no), got 2026-04-07T00:00:00Z (Time: no referenced trait)":                 {Traits: map[string]any{"at": Compare{Type: "datetime", Value: "$no"}}},
		"traits.gone: want day (which is [2026-04-05T00:00:00Z, 2026-04-06T00:00:00Z)), got nothing (Time: not 'gone')":              {Traits: map[string]any{"gone": Compare{Type: "datetime", Value: "day"}}},
	} {
		compiled := compileCriterion(c, func(field, format string, args ...any) { t.Fatalf("%s: "+format, append([]any{field}, args...)...) })
		var failed []Mismatch
		if g := collecting(&failed); compiled.match(&event, g) || len(failed) != 1 || g.failed != 1 || g.reasons[failed[0].Reason] != 1 {
			t.Errorf("%v: %+v", c, failed)
		} else if got := failed[0].String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestTraitText(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]any{
		"active": "active", `""`: "", `"12"`: "12", `"1e3"`: "1e3", "1a": "1a", `"two words"`: "two words", `"null"`: "null", `"NaN"`: "NaN",
		`"nothing"`: "nothing", "Zoë": "Zoë", `"a\nb"`: "a\nb", `"2026-04-05T12:00:00Z"`: "2026-04-05T12:00:00Z", "2026-04-05T12:00:00Z": explainNoon,
		"5": int64(5), "5.0": 5.0, "null": nil, "true": true, "[2026-04-05T12:00:00Z, 2026-04-05T13:00:00Z)": timex.NewRange(explainNoon, explainNoon.Add(time.Hour)),
	} {
		if got := TraitText(v); got != want {
			t.Errorf("%T %v: %s; want %s", v, v, got, want)
		}
	}
}

// TestNearest: of several events the one that passes most checks, all of those
// it fails, and the last of equals.
func TestNearest(t *testing.T) {
	t.Parallel()
	tr, err := compileTrigger(TriggerDefinition{
		Name: "t", MatchCriteria: []Criterion{{}}, Expiration: "$last + 1d", FirePipeline: "p",
		FireCriteria: []Criterion{
			{EventTypes: []string{"a"}, Traits: map[string]any{"x": 1, "y": 2, "z": 3}},
			{EventTypes: []string{"a"}},
			{EventTypes: []string{"c"}, Number: 2},
			{EventTypes: []string{"a"}, Traits: map[string]any{"q": 1}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	x := newStreamExplainer(Stream{Name: "t", State: StateActive, ExpireTimestamp: explainNoon}, tr, workplace{now: explainNoon, retry: defaultRetry})
	for _, e := range []Event{ // the last stored comes first
		{MessageID: "5", EventType: "b", Traits: Traits{"x": int64(1), "y": int64(2), "z": int64(4)}},
		{MessageID: "4", EventType: "c"},
		{MessageID: "3", EventType: "a", Traits: Traits{"x": int64(1), "y": int64(4)}},
		{MessageID: "2", EventType: "a", Traits: Traits{"x": int64(1), "y": int64(2)}},
		{MessageID: "1", EventType: "a", Traits: Traits{"y": int64(2), "z": int64(3)}},
	} {
		x.look(&e)
	}
	got := x.explain(false)
	if !got.Recounted {
		t.Error("the stream has no counts of this definition")
	}
	var lines []string
	for _, c := range got.Fire {
		line := fmt.Sprintf("%d of %d", c.Has, c.Needs)
		if c.Nearest != nil {
			line += fmt.Sprintf(" nearest %s %v", c.Nearest.MessageID, c.Nearest.Failed)
		}
		lines = append(lines, line)
	}
	want := "0 of 1 nearest 2 [traits.z: want 3, got nothing (not z)]\n1 of 1\n" +
		"1 of 2 nearest 5 [event_type: want c, got b (Wrong event type)]\n" +
		"0 of 1 nearest 3 [traits.q: want 1, got nothing (not q)]"
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestOutlook: what happens next, in every state, before and after its time.
func TestOutlook(t *testing.T) {
	t.Parallel()
	tr, err := compileTrigger(TriggerDefinition{
		Name: "t", MatchCriteria: []Criterion{{}}, FireCriteria: []Criterion{}, Expiration: "$last + 1d", FirePipeline: "f", ExpirePipeline: "unknown",
	})
	if err != nil {
		t.Fatal(err)
	}
	soon, past := explainNoon.Add(time.Hour), explainNoon.Add(-time.Hour)
	for name, c := range map[string]struct {
		s    Stream
		want Outlook
		text string
	}{
		"waits to expire": {
			Stream{State: StateActive, ExpireTimestamp: soon}, Outlook{What: OutlookWaits, Pass: PassExpire, At: soon, Pipeline: "unknown", Problem: "unknown pipeline"},
			`expires once 2026-04-05T13:00:00Z has passed (in 1h0m0s), pipeline "unknown"`,
		},
		"waits to fire": {
			Stream{State: StateActive, FireTimestamp: soon, ExpireTimestamp: soon}, Outlook{What: OutlookWaits, Pass: PassFire, At: soon, Pipeline: "f"},
			`fires once 2026-04-05T13:00:00Z has passed (in 1h0m0s), pipeline "f"`,
		},
		"expires before it fires": {
			Stream{State: StateActive, FireTimestamp: soon.Add(1), ExpireTimestamp: soon}, Outlook{What: OutlookWaits, Pass: PassExpire, At: soon, Pipeline: "unknown", Problem: "unknown pipeline"}, "",
		},
		"both are past": {
			Stream{State: StateActive, FireTimestamp: past, ExpireTimestamp: past.Add(-time.Hour)}, Outlook{What: OutlookDue, Pass: PassFire, At: past, Pipeline: "f"},
			`fires; due since 2026-04-05T11:00:00Z (for 1h0m0s), and no worker has claimed it yet, pipeline "f"`,
		},
		"not due at the very moment": {
			Stream{State: StateActive, FireTimestamp: explainNoon, ExpireTimestamp: soon}, Outlook{What: OutlookWaits, Pass: PassFire, At: explainNoon, Pipeline: "f"}, "",
		},
		"held": {
			Stream{State: StateFiring, Due: soon, Owner: "w"}, Outlook{What: OutlookHeld, Pass: PassFire, At: soon, Pipeline: "f", Worker: "w"},
			`fires now; worker w holds it, with a lease until 2026-04-05T13:00:00Z (for another 1h0m0s), pipeline "f"`,
		},
		"lost": {
			Stream{State: StateExpiring, Due: past, Owner: "w"}, Outlook{What: OutlookLost, Pass: PassExpire, At: past, Pipeline: "unknown", Worker: "w", Problem: "unknown pipeline"},
			`expires; the lease of worker w ran out at 2026-04-05T11:00:00Z (1h0m0s ago), so any worker may take it, pipeline "unknown"`,
		},
		"retry": {
			Stream{State: StateRetryFire, Due: soon}, Outlook{What: OutlookRetry, Pass: PassFire, At: soon, Pipeline: "f"},
			`fires; it is tried again once 2026-04-05T13:00:00Z has passed (in 1h0m0s), pipeline "f"`,
		},
		"retry overdue": {Stream{State: StateRetryFire, Due: past}, Outlook{What: OutlookDue, Pass: PassFire, At: past, Pipeline: "f"}, ""},
		"error": {
			Stream{State: StateError, FireTimestamp: past}, Outlook{What: OutlookReset, Pass: PassFire, Pipeline: "f"},
			`nothing, until someone resets it; then it fires, pipeline "f"`,
		},
		"expire error": {
			Stream{State: StateExpireError}, Outlook{What: OutlookReset, Pass: PassExpire, Pipeline: "unknown", Problem: "unknown pipeline"}, "",
		},
		"completed": {Stream{State: StateCompleted}, Outlook{What: OutlookDone}, "nothing; it is completed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := workplace{now: explainNoon, pipelines: map[string]*pipeline{"f": {name: "f"}}}
			got := newStreamExplainer(c.s, tr, w).outlook()
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			if text := got.text(explainNoon); c.text != "" && text != c.text {
				t.Errorf("got  %s\nwant %s", text, c.text)
			}
			if gone := newStreamExplainer(c.s, nil, w).outlook(); c.s.State != StateCompleted && gone.Problem != "unknown trigger" {
				t.Errorf("without the trigger: %+v", gone)
			}
		})
	}
}
