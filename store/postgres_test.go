package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
	"github.com/seed71495667/winchester/store/storetest"
)

// postgresURL is the server for tests, or the test is skipped.
func postgresURL(t testing.TB) string {
	t.Helper()
	url := os.Getenv("WINCHESTER_POSTGRES")
	if url == "" {
		t.Skip("no PostgreSQL: set WINCHESTER_POSTGRES to the URL of a database, such as postgres://postgres@127.0.0.1:5432/postgres")
	}
	return url
}

var schemas atomic.Int64

// newSchema names a schema that no other test uses and drops it with the test.
func newSchema(t testing.TB) (url, schema string) {
	t.Helper()
	url = postgresURL(t)
	schema = fmt.Sprintf("winchester_test_%d_%d", os.Getpid(), schemas.Add(1))
	t.Cleanup(func() {
		db, err := sql.Open("pgx", url)
		if err == nil {
			_, err = db.ExecContext(context.Background(), "DROP SCHEMA IF EXISTS "+schema+" CASCADE")
			_ = db.Close()
		}
		if err != nil {
			t.Error(err)
		}
	})
	return url, schema
}

func openPostgres(t testing.TB) *store.Store {
	t.Helper()
	url, schema := newSchema(t)
	return open(t, url, store.Options{Schema: schema, Migrate: true, Connections: 4})
}

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
	postgresURL(t)
	for name, open := range map[string]func(t *testing.T) *store.Store{
		"own pool": func(t *testing.T) *store.Store { return openPostgres(t) },
		"host": func(t *testing.T) *store.Store {
			url, schema := newSchema(t)
			s, err := store.New(t.Context(), postgresHost(t, url, &gorm.Config{}), store.Options{Schema: schema, Migrate: true, Logger: quiet})
			must(t, err)
			return s
		},
		"host, prepared statements, translated errors, a prefix": func(t *testing.T) *store.Store {
			url, schema := newSchema(t)
			s, err := store.New(t.Context(), postgresHost(t, url, &gorm.Config{PrepareStmt: true, TranslateError: true}),
				store.Options{Schema: schema, TablePrefix: "w_", Migrate: true, Logger: quiet})
			must(t, err)
			return s
		},
		"without prepared statements": func(t *testing.T) *store.Store {
			url, schema := newSchema(t)
			return open(t, withParameter(url, "default_query_exec_mode=exec"), store.Options{Schema: schema, Migrate: true, Connections: 4})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) winchester.Store { return open(t) })
		})
	}
}

// withParameter adds a parameter to a URL.
func withParameter(url, parameter string) string {
	if strings.Contains(url, "?") {
		return url + "&" + parameter
	}
	return url + "?" + parameter
}
