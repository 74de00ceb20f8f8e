package winchester

import (
	"slices"
	"testing"
	"time"
)

// TestStateMachine walks every arrow of the drawing, and every arrow that is
// not there.
func TestStateMachine(t *testing.T) {
	t.Parallel()
	drawn := map[[2]State]bool{
		{StateActive, StateFiring}: true, {StateActive, StateExpiring}: true,
		{StateFiring, StateCompleted}: true, {StateFiring, StateRetryFire}: true, {StateFiring, StateError}: true,
		{StateExpiring, StateCompleted}: true, {StateExpiring, StateRetryExpire}: true, {StateExpiring, StateExpireError}: true,
		{StateRetryFire, StateFiring}: true, {StateRetryExpire, StateExpiring}: true,
		{StateError, StateRetryFire}: true, {StateExpireError, StateRetryExpire}: true,
	}
	for from := StateActive; from <= StateRetryExpire; from++ {
		for to := StateActive; to <= StateRetryExpire; to++ {
			s := Stream{ID: 1, State: from, StateSerialNo: 7, Open: from == StateActive, Owner: "w"}
			err := s.become(to)
			if drawn[[2]State{from, to}] {
				if err != nil || s.State != to || s.StateSerialNo != 8 || s.Open {
					t.Errorf("%s -> %s: %+v, %v", from, to, s, err)
				}
				if (s.Owner != "") != to.Claimed() {
					t.Errorf("%s -> %s: owner %q", from, to, s.Owner)
				}
			} else if err == nil || s.State != from || s.StateSerialNo != 7 {
				t.Errorf("%s -> %s is not drawn, and yet: %+v, %v", from, to, s, err)
			}
		}
	}
}

func TestStateNames(t *testing.T) {
	t.Parallel()
	// Names and numbers are in users' databases and scripts.
	names := []string{"", "active", "firing", "expiring", "error", "expire_error", "completed", "retry_fire", "retry_expire"}
	for n, name := range names[1:] {
		s, err := ParseState(name)
		if err != nil || int(s) != n+1 || s.String() != name {
			t.Errorf("state %q: %d, %v", name, s, err)
		}
	}
	if _, err := ParseState("retry-fire"); err == nil || err.Error() != `unknown stream state "retry-fire" (did you mean "retry_fire"?): expected one of active, firing, expiring, error, expire_error, completed, retry_fire, retry_expire` {
		t.Errorf("unexpected error: %v", err)
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	at := func(h int) time.Time { return time.Date(2026, 1, 1, h, 0, 0, 0, time.UTC) }
	never := time.Time{}
	for state, want := range map[State][2]time.Time{
		StateActive: {at(1), at(2)}, StateFiring: {at(3), never}, StateRetryFire: {at(3), never},
		StateExpiring: {never, at(3)}, StateRetryExpire: {never, at(3)},
		StateError: {never, never}, StateExpireError: {never, never}, StateCompleted: {never, never},
	} {
		s := Stream{State: state, FireTimestamp: at(1), ExpireTimestamp: at(2), Due: at(3)}
		if fire, expire := s.Schedule(); fire != want[0] || expire != want[1] {
			t.Errorf("%s is scheduled for %v, %v", state, fire, expire)
		}
	}
}

func TestStreamReset(t *testing.T) {
	t.Parallel()
	fire, expire := time.Unix(1, 0), time.Unix(2, 0)
	for state := StateActive; state <= StateRetryExpire; state++ {
		s := Stream{State: state, FireTimestamp: fire, ExpireTimestamp: expire, Attempt: 3}
		before := s
		changed, err := s.reset(explainNoon)
		if err != nil {
			t.Fatal(err)
		}
		switch state {
		case StateError:
			if !changed || s.State != StateRetryFire || s.Due != fire || s.Attempt != 0 {
				t.Errorf("reset of %s: %+v", state, s)
			}
		case StateExpireError:
			if !changed || s.State != StateRetryExpire || s.Due != expire || s.Attempt != 0 {
				t.Errorf("reset of %s: %+v", state, s)
			}
		default:
			if changed || s.State != before.State || s.Attempt != 3 {
				t.Errorf("reset of %s: %+v", state, s)
			}
		}
	}
}

func TestProgressText(t *testing.T) {
	t.Parallel()
	for _, p := range []Progress{{}, {Fingerprint: "ab12", Counts: []int{0}}, {Fingerprint: "ab12", Counts: []int{3, 0, 12}}} {
		text, err := p.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Progress
		if err := back.UnmarshalText(text); err != nil || back.Fingerprint != p.Fingerprint || !slices.Equal(back.Counts, p.Counts) {
			t.Errorf("%v -> %q -> %v, %v", p, text, back, err)
		}
	}
	for _, bad := range []string{"nocolon", "f:x", "f:1,,2"} {
		if err := new(Progress).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestStreamKey(t *testing.T) {
	t.Parallel()
	keys := map[string]string{}
	for name, in := range map[string]struct {
		trigger string
		traits  Traits
	}{
		"int":         {"t", Traits{"a": int64(5)}},
		"float":       {"t", Traits{"a": 5.0}},
		"text":        {"t", Traits{"a": "5"}},
		"null":        {"t", Traits{"a": nil}},
		"none":        {"t", Traits{}},
		"trigger":     {"u", Traits{"a": int64(5)}},
		"run-on":      {"t{", Traits{"a": int64(5)}},
		"other trait": {"t", Traits{"b": int64(5)}},
	} {
		key, err := StreamKey(in.trigger, in.traits)
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := keys[key]; taken {
			t.Errorf("%s and %s have the same key", name, other)
		}
		keys[key] = name
	}
	again, _ := StreamKey("t", Traits{"a": 5}) // an int is an int64
	if keys[again] != "int" {
		t.Error("equal traits have different keys")
	}
}
