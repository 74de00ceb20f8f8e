//go:build unix

package chaos

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/seed71495667/winchester/internal/chaos/scenario"
	"github.com/seed71495667/winchester/store"
)

// controllerName tells the controller's connections from those of the run.
const controllerName = "chaos controller"

// database is made for one run: PostgreSQL counts deadlocks by database, and no
// one else's work is disturbed in it.
type database struct {
	name  string
	url   string  // of it, for the children
	admin *sql.DB // a connection to the database that the URL of the run named
	db    *sql.DB
}

func createDatabase(ctx context.Context, text string) (*database, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errors.New("chaos: the URL must be like postgres://user@host:5432/database")
	}
	var random [4]byte
	_, _ = rand.Read(random[:])
	d := &database{name: "winchester_chaos_" + hex.EncodeToString(random[:])}
	if d.admin, err = openController(u.String()); err != nil {
		return nil, err
	}
	if _, err := d.admin.ExecContext(ctx, "CREATE DATABASE "+d.name); err != nil {
		d.close()
		return nil, fmt.Errorf("chaos: the run needs a database of its own: %w", err)
	}
	u.Path = "/" + d.name
	d.url = u.String()
	if d.db, err = openController(d.url); err == nil {
		err = d.prepare(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, d.drop(ctx))
	}
	return d, nil
}

func (d *database) prepare(ctx context.Context) error {
	st, err := store.Open(ctx, d.url, store.Options{Schema: scenario.Schema, Migrate: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	_, err = d.db.ExecContext(ctx, scenario.Tables)
	return errors.Join(err, st.Close())
}

// openController opens a pool of connections that faults spare.
func openController(url string) (*sql.DB, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("chaos: the URL of the database cannot be parsed")
	}
	config.RuntimeParams["application_name"] = controllerName
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(2)
	return pool, nil
}

// close closes what was opened; connections that a restart has broken say so,
// which is no news.
func (d *database) close() {
	if d.db != nil {
		_ = d.db.Close()
	}
	_ = d.admin.Close()
}

// drop closes and deletes the database.
func (d *database) drop(ctx context.Context) error {
	defer d.close()
	_, err := d.admin.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS "+d.name+" WITH (FORCE)")
	return err
}

// disconnect ends up to n of the run's connections, at random, in the middle of
// whatever they do, and returns how many.
func (d *database) disconnect(ctx context.Context, n int) (ended int, err error) {
	err = d.db.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM (
	SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name <> $1 ORDER BY random() LIMIT $2) AS chosen`,
		controllerName, n).Scan(&ended)
	return ended, err
}

// unended counts the streams on which work is left to do.
func (d *database) unended(ctx context.Context) (n int, err error) {
	err = d.db.QueryRowContext(ctx, "SELECT count(*) FROM chaos.winchester_streams WHERE state NOT IN (4, 5, 6)").Scan(&n)
	return n, err
}

// answers waits until the server does.
func (d *database) answers(ctx context.Context) error {
	return poll(ctx, 50*time.Millisecond, func() bool { return d.db.PingContext(ctx) == nil })
}

// poll waits until a condition holds, or ctx ends.
func poll(ctx context.Context, every time.Duration, condition func() bool) error {
	for !condition() {
		if err := wait(ctx, every); err != nil {
			return err
		}
	}
	return nil
}

// monitor watches what is only to be seen while the run goes on.
type monitor struct {
	database  *database
	deadlocks int64
	last      int64
	seen      []string // that must never be
}

// watch looks once a second until ctx ends, and tells now and then how it goes.
func (m *monitor) watch(ctx context.Context, say func(format string, args ...any)) {
	for n := 1; wait(ctx, time.Second) == nil; n++ {
		m.look(ctx)
		if n%30 != 0 {
			continue
		}
		if left, err := m.database.unended(ctx); err == nil {
			say("%ds: %d streams have not ended, %d deadlocks", n, left, m.deadlocks)
		}
	}
}

func (m *monitor) look(ctx context.Context) {
	var n int64
	// A server that restarts after a crash begins to count anew.
	if err := m.database.db.QueryRowContext(ctx, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").Scan(&n); err == nil {
		if n < m.last {
			m.last = 0
		}
		m.deadlocks += n - m.last
		m.last = n
	}
	var twice sql.NullString
	err := m.database.db.QueryRowContext(ctx, `SELECT string_agg(stream_key || ': ' || ids, ', ') FROM (SELECT stream_key, string_agg(id::text, ' ') AS ids
	FROM chaos.winchester_streams WHERE open_key IS NOT NULL GROUP BY stream_key HAVING count(*) > 1) AS twice`).Scan(&twice)
	if err == nil && twice.Valid {
		m.seen = append(m.seen, "one open: there were open streams of one key: "+twice.String)
	}
}
