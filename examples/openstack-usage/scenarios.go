package main

import "time"

// What a verification can come to. The codes are in docs/usage.md.
const (
	verified = "verified"
	warning  = "warning"
)

// scenario is what can happen to an instance on a day, with the verdicts that it
// must lead to. They are written down here by what docs/usage.md says; nothing is
// asked of the handler that gives them.
type scenario struct {
	name   string
	weight int
	born   bool // of an instance that has not been there before
	play   func(d *day)
}

// day is an instance's.
type day struct {
	g     *generator
	i     *instance
	start time.Time
}

// scenarios are days on which everything goes well.
var scenarios = []scenario{
	{"quiet", 8, false, func(d *day) { d.wholeDay(); d.verdicts(verified) }},
	{"rebooted", 3, false, func(d *day) {
		at := d.at(6)
		d.send("reboot.start", at)
		d.send("reboot.end", at.Add(20*time.Second))
		d.wholeDay()
		d.verdicts(verified)
	}},
	{"created", 3, true, func(d *day) { d.create(8); d.wholeDay(); d.verdicts(verified) }},
	{"deleted", 2, false, func(d *day) { d.delete(20); d.wholeDay(); d.verdicts(verified) }},
	{"created and deleted", 1, true, func(d *day) { d.create(3); d.delete(22); d.wholeDay(); d.verdicts(verified) }},

	// An operation makes Nova send a record at its beginning. It is verified, and
	// warned of, since its period ends with it; and the record of the whole day
	// repeats the warning.
	{"resized", 3, false, func(d *day) { d.resize(12); d.wholeDay(); d.verdicts(verified, warning, verified, warning) }},
	{"rebuilt", 2, false, func(d *day) { d.rebuild(15); d.wholeDay(); d.verdicts(verified, warning, verified, warning) }},
	{"rescued", 1, false, func(d *day) { d.rescue(9); d.wholeDay(); d.verdicts(verified, warning, verified, warning) }},
	{"created, resized and deleted", 1, true, func(d *day) {
		d.create(2)
		d.resize(9)
		d.delete(18)
		d.wholeDay()
		d.verdicts(verified, warning, verified, warning)
	}},

	// It begins on this day and is finished on the next: the record of this day
	// knows of it already, but was not launched in its period.
	{"resized over midnight", 1, false, func(d *day) {
		at := d.start.Add(24*time.Hour - 2*time.Minute)
		d.record(at, period{d.start, at})
		d.send("resize.start", at.Add(time.Second))
		d.i.flavor++
		d.i.launched = d.start.Add(24*time.Hour + 3*time.Minute)
		d.wholeDay()
		d.verdicts(verified, warning, verified, warning)
		next := &day{d.g, d.i, d.start.AddDate(0, 0, 1)}
		next.send("finish_resize.end", d.i.launched)
		next.wholeDay()
		next.verdicts(verified)
		d.i.busy = next.start
	}},

	// The record overtakes what happened just before midnight, but by less than the
	// trigger's fire_delay.
	{"overtaken by its record", 1, false, func(d *day) {
		at := d.start.Add(24*time.Hour - 10*time.Minute)
		key, start := d.write("delete.start", at)
		d.i.deleted, d.i.state = at.Add(6*time.Second), "deleted"
		_, end := d.write("delete.end", at.Add(7*time.Second))
		d.g.deliver(at.Add(60*time.Minute), key, end)
		d.g.deliver(at.Add(61*time.Minute), key, start)
		d.wholeDay()
		d.verdicts(verified)
	}},

	// A host with instance_usage_audit_period = hour. No record is of a whole day, so
	// the stream expires; every record but the last is warned of, and each repeats the
	// warnings of those before it.
	{"hourly records", 1, false, func(d *day) {
		for h := range 24 {
			from := d.start.Add(time.Duration(h) * time.Hour)
			d.record(from.Add(time.Hour+time.Duration(h)*time.Second), period{from, from.Add(time.Hour)})
			d.verdicts(verified, warning)
		}
	}},
}

