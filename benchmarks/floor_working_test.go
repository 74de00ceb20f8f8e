package benchmarks

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// claimSize is how many streams are claimed at once, the engine's default.
const claimSize = 100

// workingFloor claims streams, reads their events and completes them, in three
// statements for up to claimSize streams.
type workingFloor struct {
	pool                  *pgxpool.Pool
	claim, read, complete string
	// decode: the traits of the events are decoded, for somebody who wants to look
	// at them, in the simplest way there is.
	decode bool
}

func newWorkingFloor(pool *pgxpool.Pool, schema string) *workingFloor {
	return &workingFloor{
		pool: pool,
		claim: inSchema(schema, `
WITH due AS MATERIALIZED (SELECT id AS due_id FROM {streams} WHERE fire_due < $1 ORDER BY fire_due, id LIMIT $2 FOR UPDATE SKIP LOCKED)
UPDATE {streams} SET state_serial_no = state_serial_no + 1, state = 2, open_key = NULL, owner = 'floor', claimed_due = fire_due,
	fire_due = $3, expire_due = NULL, attempt = attempt + 1
FROM due WHERE id = due_id
RETURNING id, name, stream_key, distinguishing_traits, state_serial_no, first_event, last_event, attempt`),
		read: inSchema(schema, `
SELECT m.stream_id, e.id, e.message_id, e.event_type, e.timestamp, e.traits
FROM {members} m JOIN {events} e ON e.id = m.event_id WHERE m.stream_id = ANY($1)`),
		complete: inSchema(schema, `
WITH gone AS (
	DELETE FROM {streams} s USING unnest($1::bigint[], $2::bigint[]) AS c (id, serial)
	WHERE s.id = c.id AND s.state_serial_no = c.serial RETURNING s.id
), left_over AS (
	DELETE FROM {members} WHERE stream_id = ANY($1::bigint[])
)
SELECT count(*) FROM gone`),
	}
}

// work does so until there is none left, and counts the streams that it has
// completed.
func (f *workingFloor) work(ctx context.Context, perStream int, done *atomic.Int64) error {
	for {
		n, err := f.cycle(ctx, perStream)
		if err != nil || n == 0 {
			return err
		}
		done.Add(int64(n))
	}
}

func (f *workingFloor) cycle(ctx context.Context, perStream int) (int, error) {
	var ids, serials []int64
	var c struct {
		id, serial        int64
		name, key, traits string
		first, last       time.Time
		attempt           int32
	}
	rows, err := f.pool.Query(ctx, f.claim, time.Now(), claimSize, time.Now().Add(time.Minute))
	if err != nil {
		return 0, err
	}
	_, err = pgx.ForEachRow(rows, []any{&c.id, &c.name, &c.key, &c.traits, &c.serial, &c.first, &c.last, &c.attempt}, func() error {
		ids, serials = append(ids, c.id), append(serials, c.serial)
		return nil
	})
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	var e struct {
		stream, id            int64
		message, kind, traits string
		at                    time.Time
	}
	if rows, err = f.pool.Query(ctx, f.read, ids); err != nil {
		return 0, err
	}
	events := 0
	_, err = pgx.ForEachRow(rows, []any{&e.stream, &e.id, &e.message, &e.kind, &e.at, &e.traits}, func() error {
		events++
		if f.decode {
			var traits map[string]any
			return json.Unmarshal([]byte(e.traits), &traits)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	var completed int
	if err := f.pool.QueryRow(ctx, f.complete, ids, serials).Scan(&completed); err != nil {
		return 0, err
	}
	if completed != len(ids) || events != perStream*len(ids) {
		return 0, fmt.Errorf("%d of %d streams were completed, %d events were read", completed, len(ids), events)
	}
	return completed, nil
}
