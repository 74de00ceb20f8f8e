package usage

import (
	"fmt"
	"time"

	"github.com/seed71495667/winchester"
)

// The codes of failed verifications, as found in the trait error_code.
const (
	CodeNoExists            = "U0" // events, but no exists record
	CodeNoLaunchedAt        = "U1" // the record has no launched_at where it needs one
	CodeConflict            = "U2" // the record and an event have different values of a field
	CodeNotDeleted          = "U3" // the record has deleted_at, and a state other than deleted
	CodeDeletedBeforeLaunch = "U4" // the record has a deleted_at before its launched_at
	CodeNoDeleteEvent       = "U5" // deleted in the audit period, but there is no delete event
	CodeNoDeletedAt         = "U6" // there is a delete event, but the record has no deleted_at
	CodeManyDeleteEvents    = "U7" // there are several delete events
	CodeNoLaunchEvent       = "U8" // launched in the audit period, but there is no other event
)

// fault is why a record is not verified.
type fault struct{ code, text string }

// deleteFields are the traits that a record and its delete event must share.
var deleteFields = []string{"launched_at", "deleted_at"}

// check verifies the record of a block. The first check that fails decides. A
// warning can come with a failure of a later check, not with one of an earlier.
func check(b block, coreFields []string) (warning string, f *fault) {
	record := b.record()
	if f = checkLaunch(b, record); f != nil {
		return "", f
	}
	if op, n := b.last(operation); n > 0 {
		if f = compare(op, record, coreFields); f != nil {
			return "", f
		}
	} else if p := auditPeriod(record); p.given && !p.wholeDay() {
		warning = fmt.Sprintf("Non-EOD .exists found (msg_id: %s) with no operation event.", record.MessageID)
	}
	return warning, checkDelete(b, record)
}

// checkLaunch: an instance that was launched in the period must have been
// heard of before its record.
func checkLaunch(b block, record winchester.Event) *fault {
	if record.Traits["state"] != "active" {
		return nil
	}
	launched := record.Traits["launched_at"]
	if !truthy(launched) {
		return noLaunchedAt
	}
	switch in, ok := auditPeriod(record).contains(launched); {
	case !ok:
		return &fault{CodeNoLaunchEvent, ".exists launched_at and audit period cannot be compared."}
	case in && len(b.events) == 1:
		return &fault{CodeNoLaunchEvent, ".exists launched_at in audit period, but no related events found."}
	}
	return nil
}

var noLaunchedAt = &fault{CodeNoLaunchedAt, ".exists has no launched_at value."}

// checkDelete: what the record says of the end of the instance must be right in
// itself, and must be what the delete event said.
func checkDelete(b block, record winchester.Event) *fault {
	deleted := record.Traits["deleted_at"]
	event, n := b.last(deletion)
	switch {
	case !truthy(deleted) && n > 0:
		return &fault{CodeNoDeletedAt, ".deleted events found but .exists has no deleted_at value."}
	case !truthy(deleted):
		return nil
	case record.Traits["state"] != "deleted":
		return &fault{CodeNotDeleted, ".exists state not 'deleted' but .exists deleted_at is set."}
	case n > 1:
		return &fault{CodeManyDeleteEvents, "Multiple .delete.end events"}
	case n == 1:
		return compare(record, event, deleteFields)
	}
	return checkUnseenDelete(record, deleted)
}

// checkUnseenDelete: without a delete event, the instance must have ended
// outside the period, but not before it began.
func checkUnseenDelete(record winchester.Event, deleted any) *fault {
	launched := record.Traits["launched_at"]
	if !truthy(launched) {
		return noLaunchedAt
	}
	switch c, ok := order(deleted, launched); {
	case !ok:
		return &fault{CodeDeletedBeforeLaunch, ".exists deleted_at and launched_at cannot be compared."}
	case c < 0:
		return &fault{CodeDeletedBeforeLaunch, ".exists deleted_at < .exists launched_at."}
	}
	switch in, ok := auditPeriod(record).contains(deleted); {
	case !ok:
		return &fault{CodeNoDeleteEvent, ".exists deleted_at and audit period cannot be compared."}
	case in:
		return &fault{CodeNoDeleteEvent, ".exists deleted_at in audit period, but no matching .delete event found."}
	}
	return nil
}

// compare demands that two events have the same values of some fields. A field
// that both lack is the same; one that only one of them has is a conflict.
func compare(this, that winchester.Event, fields []string) *fault {
	for _, field := range fields {
		a, b := this.Traits[field], that.Traits[field]
		if !equal(a, b) {
			return &fault{CodeConflict, fmt.Sprintf("Conflicting '%s' values ('%s' != '%s')", field, text(a), text(b))}
		}
	}
	return nil
}

// period is the time that a record accounts for.
type period struct {
	begin, end any
	given      bool // without both ends nothing can be said about it
}

func auditPeriod(record winchester.Event) period {
	begin, end := record.Traits["audit_period_beginning"], record.Traits["audit_period_ending"]
	return period{begin, end, truthy(begin) && truthy(end)}
}

// contains tells whether a value lies in the period, both ends included, or
// that they cannot be compared. Nothing lies in a period that is not given.
func (p period) contains(v any) (in, ok bool) {
	if !p.given {
		return false, true
	}
	fromBegin, ok := order(v, p.begin)
	if !ok {
		return false, false
	}
	if fromBegin < 0 {
		return false, true
	}
	fromEnd, ok := order(v, p.end)
	return ok && fromEnd <= 0, ok
}

// wholeDay tells whether the period ends on the day after the one on which it
// begins: the end-of-day record that everyone gets, as against the one that an
// operation causes in mid-period. The time of day does not matter, as in the
// original.
func (p period) wholeDay() bool {
	begin, ok1 := p.begin.(time.Time)
	end, ok2 := p.end.(time.Time)
	return ok1 && ok2 && day(begin).AddDate(0, 0, 1).Equal(day(end))
}

func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
