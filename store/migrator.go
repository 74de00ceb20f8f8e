package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
)

// Migrator brings the schema of a database to a version and back. Each step is
// one transaction with a lock on the table of applied migrations, so that any
// number of processes may migrate at once: one does it, the others find it done.
type Migrator struct {
	s   *Store
	all []Migration
	err error // of reading the embedded files
}

// MigrationStatus says whether a migration has been applied, and when.
type MigrationStatus struct {
	Migration
	Applied   bool
	AppliedAt time.Time
}

// OpenMigrator opens a database by its URL, as Open does, whatever its schema.
// Close it when done.
func OpenMigrator(ctx context.Context, url string, o Options) (*Migrator, error) {
	return OpenMigratorWith(ctx, nil, url, o)
}

// OpenMigratorWith is OpenMigrator for a database that the host may have a driver
// of its own for: see OpenWith.
func OpenMigratorWith(ctx context.Context, open Opener, url string, o Options) (*Migrator, error) {
	s, _, err := openURLWith(ctx, open, url, o, true)
	if err != nil {
		return nil, err
	}
	return s.Migrator(), nil
}

// NewMigrator migrates a database that the host has opened.
func NewMigrator(ctx context.Context, db *gorm.DB, o Options) (*Migrator, error) {
	s, _, err := overHost(ctx, db, o)
	if err != nil {
		return nil, err
	}
	return s.Migrator(), nil
}

// Migrator returns the migrator of the store's database.
func (s *Store) Migrator() *Migrator {
	m := &Migrator{s: s}
	m.all, m.err = readMigrations(s.d.migrations(), s.t)
	return m
}

// Close closes what OpenMigrator opened.
func (m *Migrator) Close() error { return m.s.Close() }

// Migrations lists all migrations, oldest first. The version of the last one is
// what this package needs.
func (m *Migrator) Migrations() []Migration { return slices.Clone(m.all) }

// Version returns the version that the database is at, 0 if it was never
// migrated.
func (m *Migrator) Version(ctx context.Context) (int, error) {
	version, err := m.version(m.s.writer(ctx))
	return version, fail(ctx, m.s.d, "read the schema version", err)
}

func (m *Migrator) version(db *gorm.DB) (version int, err error) {
	exists, err := m.s.d.has(db, m.s.t.migrations)
	if err == nil && exists {
		err = scanOne(db.Raw("SELECT COALESCE(MAX(version), 0) FROM "+m.s.t.migrations), &version)
	}
	return version, err
}

// Status tells of each migration whether it has been applied.
func (m *Migrator) Status(ctx context.Context) ([]MigrationStatus, error) {
	if m.err != nil {
		return nil, m.err
	}
	status := make([]MigrationStatus, len(m.all))
	for i, one := range m.all {
		status[i].Migration = one
	}
	db := m.s.writer(ctx)
	exists, err := m.s.d.has(db, m.s.t.migrations)
	if err == nil && exists {
		err = each(db.Table(m.s.t.migrations).Select("version, applied_at"), func(row scanner) error {
			var version int
			var at timeColumn
			if err := row.Scan(&version, &at); err != nil {
				return err
			}
			if version >= 1 && version <= len(status) {
				status[version-1].Applied, status[version-1].AppliedAt = true, at.Time
			}
			return nil
		})
	}
	return status, fail(ctx, m.s.d, "read the schema version", err)
}

// Up applies every migration that is missing.
func (m *Migrator) Up(ctx context.Context) error { return m.To(ctx, len(m.all)) }

// Down takes the last migration back. Taking the first one back deletes all
// events and streams.
func (m *Migrator) Down(ctx context.Context) error {
	version, err := m.Version(ctx)
	switch {
	case err != nil || version == 0:
		return err
	case version > len(m.all):
		return m.newer(version)
	}
	return m.To(ctx, version-1)
}

