package benchmarks

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"github.com/seed71495667/winchester/store"
)

// sqliteFloor stores events and files them into streams, with a statement that
// is prepared once and run for each row: SQLite is in the process, and nothing
// else is as fast there.
type sqliteFloor struct{ db *sql.DB }

func openSQLite(b *testing.B) (*store.Store, string) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "bench.db")
	s, err := store.Open(b.Context(), path, store.Options{Migrate: true, Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s, path
}

func newSQLiteFloor(b *testing.B) sqliteFloor {
	b.Helper()
	s, path := openSQLite(b)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	// The settings are those of a store's own writer connection.
	db, err := sql.Open("sqlite3", "file:"+path+"?_txlock=immediate&_journal_mode=WAL&_busy_timeout=5000&_synchronous=full")
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	b.Cleanup(func() { db.Close() })
	return sqliteFloor{db}
}

const timeText = "2006-01-02T15:04:05.000000Z"

// span is what a batch adds to a stream.
type span struct {
	row         *row
	first, last time.Time
	members     []int64
}

func (f sqliteFloor) file(rows []row, stored int) error {
	tx, err := f.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	spans, n, err := f.insert(tx, rows)
	if err != nil {
		return err
	}
	if n != stored {
		return fmt.Errorf("%d events were stored, not %d", n, stored)
	}
	if err := f.join(tx, spans); err != nil {
		return err
	}
	return tx.Commit()
}

// insert stores the events and returns what they add to streams, by key.
func (sqliteFloor) insert(tx *sql.Tx, rows []row) (spans []*span, stored int, err error) {
	event, err := tx.Prepare("INSERT INTO winchester_events (message_id, event_type, timestamp, traits) VALUES (?, ?, ?, ?) ON CONFLICT (message_id) DO NOTHING")
	if err != nil {
		return nil, 0, err
	}
	defer event.Close()
	byKey := make(map[string]*span, len(rows))
	for i := range rows {
		r := &rows[i]
		result, err := event.Exec(r.messageID, r.eventType, r.timestamp.Format(timeText), r.traits)
		if err != nil {
			return nil, 0, err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			continue
		}
		id, err := result.LastInsertId()
		if err != nil {
			return nil, 0, err
		}
		stored++
		s := byKey[r.key]
		if s == nil {
			s = &span{row: r, first: r.timestamp, last: r.timestamp}
			byKey[r.key] = s
			spans = append(spans, s)
		}
		if r.timestamp.Before(s.first) {
			s.first = r.timestamp
		}
		if r.timestamp.After(s.last) {
			s.last = r.timestamp
		}
		s.members = append(s.members, id)
	}
	slices.SortFunc(spans, func(x, y *span) int { return strings.Compare(x.row.key, y.row.key) })
	return spans, stored, nil
}

// join finds or opens the streams and puts the events into them.
func (sqliteFloor) join(tx *sql.Tx, spans []*span) error {
	stream, err := tx.Prepare(`INSERT INTO winchester_streams AS s (name, stream_key, open_key, distinguishing_traits, state, state_serial_no,
	first_event, last_event, expire_timestamp, expire_due, progress) VALUES (?, ?, ?, ?, 1, 0, ?, ?, ?, ?, ?)
	ON CONFLICT (open_key) DO UPDATE SET first_event = min(s.first_event, excluded.first_event), last_event = max(s.last_event, excluded.last_event),
	expire_timestamp = max(s.expire_timestamp, excluded.expire_timestamp), expire_due = max(s.expire_due, excluded.expire_due),
	progress = excluded.progress RETURNING id`)
	if err != nil {
		return err
	}
	defer stream.Close()
	member, err := tx.Prepare("INSERT INTO winchester_stream_events (stream_id, event_id) VALUES (?, ?)")
	if err != nil {
		return err
	}
	defer member.Close()
	for _, s := range spans {
		r, expire := s.row, s.last.AddDate(0, 0, 2).Format(timeText)
		var id int64
		err := stream.QueryRow(triggerName, r.key, r.key, r.distinguishing,
			s.first.Format(timeText), s.last.Format(timeText), expire, expire, progress).Scan(&id)
		if err != nil {
			return err
		}
		for _, event := range s.members {
			if _, err := member.Exec(id, event); err != nil {
				return err
			}
		}
	}
	return nil
}
