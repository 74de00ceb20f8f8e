package store_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
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

// TestIndexedTraitsPostgres: queries use the index, values may be long, and
// names that are long do not get in each other's way.
func TestIndexedTraitsPostgres(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 90)
	s, db, watch := openWatched(t, store.Options{IndexedTraits: []string{"customer.id", long + "a", long + "b"}})
	big := strings.Repeat("a very long text ", 1000)
	must(t, s.Transact(t.Context(), func(tx winchester.Tx) error {
		var events []winchester.Event
		for i := range 3000 {
			traits := winchester.Traits{"customer.id": i, long + "b": i}
			if i == 7 {
				traits["customer.id"] = big
			}
			events = append(events, winchester.Event{MessageID: fmt.Sprint(i), EventType: "t", Timestamp: time.Unix(1, 0), Traits: traits})
		}
		_, err := tx.InsertEvents(t.Context(), events)
		return err
	}))
	must(t, db.Exec("ANALYZE winchester_events").Error)
	for _, traits := range []winchester.Traits{{"customer.id": 4711 - 2000}, {"customer.id": big}, {long + "b": 42}} {
		watch.take()
		found, err := s.FindEvents(t.Context(), winchester.EventQuery{Traits: traits})
		must(t, err)
		if len(found) != 1 {
			t.Errorf("%d events found", len(found))
		}
		if plan := strings.Join(watch.take(), ""); !strings.Contains(plan, "Index Scan using") {
			t.Errorf("no index is used: %.500s", plan)
		}
	}
}

// TestSchemaThatExists needs no right to create one, and may have any name.
func TestSchemaThatExists(t *testing.T) {
	t.Parallel()
	server := testdb.Postgres(t)
	role := fmt.Sprintf("winchester_role_%d", os.Getpid())
	schema := testdb.Schema(t)
	for _, sql := range []string{
		"CREATE ROLE " + role + " LOGIN", "CREATE SCHEMA " + schema + " AUTHORIZATION " + role, "REVOKE CREATE ON DATABASE postgres FROM " + role,
	} {
		must(t, testdb.Exec(server, sql))
	}
	t.Cleanup(func() { must(t, testdb.Exec(server, "DROP OWNED BY "+role+"; DROP ROLE "+role)) })
	must(t, testdb.Exec(server, "SELECT 1"))
	s := open(t, testdb.WithParameter(server, "user="+role), store.Options{Schema: schema, Migrate: true})
	insert(t, s, "e")
	must(t, testdb.Exec(server, `DROP SCHEMA IF EXISTS "user" CASCADE`))
	t.Cleanup(func() { must(t, testdb.Exec(server, `DROP SCHEMA IF EXISTS "user" CASCADE`)) })
	insert(t, open(t, server, store.Options{Schema: "user", Migrate: true}), "e")
}
