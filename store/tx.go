package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
)

// DB returns the GORM transaction that tx is, for a handler's CommitTx: what is
// written with it is written together with the stream's completion. It ends
// when CommitTx returns. DB panics if tx is not of a Store of this package.
func DB(tx winchester.Tx) *gorm.DB {
	db, ok := tx.Unwrap().(*gorm.DB)
	if !ok {
		panic(fmt.Sprintf("store: DB: the transaction is a %T, not one of package store", tx.Unwrap()))
	}
	return db
}

// Tx makes a winchester.Tx of a transaction that the host has begun on the
// database it gave to New, for the verbs that take one. It is good until the
// host commits or rolls back. If any of its methods returns an error, the host
// must roll back.
//
// On SQLite such a transaction should begin by writing, or with BEGIN
// IMMEDIATE: one that has begun by reading gets winchester.ErrConflict if
// another one has written since.
func (s *Store) Tx(db *gorm.DB) winchester.Tx {
	session := db.Session(&gorm.Session{NewDB: true, SkipDefaultTransaction: true, Logger: s.log})
	tx := &transaction{s: s, db: session, conn: session.Statement.ConnPool}
	if _, ok := tx.conn.(gorm.TxCommitter); !ok {
		tx.fault = errors.New("store: the *gorm.DB given to Store.Tx is not a transaction")
	}
	return tx
}

// Transact implements winchester.Store.
func (s *Store) Transact(ctx context.Context, fn func(winchester.Tx) error) error {
	var inside error // of fn itself: it goes out as it is
	var announced announcement
	err := s.d.transaction(s.writer(ctx), func(db *gorm.DB, conn gorm.ConnPool) error {
		tx := &transaction{s: s, db: db, conn: conn, announcement: &announced}
		if s.lockFirst {
			if err := s.d.lock(ctx, tx.conn, s.t); err != nil {
				return err
			}
		}
		if inside = fn(tx); inside != nil {
			return inside
		}
		return s.announceIn(ctx, db, &announced)
	})
	if err == nil && !announced.sent {
		s.announcer.later(announced.due)
	}
	if inside != nil && (errors.Is(inside, winchester.ErrConflict) || !s.d.isContention(inside)) {
		return inside
	}
	return fail(ctx, s.d, "transaction", err)
}

// transaction is an open transaction.
type transaction struct {
	s     *Store
	db    *gorm.DB
	conn  gorm.ConnPool // its connection, for the hot paths
	fault error         // refuses to do anything
	// announcement collects what is to be announced; nil in a host's transaction.
	announcement *announcement
}

// session begins a statement.
func (tx *transaction) session(ctx context.Context) *gorm.DB {
	return tx.db.Session(&gorm.Session{NewDB: true, Context: ctx})
}

// Unwrap implements winchester.Tx: a fresh session of the transaction, which
// logs as the host's own does.
func (tx *transaction) Unwrap() any {
	return tx.db.Session(&gorm.Session{NewDB: true, Logger: tx.s.hostLogger})
}

// InsertEvents implements winchester.Tx.
func (tx *transaction) InsertEvents(ctx context.Context, events []winchester.Event) ([]int64, error) {
	if tx.fault != nil {
		return nil, tx.fault
	}
	rows := make([]eventRow, len(events))
	// The traits of all events are written into one text and cut out of it.
	var text []byte
	ends := make([]int, len(events))
	var traits winchester.TraitsWriter
	for i := range events {
		e := &events[i]
		var err error
		if text, err = traits.Append(text, e.Traits); err != nil {
			return nil, fmt.Errorf("store: event %q: %w", e.MessageID, err)
		}
		if i == 0 { // the others will be about as large
			text = slices.Grow(text, len(text)*len(events)*9/8)
		}
		ends[i] = len(text)
	}
	begin, all := 0, string(text)
	for i := range events {
		e := &events[i]
		rows[i] = eventRow{e.MessageID, e.EventType, e.Timestamp, all[begin:ends[i]]}
		begin = ends[i]
	}
	ids, err := tx.s.d.insertEvents(ctx, tx.conn, tx.s.t, rows)
	tx.s.log.batch(ctx, "INSERT INTO "+tx.s.t.events, len(rows))
	if err != nil {
		return nil, fail(ctx, tx.s.d, "insert events", err)
	}
	return ids, nil
}