// at is a time of day, from an hour on, to the second.
func (d *day) at(hour int) time.Time {
	return d.start.Add(time.Duration(hour)*time.Hour + time.Duration(d.g.rng.IntN(3600))*time.Second)
}

// send sends a notification of the instance as it is.
func (d *day) send(eventType string, at time.Time) {
	key, body := d.write(eventType, at)
	d.g.send(at, key, body)
}

func (d *day) write(eventType string, at time.Time) (key string, body []byte) {
	return notification(*d.i, d.g.id(), eventType, at, period{})
}

// record sends an exists notification of the instance as it is, but for changes.
func (d *day) record(at time.Time, p period, change ...func(*instance)) {
	i := *d.i
	for _, c := range change {
		c(&i)
	}
	id := d.g.id()
	d.g.records[id] = d.key()
	key, body := notification(i, id, "exists", at, p)
	d.g.send(at, key, body)
}

// wholeDay sends the record of the day, some minutes after its end.
func (d *day) wholeDay(change ...func(*instance)) {
	end := d.start.AddDate(0, 0, 1)
	d.record(end.Add(5*time.Minute+time.Duration(d.g.rng.IntN(900_000))*time.Millisecond), period{d.start, end}, change...)
}

func (d *day) key() instanceDay { return instanceDay{d.i.id, d.start.Format(time.DateOnly)} }

// verdicts adds to what the day must get.
func (d *day) verdicts(v ...string) {
	d.g.traffic.verdicts[d.key()] = append(d.g.traffic.verdicts[d.key()], v...)
}

func (d *day) create(hour int) {
	d.i.created, d.i.state = d.at(hour), "building"
	d.send("create.start", d.i.created)
	d.i.launched, d.i.state = d.i.created.Add(42*time.Second), "active"
	d.send("create.end", d.i.launched)
}

func (d *day) delete(hour int) {
	at := d.at(hour)
	d.send("delete.start", at)
	d.send("shutdown.start", at.Add(time.Second))
	d.send("shutdown.end", at.Add(5*time.Second))
	d.i.deleted, d.i.state = at.Add(6*time.Second), "deleted"
	d.send("delete.end", at.Add(7*time.Second))
}

// resize, rebuild and rescue: the instance counts as launched again.

func (d *day) resize(hour int) {
	at := d.at(hour)
	d.record(at, period{d.start, at})
	d.send("resize.prep.start", at.Add(time.Second))
	d.send("resize.prep.end", at.Add(2*time.Second))
	d.send("resize.start", at.Add(3*time.Second))
	d.send("resize.end", at.Add(30*time.Second))
	d.send("finish_resize.start", at.Add(31*time.Second))
	d.i.flavor++
	d.i.launched = at.Add(60 * time.Second)
	d.send("finish_resize.end", at.Add(61*time.Second))
	d.send("resize.confirm.start", at.Add(600*time.Second))
	d.send("resize.confirm.end", at.Add(604*time.Second))
}

func (d *day) rebuild(hour int) {
	at := d.at(hour)
	d.record(at, period{d.start, at})
	d.i.image = image{"com.ubuntu", "24.04"}
	d.send("rebuild.start", at.Add(time.Second))
	d.i.launched = at.Add(90 * time.Second)
	d.send("rebuild.end", at.Add(91*time.Second))
}

func (d *day) rescue(hour int) {
	at := d.at(hour)
	d.record(at, period{d.start, at})
	d.send("rescue.start", at.Add(time.Second))
	d.i.launched, d.i.state = at.Add(20*time.Second), "rescued"
	d.send("rescue.end", at.Add(21*time.Second))
	d.send("unrescue.start", at.Add(3*time.Hour))
	d.i.state = "active"
	d.send("unrescue.end", at.Add(3*time.Hour+9*time.Second))
}
