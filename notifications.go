package winchester

import (
	"context"
	"errors"
	"fmt"
)

// Distiller turns notifications into events; package distiller has one. It
// must be safe for concurrent use, and keep none of what it is given. A
// notification that no definition applies to gives an error that wraps
// ErrDropped, and one that cannot be an event (it is of no known format, or
// lacks a message id, a type or any trait) one that wraps ErrInvalidEvent.
type Distiller interface {
	// Distill reads one notification from JSON. The event beside an error has
	// the message id and the event type as far as they are known.
	Distill(body []byte) (Event, error)
	// DistillMap reads a notification that has been decoded already. It does
	// not change or keep the map.
	DistillMap(body map[string]any) (Event, error)
	// Split tells whether a body is a batch, and gives the notifications that
	// are in it: parts of the body, each of which is for Distill. The error, of
	// a batch that cannot be read, wraps ErrInvalidEvent.
	Split(body []byte) (items [][]byte, batch bool, err error)
	// CloudEvent puts a CloudEvent that came in binary mode together into JSON
	// that is for Split and Distill. The result may be body itself. The error
	// wraps ErrInvalidEvent.
	CloudEvent(headers map[string]string, body []byte) ([]byte, error)
}

// AddNotification distils a notification, given as JSON, and adds the event, as
// AddEvent does. One that no definition applies to is no error: its outcome is
// OutcomeDropped. One that is malformed gives an error that says what is wrong
// with it and wraps ErrInvalidEvent.
//
// A batch, a JSON array of notifications, is added in one transaction. Its
// outcome is OutcomeBatch, and what became of each notification is in
// Result.Items: one that is malformed fails alone, with no error of the call. An
// error means that none was stored. Package distiller says which formats there
// are.
func (m *TriggerManager) AddNotification(ctx context.Context, body []byte) (Result, error) {
	if m.distiller == nil {
		return Result{Outcome: OutcomeFailed, Err: ErrNoDistiller}, ErrNoDistiller
	}
	items, batch, err := m.distiller.Split(body)
	if !batch {
		return m.addNotification(ctx, func() (Event, error) { return m.distiller.Distill(body) })
	}
	d := delivery{m: m, results: make([]Result, 1)}
	d.batch(&d.results[0], items, err)
	if err := d.add(ctx); err != nil {
		return Result{Outcome: OutcomeFailed, Err: err}, err
	}
	return d.results[0], d.results[0].Err
}

// AddNotificationMap is AddNotification for one that has been decoded.
func (m *TriggerManager) AddNotificationMap(ctx context.Context, body map[string]any) (Result, error) {
	if m.distiller == nil {
		return Result{Outcome: OutcomeFailed, Err: ErrNoDistiller}, ErrNoDistiller
	}
	return m.addNotification(ctx, func() (Event, error) { return m.distiller.DistillMap(body) })
}

// AddCloudEvent is AddNotification for a CloudEvent as it comes over HTTP, Kafka
// or AMQP, in any mode. In binary mode its attributes are in headers (ce-id,
// ce_id, cloudEvents:id or cloudEvents_id, in any case) and its data is the body,
// of the type that the header content-type tells. If content-type says that it
// is in structured mode or a batch, the body is added as it is. Other headers
// are passed over; with none that says anything of a CloudEvent, the error wraps
// ErrInvalidEvent.
func (m *TriggerManager) AddCloudEvent(ctx context.Context, headers map[string]string, body []byte) (Result, error) {
	if m.distiller == nil {
		return Result{Outcome: OutcomeFailed, Err: ErrNoDistiller}, ErrNoDistiller
	}
	body, err := m.distiller.CloudEvent(headers, body)
	if err != nil {
		return m.addNotification(ctx, func() (Event, error) { return Event{}, err })
	}
	return m.AddNotification(ctx, body)
}

