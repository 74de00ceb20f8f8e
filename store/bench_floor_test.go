package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// The floor of the benchmarks: the same rows by database/sql alone.

// floorSettings are those of a store's own writer connection.
const floorSettings = "?_txlock=immediate&_journal_mode=WAL&_busy_timeout=5000&_stmt_cache_size=64&_synchronous="

// openFloor opens a file with the store's schema and nothing above it.
func openFloor(b *testing.B, sync store.Synchronous) *sql.DB {
	b.Helper()
	path := filepath.Join(b.TempDir(), "floor.db")
	s, err := store.Open(context.Background(), path, store.Options{Migrate: true, Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	db, err := sql.Open("sqlite3", "file:"+path+floorSettings+string(sync))
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	b.Cleanup(func() { db.Close() })
	return db
}

func floorInsertAndJoin(db *sql.DB, events []winchester.Event, traits []string) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	event, err := tx.Prepare("INSERT INTO winchester_events (message_id, event_type, timestamp, traits) VALUES (?, ?, ?, ?) ON CONFLICT (message_id) DO NOTHING")
	if err != nil {
		return err
	}
	defer event.Close()
	member, err := tx.Prepare("INSERT INTO winchester_stream_events (stream_id, event_id) VALUES (?, ?)")
	if err != nil {
		return err
	}
	defer member.Close()
	for i, e := range events {
		result, err := event.Exec(e.MessageID, e.EventType, e.Timestamp.Format(timeText), traits[i])
		if err != nil {
			return err
		}
		id, err := result.LastInsertId()
		if err != nil {
			return err
		}
		if _, err := member.Exec(1+id%500, id); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// fillFloor fills the floor's file with the same rows.
func fillFloor(b *testing.B, db *sql.DB, events []winchester.Event, first, n int) {
	b.Helper()
	tx, err := db.Begin()
	if err != nil {
		b.Fatal(err)
	}
	defer tx.Rollback()
	exec := func(query string, values ...any) int64 {
		result, err := tx.Exec(query, values...)
		if err != nil {
			b.Fatal(err)
		}
		id, err := result.LastInsertId()
		if err != nil {
			b.Fatal(err)
		}
		return id
	}
	at, later := noon.Format(timeText), noon.Add(time.Hour).Format(timeText)
	streams := make([]int64, n)
	for i := range streams {
		streams[i] = exec(`INSERT INTO winchester_streams (name, stream_key, open_key, distinguishing_traits, state, state_serial_no, first_event, last_event,
	fire_timestamp, expire_timestamp, fire_due, expire_due, progress) VALUES ('bench', ?, ?, ?, 1, 0, ?, ?, ?, ?, ?, ?, 'fingerprint:1,2')`,
			fmt.Sprint(first+i), fmt.Sprint(first+i), fmt.Sprintf(`{"customer":"%d"}`, first+i), at, at, at, later, at, later)
	}
	for i, e := range events {
		traits, err := e.Traits.AppendJSON(nil)
		if err != nil {
			b.Fatal(err)
		}
		id := exec("INSERT INTO winchester_events (message_id, event_type, timestamp, traits) VALUES (?, ?, ?, ?)",
			e.MessageID, e.EventType, e.Timestamp.Format(timeText), string(traits))
		exec("INSERT INTO winchester_stream_events (stream_id, event_id) VALUES (?, ?)", streams[i%n], id)
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

func floorCycle(db *sql.DB, claims, events int, purge bool) error {
	now, until := noon.Add(time.Second).Format(timeText), noon.Add(time.Minute).Format(timeText)
	rows, err := db.Query(`UPDATE winchester_streams SET state_serial_no = state_serial_no + 1, state = 2, open_key = NULL, owner = 'w', fire_due = ?,
	expire_due = NULL, attempt = attempt + 1 WHERE id IN (SELECT id FROM winchester_streams WHERE fire_due < ? ORDER BY fire_due, id LIMIT ?)
	RETURNING id, name, distinguishing_traits, state_serial_no`, until, now, claims)
	if err != nil {
		return err
	}
	defer rows.Close()
	type claimed struct {
		id, serial   int64
		name, traits string
	}
	var got []claimed
	for rows.Next() {
		var c claimed
		if err := rows.Scan(&c.id, &c.name, &c.traits, &c.serial); err != nil {
			return err
		}
		got = append(got, c)
	}
	if err := rows.Err(); err != nil || len(got) != claims {
		return fmt.Errorf("claimed %d streams: %w", len(got), err)
	}
	list := "["
	for i, c := range got {
		if i > 0 {
			list += ","
		}
		list += fmt.Sprint(c.id)
	}
	list += "]"
	n, err := floorRead(db, list)
	if err != nil || n != events {
		return fmt.Errorf("read %d events, want %d: %w", n, events, err)
	}
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	query := "UPDATE winchester_streams SET state = 6, state_serial_no = state_serial_no + 1, owner = '', fire_due = NULL WHERE id = ? AND state_serial_no = ?"
	if purge {
		query = "DELETE FROM winchester_streams WHERE id = ? AND state_serial_no = ?"
	}
	done, err := tx.Prepare(query)
	if err != nil {
		return err
	}
	defer done.Close()
	for _, c := range got {
		if _, err := done.Exec(c.id, c.serial); err != nil {
			return err
		}
	}
	if purge {
		if _, err := tx.Exec("DELETE FROM winchester_stream_events WHERE stream_id IN (SELECT value FROM json_each(?))", list); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func floorRead(db *sql.DB, list string) (n int, err error) {
	rows, err := db.Query(`SELECT m.stream_id, e.id, e.message_id, e.event_type, e.timestamp, e.traits FROM winchester_stream_events m
	JOIN winchester_events e ON e.id = m.event_id WHERE m.stream_id IN (SELECT value FROM json_each(?))`, list)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var stream, id int64
	var message, kind, at, traits string
	for rows.Next() {
		if err := rows.Scan(&stream, &id, &message, &kind, &at, &traits); err != nil {
			return 0, err
		}
		n++
	}
	return n, rows.Err()
}
