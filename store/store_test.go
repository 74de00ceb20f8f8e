package store_test

import (
	"context"
	"log/slog"
	"net/url"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
	"github.com/seed71495667/winchester/store/storetest"
)

func TestMain(m *testing.M) {
	// GORM never ends this one, which a host that wants prepared statements gets.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("gorm.io/gorm/internal/lru.NewLRU[...].func1"))
}

// TestConformance runs the suite against every way to have an SQLite database.
func TestConformance(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) *store.Store{
		"own file":   openFile,
		"own memory": func(t *testing.T) *store.Store { return open(t, "sqlite://", store.Options{Migrate: true}) },
		"host file": func(t *testing.T) *store.Store {
			return openHost(t, hostDB(t, filepath.Join(t.TempDir(), "host.db"), 0, &gorm.Config{}))
		},
		"host file in WAL, prepared statements": func(t *testing.T) *store.Store {
			return openHost(t, hostDB(t, filepath.Join(t.TempDir(), "host.db")+"?_journal_mode=WAL", 0, &gorm.Config{PrepareStmt: true, TranslateError: true}))
		},
		"host file, one connection": func(t *testing.T) *store.Store {
			return openHost(t, hostDB(t, filepath.Join(t.TempDir(), "host.db"), 1, &gorm.Config{}))
		},
		"host memory, one connection": func(t *testing.T) *store.Store {
			return openHost(t, hostDB(t, hostMemory(t), 1, &gorm.Config{SkipDefaultTransaction: true}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) winchester.Store { return open(t) })
		})
	}
}

// quiet is a logger that logs nothing.
var quiet = slog.New(slog.DiscardHandler)

// open opens a store that is closed with the test.
func open(t testing.TB, location string, o store.Options) *store.Store {
	t.Helper()
	if o.Logger == nil {
		o.Logger = quiet
	}
	s, err := store.Open(context.Background(), location, o)
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

// fileURL is the URL of a file of the test's own.
func fileURL(t testing.TB) string { return "sqlite:///" + filepath.Join(t.TempDir(), "winchester.db") }

// openFile opens a store in a file. Waiting for the disk would only make tests
// slow: no test cuts the power.
func openFile(t *testing.T) *store.Store {
	return open(t, fileURL(t), store.Options{Migrate: true, Synchronous: store.SyncOff})
}

// hostDB opens a database as a host would.
func hostDB(t *testing.T, dsn string, conns int, c *gorm.Config) *gorm.DB {
	t.Helper()
	c.Logger = logger.Discard
	db, err := gorm.Open(sqlite.Open(dsn), c)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	pool.SetMaxOpenConns(conns)
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// hostMemory is a database in memory, kept by a connection that nobody uses.
func hostMemory(t *testing.T) (dsn string) {
	t.Helper()
	dsn = "file:/" + url.PathEscape(t.Name()) + "?vfs=memdb"
	keeper := hostDB(t, dsn, 1, &gorm.Config{})
	if err := keeper.Exec("SELECT 1").Error; err != nil {
		t.Fatal(err)
	}
	return dsn
}

func openHost(t *testing.T, db *gorm.DB) *store.Store {
	t.Helper()
	s, err := store.New(context.Background(), db, store.Options{Migrate: true, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
