package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/gorm"
)

// database/sql makes an interface value of every column of every row before it
// looks at where it shall go; that is half of the work of reading streams and
// events. So where the pool is pgx's, statements with many rows are run by pgx
// itself, on the connection that database/sql has given out. Otherwise, say
// behind a driver that wraps pgx, or in a transaction of the host, they are run
// as always.

// pinned is the connection of a transaction, together with the handle by which
// pgx can be asked.
type pinned struct {
	gorm.ConnPool // of the transaction
	conn          *sql.Conn
}

// transaction runs fn in a transaction.
func (d postgresDialect) transaction(db *gorm.DB, fn func(db *gorm.DB, conn gorm.ConnPool) error) error {
	if _, ok := db.Statement.ConnPool.(*sql.DB); !ok { // GORM prepares statements, for one
		return gormTransaction(db, d.isolation(), fn)
	}
	return db.Connection(func(db *gorm.DB) error {
		conn, _ := db.Statement.ConnPool.(*sql.Conn)
		return gormTransaction(db, d.isolation(), func(db *gorm.DB, pool gorm.ConnPool) error { return fn(db, &pinned{pool, conn}) })
	})
}

// eachOn is eachOf on a connection of a pool.
func eachOn(db *gorm.DB, f func(row scanner) error, query string, values ...any) error {
	ctx := db.Statement.Context
	pool, ok := db.Statement.ConnPool.(*sql.DB) // not db.DB(), which also has an answer for a transaction
	if !ok {
		return eachOf(ctx, db.Statement.ConnPool, f, query, values...)
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return eachNative(ctx, conn, f, query, values)
}

// eachOf runs a query on a connection and calls f for each row.
func eachOf(ctx context.Context, conn gorm.ConnPool, f func(row scanner) error, query string, values ...any) error {
	if p, ok := conn.(*pinned); ok {
		return eachNative(ctx, p.conn, f, query, values)
	}
	rows, err := conn.QueryContext(ctx, query, values...)
	if err != nil {
		return err
	}
	return drain(rows, f)
}

// execOf runs a statement on a connection and returns how many rows it changed.
func execOf(ctx context.Context, conn gorm.ConnPool, query string, values ...any) (n int64, err error) {
	if p, ok := conn.(*pinned); ok {
		err = native(p.conn, func(c *pgx.Conn) error {
			tag, err := c.Exec(ctx, query, values...)
			n = tag.RowsAffected()
			return err
		})
		if !errors.Is(err, errNotNative) {
			return n, err
		}
	}
	r, err := conn.ExecContext(ctx, query, values...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func eachNative(ctx context.Context, conn *sql.Conn, f func(row scanner) error, query string, values []any) error {
	err := native(conn, func(c *pgx.Conn) error {
		rows, err := c.Query(ctx, query, values...)
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
	})
	if !errors.Is(err, errNotNative) {
		return err
	}
	rows, err := conn.QueryContext(ctx, query, values...)
	if err != nil {
		return err
	}
	return drain(rows, f)
}

var errNotNative = errors.New("the driver is not pgx")

// native hands out the connection as pgx's own, or returns errNotNative.
func native(conn *sql.Conn, f func(c *pgx.Conn) error) error {
	return conn.Raw(func(driverConn any) error {
		c, ok := driverConn.(*stdlib.Conn)
		if !ok {
			return errNotNative
		}
		return f(c.Conn())
	})
}

func drain(rows *sql.Rows, f func(row scanner) error) error {
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

// streamEvents goes from each stream to its events by the primary keys, which
// OFFSET 0 holds the planner to. What it thinks of how many there are depends on
// statistics that lag behind while tables grow, so it is left to think that there
// are ten streams (of an array that a query makes) of ten events each (likewise).
// If it knew more, it would in turn read whole tables; or keep a copy of each
// event, for the next stream to find, and none does (Memoize); or find the work
// large enough to compile the plan (JIT). Each costs a multiple of the work.
func (postgresDialect) streamEvents(db *gorm.DB, t tables, streams []int64, f func(row scanner) error) error {
	query := "SELECT m.stream_id, e.* FROM (SELECT s.id AS stream_id, " +
		"unnest(ARRAY(SELECT event_id FROM " + t.members + " WHERE stream_id = s.id)) AS event_id FROM unnest((SELECT $1::bigint[])) AS s (id)) AS m " +
		"CROSS JOIN LATERAL (SELECT " + eventColumns + " FROM " + t.events + " WHERE id = m.event_id OFFSET 0) AS e"
	return eachOn(db, f, query, streams)
}
