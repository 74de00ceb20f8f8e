package store_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/store"
	"github.com/seed71495667/winchester/store/storetest"
)

// postgresHost opens a database as a host does.
func postgresHost(t testing.TB, url string, config *gorm.Config) *gorm.DB {
	t.Helper()
	config.Logger = logger.Discard
	db, err := gorm.Open(postgres.Open(url), config)
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

func TestConformancePostgres(t *testing.T) {
	t.Parallel()
	testdb.Postgres(t)
	for name, open := range map[string]func(t *testing.T) *store.Store{
		"own pool": func(t *testing.T) *store.Store { return testdb.OpenPostgres(t, store.Options{}) },
		"host": func(t *testing.T) *store.Store {
			url, schema := testdb.Postgres(t), testdb.Schema(t)
			s, err := store.New(t.Context(), postgresHost(t, url, &gorm.Config{}), store.Options{Schema: schema, Migrate: true, Logger: quiet})
			must(t, err)
			return s
		},
		"host, prepared statements, translated errors, a prefix": func(t *testing.T) *store.Store {
			url, schema := testdb.Postgres(t), testdb.Schema(t)
			s, err := store.New(t.Context(), postgresHost(t, url, &gorm.Config{PrepareStmt: true, TranslateError: true}),
				store.Options{Schema: schema, TablePrefix: "w_", Migrate: true, Logger: quiet})
			must(t, err)
			return s
		},
		"without prepared statements": func(t *testing.T) *store.Store {
			url, schema := testdb.Postgres(t), testdb.Schema(t)
			return open(t, testdb.WithParameter(url, "default_query_exec_mode=exec"), store.Options{Schema: schema, Migrate: true, Connections: 4})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) winchester.Store { return open(t) })
		})
	}
}

// TestConformancePgBouncer: behind a pooler that gives the server's connection
// to another client with each transaction.
func TestConformancePgBouncer(t *testing.T) {
	t.Parallel()
	url := os.Getenv("WINCHESTER_PGBOUNCER")
	if url == "" {
		t.Skip("no PgBouncer: set WINCHESTER_PGBOUNCER to the URL of one that pools transactions in front of the server of WINCHESTER_POSTGRES")
	}
	url = testdb.WithParameter(url, "default_query_exec_mode=exec")
	storetest.Run(t, func(t *testing.T) winchester.Store {
		return open(t, url, store.Options{Schema: testdb.Schema(t), Migrate: true, Connections: 4})
	})
}

// TestListeningBehindPgBouncer: notifications do not come through, which must
// be noticed, and must leave nothing behind for other clients.
func TestListeningBehindPgBouncer(t *testing.T) {
	t.Parallel()
	url := os.Getenv("WINCHESTER_PGBOUNCER")
	if url == "" {
		t.Skip("no PgBouncer: see TestConformancePgBouncer")
	}
	s := open(t, testdb.WithParameter(url, "default_query_exec_mode=exec"), store.Options{Schema: testdb.Schema(t), Migrate: true, Connections: 4})
	woken := make(chan time.Time, 1)
	err := s.Listen(t.Context(), func(due time.Time) { woken <- due })
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Fatalf("Listen: %v", err)
	}
	select {
	case <-woken:
		t.Fatal("woken, although listening does not work")
	default:
	}
}