// To brings the schema to a version, up or down, one transaction a step. If a
// step fails the schema stays at the version before it. Version 0 is the empty
// database.
func (m *Migrator) To(ctx context.Context, target int) error {
	if m.err != nil {
		return m.err
	}
	if target < 0 || target > len(m.all) {
		return fmt.Errorf("store: there is no schema version %d; versions are 0 to %d", target, len(m.all))
	}
	// Without locks first: most often there is nothing to do.
	switch version, err := m.Version(ctx); {
	case err != nil:
		return err
	case version > len(m.all):
		return m.newer(version)
	case version == target:
		return nil
	}
	for {
		done, err := m.step(ctx, target)
		if err != nil {
			return fail(ctx, m.s.d, fmt.Sprintf("migrate to version %d", target), err)
		}
		if done {
			return nil
		}
	}
}

// step takes one step towards the target.
func (m *Migrator) step(ctx context.Context, target int) (done bool, err error) {
	db := m.s.writer(ctx)
	if err := m.createTable(db); err != nil {
		return false, err
	}
	now := 0
	err = m.s.writing(db, func(db *gorm.DB) error {
		if err := db.Exec(m.s.d.lockMigrations(m.s.t)).Error; err != nil {
			return err
		}
		// Only now is the version certain.
		version, err := m.version(db)
		if err != nil {
			return err
		}
		step, ok := next(m.all, version, target)
		if !ok {
			done = true
			return nil
		}
		for _, sql := range append(statements(step.sql()), step.bookkeeping(m.s.t)) {
			if err := db.Exec(sql).Error; err != nil {
				return fmt.Errorf("%s: %w", step.Migration, err)
			}
		}
		now = step.lands()
		return nil
	})
	if err == nil && !done {
		m.s.log.log.InfoContext(ctx, "Database migrated", "version", now)
	}
	return done, err
}

// createTable makes the table of applied migrations if there is none.
func (m *Migrator) createTable(db *gorm.DB) error {
	return m.s.writing(db, func(db *gorm.DB) error {
		for _, sql := range m.s.d.createMigrations(m.s.t) {
			if err := db.Exec(sql).Error; err != nil {
				return err
			}
		}
		return nil
	})
}

// Stamp records that the database is at a version without running anything: for
// a schema that was made by other means, say from what SQL printed.
func (m *Migrator) Stamp(ctx context.Context, version int) error {
	if m.err != nil {
		return m.err
	}
	if version < 0 || version > len(m.all) {
		return fmt.Errorf("store: there is no schema version %d; versions are 0 to %d", version, len(m.all))
	}
	db := m.s.writer(ctx)
	err := m.createTable(db)
	if err == nil {
		err = m.s.writing(db, func(db *gorm.DB) error {
			if err := db.Exec(m.s.d.lockMigrations(m.s.t)).Error; err != nil {
				return err
			}
			for _, sql := range stampStatements(m.s.t, m.all[:version]) {
				if err := db.Exec(sql).Error; err != nil {
					return err
				}
			}
			return nil
		})
	}
	return fail(ctx, m.s.d, "stamp the schema version", err)
}

// SQL returns what To would run to get from one version to another: see
// MigrationSQL.
func (m *Migrator) SQL(from, to int) (string, error) {
	if m.err != nil {
		return "", m.err
	}
	if to == -1 {
		to = len(m.all)
	}
	return script(m.s.d, m.s.t, m.all, from, to)
}

// check returns an error unless the schema is the one this package needs.
func (m *Migrator) check(ctx context.Context) error {
	if m.err != nil {
		return m.err
	}
	version, err := m.Version(ctx)
	switch {
	case err != nil:
		return err
	case version > len(m.all):
		return m.newer(version)
	case version < len(m.all):
		return fmt.Errorf("store: %w: the schema is at version %d, this program needs %d; set Options.Migrate or use a Migrator",
			ErrNotMigrated, version, len(m.all))
	}
	return nil
}

func (m *Migrator) newer(version int) error {
	return fmt.Errorf("store: %w: it is at version %d, this program knows %d", ErrNewerSchema, version, len(m.all))
}
