package winchester

import (
	"context"
	"fmt"
	"time"
)

// What an explanation looks at, at most. A stream may have a million events;
// they are read in pages, the last stored first, and what was not looked at is
// said.
const (
	MaxExplainedEvents  = 10_000 // of a stream
	MaxExplainedStreams = 1_000  // of an event
	explainPage         = 1_000  // events read at once
)

// ExplainStream tells why there is this stream, how far it has come towards
// firing, what keeps it, when it fires or expires, and what became of the
// attempts at its pipeline: by the triggers, pipelines and clock of this engine.
// It reads up to MaxExplainedEvents of the stream's events, a page at a time,
// and changes nothing. A stream that changes meanwhile may be described partly
// as it was and partly as it is. It returns ErrNoSuchStream.
func (e *Engine) ExplainStream(ctx context.Context, id int64) (StreamExplanation, error) {
	s, err := e.Store().StreamByID(ctx, id)
	if err != nil {
		return StreamExplanation{}, err
	}
	w := e.workplace()
	if s.State != StateActive { // in a replay, leases and retries have another clock
		w.now = e.TriggerManager.machineNow()
	}
	x := newStreamExplainer(s, e.TriggerManager.triggers.Load().byName[s.Name], w)
	more := true
	for q := (EventQuery{StreamID: id, Limit: explainPage + 1}); more && x.looked < MaxExplainedEvents; {
		page, err := e.Store().FindEvents(ctx, q)
		if err != nil {
			return StreamExplanation{}, wrap("explain a stream", err)
		}
		// One event too many tells that there is more: to count a million would be
		// work without bounds.
		if more = len(page) > explainPage; more {
			page = page[:explainPage]
			q.Mark = page[explainPage-1].Mark
		}
		for i := range page {
			x.look(&page[i].Event)
		}
	}
	return x.explain(more), nil
}

// ExplainEvent tells which triggers took an event, into which streams, and why
// the others did not: by the triggers that this engine has now, which need not be
// those that it had when the event came. It looks at up to MaxExplainedStreams
// streams, and changes nothing. It returns ErrNoSuchEvent.
//
// A trait whose value was null is not stored. Where a trigger distinguishes by
// it, the event took part with it and now seems to lack it.
func (e *Engine) ExplainEvent(ctx context.Context, messageID string) (EventExplanation, error) {
	event, err := e.Store().EventByMessageID(ctx, messageID)
	if err != nil {
		return EventExplanation{}, err
	}
	streams, err := e.Store().FindStreams(ctx, StreamQuery{EventID: event.ID, Mark: "+", Limit: MaxExplainedStreams + 1})
	if err != nil {
		return EventExplanation{}, wrap("explain an event", err)
	}
	more := len(streams) > MaxExplainedStreams
	if more {
		streams = streams[:MaxExplainedStreams]
	}
	found := make([]Stream, len(streams))
	for i := range streams {
		found[i] = streams[i].Stream
	}
	x := explainEvent(event.Event, found, e.TriggerManager.triggers.Load(), e.workplace())
	x.MoreStreams = more
	return x, nil
}

// workplace is what explanations have to know of where streams are run.
type workplace struct {
	now           time.Time
	pipelines     map[string]*pipeline
	retry         RetryPolicy
	keepCompleted bool
}

func (e *Engine) workplace() workplace {
	return workplace{e.TriggerManager.now(), e.pipelines, e.retry, e.cfg.KeepCompleted}
}

// CriterionRef names a criterion of a trigger.
type CriterionRef struct {
	Number    int    `json:"number"`    // its place in the trigger's list, from 1
	Criterion string `json:"criterion"` // what it asks for
}

// String is "1 (order.placed)".
func (c CriterionRef) String() string { return fmt.Sprintf("%d (%s)", c.Number, c.Criterion) }

func (t *trigger) matchRef(i int) *CriterionRef { return &CriterionRef{i + 1, t.match[i].String()} }
