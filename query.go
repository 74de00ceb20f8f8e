package winchester

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// NoRows is the Limit of a query that asks for nothing at all.
const NoRows = -1

// EventQuery selects stored events. Conditions that are left out do not
// restrict; those given are joined by "and".
type EventQuery struct {
	From       time.Time // later than this (exclusive)
	To         time.Time // up to this (inclusive)
	EventTypes []string  // one of these types exactly, by case; nil for any, empty for none
	Traits     Traits    // traits with exactly this type and value
	StreamID   int64     // in this stream; 0 for any
	Mark       string    // where to go on: see Mark
	Limit      int       // at most so many; 0 for all, NoRows for none
}

// StreamQuery selects streams. Conditions that are left out do not restrict;
// those given are joined by "and".
type StreamQuery struct {
	IDs           []int64   // one of these streams; nil for any, empty for none
	State         State     // in this state; 0 for any
	OlderThan     time.Time // first event before this (exclusive)
	YoungerThan   time.Time // last event after this (exclusive)
	Name          string    // made by the trigger of this name; "" for any
	Traits        Traits    // distinguishing traits with exactly this type and value
	EventID       int64     // with this event among theirs; 0 for any
	IncludeEvents bool      // return the events too, sorted by time
	Mark          string    // where to go on: see Mark
	Limit         int       // at most so many; 0 for all, NoRows for none
}

// StoredEvent is an event as the store has it.
type StoredEvent struct {
	ID int64
	Event
	// Mark, given to the next query, goes on behind this row.
	Mark string
}

// StoredStream is a stream found by a query.
type StoredStream struct {
	Stream
	Events []Event // with IncludeEvents
	// Mark, given to the next query, goes on behind this row.
	Mark string
}

// Mark is a position in a listing. Written, it is the hexadecimal id of the
// row last seen, with a "+" in front when going from old to new; without a
// number it only chooses the direction: "+" for old to new, "" or "-" for new
// to old, the default.
type Mark struct {
	Ascending bool
	After     bool  // go on behind ID, in the direction of the listing
	ID        int64 // with After
}

// ParseMark reads a mark. The error wraps ErrInvalidQuery.
func ParseMark(text string) (Mark, error) {
	var m Mark
	digits := text
	switch {
	case strings.HasPrefix(text, "+"):
		m.Ascending, digits = true, text[1:]
	case strings.HasPrefix(text, "-"):
		digits = text[1:]
	}
	if digits == "" {
		return m, nil
	}
	id, err := strconv.ParseUint(digits, 16, 63)
	if err != nil {
		return m, fmt.Errorf("%w: mark %q is not a hexadecimal number with an optional + or - in front", ErrInvalidQuery, text)
	}
	m.After, m.ID = true, int64(id)
	return m, nil
}

// At returns the written mark of a row, in the direction of m.
func (m Mark) At(id int64) string {
	if m.Ascending {
		return "+" + strconv.FormatInt(id, 16)
	}
	return strconv.FormatInt(id, 16)
}
