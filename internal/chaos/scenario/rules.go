package scenario

import (
	"strings"
	"time"
)

// Rule is in plain Go what a trigger definition of the run asks of the engine.
type Rule struct {
	Name    string
	Matches func(Event) bool
	Key     []string // the traits that tell streams apart
	Fires   []Need   // all of them
	// AfterFirst is how long after its earliest event a stream expires; 0 if that
	// follows from the clock.
	AfterFirst       time.Duration
	OnFire, OnExpire Pipeline
}

// Need is a number of events that satisfy a condition.
type Need struct {
	Number int
	Of     func(Event) bool
}

// Pipeline is what is done with a stream.
type Pipeline string

// The pipelines.
const (
	Nothing Pipeline = ""       // it completes, and that is all
	Book    Pipeline = "book"   // it is booked in the ledger, and outside
	Report  Pipeline = "report" // the same, and it makes an event of type ReportType
)

// ReportType is the type of the events that pipelines make: one a stream, with
// the traits that the rule "summary" and the checker go by.
const ReportType = "report"

// DoomedTenant is the one whose orders no pipeline can deal with.
const DoomedTenant = 13

// Doomed tells whether a stream must end in error.
func Doomed(rule string, traits map[string]any) bool {
	return rule == "order" && traits["tenant"] == int64(DoomedTenant)
}

// Rules are those of every run.
var Rules = []Rule{{
	Name: "assembly", Matches: ofKind("part."), Key: []string{"cell"},
	Fires:  []Need{{Number: 5, Of: ofKind("part.")}},
	OnFire: Report, OnExpire: Book,
}, {
	Name: "order", Matches: ofKind("order."), Key: []string{"order", "tenant"},
	Fires:      []Need{{Number: 1, Of: ofKind("order.placed")}, {Number: 1, Of: ofKind("order.closed")}},
	AfterFirst: 4 * time.Second,
	OnFire:     Report, OnExpire: Report,
}, {
	Name: "alarm", Matches: loadAbove(0.5), Key: []string{"host"},
	Fires:  []Need{{Number: 3, Of: loadAbove(0.8)}},
	OnFire: Book, OnExpire: Nothing,
}, {
	Name: "digest", Matches: func(e Event) bool { return e.Type != ReportType }, Key: []string{"region"},
	Fires:  []Need{{Number: 40, Of: func(Event) bool { return true }}},
	OnFire: Book, OnExpire: Book,
}, {
	Name: "summary", Matches: ofKind(ReportType), Key: []string{"of", "shard"},
	Fires:  []Need{{Number: 4, Of: ofKind(ReportType)}},
	OnFire: Book, OnExpire: Book,
}}

// RuleOf returns the rule of that name, nil if there is none.
func RuleOf(name string) *Rule {
	for i := range Rules {
		if Rules[i].Name == name {
			return &Rules[i]
		}
	}
	return nil
}

// Met tells whether a stream of these events fires.
func (r *Rule) Met(events []Event) bool {
	for _, need := range r.Fires {
		n := 0
		for _, e := range events {
			if need.Of(e) {
				n++
			}
		}
		if n < need.Number {
			return false
		}
	}
	return true
}

// KeyOf returns the traits of the stream that an event belongs to.
func (r *Rule) KeyOf(e Event) map[string]any {
	traits := make(map[string]any, len(r.Key))
	for _, name := range r.Key {
		traits[name] = e.Traits[name]
	}
	return traits
}

func ofKind(prefix string) func(Event) bool {
	return func(e Event) bool { return strings.HasPrefix(e.Type, prefix) }
}

func loadAbove(limit float64) func(Event) bool {
	return func(e Event) bool {
		load, ok := e.Traits["load"].(float64)
		return ok && load > limit
	}
}
