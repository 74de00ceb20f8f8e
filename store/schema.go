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

// streamColumns are what a streamReader reads: all but the history, which a
// stream that takes events has none of.
const streamColumns = "id, name, stream_key, open_key IS NOT NULL AS is_open, distinguishing_traits, state, state_serial_no, " +
	"first_event, last_event, fire_timestamp, expire_timestamp, fire_due, expire_due, " +
	"owner, attempt, committed, last_error, last_error_at, progress, filing_no"

// wholeStreamColumns are what a wholeStreamReader reads.
const wholeStreamColumns = streamColumns + ", attempts"

// claimedColumns are what a claimedReader reads.
const claimedColumns = wholeStreamColumns + ", claimed_due"

// scanner is a row: *sql.Row or *sql.Rows.
type scanner interface{ Scan(dest ...any) error }

// streamReader reads rows of streamColumns, and of what may follow them. What it
// scans a row into serves for all of them; so does what it learns of traits.
type streamReader struct {
	s                                                     winchester.Stream
	name, owner                                           repeatedText
	traits                                                string
	first, last, fire, expire, fireDue, expireDue, failed timeColumn
	progress                                              []byte
	dest                                                  []any
	parser                                                winchester.TraitsParser
}

func newStreamReader(more ...any) *streamReader {
	r := &streamReader{}
	s := &r.s
	r.dest = append([]any{
		&s.ID, &r.name, &s.Key, &s.Open, &r.traits, &s.State, &s.StateSerialNo,
		&r.first, &r.last, &r.fire, &r.expire, &r.fireDue, &r.expireDue,
		&r.owner, &s.Attempt, &s.Committed, &s.LastError, &r.failed, &r.progress, &s.FilingNo,
	}, more...)
	return r
}

func (r *streamReader) read(row scanner, to *winchester.Stream) error {
	r.s = winchester.Stream{}
	if err := row.Scan(r.dest...); err != nil {
		return err
	}
	s := &r.s
	s.Name, s.Owner = r.name.text, r.owner.text
	s.FirstEvent, s.LastEvent, s.FireTimestamp, s.ExpireTimestamp = r.first.Time, r.last.Time, r.fire.Time, r.expire.Time
	s.LastErrorAt = r.failed.Time
	switch s.State { // the due time is stored once: as that of the pass
	case winchester.StateFiring, winchester.StateRetryFire:
		s.Due = r.fireDue.Time
	case winchester.StateExpiring, winchester.StateRetryExpire:
		s.Due = r.expireDue.Time
	}
	if err := s.Progress.UnmarshalText(r.progress); err != nil {
		s.Progress = winchester.Progress{} // it is counted anew from the events
	}
	var err error
	if s.DistinguishingTraits, err = r.parser.Parse(r.traits); err != nil {
		err = &unreadableError{s.ID, fmt.Errorf("distinguishing %w", err)}
	}
	*to = *s
	return err
}

// wholeStreamReader reads rows of wholeStreamColumns, and of what may follow
// them.
type wholeStreamReader struct {
	*streamReader
	attempts string
}

func newWholeStreamReader(more ...any) *wholeStreamReader {
	r := &wholeStreamReader{}
	r.streamReader = newStreamReader(append([]any{&r.attempts}, more...)...)
	return r
}

func (r *wholeStreamReader) read(row scanner, to *winchester.Stream) error {
	err := r.streamReader.read(row, to)
	to.Attempts = winchester.DecodeAttempts(r.attempts)
	return err
}

// claimedReader reads rows of claimedColumns: streams that have just been
// claimed. If one cannot be understood it must be told all the same: it is this
// worker's now.
type claimedReader struct {
	*wholeStreamReader
	due timeColumn
}

func newClaimedReader() *claimedReader {
	r := &claimedReader{}
	r.wholeStreamReader = newWholeStreamReader(&r.due)
	return r
}

func (r *claimedReader) read(row scanner) (c claimed, err error) {
	err = r.wholeStreamReader.read(row, &c.stream)
	c.due = r.due.Time
	if fault := (*unreadableError)(nil); errors.As(err, &fault) {
		c.stream.Unreadable, err = fault, nil
	}
	return c, err
}

// unreadableError says that a stream has been read, but not understood whole.
type unreadableError struct {
	id  int64
	err error
}

func (e *unreadableError) Error() string { return fmt.Sprintf("stream %d: %v", e.id, e.err) }
func (e *unreadableError) Unwrap() error { return e.err }

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
