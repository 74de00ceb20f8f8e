package store

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/timetext"
)

const sqliteName = "sqlite"

//go:embed migrations/sqlite/*.sql
var sqliteMigrations embed.FS

// sqliteDialect is SQLite, 3.38 or later, by whatever driver. What a file needs
// to be opened is in sqlite_open.go, the batch statements in sqlite_batch.go.
type sqliteDialect struct{}

func (sqliteDialect) migrations() fs.FS {
	sub, err := fs.Sub(sqliteMigrations, "migrations/sqlite")
	if err != nil {
		panic(err) // the path is a constant
	}
	return sub
}

func (sqliteDialect) createMigrations(t tables) []string {
	return []string{"CREATE TABLE IF NOT EXISTS " + t.migrations + ` (
    version    INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))
)`}
}

// lockMigrations: deleting nothing takes the write lock.
func (sqliteDialect) lockMigrations(t tables) string {
	return "DELETE FROM " + t.migrations + " WHERE version < 0"
}

func (sqliteDialect) has(db *gorm.DB, name string) (exists bool, err error) {
	err = scanOne(db.Raw("SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = ?)", name), &exists)
	return exists, err
}

func (sqliteDialect) checkOptions(o Options) error {
	if o.Schema != "" {
		return fmt.Errorf("store: Options.Schema %q: SQLite has no schemas; use TablePrefix", o.Schema)
	}
	return nil
}

// check asks for the version that has the -> operator; RETURNING and STRICT are
// older.
func (sqliteDialect) check(ctx context.Context, db *gorm.DB) error {
	var version string
	if err := scanOne(db.Session(&gorm.Session{NewDB: true, Context: ctx}).Raw("SELECT sqlite_version()"), &version); err != nil {
		return err
	}
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d.", &major, &minor); err != nil || major < 3 || major == 3 && minor < 38 {
		return fmt.Errorf("%w: SQLite %s; version 3.38 or later is needed", ErrUnsupportedDatabase, version)
	}
	return nil
}

// lock takes the write lock with a statement that changes nothing. A
// transaction that began by reading could not get it any more once another one
// has written.
func (sqliteDialect) lock(ctx context.Context, conn gorm.ConnPool, t tables) error {
	_, err := conn.ExecContext(ctx, "DELETE FROM "+t.streams+" WHERE id < 0")
	return err
}

func (sqliteDialect) isolation() *sql.TxOptions { return nil }

// snapshot: WAL gives every transaction one.
func (sqliteDialect) snapshot() *sql.TxOptions { return nil }

func (sqliteDialect) timeValue(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return timetext.Format(t)
}

// A list is handed over as one JSON array: the statement is the same for every
// length, so that it is prepared once, and no limit on variables applies.
func (sqliteDialect) inIDs(column string, ids []int64) (string, any) {
	b := make([]byte, 0, 8*len(ids)+2)
	b = append(b, '[')
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return column + " IN (SELECT value FROM json_each(?))", string(append(b, ']'))
}

func (sqliteDialect) inTexts(column string, texts []string) (string, any) {
	b, err := json.Marshal(texts)
	if err != nil {
		panic(err) // strings always have a JSON form
	}
	return column + " IN (SELECT value FROM json_each(?))", string(b)
}

// Names that can be written into a statement as they are, and so match the
// expression of an index.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_.:/-]+$`)

func traitPath(column, name string) string { return column + ` -> '$."` + name + `"'` }

// traitIs compares canonical forms, which are equal exactly if type and value
// are; -> gives them back byte for byte.
//
// A JSON path has no way to write a name with a quote, a backslash or a control
// character. Such a member is looked for as text. That finds nothing else: the
// escaped name has a backslash, which occurs only within strings, so the quote
// in front of it can only be the one that opens the name.
func (sqliteDialect) traitIs(column, name, canonical string) (string, []any) {
	if plainName.MatchString(name) {
		return traitPath(column, name) + " = ?", []any{canonical}
	}
	b, _ := winchester.AppendTraitJSON(nil, name)
	quoted := string(b)
	if !strings.Contains(quoted, `\`) {
		return column + " -> ? = ?", []any{"$." + quoted, canonical}
	}
	members := "',' || substr(" + column + ", 2, length(" + column + ") - 2) || ','"
	return "instr(" + members + ", ?) > 0", []any{"," + quoted + ":" + canonical + ","}
}

func (sqliteDialect) indexTrait(t tables, name string) (index, statement string) {
	index = t.prefix + "events_trait_" + name
	return index, "CREATE INDEX IF NOT EXISTS \"" + index + "\" ON " + t.events +
		" (" + traitPath("traits", name) + ") WHERE " + traitPath("traits", name) + " IS NOT NULL"
}

// A transaction that writes has the whole file to itself.
func (sqliteDialect) skipLocked(string) string { return "" }

func (sqliteDialect) lockPurge(context.Context, gorm.ConnPool, tables, []int64) error { return nil }

// SQLite has no way to tell other processes anything; they poll.
func (sqliteDialect) announces() bool { return false }

func (sqliteDialect) announce(context.Context, gorm.ConnPool, tables, time.Time) error { return nil }

func (sqliteDialect) listen(context.Context, *gorm.DB, tables, slogger, func(time.Time)) error {
	return fmt.Errorf("%w by SQLite", errors.ErrUnsupported)
}

// SQLite's result codes, by https://www.sqlite.org/rescode.html.
const (
	sqliteBusy       = 5
	sqliteLocked     = 6
	sqliteIOErr      = 10
	sqliteFull       = 13
	sqlitePrimaryKey = 1555
	sqliteUnique     = 2067
)

func (sqliteDialect) isContention(err error) bool {
	code := sqliteCode(err)
	return code&0xff == sqliteBusy || code&0xff == sqliteLocked
}

// isUnavailable: a disk that is full or fails is the fault of nothing that was to
// be stored. Otherwise a file is there, or it is not, in which case trying again
// does not help.
func (sqliteDialect) isUnavailable(err error) bool {
	code := sqliteCode(err) & 0xff
	return code == sqliteFull || code == sqliteIOErr
}

func (sqliteDialect) isUniqueViolation(err error) bool {
	code := sqliteCode(err)
	return code == sqliteUnique || code == sqlitePrimaryKey || errors.Is(err, gorm.ErrDuplicatedKey)
}

// sqliteCode returns the extended result code of an error, 0 for one that is
// not SQLite's. Drivers without cgo, such as modernc's, have it in a method.
func sqliteCode(err error) int {
	if code := cgoCode(err); code != 0 {
		return code
	}
	var e interface{ Code() int }
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}
