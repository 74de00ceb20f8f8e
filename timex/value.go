package timex

import "time"

// Value is what an expression evaluates to: a timestamp or a range. Begin and
// End are in UTC, without a fraction of a microsecond and without a monotonic
// clock reading, so values may be compared with ==.
type Value struct {
	// Begin is the start of a range, or the timestamp.
	Begin time.Time

	// End is the end of a range, which is not part of it, or the timestamp
	// once more. An expression like "$a to $b" may give a range that ends
	// before it begins: it contains nothing.
	End time.Time

	isRange bool
}

// IsRange tells a range from a timestamp.
func (v Value) IsRange() bool { return v.isRange }

// Timestamp returns the timestamp, or the begin of a range.
func (v Value) Timestamp() time.Time { return v.Begin }

// Range returns Begin and End as a Range, which is empty for a timestamp.
func (v Value) Range() Range { return Range{Begin: v.Begin, End: v.End} }

// Contains tells whether t is in the range, or whether it is the timestamp, to
// the microsecond.
func (v Value) Contains(t time.Time) bool {
	if v.isRange {
		return v.Range().Contains(t)
	}
	return t.Truncate(time.Microsecond).Equal(v.Begin)
}

// Duration is the length of the range: zero for a timestamp, negative for a
// range that ends before it begins. It stops at the limits of time.Duration,
// about 292 years.
func (v Value) Duration() time.Duration { return v.End.Sub(v.Begin) }

// String writes a timestamp as RFC 3339 and a range as Range.String does.
func (v Value) String() string {
	if v.isRange {
		return v.Range().String()
	}
	return v.Begin.Format(time.RFC3339Nano)
}

// Range is the span of time from Begin up to, but not including, End. Ranges
// made by NewRange or Value.Range may be compared with == and used as map
// keys.
type Range struct {
	Begin time.Time `json:"begin"`
	End   time.Time `json:"end"`
}

// NewRange returns the range from begin up to end, both in UTC and truncated
// to microseconds.
func NewRange(begin, end time.Time) Range {
	return Range{
		Begin: begin.Truncate(time.Microsecond).UTC(),
		End:   end.Truncate(time.Microsecond).UTC(),
	}
}

// Contains tells whether Begin <= t < End.
func (r Range) Contains(t time.Time) bool {
	return !t.Before(r.Begin) && t.Before(r.End)
}

// Duration is End minus Begin. It stops at the limits of time.Duration, about
// 292 years.
func (r Range) Duration() time.Duration { return r.End.Sub(r.Begin) }

// String writes the range as "[begin, end)", both as RFC 3339.
func (r Range) String() string {
	return "[" + r.Begin.Format(time.RFC3339Nano) + ", " + r.End.Format(time.RFC3339Nano) + ")"
}
