package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed71495667/winchester"
)

// Errors of opening a store. What a Store's methods return is said at
// winchester.Store.
var (
	// ErrUnsupportedDatabase: the URL, or the host's *gorm.DB, is of a database
	// that this version does not know.
	ErrUnsupportedDatabase = errors.New("unsupported database")
	// ErrNotMigrated: the database lacks tables, or has those of an older
	// version. Set Options.Migrate or use a Migrator.
	ErrNotMigrated = errors.New("database is not migrated")
	// ErrNewerSchema: the database was migrated by a newer version of this
	// package.
	ErrNewerSchema = errors.New("database has a newer schema")
)

// fail says what failed, and makes the error one that callers can match:
// winchester.ErrConflict if another transaction was the cause,
// winchester.ErrUnavailable if the server was, the context's error if that had
// ended, whatever the driver made of it.
func fail(ctx context.Context, d dialect, doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return fmt.Errorf("store: %s: %w", doing, err)
	case ctx.Err() != nil:
		return fmt.Errorf("store: %s: %w: %w", doing, ctx.Err(), err)
	case d.isContention(err) && !errors.Is(err, winchester.ErrConflict):
		return fmt.Errorf("store: %s: %w: %w", doing, winchester.ErrConflict, err)
	case d.isUnavailable(err) && !errors.Is(err, winchester.ErrUnavailable):
		return fmt.Errorf("store: %s: %w: %w", doing, winchester.ErrUnavailable, err)
	}
	return fmt.Errorf("store: %s: %w", doing, err)
}
