package store

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"runtime"
	"time"
)

// Options are the settings of a Store. The zero value of each field stands for
// its default.
type Options struct {
	// TablePrefix begins the name of every table and index: lower-case letters,
	// digits and underscores. Default "winchester_".
	TablePrefix string
	// Schema is the PostgreSQL schema that the tables are in, of the same letters
	// as TablePrefix; Migrate creates it. Default: the first of the connection's
	// search path, most often "public". SQLite has no schemas.
	Schema string
	// Migrate brings the schema up to date before the store is used. Several
	// processes may do so at once. Default: a database that is not up to date is
	// an error, ErrNotMigrated or ErrNewerSchema.
	Migrate bool
	// IndexedTraits names event traits that queries often ask for by value; each
	// gets an index, made on opening if it is missing (on a large table that
	// takes a while). Every one costs some of the insert rate. Names are made of
	// ASCII letters, digits and "_", ".", ":", "/", "-". Default: none.
	IndexedTraits []string
	// Logger gets the log lines of the store and of GORM. Default: slog.Default().
	Logger *slog.Logger
	// EchoSQL logs every statement, without its values, at level debug. Default:
	// only statements slower than SlowQuery are logged, as warnings.
	EchoSQL bool
	// SlowQuery is when a statement counts as slow. Default 1s; negative for never.
	SlowQuery time.Duration

	// The rest is for databases that Open opens; New leaves the host's as they are.

	// Connections is how many connections to a PostgreSQL server are open at
	// most. One of them listens for wake-ups while workers run. Default 10.
	Connections int
	// Synchronous says when SQLite waits for the disk. Default SyncFull.
	Synchronous Synchronous
	// BusyTimeout is how long SQLite waits for a lock that another process holds,
	// before the transaction counts as a conflict. Default 5s.
	BusyTimeout time.Duration
	// Readers is the number of SQLite connections for queries, beside the one
	// that writes. Default: the number of CPUs, at least 4.
	Readers int
}

// Synchronous is SQLite's durability setting of that name. No setting can
// corrupt the database when only the program crashes.
type Synchronous string

const (
	// SyncFull writes every transaction through to the disk before it is
	// acknowledged: a power failure loses nothing that was acknowledged.
	SyncFull Synchronous = "full"
	// SyncNormal writes through at checkpoints only. It is several times as fast
	// for small transactions, and a power failure or a crash of the operating
	// system may lose the last of them. The database stays whole.
	SyncNormal Synchronous = "normal"
	// SyncOff never waits for the disk; a power failure may destroy the
	// database. For tests and throw-away data.
	SyncOff Synchronous = "off"
)

const defaultPrefix = "winchester_"

var (
	validPrefix = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`)
	// What an indexed trait may be called: its name becomes part of the index.
	validIndexed = regexp.MustCompile(`^[A-Za-z0-9_.:/-]{1,100}$`)
)

// withDefaults fills in what was left out and reports all faults together.
func (o Options) withDefaults() (Options, error) {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("store: Options."+format, args...))
	}
	if o.TablePrefix == "" {
		o.TablePrefix = defaultPrefix
	}
	if !validPrefix.MatchString(o.TablePrefix) {
		fault("TablePrefix %q: expected up to 40 lower-case letters, digits and underscores, not beginning with a digit", o.TablePrefix)
	}
	if o.Schema != "" && !validPrefix.MatchString(o.Schema) {
		fault("Schema %q: expected up to 40 lower-case letters, digits and underscores, not beginning with a digit", o.Schema)
	}
	for _, name := range o.IndexedTraits {
		if !validIndexed.MatchString(name) {
			fault("IndexedTraits: a trait named %q cannot be indexed", name)
		}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.SlowQuery == 0 {
		o.SlowQuery = time.Second
	}
	switch o.Synchronous {
	case "":
		o.Synchronous = SyncFull
	case SyncFull, SyncNormal, SyncOff:
	default:
		fault("Synchronous %q: expected %q, %q or %q", o.Synchronous, SyncFull, SyncNormal, SyncOff)
	}
	if o.BusyTimeout == 0 {
		o.BusyTimeout = 5 * time.Second
	}
	if o.BusyTimeout < 0 {
		fault("BusyTimeout is negative")
	}
	if o.Connections == 0 {
		o.Connections = 10
	}
	if o.Connections < 0 {
		fault("Connections is negative")
	}
	if o.Readers == 0 {
		o.Readers = max(runtime.GOMAXPROCS(0), 4)
	}
	if o.Readers < 0 {
		fault("Readers is negative")
	}
	return o, errors.Join(faults...)
}
