package winchester

import (
	"fmt"
	"strings"
)

// String tells the attempt in one line, such as "2: failed in Commit of bill: no
// route to host; fire, pipeline "ship", by w1, at 2026-04-05T12:00:00Z for 1.5s".
func (a Attempt) String() string {
	return strings.Join(append([]string{a.summary()}, a.details()...), "; ")
}

// summary is what the attempt came to.
func (a *Attempt) summary() string {
	var text string
	switch a.Outcome {
	case AttemptReset:
		return "reset at " + moment(a.Ended) + ": attempts are counted anew"
	case AttemptUnreadable:
		return "an entry that cannot be read: " + firstLine(a.Error)
	case AttemptLost:
		text = fmt.Sprintf("lost: the lease of worker %s ran out at %s", a.Worker, moment(a.Ended))
		if !a.RetryAt.IsZero() {
			text += fmt.Sprintf(", and another one took over at %s (after %s)", moment(a.RetryAt), span(a.RetryAt.Sub(a.Ended)))
		}
	case AttemptCompleted:
		if text = a.Outcome; a.Error != "" {
			text += "; an error was ignored by policy" + a.where() + ": " + firstLine(a.Error)
		}
	default:
		text = a.Outcome
		if a.Repeats > 0 {
			text += fmt.Sprintf(" %d times in a row", a.Repeats+1)
		}
		if text += a.where(); a.Error != "" {
			text += ": " + firstLine(a.Error)
		}
	}
	return fmt.Sprintf("%d: %s", a.Number, text)
}

// where says in which handler's method it came to its end.
func (a *Attempt) where() string {
	what := map[string]string{
		PhaseCreate: "the making", PhaseHandle: "HandleEvents", PhaseCommit: "Commit", PhaseCommitTx: "CommitTx",
	}[a.Phase]
	switch {
	case a.Handler != "" && what != "":
		return " in " + what + " of " + a.Handler
	case a.Phase == PhaseEvents:
		return " with the events that the pipeline made"
	}
	return ""
}

// details are whatever else is known.
func (a *Attempt) details() (lines []string) {
	if a.Outcome == AttemptReset || a.Outcome == AttemptLost { // of which it is said already
		return nil
	}
	var how []string
	if a.Pass != "" {
		how = append(how, string(a.Pass))
	}
	if a.Pipeline != "" {
		how = append(how, fmt.Sprintf("pipeline %q", a.Pipeline))
	}
	if a.Worker != "" {
		how = append(how, "by "+a.Worker)
	}
	switch {
	case a.Began.IsZero():
	case a.Repeats > 0:
		how = append(how, fmt.Sprintf("from %s to %s", moment(a.Began), moment(a.Ended)))
	default:
		how = append(how, fmt.Sprintf("at %s for %s", moment(a.Began), span(a.Ended.Sub(a.Began))))
	}
	if len(how) > 0 {
		lines = append(lines, strings.Join(how, ", "))
	}
	if len(a.Committed) > 0 {
		lines = append(lines, "committed: "+strings.Join(a.Committed, ", "))
	}
	if a.RollbackError != "" {
		lines = append(lines, "not rolled back: "+firstLine(a.RollbackError))
	}
	switch {
	case !a.RetryAt.IsZero():
		lines = append(lines, fmt.Sprintf("to be tried again at %s (after %s)", moment(a.RetryAt), span(a.RetryAt.Sub(a.Ended))))
	case a.Outcome == AttemptFailed || a.Outcome == AttemptCancelled:
		lines = append(lines, "not to be tried again")
	}
	return lines
}

// firstLine is the first line of a text, and how many there are behind it.
func firstLine(text string) string {
	first, rest, more := strings.Cut(text, "\n")
	if more && rest != "" {
		first += fmt.Sprintf(" (and %d lines more)", strings.Count(rest, "\n")+1)
	}
	return first
}
