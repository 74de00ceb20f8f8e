package timex

// The range of a function is one cell of the calendar: the hour, day, month or
// year that contains the pin, which is the function's argument. The steps
// after it fall into two parts:
//
//   - units of the function's size or larger move the pin, so that
//     "day($t) + 1d" is "day($t + 1d)";
//   - smaller units move the boundaries between all cells, of which the two
//     around the pin are the result: "month + 3d" runs from the 4th of a month
//     to the 4th of the next.
//
// The boundaries of one expression cut time into ranges without gaps or
// overlaps, so all times that lie in one range evaluate to that same range. A
// range that distinguishes streams depends on it.

// pinnedRange returns the range of the function and the steps after it.
func (prog *program) pinnedRange(pin instant) (begin, end instant, err error) {
	if pin, err = prog.movePin(pin); err != nil {
		return 0, 0, err
	}
	cell := prog.unit.cell(pin)
	begin = prog.boundary(cell)
	if len(prog.steps) > 0 {
		// The boundaries may have moved by any number of cells. This number
		// is the same for all of them, give or take one or two where months
		// or years differ in length.
		cell += cell - prog.unit.cell(begin)
		begin = prog.boundary(cell)
	}
	for begin > pin {
		cell--
		begin = prog.boundary(cell)
	}
	end = prog.boundary(cell + 1)
	for end <= pin {
		cell++
		begin, end = end, prog.boundary(cell+1)
	}
	if !begin.inRange() || !end.inRange() {
		return 0, 0, prog.outOfRange(beyondCalendar)
	}
	return begin, end, nil
}

// movePin takes the part of the steps that moves the pin.
func (prog *program) movePin(pin instant) (instant, error) {
	pinUnits := atLeast(prog.unit)
	for i := range prog.steps {
		s := &prog.steps[i]
		if s.dur.set&pinUnits == 0 {
			continue
		}
		if s.op == opReplace {
			// The month of a pin at the 31st may become February: for a month
			// or a year the pin's own day does not matter.
			clamp := prog.unit <= month
			var msg string
			if pin, msg = pin.replace(&s.dur, pinUnits, clamp); msg != "" {
				return 0, prog.outOfRange(msg)
			}
			continue
		}
		if pin = pin.add(s.move); !pin.inRange() {
			return 0, prog.outOfRange(beyondCalendar)
		}
	}
	return pin, nil
}

// boundary returns where the range of a cell begins: the begin of the cell,
// moved by the other part of the steps. It grows with the cell.
func (prog *program) boundary(cell int64) instant {
	i := prog.unit.cellBegin(cell)
	for n := range prog.steps {
		s := &prog.steps[n]
		if s.op == opReplace {
			i = prog.replaceBoundary(i, s, cell)
		} else {
			i = i.add(s.wrap)
		}
	}
	return i
}

// replaceBoundary sets the fields below the function's unit. A day that a
// month lacks becomes its last, so that "month @ 31d" runs from one month's end
// to the next.
//
// Where the day of a month, or the month of a year, is set, the boundary goes
// back to its own cell. Else two boundaries could meet: 30 days after the 1st
// of February and of March both lie in March, and both would get its day.
func (prog *program) replaceBoundary(i instant, s *step, cell int64) instant {
	mask := ^atLeast(prog.unit)
	if s.dur.set&mask == 0 {
		return i
	}
	if prog.unit > month || !s.dur.set.has(prog.unit+1) {
		i, _ = i.replace(&s.dur, mask, true)
		return i
	}
	d := s.dur
	if prog.unit == month {
		d.amount[month] = floorMod(cell, 12) + 1
		cell = floorDiv(cell, 12)
	}
	d.amount[year] = cell
	d.set |= atLeast(prog.unit)
	i, _ = i.replace(&d, d.set, true)
	return i
}

// cell numbers the hours, days, months or years.
func (u unit) cell(i instant) int64 {
	switch u {
	case month:
		y, m, _ := i.date()
		return 12*y + m - 1
	case year:
		y, _, _ := i.date()
		return y
	default:
		return floorDiv(int64(i), units[u].micros)
	}
}

// cellBegin is where a cell begins.
func (u unit) cellBegin(cell int64) instant {
	switch u {
	case month:
		return dateInstant(floorDiv(cell, 12), floorMod(cell, 12)+1, 1)
	case year:
		return dateInstant(cell, 1, 1)
	default:
		return instant(cell * units[u].micros)
	}
}
