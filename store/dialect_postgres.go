package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
)

const postgresName = "postgres"

//go:embed migrations/postgres/*.sql
var postgresMigrations embed.FS

// postgresDialect is PostgreSQL, 13 or later, by the driver pgx. How a server
// is connected to is in postgres_open.go, the batch statements are in
// postgres_filing.go and postgres_runs.go, and the wake-ups in postgres_listen.go.
//
// Everything works at READ COMMITTED, the default isolation; what protects each
// invariant there is in docs/storage.md. No statement relies on what a session
// remembers, so that a pooler such as PgBouncer may stand in between.
type postgresDialect struct{}

func (postgresDialect) migrations() fs.FS {
	sub, err := fs.Sub(postgresMigrations, "migrations/postgres")
	if err != nil {
		panic(err) // the path is a constant
	}
	return sub
}

func (postgresDialect) createMigrations(t tables) []string {
	statements := []string{lockMigrations(t)}
	if t.schema != "" {
		// IF NOT EXISTS would want the right to create one in any case.
		statements = append(statements, fmt.Sprintf(
			`DO $$ BEGIN IF to_regnamespace('"%s"') IS NULL THEN CREATE SCHEMA "%s"; END IF; END $$`, t.schema, t.schema))
	}
	return append(statements, "CREATE TABLE IF NOT EXISTS "+t.migrations+` (
    version    integer     PRIMARY KEY,
    name       text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)`)
}

func (postgresDialect) lockMigrations(t tables) string { return lockMigrations(t) }

// lockMigrations: the lock ends with the transaction. Without it, two processes
// that create the same table meet in the system catalogs, whatever IF NOT
// EXISTS says.
func lockMigrations(t tables) string {
	return "SELECT pg_advisory_xact_lock(hashtext('winchester'), hashtext('" + t.migrations + "'))"
}

func (postgresDialect) has(db *gorm.DB, name string) (exists bool, err error) {
	err = scanOne(db.Raw("SELECT to_regclass(?) IS NOT NULL", name), &exists)
	return exists, err
}

func (postgresDialect) checkOptions(Options) error { return nil }

func (postgresDialect) check(ctx context.Context, db *gorm.DB) error {
	var version int
	if err := scanOne(db.Session(&gorm.Session{NewDB: true, Context: ctx}).Raw("SELECT current_setting('server_version_num')::int"), &version); err != nil {
		return err
	}
	if version < 130000 {
		return fmt.Errorf("%w: PostgreSQL %d.%d; version 13 or later is needed", ErrUnsupportedDatabase, version/10000, version%10000)
	}
	return nil
}

// lock: rows are locked as they are met, always in the same order.
func (postgresDialect) lock(context.Context, gorm.ConnPool, tables) error { return nil }

// isolation is READ COMMITTED even where the server's default is another one: a
// statement that has waited for a lock must see what was done meanwhile.
func (postgresDialect) isolation() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelReadCommitted}
}

func (postgresDialect) snapshot() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

func (postgresDialect) timeValue(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return inRange(t)
}

// The first and the last moment that an event can have, so to speak: queries
// may name others, which PostgreSQL does not know.
var (
	earliest = time.Date(0, 12, 31, 23, 59, 59, 0, time.UTC)
	latest   = time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
)

func inRange(t time.Time) time.Time {
	switch {
	case t.Before(earliest):
		return earliest
	case t.After(latest):
		return latest
	}
	return t
}

// A pointer to a slice is one value to GORM, and an array to pgx.
func (postgresDialect) inIDs(column string, ids []int64) (string, any) {
	return column + " = ANY(?)", &ids
}

func (postgresDialect) inTexts(column string, texts []string) (string, any) {
	return column + " = ANY(?)", &texts
}

