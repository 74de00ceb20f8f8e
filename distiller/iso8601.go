package distiller

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// parseTime reads the ISO 8601 times that the iso8601 library of Python reads:
// date alone or with a time, separated by "T" or a space, with or without
// dashes and colons, a fraction and a zone; without a zone it is UTC.
// Fractions of microseconds are cut off.
func parseTime(s string) (time.Time, error) {
	if t, ok := commonTime([]byte(s)); ok {
		return t, nil
	}
	m := isoTime.FindStringSubmatch(s)
	if m == nil {
		return time.Time{}, errNoTime
	}
	number := func(group, absent int) int {
		n, err := strconv.Atoi(strings.TrimPrefix(m[group], "-"))
		if err != nil {
			return absent
		}
		return n
	}
	const year, month, day, hour, minute, second, fraction, zoneSign, zoneHour, zoneMinute = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
	if m[day] == "" && len(m[month]) == 2 && m[month][0] != '-' {
		return time.Time{}, errNoTime // 201407 might be anything
	}
	offset := 60 * (60*number(zoneHour, 0) + number(zoneMinute, 0))
	if offset >= 24*60*60 {
		return time.Time{}, errNoTime
	}
	if m[zoneSign] == "-" {
		offset = -offset
	}
	return newTime(number(year, 0), number(month, 1), number(day, 1),
		number(hour, 0), number(minute, 0), number(second, 0), m[fraction], offset)
}

var isoTime = regexp.MustCompile(`^([0-9]{4})` +
	`(?:(-[0-9]{1,2}|[0-9]{2})(?:(-[0-9]{1,2}|[0-9]{2})` +
	`(?:[ T]([0-9]{2})(?::?([0-9]{2}))?(?::?([0-9]{1,2})(?:\.([0-9]+))?)?` +
	`(?:Z|([-+])([0-9]{2}):?([0-9]{2})?)?)?)?)?$`)

// commonTime reads "2006-01-02T15:04:05", or with a space, and with a fraction
// and a zone of UTC: what nearly all notifications have.
func commonTime(s []byte) (time.Time, bool) {
	const shape = "0000-00-00T00:00:00"
	if len(s) < len(shape) {
		return time.Time{}, false
	}
	for i := range len(shape) {
		switch c := s[i]; shape[i] {
		case '0':
			if !isDigit(c) {
				return time.Time{}, false
			}
		case 'T':
			if c != 'T' && c != ' ' {
				return time.Time{}, false
			}
		default:
			if c != shape[i] {
				return time.Time{}, false
			}
		}
	}
	fraction := cutUTC(s[len(shape):])
	if len(fraction) > 0 {
		if fraction[0] != '.' || len(fraction) == 1 {
			return time.Time{}, false
		}
		fraction = fraction[1:]
		for i := range len(fraction) {
			if !isDigit(fraction[i]) {
				return time.Time{}, false
			}
		}
	}
	two := func(i int) int { return int(s[i]-'0')*10 + int(s[i+1]-'0') }
	t, err := newTime(two(0)*100+two(2), two(5), two(8), two(11), two(14), two(17), string(fraction), 0)
	return t, err == nil
}

// cutUTC takes the zone off the end of a time, if there is one and it is UTC.
func cutUTC(s []byte) []byte {
	for _, zone := range []string{"Z", "+00:00", "+0000"} {
		if n := len(s) - len(zone); n >= 0 && string(s[n:]) == zone {
			return s[:n]
		}
	}
	return s
}

// newTime makes a time of fields that may be out of range; offset is that of
// the zone, in seconds east of UTC.
func newTime(year, month, day, hour, minute, second int, fraction string, offset int) (time.Time, error) {
	if year < 1 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, errNoTime
	}
	micros := 0
	for i := range 6 {
		micros *= 10
		if i < len(fraction) {
			micros += int(fraction[i] - '0')
		}
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, micros*1000, time.UTC)
	if day > 28 && t.Day() != day {
		return time.Time{}, errNoTime // there is no such day in that month
	}
	return t.Add(-time.Duration(offset) * time.Second), nil
}
