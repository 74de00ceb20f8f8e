package config

import (
	"testing"
	"time"

	"github.com/seed71495667/winchester/internal/yamlx"
)

func TestReadDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"0": 0, "10": 10 * time.Second, "0.5": 500 * time.Millisecond, "1.0000005": 1000001 * time.Microsecond,
		`"90"`: 90 * time.Second, "90s": 90 * time.Second, "1h 30m": 90 * time.Minute, "1h30m": 90 * time.Minute,
		"1d 2hr 3min 4sec 5ms 6us": 26*time.Hour + 3*time.Minute + 4*time.Second + 5006*time.Microsecond,
		"1.5h":                     90 * time.Minute, " 5 m ": 5 * time.Minute, "7µs": 7 * time.Microsecond, "0s": 0, "100d": 2400 * time.Hour,
		"1m 1m": 2 * time.Minute,
	} {
		d := yamlx.NewDecoder("f")
		got, ok := readDuration(d.Parse([]byte(text)))
		if !ok || got != want || d.Err() != nil {
			t.Errorf("%s: %s, %v, want %s", text, got, d.Err(), want)
		}
	}
	for text, want := range map[string]string{
		"-1":             `f:1:1: a duration of -1 seconds is negative`,
		".nan":           `f:1:1: a duration of NaN seconds is too long: at most 100 years are possible`,
		"99999999999":    `f:1:1: a duration of 9.9999999999e+10 seconds is too long: at most 100 years are possible`,
		"36501d":         `f:1:1: the duration "36501d" is too long: at most 100 years are possible`,
		"36500d 1s":      `f:1:1: the duration "36500d 1s" is too long: at most 100 years are possible`,
		"1h 30":          `f:1:1: "1h 30" is not a duration: expected a number of seconds, or text such as "1h 30m"`,
		"h":              `f:1:1: "h" is not a duration: expected a number of seconds, or text such as "1h 30m"`,
		`" "`:            `f:1:1: " " is not a duration: expected a number of seconds, or text such as "1h 30m"`,
		"1.2.3s":         `f:1:1: "1.2.3s" is not a duration: expected a number of seconds, or text such as "1h 30m"`,
		"-5s":            `f:1:1: "-5s" is not a duration: expected a number of seconds, or text such as "1h 30m"`,
		"3 minutes":      `f:1:1: "3 minutes" is not a duration: there is no unit "minutes"; the units are us, ms, s, m, h and d`,
		"3 secs":         `f:1:1: "3 secs" is not a duration: there is no unit "secs" (did you mean "sec"?); the units are us, ms, s, m, h and d`,
		"3mo":            `f:1:1: "3mo" is not a duration: there is no unit "mo"; the units are us, ms, s, m, h and d`,
		"true":           `f:1:1: expected a duration: a number of seconds, or text such as "1h 30m", found the boolean true`,
		"{a: 1}":         `f:1:1: expected a duration: a number of seconds, or text such as "1h 30m", found a map`,
		`"1h '${oops}'"`: `f:1:1: "1h '${oops}'" is not a duration: expected a number of seconds, or text such as "1h 30m"`,
	} {
		d := yamlx.NewDecoder("f")
		if got, ok := readDuration(d.Parse([]byte(text))); ok || d.Err() == nil || d.Err().Error() != want {
			t.Errorf("%s: %s, %v, want %s", text, got, d.Err(), want)
		}
	}
}
