package timex

import (
	"fmt"
	"strconv"
	"strings"
)

// duration is a sum of units, each counted apart because months and years
// have no fixed length and because a replacement sets each field by itself.
// A unit that was written is in set even when its amount is zero.
type duration struct {
	amount [numUnits]int64
	set    unitSet
}

// add counts n more of u. It reports false, leaving the sum as it was, when
// the sum exceeds the unit's limit.
func (d *duration) add(u unit, n int64) bool {
	if n < 0 || n > units[u].limit-d.amount[u] {
		return false
	}
	d.amount[u] += n
	d.set |= 1 << u
	return true
}

// resolve gives the bare number, which there must be, the unit u. It reports
// false when the sum exceeds the unit's limit.
func (d *duration) resolve(u unit) bool {
	n := d.amount[bare]
	d.amount[bare] = 0
	d.set &^= 1 << bare
	return d.add(u, n)
}

// String writes the units from the largest to the smallest and a bare number
// last, where it cannot be taken for the amount of a unit.
func (d *duration) String() string {
	var b strings.Builder
	for u := year; u < numUnits; u++ {
		if !d.set.has(u) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.FormatInt(d.amount[u], 10))
		b.WriteString(units[u].name)
	}
	return b.String()
}

// checkFields tells why the duration cannot be the fields of any time, or
// returns an empty text. Days are checked as far as month and year are given.
func (d *duration) checkFields() string {
	for u := year; u < bare; u++ {
		n, lim := d.amount[u], &units[u]
		if d.set.has(u) && (n < lim.low || n > lim.high) {
			return fmt.Sprintf("%s %d is out of range: must be %d to %d", lim.field, n, lim.low, lim.high)
		}
	}
	if d.set.has(day) && d.set.has(month) {
		y := int64(2000) // a leap year: without a year, 29 February may exist
		if d.set.has(year) {
			y = d.amount[year]
		}
		if d.amount[day] > daysIn(y, d.amount[month]) {
			return fmt.Sprintf("day %d is out of range for month %d", d.amount[day], d.amount[month])
		}
	}
	return ""
}

// shift is a duration reduced to what adding it takes: first the part of fixed
// length, then whole months.
type shift struct {
	micros, months int64
}

// shift returns the sum of those units that are in mask.
func (d *duration) shift(mask unitSet) shift {
	var s shift
	for u := day; u <= microsecond; u++ {
		if mask.has(u) {
			s.micros += d.amount[u] * units[u].micros
		}
	}
	if mask.has(month) {
		s.months += d.amount[month]
	}
	if mask.has(year) {
		s.months += 12 * d.amount[year]
	}
	return s
}

func (s shift) negated() shift { return shift{-s.micros, -s.months} }

func (s shift) plus(t shift) shift { return shift{s.micros + t.micros, s.months + t.months} }

// tooLong tells whether no two times of the years 1 to 9999 are that far apart.
func (s shift) tooLong() bool {
	return max(s.micros, -s.micros) > units[microsecond].limit || max(s.months, -s.months) > units[month].limit
}
