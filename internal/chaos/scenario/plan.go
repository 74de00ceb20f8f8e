// Package scenario says what happens in a chaos run: which events there are, who
// delivers them, and what must become of them. It is a function of the plan
// alone and knows nothing of the engine, so that the checker can work out from
// the input what the engine must have done.
package scenario

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Plan is all that the input of a run follows from.
type Plan struct {
	Seed    uint64
	Start   time.Time // when the first event happens
	Rate    float64   // events that happen in a second
	Events  int       // how many there are
	Feeders int       // who deliver them
}

// Window is how many events a feeder delivers at once, in any order.
const Window = 40

// Windows is how many windows the plan's events make.
func (p Plan) Windows() int { return (p.Events + Window - 1) / Window }

// Due is when event i happens, but for the inexact clock of whoever saw it.
func (p Plan) Due(i int) time.Time {
	return p.Start.Add(time.Duration(float64(i) / p.Rate * float64(time.Second)))
}

// Event is something that happened. The values of its traits are string, int64,
// float64 or bool.
type Event struct {
	ID     string
	Type   string
	Time   time.Time
	Traits map[string]any
}

const idPrefix = "event-"

// Event returns event i.
func (p Plan) Event(i int) Event {
	r := p.random(i, itself)
	inexact := time.Duration(r.Int64N(int64(200 * time.Millisecond)))
	e := Event{
		ID:     idPrefix + strconv.Itoa(i),
		Time:   p.Due(i).Add(-inexact).UTC().Truncate(time.Microsecond),
		Traits: map[string]any{"n": int64(i), "region": fmt.Sprintf("region %d", r.IntN(3))},
	}
	switch kind := r.IntN(10); {
	case kind < 4: // parts of hot cells, which all feeders share, and of cells that come and go
		e.Type = [...]string{"part.left", "part.right"}[r.IntN(2)]
		e.Traits["cell"] = fmt.Sprintf("hot %d", r.IntN(4))
		if r.IntN(10) < 7 {
			e.Traits["cell"] = fmt.Sprintf("cell %d.%d", i/200, r.IntN(12))
		}
	case kind < 8: // orders, of which some are never placed, some never closed, some twice
		e.Type = [...]string{"order.placed", "order.item", "order.item", "order.closed"}[r.IntN(4)]
		order := i/64*6 + r.IntN(6)
		e.Traits["order"], e.Traits["tenant"] = fmt.Sprintf("order %d", order), int64(order%23)
	default:
		e.Type = "sample"
		e.Traits["host"], e.Traits["load"], e.Traits["spare"] = fmt.Sprintf("host %d", r.IntN(8)), r.Float64(), r.IntN(2) == 0
	}
	return e
}

// Index returns which event of the plan has this id.
func (p Plan) Index(id string) (i int, ok bool) {
	digits, ok := strings.CutPrefix(id, idPrefix)
	i, err := strconv.Atoi(digits)
	return i, ok && err == nil && i >= 0 && i < p.Events && digits == strconv.Itoa(i)
}

// Delivers tells whether a feeder delivers event i: one to three of them do.
func (p Plan) Delivers(feeder, i int) bool {
	r := p.random(i, itsDelivery)
	first, copies := r.IntN(p.Feeders), 1+r.IntN(3)
	return (feeder-first+p.Feeders)%p.Feeders < copies
}

// What is random about an event: one does not follow from the other.
const (
	itself = iota
	itsDelivery
)

func (p Plan) random(i int, what uint64) *rand.Rand {
	return rand.New(rand.NewPCG(p.Seed+what<<32, uint64(i)))
}
