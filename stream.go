package winchester

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seed71495667/winchester/internal/suggest"
)

// State is where a stream stands in its life:
//
//	           fire time reached            ok
//	active ───────────────────────▶ firing ────▶ completed (or purged)
//	  │                               │ error, attempts left: retry_fire, after a back-off ──▶ firing
//	  │                               └ error, none left, or Cancel: error ──Reset──▶ retry_fire
//	  │        expiry reached               ok
//	  └───────────────────────────▶ expiring ──▶ completed (or purged)
//	                                  │ error, attempts left: retry_expire, after a back-off ──▶ expiring
//	                                  └ error, none left, or Cancel: expire_error ──Reset──▶ retry_expire
//
// A stream whose worker died comes back by way of retry_fire or retry_expire.
// Names and numbers are the original's.
type State int

// The states.
const (
	StateActive      State = 1
	StateFiring      State = 2
	StateExpiring    State = 3
	StateError       State = 4
	StateExpireError State = 5
	StateCompleted   State = 6
	StateRetryFire   State = 7
	StateRetryExpire State = 8
)

var stateNames = [...]string{
	StateActive: "active", StateFiring: "firing", StateExpiring: "expiring", StateError: "error", StateExpireError: "expire_error",
	StateCompleted: "completed", StateRetryFire: "retry_fire", StateRetryExpire: "retry_expire",
}

// String returns the state's name, such as "retry_fire".
func (s State) String() string {
	if s >= StateActive && s <= StateRetryExpire {
		return stateNames[s]
	}
	return "State(" + strconv.Itoa(int(s)) + ")"
}

// ParseState returns the state of that name.
func ParseState(name string) (State, error) {
	for s := StateActive; s <= StateRetryExpire; s++ {
		if stateNames[s] == name {
			return s, nil
		}
	}
	return 0, fmt.Errorf("unknown stream state %q%s: expected one of %s",
		name, suggest.DidYouMean(name, stateNames[1:]), strings.Join(stateNames[1:], ", "))
}

// arrows are the transitions that exist; there are no others.
var arrows = map[State][]State{
	StateActive:      {StateFiring, StateExpiring},
	StateFiring:      {StateCompleted, StateRetryFire, StateError},
	StateExpiring:    {StateCompleted, StateRetryExpire, StateExpireError},
	StateRetryFire:   {StateFiring},
	StateRetryExpire: {StateExpiring},
	StateError:       {StateRetryFire},
	StateExpireError: {StateRetryExpire},
}

// CanBecome tells whether the state machine has an arrow from s to next.
func (s State) CanBecome(next State) bool {
	for _, to := range arrows[s] {
		if to == next {
			return true
		}
	}
	return false
}

// Claimed tells whether a worker holds the stream in this state.
func (s State) Claimed() bool { return s == StateFiring || s == StateExpiring }

// Stream is what a trigger files events into: one for each combination of
// distinguishing traits, until it fires or expires.
type Stream struct {
	ID int64
	// Name is the name of the trigger that made it.
	Name string
	// DistinguishingTraits are the values that its events share. nil where
	// they had the trait with a null value.
	DistinguishingTraits Traits

	State State
	// StateSerialNo counts the changes of state. It is the optimistic lock:
	// a change names the number that it was decided on.
	StateSerialNo int64

	FirstEvent      time.Time // time of the earliest event
	LastEvent       time.Time // time of the latest event
	FireTimestamp   time.Time // when it is to fire; zero until the criteria are met
	ExpireTimestamp time.Time // when it expires

	// Key is the digest of Name and DistinguishingTraits.
	Key string
	// Open tells that the stream is the one that new events of its Key join. The
	// store allows one open stream a key.
	Open bool
	// Progress counts, for each fire criterion, the events that satisfy it.
	Progress Progress
	// FilingNo counts the times that events were filed into the stream. It is the
	// optimistic lock of that, as StateSerialNo is of changes of state. A store
	// begins it with a random number, so that another stream of the same key is
	// not taken for this one.
	FilingNo int64

	// Owner is the worker that holds the stream while it is firing or expiring.
	Owner string
	// Due is when the scheduler looks at the stream next, in the states that do
	// not follow from the timestamps above: the end of the lease while it is
	// claimed, the time of the next attempt while it waits for a retry.
	Due time.Time
	// Attempt counts the times that a worker has claimed the stream to run its
	// pipeline, but for those that it gave back or snoozed.
	Attempt int
	// Committed tells which handlers of which pipeline were committed by an
	// attempt that failed afterwards; they are not committed again.
	Committed string
	// LastError and LastErrorAt tell why and when the last attempt failed.
	LastError   string
	LastErrorAt time.Time
	// Attempts is the history of the attempts at the pipeline, the first one first:
	// of those that did not simply complete. There are at most 20 entries, the first
	// and the latest ones.
	Attempts []Attempt

	// Unreadable is why the stored stream could not be read whole; set by
	// Store.Claim, which must not fail for it, and by no one else.
	Unreadable error
}

// openAt tells whether the stream takes events at that time. At the very
// moment of its expiry it does not.
func (s *Stream) openAt(now time.Time) bool {
	return s.State == StateActive && s.ExpireTimestamp.After(now)
}

// firesBefore tells whether the stream is due to fire by that time.
func (s *Stream) firesBefore(now time.Time) bool {
	return !s.FireTimestamp.IsZero() && s.FireTimestamp.Before(now)
}

