package winchester

import "time"

// EventExplanation is what Engine.ExplainEvent has found out. String writes it
// for people. Times are UTC.
type EventExplanation struct {
	Now   time.Time `json:"now"` // by the engine's clock
	Event Event     `json:"event"`
	// Took are the streams that have the event, oldest first.
	Took []Took `json:"took"`
	// MoreStreams tells that there are more than MaxExplainedStreams.
	MoreStreams bool `json:"more_streams,omitempty"`
	// Others are the triggers that none of these streams is of, in their order.
	Others []NotTaken `json:"others"`
	// CompletedDeleted tells that this engine deletes streams that have completed,
	// so that those which the event was in may be gone.
	CompletedDeleted bool `json:"completed_deleted,omitempty"`
}

// Took is a stream that has the event.
type Took struct {
	StreamID             int64  `json:"stream_id"`
	Trigger              string `json:"trigger"`
	State                string `json:"state"`
	DistinguishingTraits Traits `json:"distinguishing_traits,omitempty"`
	// UnknownTrigger tells that this engine has no trigger of that name.
	UnknownTrigger bool `json:"unknown_trigger,omitempty"`
	// MatchedBy is the match criterion that takes the event, by the present
	// definition; nil if the trigger would not take it now, for which there are the
	// Checks it fails.
	MatchedBy *CriterionRef `json:"matched_by,omitempty"`
	Checks    []Mismatch    `json:"checks,omitempty"`
	// Elsewhere are the distinguishing traits of the stream that the event would
	// go to now, if that is another one.
	Elsewhere Traits `json:"elsewhere,omitempty"`
}

// NotTaken is a trigger that no stream with the event is of.
type NotTaken struct {
	Trigger string `json:"trigger"`
	// MatchedBy is the match criterion that would take the event now; nil if it
	// would not be taken. If it would, the stream was deleted, as those that complete
	// most often are, or the trigger was not there when the event came, or was another.
	MatchedBy *CriterionRef `json:"matched_by,omitempty"`
	// Reason is why the trigger does not take the event, in the original's
	// words: "not 'customer'", "No matching criteria".
	Reason string `json:"reason,omitempty"`
	// Checks are the first check that the event fails of each match criterion,
	// in their order, or the one that keeps it from all of them.
	Checks []Mismatch `json:"checks,omitempty"`
}

func explainEvent(e Event, streams []Stream, set *triggerSet, w workplace) EventExplanation {
	out := EventExplanation{Now: w.now, Event: e, Took: []Took{}, Others: []NotTaken{}, CompletedDeleted: !w.keepCompleted}
	took := map[string]bool{}
	for i := range streams {
		s := &streams[i]
		took[s.Name] = true
		one := Took{StreamID: s.ID, Trigger: s.Name, State: s.State.String(), DistinguishingTraits: s.DistinguishingTraits}
		if t := set.byName[s.Name]; t != nil {
			v := t.judge(&e)
			one.MatchedBy, one.Checks = v.by, v.checks
			if v.by != nil && v.key != s.Key {
				one.Elsewhere = v.traits
			}
		} else {
			one.UnknownTrigger = true
		}
		out.Took = append(out.Took, one)
	}
	for _, t := range set.list {
		if !took[t.def.Name] {
			v := t.judge(&e)
			out.Others = append(out.Others, NotTaken{t.def.Name, v.by, v.reason, v.checks})
		}
	}
	return out
}

// judgement is what a trigger says of an event.
type judgement struct {
	by     *CriterionRef // nil if it does not take it
	traits Traits
	key    string
	reason string
	checks []Mismatch
}

// judge matches the event, and takes note of why it does not match.
func (t *trigger) judge(e *Event) judgement {
	var v judgement
	traits, ok := t.matches(e, collecting(&v.checks))
	if !ok {
		last := v.checks[len(v.checks)-1]
		if v.reason = last.Reason; last.Field == "" { // it is about all criteria
			v.checks = v.checks[:len(v.checks)-1]
		}
		return v
	}
	by := t.matchedBy(e, nil)
	v.by, v.traits, v.checks = t.matchRef(by), traits, nil
	v.key, _ = StreamKey(t.def.Name, traits)
	return v
}
