package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed71495667/winchester"
)

// Store keeps events and streams in a SQL database. It implements
// winchester.Store, whose comments say what each method does and returns. It
// is safe for concurrent use.
type Store struct {
	write, read *gorm.DB // the same one for a host's database
	d           dialect
	t           tables
	log         slogger
	// lockFirst: transactions do not take the write lock by themselves.
	lockFirst  bool
	hostLogger logger.Interface
	announcer  *announcer
	close      func() error
}

var _ winchester.Store = (*Store)(nil)

// Open opens the database that a URL names:
//
//	sqlite:///winchester.db         a file, relative to the working directory
//	sqlite:////var/lib/winchester.db  a file, absolute
//	sqlite://                       in memory, gone when the store is closed
//	file:winchester.db, winchester.db   the same as SQLite's own URI, as a path
//
// The parameters ?synchronous=normal and ?busy_timeout=10s of a sqlite: URL take
// precedence over the options of those names. Close the store when done. In memory there
// is one connection: see New for what that means.
//
// Open returns ErrUnsupportedDatabase for other databases, ErrNotMigrated if
// the schema is not up to date, or SQLite's file is not there (fs.ErrNotExist as
// well), and Options.Migrate is not set, and all faults of the options together. No error has a password in it.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	return OpenWith(ctx, nil, url, o)
}

// New uses a database that the host has opened; its settings stay as they are,
// and Close leaves it open. Any pool will do. With one of a single connection, a
// function run by Transact must not call the Store's other methods: they would
// wait for its connection. A database in memory lasts as long as a connection
// to it, which database/sql gives up when the context of a transaction ends:
// the host should hold a second one.
//
// It returns what Open returns.
func New(ctx context.Context, db *gorm.DB, o Options) (*Store, error) {
	s, o, err := overHost(ctx, db, o)
	if err != nil {
		return nil, err
	}
	return s, s.prepare(ctx, o)
}

// Opener opens a database of a URL with a driver of the host's. It may return nil
// for one that it leaves to this package.
type Opener func(ctx context.Context, url string) (*gorm.DB, error)

// OpenWith is Open for a database that the host may have a driver of its own for.
// What open returns is closed with the store. It returns what Open returns. open
// may be nil.
func OpenWith(ctx context.Context, open Opener, url string, o Options) (*Store, error) {
	s, o, err := openURLWith(ctx, open, url, o, o.Migrate)
	if err != nil {
		return nil, err
	}
	if err := s.prepare(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func openURLWith(ctx context.Context, open Opener, url string, o Options, create bool) (*Store, Options, error) {
	if open == nil {
		return openURL(ctx, url, o, create)
	}
	db, err := open(ctx, url)
	switch {
	case err != nil:
		return nil, o, err
	case db == nil:
		return openURL(ctx, url, o, create)
	}
	pool, err := db.DB()
	if err != nil {
		return nil, o, err
	}
	s, o, err := overHost(ctx, db, o)
	if err != nil {
		return nil, o, errors.Join(err, pool.Close())
	}
	s.close = pool.Close
	return s, o, nil
}

// openURL opens the database and looks at nothing in it. Unless it may be created, it
// has to be there: a misspelt path must not leave an empty file behind.
func openURL(ctx context.Context, url string, o Options, create bool) (*Store, Options, error) {
	l, err := parseURL(url, &o)
	if err != nil {
		return nil, o, err
	}
	if o, err = o.withDefaults(); err != nil {
		return nil, o, err
	}
	s := &Store{d: dialects[l.kind], t: newTables(o), log: newLogger(o)}
	if err := s.d.checkOptions(o); err != nil {
		return nil, o, err
	}
	if _, err := os.Stat(l.file); !create && l.file != "" && errors.Is(err, fs.ErrNotExist) {
		return nil, o, fmt.Errorf("store: %w: %w; Options.Migrate makes it", ErrNotMigrated, err)
	}
	s.write, s.read, s.close, err = s.d.open(ctx, l, o)
	if err != nil {
		return nil, o, fail(ctx, s.d, "open", err)
	}
	s.hostLogger = s.log
	s.announcer = newAnnouncer(s)
	return s, o, nil
}

// overHost wraps the host's database in a session that has settings of its own.
func overHost(ctx context.Context, db *gorm.DB, o Options) (*Store, Options, error) {
	if db == nil {
		return nil, o, errors.New("store: the *gorm.DB is nil")
	}
	o, err := o.withDefaults()
	if err != nil {
		return nil, o, err
	}
	d, err := dialectOf(db)
	if err != nil {
		return nil, o, err
	}
	if err := d.checkOptions(o); err != nil {
		return nil, o, err
	}
	log := newLogger(o)
	session := db.Session(&gorm.Session{NewDB: true, SkipDefaultTransaction: true, Logger: log})
	s := &Store{
		write: session, read: session, d: d, t: newTables(o), log: log,
		lockFirst: true, hostLogger: db.Logger, close: func() error { return nil },
	}
	s.announcer = newAnnouncer(s)
	return s, o, fail(ctx, d, "check the database", d.check(ctx, session))
}

// prepare brings the schema up to date, or makes sure that it is.
func (s *Store) prepare(ctx context.Context, o Options) error {
	m := s.Migrator()
	if o.Migrate {
		if err := m.Up(ctx); err != nil {
			return err
		}
	}
	if err := m.check(ctx); err != nil {
		return err
	}
	for _, name := range o.IndexedTraits {
		if err := s.indexTrait(ctx, name); err != nil {
			return fail(ctx, s.d, "index a trait", err)
		}
	}
	return nil
}

// indexTrait makes an index if there is none. It looks first: making one locks
// the table, whatever IF NOT EXISTS says.
func (s *Store) indexTrait(ctx context.Context, name string) error {
	index, statement := s.d.indexTrait(s.t, name)
	exists, err := s.d.has(s.writer(ctx), index)
	if err != nil || exists {
		return err
	}
	return s.writing(s.writer(ctx), func(db *gorm.DB) error {
		if err := db.Exec(s.d.lockMigrations(s.t)).Error; err != nil {
			return err
		}
		return db.Exec(statement).Error
	})
}

// writing runs fn in a transaction that writes.
func (s *Store) writing(db *gorm.DB, fn func(db *gorm.DB) error) error {
	return db.Transaction(fn, s.d.isolation())
}

// writer and reader begin a statement or a transaction, with nothing left of
// what the host's *gorm.DB may carry.
func (s *Store) writer(ctx context.Context) *gorm.DB {
	return s.write.Session(&gorm.Session{NewDB: true, Context: ctx})
}

func (s *Store) reader(ctx context.Context) *gorm.DB {
	return s.read.Session(&gorm.Session{NewDB: true, Context: ctx})
}

// Close closes what Open opened. What is still running fails.
func (s *Store) Close() error {
	s.announcer.close()
	return s.close()
}
