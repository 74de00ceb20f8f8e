package timex

import (
	"fmt"
	"time"
)

// instant is a UTC time in microseconds since 1970-01-01. Integers instead of
// time.Time make the arithmetic exact over all of the years 1 to 9999, which a
// time.Duration cannot span. The limits of units leave room for intermediate
// results far outside of them: range checks can wait until the end of a step.
type instant int64

const (
	minInstant instant = -62135596800 * 1e6   // 0001-01-01T00:00:00Z
	maxInstant instant = 253402300800*1e6 - 1 // 9999-12-31T23:59:59.999999Z
)

func (i instant) inRange() bool { return minInstant <= i && i <= maxInstant }

// toInstant truncates t to microseconds. It reports false outside the years 1
// to 9999.
func toInstant(t time.Time) (instant, bool) {
	sec := t.Unix()
	if sec < int64(minInstant)/microsPerSecond || sec > int64(maxInstant)/microsPerSecond {
		return 0, false
	}
	return instant(sec*microsPerSecond + int64(t.Nanosecond())/1000), true
}

func (i instant) time() time.Time { return time.UnixMicro(int64(i)).UTC() }

// split returns the midnight before i and the microseconds since.
func (i instant) split() (midnight instant, clock int64) {
	clock = floorMod(int64(i), microsPerDay)
	return i - instant(clock), clock
}

// add moves i by s. Where the day does not exist in the month that is reached
// it becomes that month's last.
func (i instant) add(s shift) instant {
	i += instant(s.micros)
	if s.months == 0 {
		return i
	}
	midnight, clock := i.split()
	y, m, d := midnight.date()
	months := y*12 + m - 1 + s.months
	y, m = floorDiv(months, 12), floorMod(months, 12)+1
	return dateInstant(y, m, min(d, daysIn(y, m))) + instant(clock)
}

// replace sets the fields that are in mask to their amounts in d, which must
// have passed checkFields. A day that the month does not have is an error,
// told in the returned text, or with clamp becomes the month's last.
func (i instant) replace(d *duration, mask unitSet, clamp bool) (instant, string) {
	mask &= d.set
	midnight, clock := i.split()
	for u := hour; u <= microsecond; u++ {
		if mask.has(u) {
			size, next := units[u].micros, units[u-1].micros
			clock += d.amount[u]*size - (clock%next)/size*size
		}
	}
	if mask&dateUnits == 0 {
		return midnight + instant(clock), ""
	}
	y, m, dd := midnight.date()
	if mask.has(year) {
		y = d.amount[year]
	}
	if mask.has(month) {
		m = d.amount[month]
	}
	if mask.has(day) {
		dd = d.amount[day]
	}
	if last := daysIn(y, m); dd > last {
		if !clamp {
			return 0, fmt.Sprintf("day %d is out of range for %04d-%02d", dd, y, m)
		}
		dd = last
	}
	return dateInstant(y, m, dd) + instant(clock), ""
}

func (i instant) date() (y, m, d int64) {
	yy, mm, dd := i.time().Date()
	return int64(yy), int64(mm), int64(dd)
}

// dateInstant is midnight of a day.
func dateInstant(y, m, d int64) instant {
	t := time.Date(int(y), time.Month(m), int(d), 0, 0, 0, 0, time.UTC)
	return instant(t.Unix() * microsPerSecond)
}

func daysIn(y, m int64) int64 {
	switch m {
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	default:
		return 31
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 {
	r := a % b
	if r < 0 {
		r += b
	}
	return r
}