// traitValue is the canonical form of the value of a trait, NULL if there is no
// such trait. PostgreSQL's own JSON functions are of no use here: they fail for
// the whole object if any text in it has a NUL character. In canonical JSON, `,"`
// or `{"` followed by a plain name and `":` occurs in front of that member only:
// within a text the quote would be escaped.
func traitValue(column, name string) string {
	return `substring(` + column + ` from '[{,]"` + strings.ReplaceAll(name, ".", `\.`) + `":("([^"\\]|\\.)*"|\{[^}]*\}|[^,}]*)')`
}

// traitIs compares canonical forms, which are equal exactly if type and value
// are. What sqliteDialect says of odd names goes for these, too.
func (postgresDialect) traitIs(column, name, canonical string) (string, []any) {
	if plainName.MatchString(name) {
		return traitValue(column, name) + " = ?", []any{canonical}
	}
	b, _ := winchester.AppendTraitJSON(nil, name)
	members := "',' || substr(" + column + ", 2, length(" + column + ") - 2) || ','"
	return "strpos(" + members + ", ?) > 0", []any{"," + string(b) + ":" + canonical + ","}
}

// indexTrait makes a hash index, which takes values of any length.
func (postgresDialect) indexTrait(t tables, name string) (index, statement string) {
	index = t.prefix + "events_trait_" + name
	if len(index) > maxIdentifier { // it would be cut off, and be the same for another trait
		h := fnv.New64a()
		h.Write([]byte(name))
		index = fmt.Sprintf("%sevents_%016x", t.prefix, h.Sum64())
	}
	qualified := `"` + index + `"`
	if t.schema != "" {
		qualified = `"` + t.schema + `".` + qualified
	}
	return qualified, "CREATE INDEX IF NOT EXISTS \"" + index + "\" ON " + t.events + " USING hash ((" + traitValue("traits", name) + "))"
}

// maxIdentifier is how long names can be, in bytes.
const maxIdentifier = 63

func (postgresDialect) skipLocked(table string) string {
	return " FOR UPDATE OF " + table + " SKIP LOCKED"
}

// lockPurge comes to streams in no order that would suit those that file events
// into them, which is why it must not wait.
func (postgresDialect) lockPurge(ctx context.Context, conn gorm.ConnPool, t tables, events []int64) error {
	_, err := conn.ExecContext(ctx, "SELECT FROM "+t.events+" WHERE id = ANY($1::bigint[]) FOR UPDATE NOWAIT", events)
	if err == nil {
		_, err = conn.ExecContext(ctx, "SELECT FROM "+t.streams+" WHERE id IN (SELECT stream_id FROM "+
			t.members+" WHERE event_id = ANY($1::bigint[])) FOR UPDATE NOWAIT", events)
	}
	return err
}

// PostgreSQL's error codes, by https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	pgSerializationFailure = "40001"
	pgDeadlockDetected     = "40P01"
	pgLockNotAvailable     = "55P03"
	pgUniqueViolation      = "23505"
	pgTooManyConnections   = "53300"
	pgReadOnly             = "25006"
	pgDiskFull             = "53100"
	pgIOError              = "58030"
)

func (postgresDialect) isContention(err error) bool {
	switch pgCode(err) {
	case pgSerializationFailure, pgDeadlockDetected, pgLockNotAvailable:
		return true
	}
	return false
}

// isUnavailable: classes 08 (connection) and 57P (the server is shutting down,
// crashed, starts up), no connection left, a standby that takes no writes, a disk
// that is full or fails, or no answer that would have a code.
func (postgresDialect) isUnavailable(err error) bool {
	code := pgCode(err)
	switch code {
	case "":
	case pgTooManyConnections, pgReadOnly, pgDiskFull, pgIOError:
		return true
	default:
		return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P")
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return false // the caller's own, which looks like one of the network
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

func (postgresDialect) isUniqueViolation(err error) bool {
	return pgCode(err) == pgUniqueViolation || errors.Is(err, gorm.ErrDuplicatedKey)
}

// pgCode returns the SQLSTATE of an error, "" for one that is not the server's.
func pgCode(err error) string {
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		return e.Code
	}
	return ""
}
