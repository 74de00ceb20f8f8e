package store

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
)

// FindEvents implements winchester.Store.
func (s *Store) FindEvents(ctx context.Context, q winchester.EventQuery) ([]winchester.StoredEvent, error) {
	mark, query, err := s.eventQuery(s.reader(ctx), q)
	if err != nil || q.Limit < 0 {
		return nil, fail(ctx, s.d, "find events", err)
	}
	var found []winchester.StoredEvent
	err = each(page(query, mark, rowOf(q.StreamID, "event_id"), q.Limit).Select(eventColumns), func(row scanner) error {
		var e winchester.StoredEvent
		err := scanEvent(row, &e.ID, &e.Event)
		e.Mark = mark.At(e.ID)
		found = append(found, e)
		return err
	})
	if err != nil {
		return nil, fail(ctx, s.d, "find events", err)
	}
	return found, nil
}

// CountEvents implements winchester.Store.
func (s *Store) CountEvents(ctx context.Context, q winchester.EventQuery) (n int64, err error) {
	_, query, err := s.eventQuery(s.reader(ctx), q)
	if err == nil {
		err = query.Count(&n).Error
	}
	return n, fail(ctx, s.d, "count events", err)
}

// eventQuery is the query without its limit and order.
func (s *Store) eventQuery(db *gorm.DB, q winchester.EventQuery) (winchester.Mark, *gorm.DB, error) {
	mark, err := winchester.ParseMark(q.Mark)
	if err != nil {
		return mark, nil, err
	}
	db = s.members(db.Table(s.t.events), mark, "event_id", "stream_id", q.StreamID)
	if !q.From.IsZero() {
		db = db.Where("timestamp > ?", s.d.timeValue(q.From))
	}
	if !q.To.IsZero() {
		db = db.Where("timestamp <= ?", s.d.timeValue(q.To))
	}
	switch {
	case len(q.EventTypes) == 1:
		db = db.Where("event_type = ?", q.EventTypes[0])
	case q.EventTypes != nil:
		db = db.Where(s.d.inTexts("event_type", q.EventTypes))
	}
	db, err = s.withTraits(db, "traits", q.Traits)
	return mark, db, err
}

// FindStreams implements winchester.Store.
func (s *Store) FindStreams(ctx context.Context, q winchester.StreamQuery) (found []winchester.StoredStream, err error) {
	if !q.IncludeEvents {
		found, err = s.findStreams(s.reader(ctx), q)
		return found, fail(ctx, s.d, "find streams", err)
	}
	// One view of the database for both statements: a stream that is purged in
	// between must not look as if it were empty.
	err = s.reader(ctx).Transaction(func(db *gorm.DB) error {
		if found, err = s.findStreams(db, q); err != nil {
			return err
		}
		ids := make([]int64, len(found))
		for i := range found {
			ids[i] = found[i].ID
		}
		events, err := s.streamEvents(db, ids)
		for i := range found {
			found[i].Events = events[found[i].ID]
		}
		return err
	}, s.d.snapshot())
	if err != nil {
		return nil, fail(ctx, s.d, "find streams", err)
	}
	return found, nil
}

func (s *Store) findStreams(db *gorm.DB, q winchester.StreamQuery) ([]winchester.StoredStream, error) {
	mark, query, err := s.streamQuery(db, q)
	if err != nil || q.Limit < 0 {
		return nil, err
	}
	var found []winchester.StoredStream
	streams := newWholeStreamReader()
	err = each(page(query, mark, rowOf(q.EventID, "stream_id"), q.Limit).Select(wholeStreamColumns), func(row scanner) error {
		var one winchester.StoredStream
		err := streams.read(row, &one.Stream)
		one.Mark = mark.At(one.ID)
		found = append(found, one)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// CountStreams implements winchester.Store.
func (s *Store) CountStreams(ctx context.Context, q winchester.StreamQuery) (n int64, err error) {
	_, query, err := s.streamQuery(s.reader(ctx), q)
	if err == nil {
		err = query.Count(&n).Error
	}
	return n, fail(ctx, s.d, "count streams", err)
}

// StreamByID implements winchester.Store.
func (s *Store) StreamByID(ctx context.Context, id int64) (winchester.Stream, error) {
	found, err := s.findStreams(s.reader(ctx), winchester.StreamQuery{IDs: []int64{id}})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%w: %d", winchester.ErrNoSuchStream, id)
	}
	if err != nil {
		return winchester.Stream{}, fail(ctx, s.d, "read a stream", err)
	}
	return found[0].Stream, nil
}

// streamQuery is the query without its limit and order.
func (s *Store) streamQuery(db *gorm.DB, q winchester.StreamQuery) (winchester.Mark, *gorm.DB, error) {
	mark, err := winchester.ParseMark(q.Mark)
	if err != nil {
		return mark, nil, err
	}
	db = s.members(db.Table(s.t.streams), mark, "stream_id", "event_id", q.EventID)
	switch {
	case len(q.IDs) == 1:
		db = db.Where("id = ?", q.IDs[0])
	case q.IDs != nil:
		db = db.Where(s.d.inIDs("id", q.IDs))
	}
	if q.State != 0 {
		db = db.Where("state = ?", int64(q.State))
	}
	if !q.OlderThan.IsZero() {
		db = db.Where("first_event < ?", s.d.timeValue(q.OlderThan))
	}
	if !q.YoungerThan.IsZero() {
		db = db.Where("last_event > ?", s.d.timeValue(q.YoungerThan))
	}
	if q.Name != "" {
		db = db.Where("name = ?", q.Name)
	}
	db, err = s.withTraits(db, "distinguishing_traits", q.Traits)
	return mark, db, err
}

// withTraits restricts to rows that have all the traits, in their exact type.
func (s *Store) withTraits(db *gorm.DB, column string, traits winchester.Traits) (*gorm.DB, error) {
	names := make([]string, 0, len(traits))
	for name := range traits {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		canonical, err := winchester.AppendTraitJSON(nil, traits[name])
		if err != nil {
			return nil, fmt.Errorf("%w: trait %q: %w", winchester.ErrInvalidQuery, name, err)
		}
		condition, values := s.d.traitIs(column, name, string(canonical))
		db = db.Where(condition, values...)
	}
	return db, nil
}

// members restricts to the rows behind the mark and, unless of is 0, to those
// that are members of it: the events of a stream, or the streams of an event.
// Nothing the memberships have bears the name of a column of the other tables.
func (s *Store) members(db *gorm.DB, mark winchester.Mark, row, whole string, of int64) *gorm.DB {
	if of != 0 {
		db = db.Joins("JOIN "+s.t.members+" ON "+row+" = id").Where(whole+" = ?", of)
	}
	return after(db, mark, rowOf(of, row))
}

// rowOf is the column that has the id of a row. Where memberships are joined it
// is theirs, by whose index a page is read in order.
func rowOf(of int64, row string) string {
	if of != 0 {
		return row
	}
	return "id"
}

// after restricts to the rows behind the mark.
func after(db *gorm.DB, mark winchester.Mark, id string) *gorm.DB {
	switch {
	case !mark.After:
		return db
	case mark.Ascending:
		return db.Where(id+" > ?", mark.ID)
	}
	return db.Where(id+" < ?", mark.ID)
}

// page orders the rows by id, which is the order they were stored in, in the
// direction of the mark.
func page(db *gorm.DB, mark winchester.Mark, id string, limit int) *gorm.DB {
	if mark.Ascending {
		db = db.Order(id)
	} else {
		db = db.Order(id + " DESC")
	}
	if limit > 0 {
		db = db.Limit(limit)
	}
	return db
}
