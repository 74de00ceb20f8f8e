package simulate_test

import (
	"context"
	"fmt"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/simulate"
)

// A session ends with a log-out, or when nothing has happened for half an hour:
// is that what the rule says?
func Example() {
	ctx := context.Background()
	s, err := simulate.New(ctx, simulate.Config{Triggers: []winchester.TriggerDefinition{{
		Name:            "session",
		DistinguishedBy: winchester.By("user"),
		MatchCriteria:   []winchester.Criterion{{EventTypes: []string{"user.*"}}},
		FireCriteria:    []winchester.Criterion{{EventTypes: []string{"user.logout"}}},
		Expiration:      "$last + 30m",
		FirePipeline:    "digest",
		ExpirePipeline:  "digest",
	}}})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	at := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	for i, what := range []string{"login", "click", "logout", "click"} {
		_, err := s.AddEvent(ctx, winchester.Event{
			MessageID: fmt.Sprintf("m-%d", i+1), EventType: "user." + what, Timestamp: at.Add(time.Duration(i) * time.Minute),
			Traits: winchester.Traits{"user": "ann"},
		})
		if err != nil {
			panic(err)
		}
	}
	report, err := s.Finish(ctx, time.Time{})
	if err != nil {
		panic(err)
	}
	fmt.Print(report)
	// Output:
	// Stream 1 of trigger "session": user = ann
	//   2026-01-05T09:00:00Z  opened by m-1 (user.login); expires at 2026-01-05T09:30:00Z
	//   2026-01-05T09:01:00Z  joined by m-2 (user.click); expires at 2026-01-05T09:31:00Z
	//   2026-01-05T09:02:00Z  joined by m-3 (user.logout); ready, to fire at 2026-01-05T09:02:00Z
	//   2026-01-05T09:02:00Z  fired: pipeline "digest", with 3 events: m-1, m-2, m-3
	// Stream 2 of trigger "session": user = ann
	//   2026-01-05T09:03:00Z  opened by m-4 (user.click); expires at 2026-01-05T09:33:00Z
	//   2026-01-05T09:33:00Z  expired: pipeline "digest", with 1 event: m-4
	//     never met: fire criterion 1 (user.logout): has 0 of 1
	//       nearest: m-4: event_type: want user.logout, got user.click (Wrong event type)
	// 4 events stored, 0 duplicates, 0 dropped, 0 failed, 0 taken by no trigger.
	// 2 streams: 1 fired, 1 expired, 0 active in the end.
}

// An expectation makes a test of it.
func ExampleExpectation_Compare() {
	ctx := context.Background()
	s, err := simulate.New(ctx, simulate.Config{Triggers: trigger(nil)}) // fires on z
	if err != nil {
		panic(err)
	}
	defer s.Close()
	if _, err := s.AddEvent(ctx, event("m-1", "a", 0)); err != nil {
		panic(err)
	}
	report, err := s.Finish(ctx, time.Time{})
	if err != nil {
		panic(err)
	}
	expectation, err := simulate.ParseExpectation("expect.yaml", []byte("streams:\n  - trigger: t\n    ends: fired\n    events: [m-1, m-2]\n"))
	if err != nil {
		panic(err)
	}
	fmt.Print(expectation.Compare(report))
	// Output:
	// expect.yaml:2: Stream 1 of trigger "t": k = x
	//   ends: want fired, got expired at 2026-01-05T09:10:00Z; fire criterion 1 (z) has 0 of 1 (nearest m-1: event_type: want z, got a (Wrong event type))
	//   events: want [m-1, m-2], got [m-1] (lacks [m-2])
}
