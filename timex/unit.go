package timex

import "time"

// unit is a unit of time, from the largest to the smallest, so that a smaller
// value is a larger unit. bare stands for a number written without one.
type unit uint8

const (
	year unit = iota
	month
	day
	hour
	minute
	second
	microsecond
	bare

	numUnits
)

// The units of fixed length, in microseconds. Days have 24 hours: all
// arithmetic is in UTC.
const (
	microsPerSecond = int64(time.Second / time.Microsecond)
	microsPerMinute = 60 * microsPerSecond
	microsPerHour   = 60 * microsPerMinute
	microsPerDay    = 24 * microsPerHour
)

// calendarDays is the number of days from 0001-01-01 to 9999-12-31.
const calendarDays = 3652059

// units describes each unit. micros is zero for units without fixed length.
// limit is the longest duration that can lead from one time of the years 1 to
// 9999 to another: larger numbers are refused, which also keeps all sums inside
// an int64. low and high bound the values of the field in a
// replacement; the days of a given month are checked apart.
var units = [numUnits]struct {
	name      string
	field     string
	micros    int64
	limit     int64
	low, high int64
}{
	year:        {"y", "year", 0, 9999, 1, 9999},
	month:       {"mo", "month", 0, 12 * 9999, 1, 12},
	day:         {"d", "day", microsPerDay, calendarDays, 1, 31},
	hour:        {"h", "hour", microsPerHour, calendarDays * 24, 0, 23},
	minute:      {"m", "minute", microsPerMinute, calendarDays * 24 * 60, 0, 59},
	second:      {"s", "second", microsPerSecond, calendarDays * 24 * 3600, 0, 59},
	microsecond: {"us", "microsecond", 1, calendarDays * microsPerDay, 0, microsPerSecond - 1},
	bare:        {"", "number", 0, calendarDays * microsPerDay, 0, calendarDays * microsPerDay},
}

// unitNames are the words that a duration may use.
var unitNames = map[string]unit{
	"us": microsecond,
	"s":  second, "sec": second,
	"m": minute, "min": minute,
	"h": hour, "hr": hour,
	"d":  day,
	"mo": month,
	"y":  year, "yr": year,
}

// functions are the units that have a range function, under the name of their
// field.
var functions = map[string]unit{
	"hour": hour, "day": day, "month": month, "year": year,
}

// functionNames lists the functions for error messages, smallest first.
var functionNames = []string{"hour", "day", "month", "year"}

// unitSet is a set of units, one bit each.
type unitSet uint8

// atLeast is the set of u and all larger units.
func atLeast(u unit) unitSet { return 1<<(u+1) - 1 }

func (s unitSet) has(u unit) bool { return s&(1<<u) != 0 }

// dateUnits are the fields that depend on the calendar.
var dateUnits = atLeast(day)

// unitForLength is the unit of a bare number applied to a range of this many
// microseconds, begin and end in either order: a size below the largest unit
// that fits into the range. A month is taken as 28 days and a year as 365.
func unitForLength(micros int64) unit {
	if micros < 0 {
		micros = -micros
	}
	switch {
	case micros >= 365*microsPerDay:
		return month
	case micros >= 28*microsPerDay:
		return day
	case micros >= microsPerDay:
		return hour
	case micros >= microsPerHour:
		return minute
	case micros >= microsPerMinute:
		return second
	default:
		return microsecond
	}
}
