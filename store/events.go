package store

import (
	"context"
	"fmt"
	"sort"

	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
)

// StreamEvents implements winchester.Store.
func (s *Store) StreamEvents(ctx context.Context, streams ...int64) (map[int64][]winchester.Event, error) {
	events, err := s.streamEvents(s.reader(ctx), streams)
	return events, fail(ctx, s.d, "read events of streams", err)
}

// streamEvents reads the events of all streams in one statement; that is most
// of the work of running pipelines. Rows come in the order of the primary key
// of the memberships, which is nearly the order of time, so that sorting them
// here costs next to nothing.
func (s *Store) streamEvents(db *gorm.DB, streams []int64) (map[int64][]winchester.Event, error) {
	if len(streams) == 0 {
		return map[int64][]winchester.Event{}, nil
	}
	var (
		all    eventList
		ends   = make(map[int64]int, len(streams)) // of each stream's events among all
		starts = make(map[int64]int, len(streams))
		traits winchester.TraitsParser

		stream, id, last int64
		e                winchester.Event
		eventType        repeatedText
		at               timeColumn
		text             string
	)
	dest := []any{&stream, &id, &e.MessageID, &eventType, &at, &text}
	err := s.d.streamEvents(db, s.t, streams, func(row scanner) (err error) {
		if err := row.Scan(dest...); err != nil {
			return err
		}
		e.EventType, e.Timestamp = eventType.text, at.Time
		if e.Traits, err = traits.Parse(text); err != nil {
			return fmt.Errorf("event %q: %w", e.MessageID, err)
		}
		if n := all.Len(); n == 0 || stream != last {
			if _, twice := starts[stream]; twice {
				return fmt.Errorf("the database does not return the events of stream %d together", stream)
			}
			last, starts[stream] = stream, n
		}
		all.ids, all.events = append(all.ids, id), append(all.events, e)
		ends[stream] = all.Len()
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make(map[int64][]winchester.Event, len(starts))
	for stream, start := range starts {
		list := all.slice(start, ends[stream])
		if !sort.IsSorted(list) {
			sort.Sort(list)
		}
		out[stream] = list.events
	}
	return out, nil
}

// repeatedText receives a text that is often the same as the one before, and
// then makes no new one.
type repeatedText struct{ text string }

// Scan implements sql.Scanner.
func (r *repeatedText) Scan(src any) error {
	switch v := src.(type) {
	case string:
		r.text = v
	case []byte:
		return r.ScanBytes(v)
	default:
		return fmt.Errorf("a stored text cannot be a %T", src)
	}
	return nil
}

// ScanBytes implements pgtype.BytesScanner.
func (r *repeatedText) ScanBytes(v []byte) error {
	if string(v) != r.text {
		r.text = string(v)
	}
	return nil
}

// eventList sorts events by time and, where that is equal, in the order they
// were stored.
type eventList struct {
	ids    []int64
	events []winchester.Event
}

// slice is a part of the list, which does not grow into what follows.
func (l *eventList) slice(start, end int) *eventList {
	return &eventList{l.ids[start:end:end], l.events[start:end:end]}
}

func (l *eventList) Len() int { return len(l.events) }

func (l *eventList) Swap(i, j int) {
	l.ids[i], l.ids[j] = l.ids[j], l.ids[i]
	l.events[i], l.events[j] = l.events[j], l.events[i]
}

func (l *eventList) Less(i, j int) bool {
	if c := l.events[i].Timestamp.Compare(l.events[j].Timestamp); c != 0 {
		return c < 0
	}
	return l.ids[i] < l.ids[j]
}

// EventByMessageID implements winchester.Store.
func (s *Store) EventByMessageID(ctx context.Context, messageID string) (winchester.StoredEvent, error) {
	var found winchester.StoredEvent
	err := each(s.reader(ctx).Table(s.t.events).Select(eventColumns).Where("message_id = ?", messageID), func(row scanner) error {
		return scanEvent(row, &found.ID, &found.Event)
	})
	if err == nil && found.ID == 0 {
		err = fmt.Errorf("%w: %q", winchester.ErrNoSuchEvent, messageID)
	}
	if err != nil {
		return winchester.StoredEvent{}, fail(ctx, s.d, "read an event", err)
	}
	found.Mark = winchester.Mark{}.At(found.ID)
	return found, nil
}

// scanOne reads the first row of a query that has one. GORM's Row is no way to
// do it: with PrepareStmt it panics when the statement cannot be prepared.
func scanOne(query *gorm.DB, dest ...any) error {
	return each(query, func(row scanner) error { return row.Scan(dest...) })
}

// idsOf runs a query whose rows are ids.
func idsOf(query *gorm.DB) (ids []int64, err error) {
	err = each(query, func(row scanner) error {
		var id int64
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// each runs a query and calls f for each row.
func each(query *gorm.DB, f func(row scanner) error) error {
	rows, err := query.Rows()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
