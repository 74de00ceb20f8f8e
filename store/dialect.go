package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"time"

	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
)

// dialect is what differs between databases. There is one implementation, in
// one file, for each; no other code asks which database it is talking to.
//
// The batch statements run on the connection of an open transaction, are for
// any number of rows, and see to it themselves that no limit on variables is
// met. They return the driver's errors; fail and conflict sort them out.
type dialect interface {
	// open opens the database that a URL names: a connection or pool that
	// writes, and one that reads, which may be the same.
	open(ctx context.Context, l location, o Options) (write, read *gorm.DB, closeAll func() error, err error)

	// migrations are the files NNNN_name.up.sql and NNNN_name.down.sql, with
	// {{prefix}} for the table prefix.
	migrations() fs.FS
	// createMigrations are the statements, run in one transaction, that make the
	// table of applied migrations if there is none.
	createMigrations(t tables) []string
	// lockMigrations keeps other processes from migrating until the transaction
	// ends.
	lockMigrations(t tables) string
	// has tells whether there is a table or an index of the name.
	has(db *gorm.DB, name string) (bool, error)

	// checkOptions refuses options that the database has no use for and that
	// would be missed.
	checkOptions(o Options) error
	// check refuses a server that is too old, and the like.
	check(ctx context.Context, db *gorm.DB) error
	// lock takes the locks, at the beginning of a transaction, that keep it from
	// meeting another one half-way. It must be the first statement.
	lock(ctx context.Context, conn gorm.ConnPool, t tables) error
	// isolation are the options of a transaction that writes.
	isolation() *sql.TxOptions
	// snapshot are the options of a transaction whose statements all see the
	// same state of the database; nil for the default ones.
	snapshot() *sql.TxOptions

	// timeValue is a time as a value of a statement; nil for the zero time.
	timeValue(t time.Time) any
	// inIDs and inTexts are "column IN (the values)" as one value of a statement.
	inIDs(column string, ids []int64) (condition string, value any)
	inTexts(column string, texts []string) (condition string, value any)
	// traitIs is the condition that a column of traits has one of this name with
	// exactly this canonical form. Where the trait is indexed it uses the index.
	traitIs(column, name, canonical string) (condition string, values []any)
	// indexTrait names an index for traitIs, as has takes it, and makes it if
	// there is none.
	indexTrait(t tables, name string) (index, statement string)

	// transaction runs fn in a transaction, on a connection for the statements
	// below.
	transaction(db *gorm.DB, fn func(db *gorm.DB, conn gorm.ConnPool) error) error
	// skipLocked goes at the end of a SELECT of rows, of which those are left out
	// that another transaction holds.
	skipLocked(table string) string
	// lockPurge holds events, and the streams they are in, that are about to be
	// deleted. It does not wait for them: another transaction that has one of
	// them is contention.
	lockPurge(ctx context.Context, conn gorm.ConnPool, t tables, events []int64) error

	insertEvents(ctx context.Context, conn gorm.ConnPool, t tables, rows []eventRow) ([]int64, error)
	insertMembers(ctx context.Context, conn gorm.ConnPool, t tables, members []winchester.Member) error
	// openStreams calls f for each open stream of the keys. Those of keys that
	// saveOpen has had stay as they are until the transaction ends.
	openStreams(ctx context.Context, conn gorm.ConnPool, t tables, keys []string, f func(row scanner) error) error
	// saveOpen is winchester.Tx.SaveOpen.
	saveOpen(ctx context.Context, conn gorm.ConnPool, t tables, streams []*winchester.Stream) error
	// insertStreams sets the ID of each.
	insertStreams(ctx context.Context, conn gorm.ConnPool, t tables, streams []*winchester.Stream) error
	// refileStreams writes what filing events changes and returns how many
	// streams still had their numbers.
	refileStreams(ctx context.Context, conn gorm.ConnPool, t tables, streams []*winchester.Stream) (int, error)
	// changeStreams applies all changes, or none and returns winchester.ErrLocked.
	changeStreams(ctx context.Context, conn gorm.ConnPool, t tables, changes []winchester.StreamChange) error

	// streamEvents calls f for each event of each stream: the columns are the
	// stream's id and the eventColumns.
	streamEvents(db *gorm.DB, t tables, streams []int64, f func(row scanner) error) error
	// claim is winchester.Store.Claim, in any order, with what each was due for.
	claim(ctx context.Context, read, write *gorm.DB, t tables, c winchester.Claim) ([]claimed, error)
	// nextDue is a query for winchester.Store.NextDue.
	nextDue(t tables) string
	// renew prolongs leases and returns the ids of the streams still held.
	renew(ctx context.Context, write *gorm.DB, t tables, owner string, streams []int64, until time.Time) ([]int64, error)

	// announces tells whether other processes can be told of due streams; if not,
	// the next two do nothing, and that it is unsupported.
	announces() bool
	announce(ctx context.Context, conn gorm.ConnPool, t tables, due time.Time) error
	// listen is winchester.Store.Listen.
	listen(ctx context.Context, db *gorm.DB, t tables, log slogger, wake func(due time.Time)) error

	// isContention tells that the database gave up one transaction for another.
	isContention(err error) bool
	// isUnavailable tells that the server cannot be reached, or no longer.
	isUnavailable(err error) bool
	// isUniqueViolation tells that a row met one with the same unique value.
	isUniqueViolation(err error) bool
}

// gormTransaction runs fn in a transaction, as GORM does it.
func gormTransaction(db *gorm.DB, options *sql.TxOptions, fn func(db *gorm.DB, conn gorm.ConnPool) error) error {
	return db.Transaction(func(db *gorm.DB) error { return fn(db, db.Statement.ConnPool) }, options)
}

// eventRow is an event as it is written.
type eventRow struct {
	messageID, eventType string
	timestamp            time.Time
	traits               string
}

// claimed is a stream that was claimed and the time that it was due at.
type claimed struct {
	stream winchester.Stream
	due    time.Time
}

// dialects are those that this version knows, by the names that GORM has for
// them. A new one is a line here, a line in parseURL, and a file.
var dialects = map[string]dialect{sqliteName: sqliteDialect{}, postgresName: postgresDialect{}}

// dialectOf finds the dialect of a GORM connection.
func dialectOf(db *gorm.DB) (dialect, error) {
	name := db.Dialector.Name()
	if d := dialects[name]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("store: %w: %s; %s", ErrUnsupportedDatabase, name, supported)
}
