package timex_test

import (
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester/timex"
)

// at reads a time in any prefix of RFC 3339 down to the day.
func at(s string) time.Time {
	const full = "2006-01-02T15:04:05.999999999"
	t, err := time.Parse(full[:min(len(s), len("2006-01-02T15:04:05"))], s)
	if err != nil {
		panic(err)
	}
	return t
}

// evalString is what the tables of this file compare: the value, or the error.
func evalString(expr string, vars timex.Vars) string {
	e, err := timex.Parse(expr)
	if err != nil {
		return err.Error()
	}
	v, err := e.Eval(vars)
	if err != nil {
		return err.Error()
	}
	return strings.ReplaceAll(strings.ReplaceAll(v.String(), "T00:00:00Z", ""), ":00Z", "")
}

func TestSemantics(t *testing.T) {
	t.Parallel()
	groups := map[string][]struct{ expr, timestamp, want string }{
		// The golden data cover the plain cases of every operator. These are
		// the ones where the original crashed or went wrong, and the limits.
		"months are clamped": {
			{"$timestamp + 1mo", "2014-01-31", "2014-02-28"},
			{"$timestamp + 1mo", "2012-01-31T10:00", "2012-02-29T10:00"},
			{"$timestamp - 1mo", "2014-12-31", "2014-11-30"},
			{"$timestamp + 13mo", "2014-01-31", "2015-02-28"},
			{"$timestamp - 26mo", "2014-01-31", "2011-11-30"},
			{"$timestamp + 1y", "2012-02-29", "2013-02-28"},
			{"$timestamp - 1y", "2012-02-29", "2011-02-28"},
			{"$timestamp - 100y", "2000-02-29", "1900-02-28"},
			{"$timestamp + 1y 1mo", "2014-01-31", "2015-02-28"},
			{"$timestamp + 11mo", "2011-03-29", "2012-02-29"},
			{"$timestamp + 1y 12mo", "2012-02-29", "2014-02-28"}, // once for the sum
			{"$timestamp + 1y + 1y + 1y + 1y", "2012-02-29", "2016-02-28"},
			{"$timestamp + 1d 1mo", "2014-01-30", "2014-02-28"}, // days first
			{"($timestamp to $timestamp + 1d) + 1mo", "2014-01-31", "[2014-02-28, 2014-03-01)"},
		},
		"replaced fields must exist": {
			{"$timestamp @ 31d", "2014-07-20", "2014-07-31"},
			{"$timestamp @ 31d", "2014-06-20", "day 31 is out of range for 2014-06"},
			{"$timestamp @ 2mo", "2014-01-31", "day 31 is out of range for 2014-02"},
			{"$timestamp @ 2013y", "2012-02-29", "day 29 is out of range for 2013-02"},
			{"$timestamp @ 2mo 29d", "2012-12-31", "2012-02-29"},
			{"$timestamp @ 2mo 29d", "2013-12-31", "day 29 is out of range for 2013-02"},
			{"$timestamp @ 2mo 30d", "2012-12-31", "day 30 is out of range for month 2"},
			{"$timestamp @ 2013y 2mo 29d", "2012-12-31", "day 29 is out of range for month 2"},
			{"$timestamp @ 2016y 2mo 29d", "2013-12-31", "2016-02-29"},
			{"$timestamp @ 24h", "2014-07-20", "hour 24 is out of range: must be 0 to 23"},
			{"$timestamp @ 20h 4h", "2014-07-20", "hour 24 is out of range: must be 0 to 23"},
			{"$timestamp @ 60m", "2014-07-20", "minute 60 is out of range: must be 0 to 59"},
			{"$timestamp @ 60s", "2014-07-20", "second 60 is out of range: must be 0 to 59"},
			{"$timestamp @ 1000000us", "2014-07-20", "microsecond 1000000 is out of range: must be 0 to 999999"},
			{"$timestamp @ 0d", "2014-07-20", "day 0 is out of range: must be 1 to 31"},
			{"$timestamp @ 32d", "2014-07-20", "day 32 is out of range: must be 1 to 31"},
			{"$timestamp @ 0mo", "2014-07-20", "month 0 is out of range: must be 1 to 12"},
			{"$timestamp @ 13mo", "2014-07-20", "month 13 is out of range: must be 1 to 12"},
			{"$timestamp @ 0y", "2014-07-20", "year 0 is out of range: must be 1 to 9999"},
			{"$timestamp @ 10000y", "2014-07-20", "the duration is longer than the years 1 to 9999"},
			{"day @ 24", "2014-07-20", "hour 24 is out of range"},
			{"month @ 32", "2014-07-20", "day 32 is out of range"},
			{"year @ 0", "2014-07-20", "month 0 is out of range"},
			{"($timestamp to $timestamp + 1d) @ 24", "2014-07-20", "hour 24 is out of range"},
			{"($timestamp to $timestamp + 1d) @ 20h 4", "2014-07-20", "hour 24 is out of range"},
			{"($timestamp to $timestamp + 1h) @ 24", "2014-07-20", "[2014-07-20T00:24, 2014-07-20T01:24)"},
		},
		"small units wrap around the pin": {
			{"day @ 6h", "2014-07-20T05:59:59", "[2014-07-19T06:00, 2014-07-20T06:00)"},
			{"day @ 6h", "2014-07-20T06:00", "[2014-07-20T06:00, 2014-07-21T06:00)"},
			{"day + 24h", "2014-07-20T12:00", "[2014-07-20, 2014-07-21)"},
			{"day - 240000h", "2014-07-20T12:00", "[2014-07-20, 2014-07-21)"},
			{"hour - 90m", "2014-07-20T12:15", "[2014-07-20T11:30, 2014-07-20T12:30)"},
			{"hour @ 30m", "2014-07-20T00:15", "[2014-07-19T23:30, 2014-07-20T00:30)"},
		},
		"months and years wrap to their neighbours": {
			{"month + 3d", "2014-03-01", "[2014-02-04, 2014-03-04)"},
			{"month + 3d", "2014-03-03T23:59:59", "[2014-02-04, 2014-03-04)"},
			{"month + 3d", "2014-03-04", "[2014-03-04, 2014-04-04)"},
			{"month - 10d", "2012-02-29", "[2012-02-20, 2012-03-22)"},
			{"month + 45d", "2014-07-20", "[2014-07-16, 2014-08-15)"},
			{"month + 4000d", "2014-07-20", "[2014-07-14, 2014-08-14)"},
			{"month + 30d", "2014-03-02", "[2014-01-31, 2014-03-03)"}, // 30 d after 1 February
			{"year + 6mo", "2012-02-29", "[2011-07-01, 2012-07-01)"},
			{"year - 20mo", "2012-02-29", "[2011-05-01, 2012-05-01)"},
			{"year @ 4mo 6d", "2014-02-01", "[2013-04-06, 2014-04-06)"},
			{"year + 31d @ 6h", "2012-01-15", "[2011-02-01T06:00, 2012-02-01T06:00)"},
			{"year + 60d", "2012-12-01", "[2012-03-01, 2013-03-02)"},
			{"year @ 12mo 31d", "2012-02-29", "[2011-12-31, 2012-12-31)"},
		},
		"a month's last day stands in for a missing one": {
			{"month @ 31d", "2014-07-20", "[2014-06-30, 2014-07-31)"},
			{"month @ 31d", "2014-08-01", "[2014-07-31, 2014-08-31)"},
			{"month @ 31d", "2012-02-29T12:00", "[2012-02-29, 2012-03-31)"},
			{"month @ 31d", "2012-02-28T12:00", "[2012-01-31, 2012-02-29)"},
			{"month @ 29d", "2015-01-31", "[2015-01-29, 2015-02-28)"},
			{"month @ 30d 12h", "2015-02-28T11:00", "[2015-01-30T12:00, 2015-02-28T12:00)"},
			{"year @ 2mo 29d", "2012-07-20", "[2012-02-29, 2013-02-28)"},
			{"year @ 2mo 29d", "2014-07-20", "[2014-02-28, 2015-02-28)"},
			{"year @ 2mo 29d", "2016-02-28", "[2015-02-28, 2016-02-29)"},
			{"year - 1d @ 2mo", "2014-07-20", "[2014-02-28, 2015-02-28)"},
			{"month @ 31d - 1d", "2014-03-01", "[2014-02-27, 2014-03-30)"},
		},
		"a replaced day of month belongs to its own month": {
			{"month + 30d @ 15d", "2014-01-20", "[2014-01-15, 2014-02-15)"},
			{"month + 30d @ 15d", "2014-03-20", "[2014-03-15, 2014-04-15)"},
			{"month - 1d @ 15d", "2014-01-20", "[2014-01-15, 2014-02-15)"},
			{"year + 365d @ 1mo 1d", "2016-06-01", "[2016-01-01, 2017-01-01)"},
		},
		"large units move the pin": {
			{"day + 1d", "2014-07-20T15:00", "[2014-07-21, 2014-07-22)"},
			{"day - 3d", "2014-07-20T15:00", "[2014-07-17, 2014-07-18)"},
			{"day + 1mo", "2014-01-31T15:00", "[2014-02-28, 2014-03-01)"},
			{"day + 1y", "2012-02-29T12:00", "[2013-02-28, 2013-03-01)"},
			{"hour + 1h", "2014-07-20T23:59", "[2014-07-21, 2014-07-21T01:00)"},
			{"hour - 2d", "2014-07-20T15:45", "[2014-07-18T15:00, 2014-07-18T16:00)"},
			{"month + 1mo", "2014-01-31", "[2014-02-01, 2014-03-01)"},
			{"month - 1y", "2012-02-29", "[2011-02-01, 2011-03-01)"},
			{"year + 1y", "2012-02-29", "[2013-01-01, 2014-01-01)"},
			{"(day) + 1d", "2014-07-20", "[2014-07-21, 2014-07-22)"},
			{"day + 0mo", "2014-01-31", "[2014-01-31, 2014-02-01)"},
			{"day + 1d 2h", "2014-07-20T15:00", "[2014-07-21T02:00, 2014-07-22T02:00)"},
			{"day + 1d 2h", "2014-07-20T01:00", "[2014-07-20T02:00, 2014-07-21T02:00)"},
			{"day + 1h + 1d", "2014-07-20T15:00", "[2014-07-21T01:00, 2014-07-22T01:00)"},
			{"day + 1d + 1h", "2014-07-20T15:00", "[2014-07-21T01:00, 2014-07-22T01:00)"},
			{"month + 10d + 1mo", "2014-07-20", "[2014-08-11, 2014-09-11)"},
			{"day + 1d 5", "2014-07-20T15:00", "[2014-07-21T05:00, 2014-07-22T05:00)"},
		},
		"replacing large units moves the pin": {
			{"day @ 1d", "2014-07-20", "[2014-07-01, 2014-07-02)"},
			{"day @ 31d", "2014-06-20", "day 31 is out of range for 2014-06"},
			{"day @ 2mo", "2014-03-31", "day 31 is out of range for 2014-02"},
			{"day @ 1d 6h", "2014-07-20T15:00", "[2014-07-01T06:00, 2014-07-02T06:00)"},
			{"hour @ 0h", "2014-07-20T15:45", "[2014-07-20, 2014-07-20T01:00)"},
			{"hour @ 0h", "2014-07-20T23:59", "[2014-07-20, 2014-07-20T01:00)"},
			{"hour @ 5h", "2014-07-20T15:45", "[2014-07-20T05:00, 2014-07-20T06:00)"},
			{"hour @ 1d", "2014-07-20T15:45", "[2014-07-01T15:00, 2014-07-01T16:00)"},
			{"month @ 3mo", "2014-07-20", "[2014-03-01, 2014-04-01)"},
			{"month @ 2mo", "2014-03-31", "[2014-02-01, 2014-03-01)"},
			{"month @ 2013y", "2012-02-29", "[2013-02-01, 2013-03-01)"},
			{"year @ 2010y", "2012-02-29", "[2010-01-01, 2011-01-01)"},
			{"month @ 2014y 2mo 3d", "2012-05-31", "[2014-02-03, 2014-03-03)"},
		},
		"to ranges move both ends": {
			{"($timestamp to $timestamp + 1d) + 2h", "2014-07-20", "[2014-07-20T02:00, 2014-07-21T02:00)"},
			{"($timestamp to $timestamp + 1d) @ 5h", "2014-07-20T12:00", "[2014-07-20T05:00, 2014-07-21T05:00)"},
			{"$timestamp to $timestamp - 1d", "2014-07-20", "[2014-07-20, 2014-07-19)"},
			{"($timestamp to $timestamp + 1d) @ 31d", "2014-07-30", "[2014-07-31, 2014-07-31)"},
			{"($timestamp to $timestamp + 1d) @ 31d", "2014-07-31", "[2014-07-31, 2014-08-31)"},
			{"($timestamp to $timestamp + 1mo) @ 31d", "2014-05-01", "day 31 is out of range for 2014-06"},
		},
		"the calendar ends": {
			{"$timestamp", "0001-01-01", "0001-01-01"},
			{"$timestamp - 1us", "0001-01-01", "the result is outside the years 1 to 9999"},
			{"$timestamp + 1d - 1d", "9999-12-31", "the result is outside the years 1 to 9999"},
			{"$timestamp + 8000y", "2014-07-20", "the result is outside the years 1 to 9999"},
			{"$timestamp + 9998y 12mo", "0001-01-01", "the result is outside the years 1 to 9999"},
			{"$timestamp + 9998y 11mo", "0001-01-01", "9999-12-01"},
			{"$timestamp + 3652058d", "0001-01-01", "9999-12-31"},
			{"$timestamp - 315537897599999999us", "9999-12-31T23:59:59.999999", "0001-01-01"},
			{"$timestamp + 99999999d", "2014-07-20", "the duration is longer than the years 1 to 9999"},
			{"$timestamp + 99999999999999999999999999d", "2014-07-20", "the duration is longer"},
			{"$timestamp + 3652059d 3652059d", "2014-07-20", "the duration is longer"},
			{"$timestamp + 9999y 119988mo 3652059d 87649416h", "2014-07-20", "the result is outside"},
			{"year", "9999-06-01", "the result is outside the years 1 to 9999"},
			{"month", "9999-12-15", "the result is outside the years 1 to 9999"},
			{"day", "9999-12-31T05:00", "the result is outside the years 1 to 9999"},
			{"hour", "9999-12-31T23:05", "the result is outside the years 1 to 9999"},
			{"day - 1h", "9999-12-31T05:00", "[9999-12-30T23:00, 9999-12-31T23:00)"},
			{"year - 2mo", "0001-01-15", "the result is outside the years 1 to 9999"},
			{"month + 3652059d", "2014-07-20", "[2014-06-30, 2014-07-31)"},
			{"year - 9999y", "2014-07-20", "the result is outside the years 1 to 9999"},
			{"month + 3652059d - 3652059d + 14d", "2014-07-20", "[2014-07-15, 2014-08-15)"},
			{"month + 3652059d + 1d", "2014-07-20", "column 20 of"},
			{"(month + 3652059d) + 1d", "2014-07-20", "column 22 of"},
			{"month" + strings.Repeat(" + 3652059d", 300), "2014-07-20", "the duration is longer than the years 1 to 9999"},
			{"year + 119988mo - 119988mo", "2014-07-20", "[2014-01-01, 2015-01-01)"},
			{"year - 119988mo - 1mo", "2014-07-20", "the duration is longer than the years 1 to 9999"},
			{"year + 119988mo 3652059d", "9999-07-20", "[9999-01-01, 9999-12-31)"},
			{"day" + strings.Repeat(" + 87649416h", 300), "2014-07-20", "[2014-07-20, 2014-07-21)"},
			{"($timestamp to $timestamp) + 315537897600000000", "2014-07-20", "the result is outside"},
			{"($timestamp to $timestamp + 5d) + 315537897600000000", "2014-07-20", "the result is outside"},
		},
	}
	for group, cases := range groups {
		for _, c := range cases {
			got := evalString(c.expr, timex.Map{"timestamp": at(c.timestamp)})
			if got != c.want && !(strings.HasPrefix(got, "timex: ") && strings.Contains(got, c.want)) {
				t.Errorf("%s: %.80s at %s:\ngot  %s\nwant %s", group, c.expr, c.timestamp, got, c.want)
			}
		}
	}
}
