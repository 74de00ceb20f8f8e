package store

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/gorm"
)

// Reading the events of streams is most of the work of running pipelines, and
// database/sql half of that: it makes an interface value of every column of
// every row before it looks at where it shall go. Where the pool is pgx's and
// there is no transaction, rows are read by pgx itself.

// eachNative runs a query and calls f for each row; done tells whether it could.
func eachNative(db *gorm.DB, f func(row scanner) error, query string, values ...any) (done bool, err error) {
	pool, ok := db.Statement.ConnPool.(*sql.DB) // not db.DB(), which also has an answer for a transaction
	if !ok {
		return false, nil
	}
	ctx := db.Statement.Context
	conn, err := pool.Conn(ctx)
	if err != nil {
		return true, err
	}
	defer conn.Close()
	err = conn.Raw(func(driverConn any) error {
		native, ok := driverConn.(*stdlib.Conn)
		if !ok {
			return nil
		}
		done = true
		return drainNative(ctx, native.Conn(), f, query, values)
	})
	return done || err != nil, err
}

func drainNative(ctx context.Context, conn *pgx.Conn, f func(row scanner) error, query string, values []any) error {
	rows, err := conn.Query(ctx, query, values...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// ScanTimestamptz implements pgtype.TimestamptzScanner.
func (c *timeColumn) ScanTimestamptz(v pgtype.Timestamptz) error {
	c.Time = v.Time.UTC()
	if !v.Valid {
		*c = timeColumn{}
	}
	return nil
}

// streamEvents goes from each stream to its events by the primary keys; OFFSET 0
// keeps the planner from doing otherwise. As long as the tables have grown
// faster than their statistics, it would take 100 streams for half of all there
// are and read both tables from end to end.
func (postgresDialect) streamEvents(db *gorm.DB, t tables, streams []int64, f func(row scanner) error) error {
	query := "SELECT s.id, e.* FROM unnest($1::bigint[]) AS s (id) " +
		"CROSS JOIN LATERAL (SELECT event_id FROM " + t.members + " WHERE stream_id = s.id OFFSET 0) AS m " +
		"CROSS JOIN LATERAL (SELECT " + eventColumns + " FROM " + t.events + " WHERE id = m.event_id OFFSET 0) AS e"
	if done, err := eachNative(db, f, query, streams); done {
		return err
	}
	return eachOf(db.Statement.Context, db.Statement.ConnPool, f, query, streams)
}
