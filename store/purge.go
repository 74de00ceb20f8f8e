package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
)

// OlderEvents implements winchester.Store.
func (s *Store) OlderEvents(ctx context.Context, before time.Time, limit int) ([]int64, error) {
	if limit <= 0 {
		return nil, nil
	}
	var ids []int64
	err := s.reader(ctx).Table(s.t.events).Where("timestamp < ?", s.d.timeValue(before)).
		Order("timestamp, id").Limit(limit).Pluck("id", &ids).Error
	if err != nil {
		return nil, fail(ctx, s.d, "look for older events", err)
	}
	return ids, nil
}

// PurgeStream implements winchester.Store.
func (s *Store) PurgeStream(ctx context.Context, id int64) error {
	return s.purge(ctx, "purge a stream", func(db *gorm.DB) error {
		deleted := db.Exec("DELETE FROM "+s.t.streams+" WHERE id = ?", id)
		if deleted.Error != nil {
			return deleted.Error
		}
		if deleted.RowsAffected == 0 {
			return fmt.Errorf("%w: %d", winchester.ErrNoSuchStream, id)
		}
		return db.Exec("DELETE FROM "+s.t.members+" WHERE stream_id = ?", id).Error
	})
}

// PurgeEvents implements winchester.Store.
func (s *Store) PurgeEvents(ctx context.Context, ids ...int64) (n int64, err error) {
	if len(ids) == 0 {
		return 0, nil
	}
	err = s.purge(ctx, "purge events", func(db *gorm.DB) error {
		n, err = s.deleteEvents(db, ids)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// TrimEvents implements winchester.Store.
func (s *Store) TrimEvents(ctx context.Context, before time.Time, limit int) (n int64, err error) {
	if limit <= 0 {
		return 0, nil
	}
	err = s.purge(ctx, "trim events", func(db *gorm.DB) error {
		var ids []int64
		if err := db.Raw(s.trimmableSQL(), s.d.timeValue(before), int64(winchester.StateCompleted), limit).Scan(&ids).Error; err != nil || len(ids) == 0 {
			return err
		}
		n, err = s.deleteEvents(db, ids)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// trimmableSQL finds old events that no stream still needs. A membership whose
// stream is gone counts for nothing.
func (s *Store) trimmableSQL() string {
	return "SELECT e.id FROM " + s.t.events + " e WHERE e.timestamp < ? AND NOT EXISTS (" +
		"SELECT 1 FROM " + s.t.members + " m JOIN " + s.t.streams + " s ON s.id = m.stream_id WHERE m.event_id = e.id AND s.state <> ?) " +
		"ORDER BY e.timestamp, e.id LIMIT ?" + s.d.skipLocked("e")
}

// deleteEvents deletes events, also from the streams they are in, and returns
// how many there were.
func (s *Store) deleteEvents(db *gorm.DB, ids []int64) (int64, error) {
	if err := s.d.lockPurge(db.Statement.Context, db.Statement.ConnPool, s.t, ids); err != nil {
		return 0, err
	}
	condition, value := s.d.inIDs("event_id", ids)
	// What the events counted for, no longer counts.
	forget := "UPDATE " + s.t.streams + " SET progress = '', filing_no = filing_no + 1 WHERE state = ? AND id IN (SELECT stream_id FROM " + s.t.members + " WHERE " + condition + ")"
	if err := db.Exec(forget, int64(winchester.StateActive), value).Error; err != nil {
		return 0, err
	}
	if err := db.Exec("DELETE FROM "+s.t.members+" WHERE "+condition, value).Error; err != nil {
		return 0, err
	}
	condition, value = s.d.inIDs("id", ids)
	deleted := db.Exec("DELETE FROM "+s.t.events+" WHERE "+condition, value)
	return deleted.RowsAffected, deleted.Error
}

// purge runs fn in a transaction that deletes, again if others are busy with
// what it is to delete.
func (s *Store) purge(ctx context.Context, doing string, fn func(db *gorm.DB) error) error {
	for try := 1; ; try++ {
		err := s.writing(s.writer(ctx), func(db *gorm.DB) error {
			if s.lockFirst {
				if err := s.d.lock(ctx, db.Statement.ConnPool, s.t); err != nil {
					return err
				}
			}
			return fn(db)
		})
		if err == nil || !s.d.isContention(err) || try == maxPurges {
			return fail(ctx, s.d, doing, err)
		}
		pause := time.NewTimer(rand.N(time.Millisecond << try))
		select {
		case <-ctx.Done():
			pause.Stop()
			return fail(ctx, s.d, doing, err)
		case <-pause.C:
		}
	}
}

// maxPurges bounds how often that is: for a few hundred milliseconds.
const maxPurges = 8
