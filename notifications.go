package winchester

import (
	"context"
	"errors"
	"fmt"
)

// AddNotifications is AddNotification for many: they are distilled, and what
// becomes of them is stored in one transaction, in the order given. It returns
// one result a notification. One that is dropped, or malformed, fails alone; its
// result says why. An error means that none was stored, and that all may be
// handed in again: it is ErrUnavailable when the database is away.
func (m *TriggerManager) AddNotifications(ctx context.Context, bodies [][]byte) ([]Result, error) {
	if m.distiller == nil {
		return nil, ErrNoDistiller
	}
	var dropped, failed int64
	results := make([]Result, len(bodies))
	events, index := make([]Event, 0, len(bodies)), make([]int, 0, len(bodies))
	for i, body := range bodies {
		event, err := m.distiller.Distill(body)
		if err == nil {
			events, index = append(events, event), append(index, i)
			continue
		}
		r := Result{MessageID: event.MessageID, EventType: event.EventType, Outcome: OutcomeFailed, Err: err}
		if errors.Is(err, ErrDropped) {
			r.Outcome = OutcomeDropped
			dropped++
			m.log.DebugContext(ctx, fmt.Sprintf("Dropping unconverted %s notification %s", event.EventType, event.MessageID))
		} else {
			failed++
		}
		results[i] = r
	}
	added, err := m.AddEvents(ctx, events)
	if err != nil {
		return nil, err
	}
	for i, r := range added {
		results[index[i]] = r
	}
	m.stats.received.Add(int64(len(bodies) - len(events)))
	m.stats.dropped.Add(dropped)
	m.stats.failed.Add(failed)
	return results, nil
}