// SaveOpen implements winchester.Tx.
func (tx *transaction) SaveOpen(ctx context.Context, streams []*winchester.Stream) error {
	if tx.fault != nil {
		return tx.fault
	}
	for _, s := range streams {
		if s.ID == 0 {
			s.FilingNo = newFilingNo()
		}
	}
	err := tx.s.d.saveOpen(ctx, tx.conn, tx.s.t, streams)
	tx.s.log.batch(ctx, "INSERT INTO "+tx.s.t.streams, len(streams))
	return fail(ctx, tx.s.d, "save open streams", err)
}

// newFilingNo is a FilingNo that no other stream of the key has, nor will have.
func newFilingNo() int64 { return rand.Int64N(math.MaxInt64 / 2) }

// OpenStreams implements winchester.Tx.
func (tx *transaction) OpenStreams(ctx context.Context, keys []string) (map[string]*winchester.Stream, error) {
	open := make(map[string]*winchester.Stream, len(keys))
	if len(keys) == 0 {
		return open, nil
	}
	streams := newStreamReader()
	err := tx.s.d.openStreams(ctx, tx.conn, tx.s.t, keys, func(row scanner) error {
		s := &winchester.Stream{}
		err := streams.read(row, s)
		open[s.Key] = s
		return err
	})
	tx.s.log.batch(ctx, "SELECT FROM "+tx.s.t.streams, len(open))
	if err != nil {
		return nil, fail(ctx, tx.s.d, "read open streams", err)
	}
	return open, nil
}

// SaveStreams implements winchester.Tx.
func (tx *transaction) SaveStreams(ctx context.Context, streams []*winchester.Stream) error {
	for _, open := range []bool{false, true} { // a closed one must give its key free first
		var refiled, added []*winchester.Stream
		for _, s := range streams {
			switch {
			case s.Open != open:
			case s.ID != 0:
				refiled = append(refiled, s)
			default:
				added = append(added, s)
			}
		}
		if err := tx.save(ctx, refiled, added); err != nil {
			return fail(ctx, tx.s.d, "save streams", err)
		}
	}
	return nil
}

func (tx *transaction) save(ctx context.Context, refiled, added []*winchester.Stream) error {
	for _, s := range added {
		s.FilingNo = newFilingNo()
	}
	unchanged, err := tx.s.d.refileStreams(ctx, tx.conn, tx.s.t, refiled)
	if err == nil && unchanged != len(refiled) {
		err = fmt.Errorf("%w: a stream was changed since it was read", winchester.ErrConflict)
	}
	for _, s := range refiled {
		s.FilingNo++
	}
	if err == nil {
		err = tx.s.d.insertStreams(ctx, tx.conn, tx.s.t, added)
	}
	tx.s.log.batch(ctx, "UPDATE "+tx.s.t.streams, len(refiled))
	tx.s.log.batch(ctx, "INSERT INTO "+tx.s.t.streams, len(added))
	return tx.keyTaken(err)
}

// keyTaken makes ErrConflict of what the unique index on open_key refuses.
func (tx *transaction) keyTaken(err error) error {
	if err != nil && tx.s.d.isUniqueViolation(err) {
		return fmt.Errorf("%w: another stream of the same key is open: %w", winchester.ErrConflict, err)
	}
	return err
}

// AddMembers implements winchester.Tx.
func (tx *transaction) AddMembers(ctx context.Context, members []winchester.Member) error {
	err := tx.s.d.insertMembers(ctx, tx.conn, tx.s.t, members)
	tx.s.log.batch(ctx, "INSERT INTO "+tx.s.t.members, len(members))
	return fail(ctx, tx.s.d, "add events to streams", err)
}

// StreamEvents implements winchester.Tx.
func (tx *transaction) StreamEvents(ctx context.Context, streams ...int64) (map[int64][]winchester.Event, error) {
	events, err := tx.s.streamEvents(tx.session(ctx), streams)
	return events, fail(ctx, tx.s.d, "read events of streams", err)
}

// ChangeStreams implements winchester.Tx.
func (tx *transaction) ChangeStreams(ctx context.Context, changes []winchester.StreamChange) error {
	if tx.fault != nil {
		return tx.fault
	}
	err := tx.keyTaken(tx.s.d.changeStreams(ctx, tx.conn, tx.s.t, changes))
	tx.s.log.batch(ctx, "UPDATE "+tx.s.t.streams, len(changes))
	return fail(ctx, tx.s.d, "change the state of streams", err)
}
