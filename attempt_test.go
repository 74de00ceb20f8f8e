package winchester

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestAttemptText(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]Attempt{
		"1: failed: no luck; not to be tried again": {Number: 1, Outcome: AttemptFailed, Error: "no luck"},
		"2: failed in the making of mail: no license (and 2 lines more); not rolled back: mail: rollback: no; not to be tried again": {
			Number: 2, Outcome: AttemptFailed, Handler: "mail", Phase: PhaseCreate, Error: "no license\nat\nall", RollbackError: "mail: rollback: no",
		},
		"2: failed with the events that the pipeline made: bad; committed: a, b; not to be tried again": {
			Number: 2, Outcome: AttemptFailed, Phase: PhaseEvents, Error: "bad", Committed: []string{"a", "b"},
		},
		"3: lost: the lease of worker w ran out at 2026-04-05T12:00:00Z":       {Number: 3, Outcome: AttemptLost, Worker: "w", Ended: explainNoon},
		"4: completed; expire, by w":                                           {Number: 4, Outcome: AttemptCompleted, Pass: PassExpire, Worker: "w"},
		"5: vanished":                                                          {Number: 5, Outcome: "vanished"},
		"reset at 2026-04-05T12:00:00Z: attempts are counted anew":             {Outcome: AttemptReset, Pass: PassFire, Ended: explainNoon},
		"an entry that cannot be read: {":                                      {Outcome: AttemptUnreadable, Error: "{"},
		"1: snoozed; to be tried again at 2026-04-05T13:00:00Z (after 1h0m0s)": {Number: 1, Outcome: AttemptSnoozed, Ended: explainNoon, RetryAt: explainNoon.Add(time.Hour)},
	} {
		if got := a.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestAttemptBounds: whatever strangers name their things, a history of two
// entries, which are never left out, is within its bounds, and can be stored.
func TestAttemptBounds(t *testing.T) {
	t.Parallel()
	for _, awful := range []string{"\"", "\x01", "\x00", "\xff", "\u2028", "🦉", "\n", "<"} {
		long := strings.Repeat(awful, 9999)
		var s Stream
		for i := range 30 {
			s.record(Attempt{
				Number: i + 1, Pass: PassExpire, Pipeline: long, Worker: long, Began: explainNoon.Add(time.Microsecond), Ended: explainNoon.Add(time.Microsecond),
				Outcome: AttemptCancelled, Handler: long, Phase: PhaseHandle, Error: long, RollbackError: long,
				Committed: []string{long, long, long, long, long, long, long}, RetryAt: explainNoon.Add(time.Microsecond),
			})
			text := EncodeAttempts(s.Attempts)
			if len(text) > maxAttemptsText || len(s.Attempts) < min(2, i+1) || strings.ContainsRune(text, 0) || text != strings.ToValidUTF8(text, "") {
				t.Fatalf("%q: %d entries of %d bytes", awful, len(s.Attempts), len(text))
			}
			if got := DecodeAttempts(text); !reflect.DeepEqual(got, s.Attempts) {
				t.Fatalf("read back:\n%+v\nwant\n%+v", got, s.Attempts)
			}
		}
	}
}

// TestAttemptsMissing: attempts that nobody has told of are counted.
func TestAttemptsMissing(t *testing.T) {
	t.Parallel()
	var s Stream
	for _, a := range []Attempt{
		{Number: 3, Outcome: AttemptFailed}, {Number: 4, Outcome: AttemptSnoozed}, {Number: 4, Outcome: AttemptStopped},
		{Number: 5, Outcome: AttemptLost}, {Number: 6, Outcome: AttemptFailed}, {Outcome: AttemptReset}, {Number: 1, Outcome: AttemptFailed},
		{Outcome: AttemptUnreadable}, {Number: 8, Outcome: AttemptFailed},
	} {
		before := len(s.Attempts)
		was := append([]Attempt(nil), s.Attempts...)
		shared := s.Attempts
		s.record(a)
		if !reflect.DeepEqual(shared, was) || len(s.Attempts) != before+1 {
			t.Fatal("the history of a copy has changed")
		}
	}
	var left []int
	for _, a := range s.Attempts {
		left = append(left, a.LeftOut)
	}
	if want := []int{2, 0, 0, 1, 0, 0, 0, 0, 0}; !reflect.DeepEqual(left, want) {
		t.Errorf("left out: %v; want %v", left, want)
	}
}

func TestAttemptsEncoded(t *testing.T) {
	t.Parallel()
	if text := EncodeAttempts(nil); text != "" {
		t.Errorf("none: %q", text)
	}
	if got := DecodeAttempts("\n \n"); got != nil {
		t.Errorf("blank: %v", got)
	}
	got := DecodeAttempts(EncodeAttempts([]Attempt{{Number: 1, Outcome: AttemptFailed, RetryAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}}))
	if len(got) != 1 || got[0].Number != 1 || got[0].Outcome != AttemptUnreadable || got[0].Error == "" {
		t.Errorf("a time that JSON has not: %+v", got)
	}
	got = DecodeAttempts(`{"outcome":"failed","ended":"2026-04-05T14:00:00.0000019+02:00"}`)
	if want := explainNoon.Add(time.Microsecond); len(got) != 1 || got[0].Ended != want {
		t.Errorf("a time of another zone: %+v", got)
	}
}

// TestAttemptsOfACopy: what a copy of a stream records does not show in another.
func TestAttemptsOfACopy(t *testing.T) {
	t.Parallel()
	snoozed := Attempt{Number: 1, Outcome: AttemptSnoozed}
	s := Stream{Attempts: append(make([]Attempt, 0, 9), snoozed)}
	again, failed := s, s
	again.record(snoozed)
	failed.record(Attempt{Number: 1, Outcome: AttemptFailed})
	other := failed
	other.record(Attempt{Number: 2, Outcome: AttemptFailed})
	failed.record(Attempt{Number: 2, Outcome: AttemptLost})
	if s.Attempts[0].Repeats != 0 || again.Attempts[0].Repeats != 1 || failed.Attempts[0].Repeats != 0 || other.Attempts[2].Outcome != AttemptFailed {
		t.Errorf("%v, %v, %v, %v", s.Attempts, again.Attempts, failed.Attempts, other.Attempts)
	}
}
