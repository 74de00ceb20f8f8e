package winchester

import "sync"

// maxCachedTypes bounds the memory that event types of strangers can take.
const maxCachedTypes = 4096

// triggerSet is the triggers in use at one moment, with an index by event type
// so that an event costs what the triggers cost that may match it, however
// many others there are. It does not change; the index fills as types are seen.
type triggerSet struct {
	list   []*trigger
	byName map[string]*trigger

	mu         sync.RWMutex
	candidates map[string][]*trigger
}

func newTriggerSet(list []*trigger) *triggerSet {
	s := &triggerSet{list: list, byName: make(map[string]*trigger, len(list)), candidates: map[string][]*trigger{}}
	for _, t := range list {
		s.byName[t.def.Name] = t
	}
	return s
}

// forType returns the triggers that an event of this type can match, in their
// order. A trigger that counts its checks is among them always, or its counts
// would be wrong.
func (s *triggerSet) forType(eventType string) []*trigger {
	s.mu.RLock()
	found, ok := s.candidates[eventType]
	s.mu.RUnlock()
	if ok {
		return found
	}
	for _, t := range s.list {
		if t.debug != nil || t.mayMatchType(eventType) {
			found = append(found, t)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.candidates) >= maxCachedTypes {
		clear(s.candidates)
	}
	s.candidates[eventType] = found
	return found
}

func (t *trigger) mayMatchType(eventType string) bool {
	for i := range t.match {
		if t.match[i].types.Match(eventType) {
			return true
		}
	}
	return false
}

// countChecks goes through the checks of an event that was stored once more,
// for the triggers that count them. Not while matching: a duplicate is only
// known for one inside the transaction, and a transaction may be run twice.
func (s *triggerSet) countChecks(e *Event, joined []Joined) {
	for _, t := range s.forType(e.EventType) {
		if t.debug == nil {
			continue
		}
		if _, ok := t.matches(e, t.debug.matchGroup()); !ok {
			continue
		}
		for i := range joined {
			if j := &joined[i]; j.Trigger == t.def.Name && (j.Ready || j.FireAt.IsZero()) {
				t.countFireChecks(e, j.Ready)
			}
		}
	}
}

// countFireChecks counts what the event did for the fire criteria.
func (t *trigger) countFireChecks(e *Event, ready bool) {
	stored, g := e.stored(), t.debug.fireGroup()
	for i := range t.fire {
		t.fire[i].match(&stored, g)
	}
	if ready {
		g.matched()
	} else {
		g.mismatch("Not enough matching criteria")
	}
}
