package store_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// schemaOf lists the tables and indexes of a database, with their SQL.
func schemaOf(t *testing.T, path string) []string {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT type || ' ' || name || ' ' || sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'sqlite_sequence' ORDER BY name")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	schema := []string{}
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			t.Fatal(err)
		}
		schema = append(schema, one)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return schema
}

func openMigrator(t *testing.T, path string, o store.Options) *store.Migrator {
	t.Helper()
	o.Logger = quiet
	m, err := store.OpenMigrator(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantVersion(t *testing.T, m *store.Migrator, want int) {
	t.Helper()
	got, err := m.Version(t.Context())
	must(t, err)
	if got != want {
		t.Fatalf("the schema is at version %d, want %d", got, want)
	}
}

func TestMigrateUpDownUp(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	m := openMigrator(t, path, store.Options{})
	latest := len(m.Migrations())
	wantVersion(t, m, 0)
	for version := 1; version <= latest; version++ {
		must(t, m.To(t.Context(), version))
		wantVersion(t, m, version)
	}
	up := schemaOf(t, path)
	must(t, m.Up(t.Context())) // nothing to do
	for version := latest; version > 0; version-- {
		must(t, m.Down(t.Context()))
		wantVersion(t, m, version-1)
	}
	for _, one := range schemaOf(t, path) {
		if !strings.Contains(one, "winchester_migrations") {
			t.Errorf("left behind: %s", one)
		}
	}
	must(t, m.Down(t.Context())) // nothing to do
	must(t, m.Up(t.Context()))
	if again := schemaOf(t, path); !slices.Equal(again, up) {
		t.Errorf("the schema differs the second time:\n%s\n%s", strings.Join(up, "\n"), strings.Join(again, "\n"))
	}
	s := open(t, path, store.Options{})
	insert(t, s, "e")
	status, err := m.Status(t.Context())
	must(t, err)
	for _, one := range status {
		if !one.Applied || one.AppliedAt.Before(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("status: %+v", one)
		}
	}
}

func insert(t *testing.T, s *store.Store, id string) {
	t.Helper()
	must(t, s.Transact(t.Context(), func(tx winchester.Tx) error {
		_, err := tx.InsertEvents(t.Context(), []winchester.Event{{MessageID: id, EventType: "t", Timestamp: time.Unix(1, 0)}})
		return err
	}))
}

func TestMigrateRefusesVersionsThatDoNotExist(t *testing.T) {
	t.Parallel()
	m := openMigrator(t, filepath.Join(t.TempDir(), "w.db"), store.Options{})
	for _, version := range []int{-1, len(m.Migrations()) + 1} {
		if err := m.To(t.Context(), version); err == nil {
			t.Errorf("To(%d): no error", version)
		}
		if err := m.Stamp(t.Context(), version); err == nil {
			t.Errorf("Stamp(%d): no error", version)
		}
		if _, err := m.SQL(version, 0); err == nil {
			t.Errorf("SQL(%d, 0): no error", version)
		}
	}
}

func TestOpenWantsAMigratedDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	if _, err := store.Open(t.Context(), path, store.Options{}); !errors.Is(err, store.ErrNotMigrated) || !strings.Contains(err.Error(), "Options.Migrate") {
		t.Fatalf("error is %v", err)
	}
	m := openMigrator(t, path, store.Options{})
	must(t, m.Up(t.Context()))
	open(t, path, store.Options{})

	raw, err := sql.Open("sqlite3", path)
	must(t, err)
	defer raw.Close()
	_, err = raw.Exec("INSERT INTO winchester_migrations (version, name) VALUES (4711, 'from the future')")
	must(t, err)
	if _, err := store.Open(t.Context(), path, store.Options{Migrate: true}); !errors.Is(err, store.ErrNewerSchema) {
		t.Fatalf("error is %v", err)
	}
	if err := m.Down(t.Context()); !errors.Is(err, store.ErrNewerSchema) {
		t.Fatalf("Down: error is %v", err)
	}
}

// TestMigrateConcurrently is what happens when a fleet of processes starts.
func TestMigrateConcurrently(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	const processes = 8
	stores, faults := make([]*store.Store, processes), make([]error, processes)
	var all sync.WaitGroup
	for i := range processes {
		all.Add(1)
		go func() {
			defer all.Done()
			stores[i], faults[i] = store.Open(t.Context(), path, store.Options{Migrate: true, Logger: quiet, BusyTimeout: time.Minute})
		}()
	}
	all.Wait()
	for i, s := range stores {
		if faults[i] != nil {
			t.Errorf("process %d: %v", i, faults[i])
			continue
		}
		must(t, s.Close())
	}
}

func TestTablePrefix(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	a := open(t, path, store.Options{Migrate: true, TablePrefix: "billing_"})
	b := open(t, path, store.Options{Migrate: true, TablePrefix: "audit_", IndexedTraits: []string{"user"}})
	insert(t, a, "e")
	insert(t, b, "e") // not a duplicate: it is another set of tables
	for _, one := range schemaOf(t, path) {
		name := strings.Fields(one)[1]
		if !strings.HasPrefix(name, "billing_") && !strings.HasPrefix(name, "audit_") {
			t.Errorf("%s has none of the prefixes", name)
		}
	}
	must(t, a.Migrator().To(t.Context(), 0))
	insert(t, b, "f")
}

// TestMigrationSQL runs what is printed and gets the same schema.
func TestMigrationSQL(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	printed, migrated := filepath.Join(dir, "printed.db"), filepath.Join(dir, "migrated.db")
	up, err := store.MigrationSQL("sqlite:///"+printed, store.Options{TablePrefix: "w_"}, 0, -1)
	must(t, err)
	raw, err := sql.Open("sqlite3", printed)
	must(t, err)
	defer raw.Close()
	_, err = raw.Exec(up)
	must(t, err)
	m := openMigrator(t, migrated, store.Options{TablePrefix: "w_"})
	must(t, m.Up(t.Context()))
	if a, b := schemaOf(t, printed), schemaOf(t, migrated); !slices.Equal(a, b) {
		t.Errorf("the schema of the printed SQL differs:\n%s\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
	open(t, printed, store.Options{TablePrefix: "w_"})

	down, err := m.SQL(len(m.Migrations()), 0)
	must(t, err)
	_, err = raw.Exec(down)
	must(t, err)
	if left := schemaOf(t, printed); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := store.MigrationSQL("mysql://u:p@h/d", store.Options{}, 0, -1); !errors.Is(err, store.ErrUnsupportedDatabase) {
		t.Errorf("error is %v", err)
	}
	if nothing, err := m.SQL(1, 1); err != nil || nothing != "" {
		t.Errorf("SQL(1, 1) is %q, %v", nothing, err)
	}
}

func TestStamp(t *testing.T) {
	t.Parallel()
	m := openMigrator(t, filepath.Join(t.TempDir(), "w.db"), store.Options{})
	latest := len(m.Migrations())
	must(t, m.Stamp(t.Context(), latest))
	wantVersion(t, m, latest)
	must(t, m.Stamp(t.Context(), 0))
	wantVersion(t, m, 0)
	must(t, m.Up(t.Context()))
}

// TestMigrationThatFails leaves the schema at the version before it.
func TestMigrationThatFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	raw, err := sql.Open("sqlite3", path)
	must(t, err)
	defer raw.Close()
	_, err = raw.Exec("CREATE TABLE winchester_streams (something TEXT)")
	must(t, err)
	m := openMigrator(t, path, store.Options{})
	if err := m.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "0001_initial") || !strings.Contains(err.Error(), "winchester_streams") {
		t.Fatalf("error is %v", err)
	}
	wantVersion(t, m, 0)
	if left := schemaOf(t, path); len(left) != 2 { // the host's table and that of migrations
		t.Errorf("left behind: %v", left)
	}
}

func TestHostMigrator(t *testing.T) {
	t.Parallel()
	db := hostDB(t, ":memory:", 1, &gorm.Config{})
	m, err := store.NewMigrator(context.Background(), db, store.Options{Logger: quiet})
	must(t, err)
	must(t, m.Up(t.Context()))
	must(t, m.To(t.Context(), 0))
	must(t, m.Close())
	must(t, m.Up(t.Context())) // the host's database stays open
}