// AddNotifications is AddNotification for many: all are distilled, and added in
// one transaction, in the order given, those of batches among them. It returns
// one result a body. One that is malformed or dropped is so in its own result,
// and costs the others nothing; likewise within a batch, whose result has those
// of its notifications in Items. An error, which may wrap what AddEvents returns,
// means that none was stored, and that the call may be repeated.
func (m *TriggerManager) AddNotifications(ctx context.Context, bodies [][]byte) ([]Result, error) {
	if m.distiller == nil {
		return nil, ErrNoDistiller
	}
	if len(bodies) == 0 {
		return nil, nil
	}
	d := delivery{m: m, results: make([]Result, len(bodies)), events: make([]Event, 0, len(bodies))}
	for i, body := range bodies {
		if items, batch, err := m.distiller.Split(body); batch {
			d.batch(&d.results[i], items, err)
		} else {
			d.one(&d.results[i], body)
		}
	}
	if err := d.add(ctx); err != nil {
		return nil, err
	}
	return d.results, nil
}

// addNotification adds a single one, whose transaction others may share.
func (m *TriggerManager) addNotification(ctx context.Context, distill func() (Event, error)) (Result, error) {
	event, err := distill()
	m.stats.notifications.Add(1)
	if err == nil {
		r, err := m.AddEvent(ctx, event)
		m.metrics.notifications.add(ctx, 1, r.Outcome)
		return r, err
	}
	m.stats.received.Add(1)
	r := refused(event, err)
	m.metrics.notifications.add(ctx, 1, r.Outcome)
	m.countRefused(ctx, &r)
	if r.Outcome == OutcomeDropped {
		return r, nil
	}
	return r, err
}

// refused is the result of a notification that did not become an event.
func refused(event Event, err error) Result {
	r := Result{MessageID: event.MessageID, EventType: event.EventType, Outcome: OutcomeFailed, Err: err}
	if errors.Is(err, ErrDropped) {
		r.Outcome = OutcomeDropped
	}
	return r
}

func (m *TriggerManager) countRefused(ctx context.Context, r *Result) {
	if r.Outcome == OutcomeDropped {
		m.stats.dropped.Add(1)
		m.log.DebugContext(ctx, fmt.Sprintf("Dropping unconverted %s notification %s", r.EventType, r.MessageID))
		return
	}
	m.stats.failed.Add(1)
	m.log.DebugContext(ctx, "Received invalid notification", "message_id", r.MessageID, "err", r.Err)
}

// delivery is a number of notifications on their way to one transaction.
type delivery struct {
	m       *TriggerManager
	results []Result
	events  []Event
	of      []*Result // whose events these are
	refused []*Result
}

func (d *delivery) one(r *Result, body []byte) {
	event, err := d.m.distiller.Distill(body)
	if err != nil {
		*r = refused(event, err)
		d.refused = append(d.refused, r)
		return
	}
	d.events, d.of = append(d.events, event), append(d.of, r)
}

func (d *delivery) batch(r *Result, items [][]byte, err error) {
	if err != nil {
		*r = refused(Event{}, err)
		d.refused = append(d.refused, r)
		return
	}
	r.Outcome, r.Items = OutcomeBatch, make([]Result, len(items))
	for i, item := range items {
		d.one(&r.Items[i], item)
	}
}

// add adds the events and fills their results in.
func (d *delivery) add(ctx context.Context) error {
	m, n := d.m, int64(len(d.events)+len(d.refused))
	m.stats.received.Add(n)
	m.stats.notifications.Add(n)
	var became tally
	if len(d.events) > 0 {
		b := newBatch(m, d.events)
		if err := b.add(ctx); err != nil {
			m.countFailed(ctx, len(d.events))
			m.stats.failed.Add(int64(len(d.refused)))
			m.metrics.notifications.add(ctx, n, OutcomeFailed)
			return fmt.Errorf("add notifications: %w", err)
		}
		for i, r := range d.of {
			*r = b.results[i]
			became.count(r.Outcome)
		}
	}
	for _, r := range d.refused {
		m.countRefused(ctx, r)
		became.count(r.Outcome)
	}
	became.add(ctx, &m.metrics.notifications)
	return nil
}
