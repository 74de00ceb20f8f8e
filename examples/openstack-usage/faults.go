package main

import "time"

// faults are days on which something is wrong with what Nova sent, or gets lost
// on the way: each must lead to its verdict, and to no other. What is lost is
// simply not sent.
var faults = []scenario{
	{"U0: the record is lost", 1, false, func(d *day) {
		d.send("power_off.end", d.at(4))
		d.send("power_on.end", d.at(14))
		d.verdicts("U0")
	}},
	{"U0: the record of the whole day is lost", 1, false, func(d *day) {
		d.rebuild(10)
		d.verdicts(verified, warning, "U0")
	}},
	{"U0: an event comes after the stream has fired", 1, false, func(d *day) {
		at := d.at(22)
		d.wholeDay()
		key, body := d.write("reboot.end", at)
		d.g.deliver(at.Add(7*time.Hour), key, body)
		d.verdicts(verified, "U0")
	}},
	{"U1: active, and never launched", 1, false, func(d *day) {
		d.wholeDay(func(i *instance) { i.launched = time.Time{} })
		d.verdicts("U1")
	}},
	{"U2: resized, and billed by the flavor before", 1, false, func(d *day) {
		before := d.i.flavor
		d.resize(13)
		d.wholeDay(func(i *instance) { i.flavor = before })
		d.verdicts(verified, warning, "U2", warning)
	}},
	{"U2: rebuilt for another tenant", 1, false, func(d *day) {
		d.rebuild(7)
		d.wholeDay(func(i *instance) { i.tenant = "c0ffee" })
		d.verdicts(verified, warning, "U2", warning)
	}},
	{"U2: deleted at another time", 1, false, func(d *day) {
		d.delete(16)
		d.wholeDay(func(i *instance) { i.deleted = i.deleted.Add(time.Hour) })
		d.verdicts("U2")
	}},
	{"U3: deleted, and still active", 1, false, func(d *day) {
		at := d.at(11)
		d.wholeDay(func(i *instance) { i.deleted = at })
		d.verdicts("U3")
	}},
	{"U4: deleted before it was launched", 1, false, func(d *day) {
		d.wholeDay(func(i *instance) { i.deleted, i.state = i.launched.Add(-time.Hour), "deleted" })
		d.verdicts("U4")
	}},
	{"U5: the deletion is lost", 1, false, func(d *day) {
		d.send("delete.start", d.at(17))
		d.i.deleted, d.i.state = d.at(18), "deleted"
		d.wholeDay()
		d.verdicts("U5")
	}},
	{"U6: deleted, and the record does not know", 1, false, func(d *day) {
		d.delete(19)
		d.wholeDay(func(i *instance) { i.deleted, i.state = time.Time{}, "active" })
		d.verdicts("U6")
	}},
	{"U7: deleted twice", 1, false, func(d *day) {
		d.delete(9)
		d.send("delete.end", d.i.deleted.Add(time.Minute))
		d.wholeDay()
		d.verdicts("U7")
	}},
	{"U8: the creation is lost", 1, true, func(d *day) {
		d.i.created, d.i.state = d.at(10), "active"
		d.i.launched = d.i.created.Add(42 * time.Second)
		d.wholeDay()
		d.verdicts("U8")
	}},
	{"warning: a record in mid-period, for no reason", 1, false, func(d *day) {
		at := d.at(12)
		d.record(at, period{d.start, at})
		d.verdicts(verified, warning)
		d.wholeDay()
		d.verdicts(verified, warning)
	}},
}
