package winchester

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Attempt is an entry of a stream's history: what one run of its pipeline did and
// came to, or that it was reset. Runs that complete their stream have one only if
// there was something before that is worth telling. Times are UTC.
type Attempt struct {
	// Number is what Env.Attempt told the run, from 1. Runs that were snoozed or
	// stopped do not count, so the next one has the same number; a reset begins
	// anew.
	Number   int    `json:"number,omitempty"`
	Pass     Pass   `json:"pass,omitempty"`
	Pipeline string `json:"pipeline,omitempty"` // "" if it did not come so far, or is not known
	Worker   string `json:"worker,omitempty"`   // that had claimed the stream
	// Began is when the stream was claimed; zero if that is not known. Ended is
	// when the result was stored, or when the lease ran out, or the stream was
	// reset.
	Began time.Time `json:"began,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
	// Outcome is one of those below; there may be more in later versions.
	Outcome string `json:"outcome"`
	// Repeats is how many runs before this one were snoozed in the same place, one
	// after the other. They have no entries of their own; Began is that of the
	// first, and what was committed by any of them is told.
	Repeats int `json:"repeats,omitempty"`
	// Handler and Phase are where the run came to its end. Of one that completed,
	// they are where an error was ignored by policy.
	Handler string `json:"handler,omitempty"`
	Phase   string `json:"phase,omitempty"`
	// Error is the beginning of the error's text, RollbackError that of the first
	// handler that could not be rolled back.
	Error         string `json:"error,omitempty"`
	RollbackError string `json:"rollback_error,omitempty"`
	// Committed are the handlers whose Commit succeeded in this run. They are not
	// committed again, so that a later run does not have them.
	Committed []string `json:"committed,omitempty"`
	// RetryAt is when the stream is tried again; zero if it is not. Of a lost
	// lease it is when another worker took the stream over.
	RetryAt time.Time `json:"retry_at,omitzero"`
	// LeftOut is how many entries are missing between the one before and this
	// one.
	LeftOut int `json:"left_out,omitempty"`
}

// What an attempt came to.
const (
	AttemptFailed    = "failed"    // an error; without RetryAt it was the last attempt
	AttemptCancelled = "cancelled" // an error that trying again does not help: see Cancel
	AttemptSnoozed   = "snoozed"   // a handler asked for more time: see Snooze
	AttemptStopped   = "stopped"   // the engine stopped, and gave the stream back
	AttemptLost      = "lost"      // its lease ran out: the worker died, hung, or could not store the result
	AttemptCompleted = "completed"
	// AttemptReset is no attempt: the stream was reset (see ResetStream), and
	// attempts are counted from 1 again.
	AttemptReset = "reset"
	// AttemptUnreadable is an entry that is stored and cannot be read: Error has
	// the beginning of its text.
	AttemptUnreadable = "unreadable"
)

// Where an attempt ended.
const (
	PhaseLoad     = "load"          // the stream or its events could not be read
	PhasePrepare  = "prepare"       // its trigger or pipeline is unknown, or earlier attempts did not come to an end
	PhaseCreate   = "create"        // a handler could not be made
	PhaseHandle   = "handle_events" // HandleEvents of a handler
	PhaseEvents   = "new_events"    // the events that the pipeline made cannot be stored
	PhaseCommit   = "commit"        // Commit of a handler
	PhaseCommitTx = "commit_tx"     // CommitTx of a handler, with which the transaction was undone
	phaseRollback = "rollback"
)

// What is kept of a history, at most. It is read with each claim of a stream
// that has one, and must not make its row a burden.
const (
	maxAttempts     = 20
	maxAttemptsText = 8000 // bytes, as it is stored
	maxAttemptError = 300  // bytes of an error
	maxAttemptName  = 100  // bytes of a name
	maxAttemptNames = 5    // handlers that were committed
)

// place is where a run is.
type place struct{ handler, phase string }

// String begins the texts of errors.
func (p place) String() string {
	switch p.phase {
	case PhaseHandle:
		return p.handler
	case PhaseCommitTx:
		return p.handler + ": commit in transaction"
	}
	return p.handler + ": " + p.phase
}

// within returns the attempt cut to its bounds.
func (a Attempt) within() Attempt {
	name := func(s string) string { return cutText(strings.Map(noControl, s), maxAttemptName) }
	text := func(s string) string { return cutText(strings.Map(noControl, s), maxAttemptError) }
	a.Pipeline, a.Worker, a.Handler = name(a.Pipeline), name(a.Worker), name(a.Handler)
	a.Error, a.RollbackError = text(a.Error), text(a.RollbackError)
	names := a.Committed
	a.Committed = nil
	for i := range names {
		if i == maxAttemptNames {
			a.Committed = append(a.Committed, fmt.Sprintf("… (%d more)", len(names)-i))
			break
		}
		a.Committed = append(a.Committed, name(names[i]))
	}
	return a
}

// noControl leaves of control characters, each of which JSON writes in six
// bytes, those that begin a line.
func noControl(r rune) rune {
	if unicode.IsControl(r) && r != '\n' {
		return ' '
	}
	return r
}

// record adds an entry to the stream's history. If that grows beyond its bounds
// it keeps the first entry, with which the trouble began, and the latest ones.
func (s *Stream) record(a Attempt) {
	a = a.within()
	history := s.Attempts
	if before := len(history) - 1; before >= 0 && history[before].repeatedBy(&a) {
		b := &history[before]
		a.Repeats, a.Began, a.Committed, a.LeftOut = b.Repeats+1, b.Began, b.Committed, b.LeftOut
		history = history[:before]
	} else if a.Number > 0 {
		a.LeftOut = max(0, a.Number-nextNumber(history))
	}
	history = append(history[:len(history):len(history)], a) // it may be shared
	for len(history) > maxAttempts || len(history) > 2 && len(EncodeAttempts(history)) > maxAttemptsText {
		left := history[1].LeftOut + 1
		history = append(history[:1:1], history[2:]...)
		history[1].LeftOut += left
	}
	s.Attempts = history
}

// repeatedBy tells whether the next attempt is told as a repetition of this one.
// While something that a handler waits for is away, its streams are snoozed many
// times, and each must not write much.
func (a *Attempt) repeatedBy(next *Attempt) bool {
	return a.Outcome == AttemptSnoozed && next.Outcome == AttemptSnoozed && len(next.Committed) == 0 &&
		a.Number == next.Number && a.Pipeline == next.Pipeline && a.Handler == next.Handler && a.Phase == next.Phase
}

// failed is the entry of a run that has failed, or was given up.
func (r *run) failed(outcome string, now, retryAt time.Time) Attempt {
	a := r.attempt(outcome, now)
	a.Handler, a.Phase, a.RetryAt = r.at.handler, r.at.phase, retryAt
	a.Error = strings.TrimPrefix(r.err.Error(), r.at.String()+": ")
	if r.rollbackErr != nil {
		a.RollbackError = r.rollbackErr.Error()
	}
	return a
}

// completed is the entry of a run that has completed its stream.
func (r *run) completed(now time.Time) Attempt {
	a := r.attempt(AttemptCompleted, now)
	if len(r.ignored) > 0 {
		at := place{r.names[r.ignored[0].handler], PhaseCommit}
		a.Handler, a.Phase = at.handler, at.phase
		a.Error = strings.TrimPrefix(r.ignored[0].err.Error(), at.String()+": ")
	}
	return a
}

func (r *run) attempt(outcome string, now time.Time) Attempt {
	a := Attempt{
		Number: r.stream.Attempt, Pass: r.pass, Worker: r.stream.Owner, Began: r.began, Ended: now, Outcome: outcome,
	}
	if len(r.marks) > 0 {
		a.Pipeline = r.marks[0]
	}
	for i := r.alreadyCommitted(); i < r.committed; i++ {
		if !slices.ContainsFunc(r.ignored, func(x ignored) bool { return x.handler == i }) {
			a.Committed = append(a.Committed, r.names[i])
		}
	}
	return a
}

// nextNumber is the number of the attempt that follows a history. If it has a
// higher one, there were some of which nothing is known.
func nextNumber(history []Attempt) int {
	if len(history) == 0 {
		return 1
	}
	switch last := &history[len(history)-1]; last.Outcome {
	case AttemptSnoozed, AttemptStopped:
		return last.Number
	case AttemptUnreadable:
		return math.MaxInt
	default:
		return last.Number + 1
	}
}

// EncodeAttempts writes a history as a Store keeps it: a JSON object a line, so
// that an entry can be added to the text without reading it. It is "" for none.
func EncodeAttempts(attempts []Attempt) string {
	if len(attempts) == 0 {
		return ""
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for i := range attempts {
		if err := e.Encode(&attempts[i]); err != nil { // a time beyond the year 9999
			_ = e.Encode(Attempt{Number: attempts[i].Number, Outcome: AttemptUnreadable, Error: err.Error()})
		}
	}
	return b.String()
}

// DecodeAttempts reads what EncodeAttempts writes. A line that is no entry
// becomes one of AttemptUnreadable: a history must not stand in the way of what
// it tells of.
func DecodeAttempts(text string) []Attempt {
	var out []Attempt
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		var a Attempt
		if err := json.Unmarshal([]byte(line), &a); err != nil || a.Outcome == "" {
			a = Attempt{Outcome: AttemptUnreadable, Error: cutText(strings.TrimSpace(line), maxAttemptError)}
		}
		a.Began, a.Ended, a.RetryAt = microUTC(a.Began), microUTC(a.Ended), microUTC(a.RetryAt)
		out = append(out, a)
	}
	return out
}

// cutText is text that every database can store, of at most n bytes and a note
// of how many are missing.
func cutText(s string, n int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	if len(s) <= n {
		return s
	}
	for !utf8.RuneStart(s[n]) { // do not cut a character in two
		n--
	}
	return s[:n] + fmt.Sprintf("… (%d bytes more)", len(s)-n)
}
