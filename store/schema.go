package store

import (
	"errors"
	"fmt"

	"github.com/seed71495667/winchester"
)

// tables are the names of the tables, made of the schema and the prefix.
type tables struct {
	prefix     string // of names that cannot be qualified by a schema
	schema     string // "" for the default one
	qualified  string // prefix, behind the schema
	events     string
	streams    string
	members    string
	clock      string
	migrations string
}

func newTables(o Options) tables {
	t := tables{prefix: o.TablePrefix, schema: o.Schema, qualified: o.TablePrefix}
	if t.schema != "" {
		t.qualified = `"` + t.schema + `".` + t.prefix // it may be a reserved word
	}
	t.events, t.streams = t.qualified+"events", t.qualified+"streams"
	t.members, t.migrations = t.qualified+"stream_events", t.qualified+"migrations"
	t.clock = t.qualified + "replay_clock"
	return t
}

// eventColumns are what scanEvent reads.
const eventColumns = "id, message_id, event_type, timestamp, traits"

// streamColumns are what scanStream reads: all but the history, which a stream
// that takes events has none of.
const streamColumns = "id, name, stream_key, open_key IS NOT NULL AS is_open, distinguishing_traits, state, state_serial_no, " +
	"first_event, last_event, fire_timestamp, expire_timestamp, fire_due, expire_due, " +
	"owner, attempt, committed, last_error, last_error_at, progress, filing_no"

// wholeStreamColumns are what scanWhole reads.
const wholeStreamColumns = streamColumns + ", attempts"

// scanWhole reads the wholeStreamColumns, and what may follow them into more.
func scanWhole(row scanner, s *winchester.Stream, more ...any) error {
	var attempts string
	err := scanStream(row, s, append([]any{&attempts}, more...)...)
	s.Attempts = winchester.DecodeAttempts(attempts)
	return err
}

// scanner is a row: *sql.Row or *sql.Rows.
type scanner interface{ Scan(dest ...any) error }

// scanStream reads the streamColumns, and what may follow them into more.
func scanStream(row scanner, s *winchester.Stream, more ...any) error {
	var traits, progress string
	var first, last, fire, expire, fireDue, expireDue, failed timeColumn
	dest := []any{
		&s.ID, &s.Name, &s.Key, &s.Open, &traits, &s.State, &s.StateSerialNo,
		&first, &last, &fire, &expire, &fireDue, &expireDue,
		&s.Owner, &s.Attempt, &s.Committed, &s.LastError, &failed, &progress, &s.FilingNo,
	}
	if err := row.Scan(append(dest, more...)...); err != nil {
		return err
	}
	s.FirstEvent, s.LastEvent, s.FireTimestamp, s.ExpireTimestamp = first.Time, last.Time, fire.Time, expire.Time
	s.LastErrorAt = failed.Time
	switch s.State { // the due time is stored once: as that of the pass
	case winchester.StateFiring, winchester.StateRetryFire:
		s.Due = fireDue.Time
	case winchester.StateExpiring, winchester.StateRetryExpire:
		s.Due = expireDue.Time
	}
	if err := s.Progress.UnmarshalText([]byte(progress)); err != nil {
		s.Progress = winchester.Progress{} // it is counted anew from the events
	}
	var err error
	if s.DistinguishingTraits, err = winchester.ParseTraits(traits); err != nil {
		return &unreadableError{s.ID, fmt.Errorf("distinguishing %w", err)}
	}
	return nil
}

// unreadableError says that a stream has been read, but not understood whole.
type unreadableError struct {
	id  int64
	err error
}

func (e *unreadableError) Error() string { return fmt.Sprintf("stream %d: %v", e.id, e.err) }
func (e *unreadableError) Unwrap() error { return e.err }

// scanClaimed reads a stream that has just been claimed. If it cannot be
// understood it must be told all the same: it is this worker's now.
func scanClaimed(row scanner) (c claimed, err error) {
	var was timeColumn
	err = scanWhole(row, &c.stream, &was)
	c.due = was.Time
	if fault := (*unreadableError)(nil); errors.As(err, &fault) {
		c.stream.Unreadable, err = fault, nil
	}
	return c, err
}

// scanEvent reads the eventColumns.
func scanEvent(row scanner, id *int64, e *winchester.Event) error {
	var at timeColumn
	var traits string
	if err := row.Scan(id, &e.MessageID, &e.EventType, &at, &traits); err != nil {
		return err
	}
	e.Timestamp = at.Time
	var err error
	if e.Traits, err = winchester.ParseTraits(traits); err != nil {
		return fmt.Errorf("event %q: %w", e.MessageID, err)
	}
	return nil
}

// encodeTraits writes the canonical form of a stream's traits.
func encodeTraits(t winchester.Traits) (string, error) {
	b, err := t.AppendJSON(make([]byte, 0, 40*len(t)+2))
	return string(b), err
}

// encodeProgress writes nothing for no progress.
func encodeProgress(p winchester.Progress) (string, error) {
	if p.Fingerprint == "" && len(p.Counts) == 0 {
		return "", nil
	}
	b, err := p.MarshalText()
	return string(b), err
}

// haveAttempts tells whether any of n streams has a history. Most have none, and
// never had: it need not be written then.
func haveAttempts(n int, stream func(i int) *winchester.Stream) bool {
	for i := range n {
		if len(stream(i).Attempts) > 0 {
			return true
		}
	}
	return false
}

// maxAttemptsText is up to which length of a history, in bytes, a claim adds that
// a lease was lost. It has room for dozens of those behind what the engine leaves.
const maxAttemptsText = 12_000

// openKey is the value of that column: nil once the stream is closed.
func openKey(s *winchester.Stream) any {
	if s.Open {
		return s.Key
	}
	return nil
}
