// Package check looks at what a chaos run has left in the database and finds
// everything that must not be. It uses nothing of the engine: what must be it
// works out from the scenario, and what is it reads by SQL of its own.
package check

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed71495667/winchester/internal/chaos/scenario"
)

// Querier is a database, or a transaction.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Violation is something that must not be.
type Violation struct {
	Kind Kind
	Text string // what, in full
}

// String is how a violation is printed.
func (v Violation) String() string { return string(v.Kind) + ": " + v.Text }

// Kind names the promise that was broken.
type Kind string

// The promises.
const (
	Acknowledged Kind = "acknowledged" // what a feeder was told is true
	Stored       Kind = "stored"       // every event is stored once, as it was handed in
	Filed        Kind = "filed"        // it is in one stream of each rule that it matches, and in no other
	OneOpen      Kind = "one open"     // no two streams of a key are open
	Counted      Kind = "counted"      // times and fire decision of a stream follow from its events
	Ended        Kind = "ended"        // every stream has ended, in error only if it is doomed
	Booked       Kind = "booked"       // each completed stream is in the ledger once, with its events
	Told         Kind = "told"         // and outside at least once, always under its own key
	Made         Kind = "made"         // and each pipeline that makes an event has made one
)

// Summary counts what was checked.
type Summary struct {
	Events, Made, Memberships int
	Deliveries, Duplicates    int
	Streams                   map[string]map[string]int // by rule and state
	Bookings, Effects         int
	Attempts                  int // of the streams that are booked
}

// Check compares what is in the database with what must be there once the events
// of the plan have been delivered and all streams have ended. The histories are
// those of the feeders.
func Check(ctx context.Context, db Querier, plan scenario.Plan, histories []scenario.History) (Summary, []Violation, error) {
	c := &checker{plan: plan, summary: Summary{Streams: map[string]map[string]int{}}}
	if err := c.load(ctx, db); err != nil {
		return c.summary, nil, fmt.Errorf("check: %w", err)
	}
	c.checkEvents()
	c.checkHistories(histories)
	c.checkFiled()
	for _, s := range c.inOrder {
		c.checkStream(s)
		c.checkEnd(s)
		c.checkEffects(s)
	}
	c.checkKeys()
	c.checkStrays()
	return c.summary, c.violations, nil
}

type checker struct {
	plan       scenario.Plan
	summary    Summary
	violations []Violation

	events  map[int64]*event
	byID    map[string]*event
	streams map[int64]*stream
	inOrder []*stream // by id

	bookings map[int64][]booking
	effects  map[int64]map[string]int // how often, by stream and idempotency key
	made     map[int64][]*event       // see reports
}

// event is a stored one.
type event struct {
	scenario.Event
	id      int64
	input   bool // it is one of the plan's, and not of a pipeline
	streams []*stream
}

// stream is a stored one.
type stream struct {
	id                         int64
	name, key                  string
	open                       *string
	traits                     map[string]any
	state, serial              int
	first, last, fire, expires time.Time // zero for NULL
	due                        bool
	owner, lastError           string
	members                    []*event // in the order a pipeline gets them
}

type booking struct {
	pass, key string
	claimed   time.Time
	attempt   int
	members   []string
}

// String is the booking in a line.
func (b booking) String() string {
	return fmt.Sprintf("in pass %q, claimed at %s, attempt %d, under %s, with %v", b.pass, clock(b.claimed), b.attempt, b.key, b.members)
}

var stateNames = [...]string{1: "active", "firing", "expiring", "error", "expire_error", "completed", "retry_fire", "retry_expire"}

// The states that matter here.
const (
	inError     = 4
	expireError = 5
	completed   = 6
)

func (s *stream) stateName() string {
	if s.state > 0 && s.state < len(stateNames) {
		return stateNames[s.state]
	}
	return fmt.Sprintf("state %d", s.state)
}

func (s *stream) facts() []scenario.Event {
	facts := make([]scenario.Event, len(s.members))
	for i, e := range s.members {
		facts[i] = e.Event
	}
	return facts
}

func (s *stream) memberIDs() []string {
	ids := make([]string, len(s.members))
	for i, e := range s.members {
		ids[i] = e.ID
	}
	return ids
}

// String is the stream with all that is known of it.
func (s *stream) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stream %d of %q, %v, key %s, %s, serial number %d", s.id, s.name, s.traits, s.key, s.stateName(), s.serial)
	if s.open != nil {
		fmt.Fprintf(&b, ", open as %s", *s.open)
	}
	if s.owner != "" {
		fmt.Fprintf(&b, ", owned by %s", s.owner)
	}
	fmt.Fprintf(&b, "\n    first %s, last %s, fires %s, expires %s", clock(s.first), clock(s.last), clock(s.fire), clock(s.expires))
	if s.lastError != "" {
		fmt.Fprintf(&b, "\n    last error: %q", s.lastError)
	}
	for _, e := range s.members {
		fmt.Fprintf(&b, "\n    %s", e)
	}
	return b.String()
}

// String is the event in a line.
func (e *event) String() string {
	return fmt.Sprintf("event %d %q of type %s at %s %v", e.id, e.ID, e.Type, clock(e.Time), e.Traits)
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format("15:04:05.000000")
}

func (c *checker) violate(kind Kind, format string, args ...any) {
	c.violations = append(c.violations, Violation{kind, fmt.Sprintf(format, args...)})
}

// checkKeys: a stream's key stands for its rule and traits, and no two streams
// of a key are open.
func (c *checker) checkKeys() {
	meanings, keys, open := map[string]string{}, map[string]string{}, map[string]*stream{}
	for _, s := range c.inOrder {
		meaning := fmt.Sprintf("%q %v", s.name, s.traits)
		if before, ok := meanings[s.key]; ok && before != meaning {
			c.violate(Filed, "the key %s stands for %s and for %s", s.key, before, meaning)
		}
		if before, ok := keys[meaning]; ok && before != s.key {
			c.violate(Filed, "%s has the keys %s and %s", meaning, before, s.key)
		}
		meanings[s.key], keys[meaning] = meaning, s.key
		if s.open == nil {
			continue
		}
		if before := open[s.key]; before != nil {
			c.violate(OneOpen, "two open streams of a key: %s\n  and %s", before, s)
		}
		open[s.key] = s
		if *s.open != s.key {
			c.violate(OneOpen, "open under a key that is not its own: %s", s)
		}
	}
}

// sortedKeys are the keys of a map, in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