// Schedule returns when the stream is due to be claimed for its fire pipeline
// and for its expire pipeline; zero means never. It is due once the clock has
// moved past that time. Stores keep both, indexed, beside the stream.
func (s *Stream) Schedule() (fire, expire time.Time) {
	switch s.State {
	case StateActive:
		return s.FireTimestamp, s.ExpireTimestamp
	case StateFiring, StateRetryFire:
		return s.Due, time.Time{}
	case StateExpiring, StateRetryExpire:
		return time.Time{}, s.Due
	}
	return time.Time{}, time.Time{}
}

// nextDue is the earlier of the two; zero if there is none.
func (s *Stream) nextDue() time.Time {
	fire, expire := s.Schedule()
	return earlier(fire, expire)
}

// earlier returns the earlier of two times; the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// become moves the stream along an arrow of the state machine.
func (s *Stream) become(next State) error {
	if !s.State.CanBecome(next) {
		return fmt.Errorf("stream %d cannot go from %s to %s", s.ID, s.State, next)
	}
	s.State = next
	s.StateSerialNo++
	s.Open = false
	s.Due = time.Time{}
	if !next.Claimed() {
		s.Owner = ""
	}
	return nil
}

// snoozes is how many runs before the one that goes on did not count as
// attempts. Each run changes the state twice, when it begins and when it ends;
// a reset changes it once, and makes earlier attempts count for nothing. (Of two
// resets one is taken for a run that ended.)
func (s *Stream) snoozes() int {
	runs := s.StateSerialNo / 2
	if s.State.Claimed() {
		runs = (s.StateSerialNo + 1) / 2
	}
	return max(0, int(runs)-s.Attempt)
}

// complete ends the stream's life.
func (s *Stream) complete() error {
	s.LastError, s.LastErrorAt, s.Committed = "", time.Time{}, ""
	return s.become(StateCompleted)
}

// retryAt sends a claimed stream back to be tried again.
func (s *Stream) retryAt(at time.Time) error {
	next := StateRetryFire
	if s.State == StateExpiring {
		next = StateRetryExpire
	}
	err := s.become(next)
	s.Due = at
	return err
}

// giveUp parks a claimed stream until someone resets it.
func (s *Stream) giveUp() error {
	if s.State == StateExpiring {
		return s.become(StateExpireError)
	}
	return s.become(StateError)
}

// ResetStream puts a stream in error (or expire_error) back to be tried again,
// with all its attempts before it, and returns it as it is now; in any other
// state it returns the stream as it was given. now goes into its history. It
// returns ErrLocked if the stream is no longer as it was read.
func ResetStream(ctx context.Context, store Store, stream Stream, now time.Time) (Stream, error) {
	after := stream
	changed, err := after.reset(microUTC(now))
	if err != nil || !changed {
		return stream, err
	}
	err = retryConflict(ctx, func() error {
		return store.Transact(ctx, func(tx Tx) error {
			if err := tx.ChangeStreams(ctx, []StreamChange{{Stream: after, SerialBefore: stream.StateSerialNo}}); err != nil {
				return err
			}
			return tx.Announce(ctx, after.Due)
		})
	})
	if err != nil {
		return stream, err
	}
	return after, nil
}

func (s *Stream) reset(now time.Time) (bool, error) {
	pass, next, due := PassFire, StateRetryFire, s.FireTimestamp
	switch s.State {
	case StateError:
	case StateExpireError:
		pass, next, due = PassExpire, StateRetryExpire, s.ExpireTimestamp
	default:
		return false, nil
	}
	err := s.become(next)
	// In a replay its time is that of the events, and may be ahead of now.
	s.Due, s.Attempt = earlier(due, now), 0
	s.record(Attempt{Pass: pass, Ended: now, Outcome: AttemptReset})
	return true, err
}

// StreamKey returns the Key of the stream that a trigger keeps for these
// distinguishing traits: a digest of both. 192 bits leave no room for chance; the
// trigger's length comes first so that no two inputs run together.
func StreamKey(trigger string, distinguishing Traits) (string, error) {
	var room [512]byte // for most; it need not be allocated
	b := binary.BigEndian.AppendUint64(room[:0], uint64(len(trigger)))
	b, err := distinguishing.AppendJSON(append(b, trigger...))
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(digest[:24]), nil
}

// Progress is how far a stream has come towards firing: for each fire
// criterion the number of events that satisfy it, up to the number required.
// It belongs to one wording of the criteria, named by the fingerprint; under
// another one it is counted anew from the stored events.
type Progress struct {
	Fingerprint string
	Counts      []int
}

// MarshalText writes "fingerprint:1,0,3".
func (p Progress) MarshalText() ([]byte, error) {
	b := append([]byte(p.Fingerprint), ':')
	for i, n := range p.Counts {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return b, nil
}

// UnmarshalText reads what MarshalText writes; empty text is no progress.
func (p *Progress) UnmarshalText(text []byte) error {
	*p = Progress{}
	if len(text) == 0 {
		return nil
	}
	fingerprint, counts, ok := strings.Cut(string(text), ":")
	if !ok {
		return errors.New("progress: no colon")
	}
	p.Fingerprint = fingerprint
	for counts != "" {
		var first string
		first, counts, _ = strings.Cut(counts, ",")
		n, err := strconv.Atoi(first)
		if err != nil {
			return fmt.Errorf("progress: %w", err)
		}
		p.Counts = append(p.Counts, n)
	}
	return nil
}
