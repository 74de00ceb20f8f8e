package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/seed71495667/winchester/internal/suggest"
	"github.com/seed71495667/winchester/internal/yamlx"
)

// maxDuration keeps sums of times within what a time can be.
const maxDuration = 100 * 365 * 24 * time.Hour

// durationUnits are those of time expressions that have a fixed length, and
// those of Go.
var durationUnits = map[string]time.Duration{
	"us": time.Microsecond, "µs": time.Microsecond, "μs": time.Microsecond, "ms": time.Millisecond,
	"s": time.Second, "sec": time.Second, "m": time.Minute, "min": time.Minute,
	"h": time.Hour, "hr": time.Hour, "d": 24 * time.Hour,
}

// readDuration reads a number of seconds, as the original had it, or text such
// as "1h 30m". ok is false, and there is a fault, if it is neither.
func readDuration(v yamlx.Value) (d time.Duration, ok bool) {
	var err error
	switch n := v.Node(); value := n.Value.(type) {
	case int64:
		d, err = seconds(float64(value))
	case float64:
		d, err = seconds(value)
	case string:
		d, err = parseDuration(value)
	default:
		v.Expected(`a duration: a number of seconds, or text such as "1h 30m"`)
		return 0, false
	}
	if err != nil {
		v.Faultf("%v", err)
	}
	return d, err == nil
}

func seconds(n float64) (time.Duration, error) {
	switch {
	case n < 0:
		return 0, fmt.Errorf("a duration of %v seconds is negative", n)
	case !(n <= maxDuration.Seconds()): // NaN is not, either
		return 0, fmt.Errorf("a duration of %v seconds is too long: at most 100 years are possible", n)
	}
	return time.Duration(math.Round(n*1e6)) * time.Microsecond, nil
}

// parseDuration reads "90", "90s", "1h 30m", "1h30m" or "1.5h".
func parseDuration(text string) (time.Duration, error) {
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
			return seconds(number)
		}
		length, known := durationUnits[unit]
		switch {
		case unit == "":
			return 0, malformed
		case !known:
			return 0, fmt.Errorf("%q is not a duration: there is no unit %q%s; the units are us, ms, s, m, h and d", short(text), short(unit), suggest.DidYouMean(unit, []string{"sec", "min", "hr"}))
		case number*float64(length) > float64(maxDuration-total):
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
