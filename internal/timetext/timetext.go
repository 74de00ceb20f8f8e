// Package timetext writes and reads times as text of fixed width, which sorts
// as the times do and which people can read:
//
//	2006-01-02T15:04:05.000000Z
//
// By hand, because every event that is read has several of them; package time
// is several times slower.
package timetext

import (
	"fmt"
	"time"
)

// Len is the width of the text.
const Len = len("2006-01-02T15:04:05.000000Z")

// The earliest and latest times that the text has room for. Stored times lie
// within; the bounds of a query may not, and must still compare right.
const (
	firstTimeText = "0001-01-01T00:00:00.000000Z"
	lastTimeText  = "9999-12-31T23:59:59.999999Z"
)

// Format writes t, which must not be zero, as text.
func Format(t time.Time) string {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 1 {
		return firstTimeText
	}
	if year > 9999 {
		return lastTimeText
	}
	hour, minute, second := t.Clock()
	var b [Len]byte
	put2(b[0:], year/100)
	put2(b[2:], year%100)
	b[4] = '-'
	put2(b[5:], int(month))
	b[7] = '-'
	put2(b[8:], day)
	b[10] = 'T'
	put2(b[11:], hour)
	b[13] = ':'
	put2(b[14:], minute)
	b[16] = ':'
	put2(b[17:], second)
	b[19] = '.'
	micro := t.Nanosecond() / 1000
	put2(b[20:], micro/10000)
	put2(b[22:], micro/100%100)
	put2(b[24:], micro%100)
	b[26] = 'Z'
	return string(b[:])
}

func put2(b []byte, n int) { b[0], b[1] = byte('0'+n/10), byte('0'+n%10) }

// Parse reads what Format wrote.
func Parse(s string) (time.Time, error) {
	if len(s) != Len || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[19] != '.' || s[26] != 'Z' {
		return time.Time{}, fmt.Errorf("%q is not a stored time", s)
	}
	ok := true
	two := func(i int) int {
		hi, lo := s[i]-'0', s[i+1]-'0'
		ok = ok && hi <= 9 && lo <= 9
		return int(hi)*10 + int(lo)
	}
	year, month, day := two(0)*100+two(2), two(5), two(8)
	hour, minute, second := two(11), two(14), two(17)
	t := time.Date(year, time.Month(month), day, hour, minute, second, (two(20)*10000+two(22)*100+two(24))*1000, time.UTC)
	ok = ok && year >= 1 && month >= 1 && month <= 12 && day >= 1 && hour <= 23 && minute <= 59 && second <= 59
	if !ok || day > 28 && t.Day() != day { // package time would have gone on counting
		return time.Time{}, fmt.Errorf("%q is not a stored time", s)
	}
	return t, nil
}
