// Package testdb gives tests a database of their own.
//
// WINCHESTER_POSTGRES is the URL of a PostgreSQL database in which tests may
// create schemas; without it, tests that need one are skipped. With
// WINCHESTER_TEST_DATABASE=postgres all tests that work on any database run on
// that one, else on SQLite.
package testdb

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed71495667/winchester/store"
)

// Open opens an empty, migrated store that no other test uses, and closes it
// with the test. SQLite does not wait for the disk.
func Open(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	if OnPostgres() {
		return OpenPostgres(t, o)
	}
	if o.Synchronous == "" {
		o.Synchronous = store.SyncOff
	}
	return open(t, "sqlite:///"+filepath.Join(t.TempDir(), "w.db"), o)
}

// OnPostgres tells whether Open opens PostgreSQL.
func OnPostgres() bool { return os.Getenv("WINCHESTER_TEST_DATABASE") == "postgres" }

// OpenPostgres is Open for tests of PostgreSQL. It skips the test if there is
// none.
func OpenPostgres(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	return OpenURL(t, PostgresSchema(t), o)
}

// OpenHost opens an empty database as a host does, and closes it with the test.
func OpenHost(t testing.TB) *gorm.DB {
	t.Helper()
	dialector := sqlite.Open("file:" + filepath.Join(t.TempDir(), "host.db") + "?_journal_mode=WAL&_busy_timeout=5000&_txlock=immediate&_synchronous=off")
	if OnPostgres() {
		dialector = postgres.Open(PostgresSchema(t))
	}
	db, err := gorm.Open(dialector, &gorm.Config{Logger: logger.Discard})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	pool.SetMaxOpenConns(4)
	t.Cleanup(func() { _ = pool.Close() })
	return db
}

// OpenURL is Open for one of several stores that share a database.
func OpenURL(t testing.TB, url string, o store.Options) *store.Store {
	t.Helper()
	if o.Connections == 0 {
		o.Connections = 4
	}
	return open(t, url, o)
}

// PostgresSchema is the URL of an empty schema that no other test uses. It is
// named by the search path, so that tables of the test's own are in there, too.
func PostgresSchema(t testing.TB) string {
	t.Helper()
	url, schema := Postgres(t), Schema(t)
	if err := Exec(url, "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	return WithParameter(url, "search_path="+schema)
}

func open(t testing.TB, url string, o store.Options) *store.Store {
	t.Helper()
	o.Migrate = true
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := store.Open(context.Background(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Postgres is the URL of the PostgreSQL database for tests. It skips the test
// if there is none.
func Postgres(t testing.TB) string {
	t.Helper()
	url := os.Getenv("WINCHESTER_POSTGRES")
	if url == "" && OnPostgres() {
		t.Fatal("WINCHESTER_TEST_DATABASE is postgres, but WINCHESTER_POSTGRES is not set")
	}
	if url == "" {
		t.Skip("no PostgreSQL: set WINCHESTER_POSTGRES to the URL of a database, such as postgres://postgres@127.0.0.1:5432/postgres")
	}
	return url
}

var schemas atomic.Int64

// Schema names a schema that no other test uses, and drops it with the test.
func Schema(t testing.TB) string {
	t.Helper()
	url, schema := Postgres(t), fmt.Sprintf("winchester_test_%d_%d", os.Getpid(), schemas.Add(1))
	t.Cleanup(func() {
		if err := Exec(url, "DROP SCHEMA IF EXISTS "+schema+" CASCADE"); err != nil {
			t.Error(err)
		}
	})
	return schema
}

// WithParameter adds a parameter to a URL.
func WithParameter(url, parameter string) string {
	if strings.Contains(url, "?") {
		return url + "&" + parameter
	}
	return url + "?" + parameter
}

// Exec runs one statement on a connection of its own.
func Exec(url, statement string) error {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(context.Background(), statement)
	return err
}
