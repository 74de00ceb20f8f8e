package store

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
)

// coded is an error as drivers without cgo make them.
type coded int

func (c coded) Error() string { return fmt.Sprintf("SQLite error %d", int(c)) }
func (c coded) Code() int     { return int(c) }

func TestSQLiteErrors(t *testing.T) {
	t.Parallel()
	d := sqliteDialect{}
	for err, want := range map[error]struct{ contention, unique bool }{
		coded(5):                     {contention: true}, // busy
		coded(517):                   {contention: true}, // busy, snapshot
		coded(6):                     {contention: true}, // locked
		coded(262):                   {contention: true}, // locked, shared cache
		coded(2067):                  {unique: true},
		coded(1555):                  {unique: true},
		gorm.ErrDuplicatedKey:        {unique: true},
		coded(13):                    {}, // full
		coded(10):                    {}, // I/O
		coded(787):                   {}, // foreign key
		errors.New("something else"): {},
	} {
		wrapped := fmt.Errorf("wrapped: %w", err)
		if d.isContention(wrapped) != want.contention || d.isUniqueViolation(wrapped) != want.unique {
			t.Errorf("%v: contention %v, unique %v", err, d.isContention(wrapped), d.isUniqueViolation(wrapped))
		}
	}
}

// TestConflictsMetByHandlers: what a handler's statement met counts as well.
func TestConflictsMetByHandlers(t *testing.T) {
	t.Parallel()
	s := openExplained(t, Options{})
	for err, conflict := range map[error]bool{coded(5): true, coded(13): false, fmt.Errorf("%w: %w", winchester.ErrConflict, coded(5)): true} {
		got := s.Transact(context.Background(), func(winchester.Tx) error { return err })
		if !errors.Is(got, err) || errors.Is(got, winchester.ErrConflict) != conflict {
			t.Errorf("%v came out as %v", err, got)
		}
	}
}

func TestUnreadableRows(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := openExplained(t, Options{})
	for _, sql := range []string{
		`INSERT INTO winchester_events (message_id, event_type, timestamp, traits) VALUES ('traits', 't', '2026-01-02T15:04:05.000000Z', 'no JSON')`,
		`INSERT INTO winchester_events (message_id, event_type, timestamp, traits) VALUES ('time', 't', 'yesterday', '{}')`,
		`INSERT INTO winchester_streams (id, name, stream_key, distinguishing_traits, state, state_serial_no) VALUES (1, 't', 'k', '[]', 1, 0)`,
		`INSERT INTO winchester_streams (id, name, stream_key, distinguishing_traits, state, state_serial_no, progress) VALUES (2, 't', 'k', '{}', 1, 0, '?')`,
	} {
		if err := s.write.Exec(sql).Error; err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"traits", "time"} {
		if _, err := s.EventByMessageID(ctx, id); err == nil {
			t.Errorf("event %s: no error", id)
		}
	}
	if _, err := s.StreamByID(ctx, 1); err == nil {
		t.Error("stream 1: no error")
	}
	// What it has counted can be counted anew.
	if got, err := s.StreamByID(ctx, 2); err != nil || got.Progress.Fingerprint != "" {
		t.Errorf("stream 2: progress %v, error %v", got.Progress, err)
	}
	if _, err := s.FindEvents(ctx, winchester.EventQuery{}); err == nil {
		t.Error("FindEvents: no error")
	}
	if _, err := s.FindStreams(ctx, winchester.StreamQuery{IncludeEvents: true}); err == nil {
		t.Error("FindStreams: no error")
	}
}
