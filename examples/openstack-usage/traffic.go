package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"
)

// delivery is a message at the time at which the broker gets it.
type delivery struct {
	at   time.Time
	key  string
	body []byte
}

// instanceDay is what there is a bill for.
type instanceDay struct {
	instance string
	day      string // 2026-03-01
}

func (d instanceDay) String() string { return d.instance + " on " + d.day }

// traffic is what a cloud sends in some days, and what must come of it.
type traffic struct {
	deliveries []delivery // by time
	// verdicts are those that each instance-day must get. records has all records, by
	// message id: each of them must get one, and be of the instance-day that it names.
	verdicts map[instanceDay][]string
	records  map[string]instanceDay
	played   map[string]int // how many instance-days each scenario had
	dead     int            // messages that cannot become events
	foreign  int            // notifications that nobody asked for
	again    int            // messages that are sent twice
	late     int            // messages that come out of order
}

// plan says what traffic to make. The same plan makes the same days; run only
// goes into the ids, so that a database can see several runs.
type plan struct {
	seed            uint64
	run             string
	days, instances int
}

// generator makes the traffic of a plan.
type generator struct {
	plan
	traffic
	rng   *rand.Rand
	begin time.Time
	ids   int
	must  []scenario // those that have not been played yet
	alive []*instance
	slots int // instance-days that are left
}

// generate plays the days of a plan.
func generate(p plan) (*traffic, error) {
	g := &generator{
		plan: p, rng: rand.New(rand.NewPCG(p.seed, 0)), begin: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), must: slices.Concat(scenarios, faults),
		traffic: traffic{verdicts: map[instanceDay][]string{}, records: map[string]instanceDay{}, played: map[string]int{}},
	}
	if least := len(g.must); p.days < 1 || p.days*p.instances < 2*least {
		return nil, fmt.Errorf("%d instances on %d days are too few for all that can happen: at least %d instances are needed", p.instances, p.days, (2*least+max(p.days, 1)-1)/max(p.days, 1))
	}
	for range p.instances {
		g.alive = append(g.alive, g.launchedBefore(g.begin))
	}
	g.slots = p.days * p.instances
	for n := range p.days {
		g.day(g.begin.AddDate(0, 0, n))
	}
	if len(g.must) > 0 {
		return nil, fmt.Errorf("the days are over, and %q has not been played", g.must[0].name)
	}
	g.noise()
	slices.SortStableFunc(g.deliveries, func(a, b delivery) int { return a.at.Compare(b.at) })
	return &g.traffic, nil
}

// day lets every instance have a day of some kind, and replaces those that are gone.
func (g *generator) day(start time.Time) {
	for slot, i := range g.alive {
		if i.busy.Equal(start) {
			continue
		}
		s := g.choose()
		if s.born {
			i = g.fresh()
		}
		g.played[s.name]++
		s.play(&day{g: g, i: i, start: start})
		if i.state == "deleted" {
			i = g.launchedBefore(start.AddDate(0, 0, 1))
		}
		g.alive[slot] = i
	}
}

// choose takes what has to be played, with ordinary days in between as long as
// there are enough left.
func (g *generator) choose() scenario {
	g.slots--
	if len(g.must) > 0 && (g.slots < 2*len(g.must) || g.rng.IntN(3) > 0) {
		s := g.must[0]
		g.must = g.must[1:]
		return s
	}
	from := scenarios
	if g.rng.IntN(8) == 0 {
		from = faults
	}
	total := 0
	for _, s := range from {
		total += s.weight
	}
	n := g.rng.IntN(total)
	for _, s := range from {
		if n -= s.weight; n < 0 {
			return s
		}
	}
	panic("not reached")
}

func (g *generator) fresh() *instance {
	id := g.id()
	return &instance{
		id: id, name: "vm-" + id[:6], tenant: fmt.Sprintf("%032x", 0xacce55+g.rng.IntN(5)), host: fmt.Sprintf("cmp-%02d", g.rng.IntN(20)),
		flavor: 1 + g.rng.IntN(4), image: image{"org.debian", "13"}, versioned: g.rng.IntN(2) == 0, envelope: g.rng.IntN(2) == 0,
	}
}

func (g *generator) launchedBefore(t time.Time) *instance {
	i := g.fresh()
	i.created = t.Add(-time.Duration(1+g.rng.IntN(90*24)) * time.Hour)
	i.launched, i.state = i.created.Add(42*time.Second), "active"
	return i
}

// id is a message id, or an instance's.
func (g *generator) id() string {
	g.ids++
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%s/%d/%d", g.run, g.seed, g.ids)).String()
}

// send delivers a notification: mostly at once, sometimes late, so that others
// overtake it, and sometimes twice.
func (g *generator) send(happened time.Time, key string, body []byte) {
	at := happened
	if g.rng.IntN(6) == 0 {
		at = at.Add(time.Duration(g.rng.IntN(25*60)) * time.Second) // the trigger's fire_delay is for these
		g.late++
	}
	g.deliver(at, key, body)
	if g.rng.IntN(12) == 0 {
		g.deliver(at.Add(time.Duration(g.rng.IntN(8*3600))*time.Second), key, body)
		g.again++
	}
}

func (g *generator) deliver(at time.Time, key string, body []byte) {
	g.deliveries = append(g.deliveries, delivery{at, key, body})
}

// noise adds what else is on the exchange: heartbeats, for three days more, so that
// all streams expire whose record never comes; notifications of other services;
// and rubbish.
func (g *generator) noise() {
	end := g.begin.AddDate(0, 0, g.days+3)
	for at := g.begin; at.Before(end); at = at.Add(time.Hour) {
		key, body := heartbeat(g.id(), at)
		g.deliver(at, key, body)
	}
	for n := range g.days * 3 {
		at := g.begin.Add(time.Duration(n) * 8 * time.Hour)
		g.deliver(at, "notifications.info", encode(fields{
			"message_id": g.id(), "event_type": "port.update.end", "publisher_id": "network.ctl-1", "priority": "INFO",
			"timestamp": at.Format("2006-01-02 15:04:05.000000"), "payload": fields{},
		}))
		g.foreign++
	}
	broken := instance{id: g.id(), state: "active", created: g.begin, launched: g.begin}
	_, whole := notification(broken, g.id(), "update", g.begin, period{})
	for n, body := range [][]byte{
		whole[:len(whole)/2],
		[]byte(`{"event_type": "compute.instance.exists", "payload": {}}`),
		[]byte(`{"message_id": "` + g.id() + `", "event_type": "compute.instance.exists", "timestamp": "2026-03-01 00:00:00", "payload": {"launched_at": "yesterday"}}`),
		[]byte(`"hello"`),
	} {
		g.deliver(g.begin.Add(time.Duration(5+n)*time.Hour), "notifications.info", body)
		g.dead++
	}
}

// expected counts the verdicts by kind.
func (t *traffic) expected() map[string]int {
	out := map[string]int{}
	for _, verdicts := range t.verdicts {
		for _, v := range verdicts {
			out[v]++
		}
	}
	return out
}

// sortedDays are those that must get a verdict.
func (t *traffic) sortedDays() []instanceDay {
	out := make([]instanceDay, 0, len(t.verdicts))
	for d := range t.verdicts {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b instanceDay) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.instance, b.instance))
	})
	return out
}
