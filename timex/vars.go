package timex

import "time"

// DefaultVariable is the variable that a function without an argument applies
// to: "day" means "day($timestamp)". Like any other variable it must be
// supplied; this package never reads a clock.
const DefaultVariable = "timestamp"

// Vars gives variables their values. Eval calls Lookup once for each place
// where the expression uses a variable, with its name without the dollar sign,
// and stops at the first one that is missing.
//
// A time may be in any zone and of any precision: Eval uses it in UTC and
// truncated to microseconds. Lookup must not keep state of its own between
// calls that a concurrent Eval could disturb, unless each Eval has its own
// Vars.
type Vars interface {
	Lookup(name string) (value time.Time, ok bool)
}

// Map is a Vars held in a map. A nil Map has no variables.
type Map map[string]time.Time

// Lookup returns the value under name.
func (m Map) Lookup(name string) (time.Time, bool) {
	t, ok := m[name]
	return t, ok
}

// VarsFunc is a function used as a Vars.
type VarsFunc func(name string) (time.Time, bool)

// Lookup calls f.
func (f VarsFunc) Lookup(name string) (time.Time, bool) { return f(name) }
