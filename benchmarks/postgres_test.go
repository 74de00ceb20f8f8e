package benchmarks

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed71495667/winchester/store"
)

// connections is what each contender may open.
const connections = 10

func postgresURL(b *testing.B) string {
	b.Helper()
	url := os.Getenv("WINCHESTER_POSTGRES")
	if url == "" {
		b.Skip("no PostgreSQL: set WINCHESTER_POSTGRES to the URL of a database, such as postgres://postgres@127.0.0.1:5432/postgres")
	}
	return url
}

var schemas atomic.Int64

// newSchema names a schema of this benchmark's own, which is dropped at its end.
func newSchema(b *testing.B) (schema string) {
	b.Helper()
	url := postgresURL(b)
	schema = fmt.Sprintf("winchester_bench_%d_%d", os.Getpid(), schemas.Add(1))
	b.Cleanup(func() {
		pool := openPool(b, url)
		defer pool.Close()
		if _, err := pool.Exec(context.Background(), "DROP SCHEMA IF EXISTS "+schema+" CASCADE"); err != nil {
			b.Error(err)
		}
	})
	return schema
}

// migrated is a new schema with the store's tables and indexes in it.
func migrated(b *testing.B) (schema string) {
	b.Helper()
	schema = newSchema(b)
	if err := openStore(b, schema).Close(); err != nil {
		b.Fatal(err)
	}
	return schema
}

func openStore(b *testing.B, schema string) *store.Store {
	b.Helper()
	s, err := store.Open(b.Context(), postgresURL(b), store.Options{Schema: schema, Migrate: true, Connections: connections, Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

func openPool(b *testing.B, url string) *pgxpool.Pool {
	b.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		b.Fatal(err)
	}
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		b.Fatal(err)
	}
	return pool
}

// inSchema puts the names of the store's tables into a statement.
func inSchema(schema, statement string) string {
	return strings.NewReplacer("{events}", schema+".winchester_events", "{streams}", schema+".winchester_streams",
		"{members}", schema+".winchester_stream_events").Replace(statement)
}
