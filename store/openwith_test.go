package store_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// A host's driver is asked first, and what it opened is closed with the store.
func TestOpenWith(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	o := store.Options{Migrate: true, Logger: slog.New(slog.DiscardHandler)}
	var opened *gorm.DB
	open := func(_ context.Context, url string) (*gorm.DB, error) {
		switch url {
		case "mine":
			db, err := gorm.Open(sqlite.Open(filepath.Join(t.TempDir(), "mine.db")), &gorm.Config{})
			opened = db
			return db, err
		case "broken":
			return nil, errors.New("out of order")
		}
		return nil, nil
	}
	s, err := store.OpenWith(ctx, open, "mine", o)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.CountStreams(ctx, winchester.StreamQuery{}); err != nil || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if pool, err := opened.DB(); err != nil || pool.Ping() == nil {
		t.Errorf("the database is still open: %v", err)
	}
	if _, err := store.OpenWith(ctx, open, "broken", o); err == nil || err.Error() != "out of order" {
		t.Errorf("%v", err)
	}
	s, err = store.OpenWith(ctx, open, "sqlite:///"+filepath.Join(t.TempDir(), "ours.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	g, err := store.OpenMigratorWith(ctx, open, "mine", o)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := g.Version(ctx); err != nil || v != 0 {
		t.Errorf("%d, %v", v, err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}

func TestMigrations(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"sqlite://", "postgres://nowhere.invalid/x"} {
		all, err := store.Migrations(url, store.Options{})
		if err != nil || len(all) == 0 || all[0].Version != 1 || all[0].String() != "0001_initial" {
			t.Errorf("%s: %v, %v", url, all, err)
		}
	}
	if _, err := store.Migrations("oracle://x", store.Options{}); !errors.Is(err, store.ErrUnsupportedDatabase) {
		t.Errorf("%v", err)
	}
}
