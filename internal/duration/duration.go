// Package duration reads the durations of configuration files: a number of
// seconds, as the original had it, or text such as "1h 30m".
package duration

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/seed71495667/winchester/internal/suggest"
)

// longest keeps sums of times within what a time can be.
const longest = 100 * 365 * 24 * time.Hour

// units are those of time expressions that have a fixed length, and
// those of Go.
var units = map[string]time.Duration{
	"us": time.Microsecond, "µs": time.Microsecond, "μs": time.Microsecond, "ms": time.Millisecond,
	"s": time.Second, "sec": time.Second, "m": time.Minute, "min": time.Minute,
	"h": time.Hour, "hr": time.Hour, "d": 24 * time.Hour,
}

// FromSeconds returns n seconds. It refuses negative and endless ones, and what
// is longer than 100 years.
func FromSeconds(n float64) (time.Duration, error) {
	switch {
	case n < 0:
		return 0, fmt.Errorf("a duration of %v seconds is negative", n)
	case !(n <= longest.Seconds()): // NaN is not, either
		return 0, fmt.Errorf("a duration of %v seconds is too long: at most 100 years are possible", n)
	}
	return time.Duration(math.Round(n*1e6)) * time.Microsecond, nil
}

// Parse reads "90", "90s", "1h 30m", "1h30m" or "1.5h".
func Parse(text string) (time.Duration, error) {
	rest := strings.TrimSpace(text)
	malformed := fmt.Errorf(`%q is not a duration: expected a number of seconds, or text such as "1h 30m"`, short(text))
	var total time.Duration
	for first := true; rest != "" || first; first = false {
		end := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		number, err := strconv.ParseFloat(rest[:end], 64)
		if err != nil {
			return 0, malformed
		}
		rest = strings.TrimLeft(rest[end:], " \t")
		end = strings.IndexAny(rest, "0123456789. \t")
		if end < 0 {
			end = len(rest)
		}
		unit := rest[:end]
		rest = strings.TrimLeft(rest[end:], " \t")
		if unit == "" && first && rest == "" {
			return FromSeconds(number)
		}
		length, known := units[unit]
		switch {
		case unit == "":
			return 0, malformed
		case !known:
			return 0, fmt.Errorf("%q is not a duration: there is no unit %q%s; the units are us, ms, s, m, h and d", short(text), short(unit), suggest.DidYouMean(unit, []string{"sec", "min", "hr"}))
		case number*float64(length) > float64(longest-total):
			return 0, fmt.Errorf("the duration %q is too long: at most 100 years are possible", short(text))
		}
		total += time.Duration(math.Round(number * float64(length)))
	}
	return total, nil
}

// short keeps a stranger's text from filling a message.
func short(s string) string {
	if len(s) <= 60 {
		return s
	}
	return strings.ToValidUTF8(s[:57], "") + "..."
}
