package benchmarks

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// stored says what to put into a schema by statements of the database's own,
// which makes millions of rows in minutes.
type stored struct {
	streams, perStream int
	first              int // the number of the first stream: none is there twice
	ready              bool
}

// fill puts streams and their events into a schema, in the form that the engine
// would have stored them in.
func fill(b *testing.B, pool *pgxpool.Pool, schema string, s stored) {
	b.Helper()
	// What differs between events is put in where the markers are.
	e := newEvent(1, 1)
	for _, name := range []string{"trait_00", "instance_id"} {
		e.Traits[name] = "@" + name + "@"
	}
	execute(b, pool, inSchema(schema, `INSERT INTO {streams} (name, stream_key, open_key, distinguishing_traits, state, state_serial_no,
	first_event, last_event, fire_timestamp, expire_timestamp, fire_due, expire_due, progress)
	SELECT $1, key, encode(substr(sha256(convert_to(key, 'UTF8')), 1, 16), 'hex')::uuid, '{"instance_id":"' || key || '"}', 1, 0, at, at, CASE WHEN $3 THEN at END, at + interval '2d',
		CASE WHEN $3 THEN at END, at + interval '2d', $4
	FROM (SELECT $2::timestamptz) AS times (at), (SELECT encode(sha256(n::text::bytea), 'base64') AS key FROM generate_series($5::int, $5::int + $6::int - 1) AS n) AS keys`),
		triggerName, noon.Add(-time.Hour), s.ready, progress, s.first, s.streams)
	execute(b, pool, inSchema(schema, `WITH wanted AS (
		SELECT id, row_number() OVER (ORDER BY id DESC) AS n FROM {streams} ORDER BY id DESC LIMIT $1
	), stored AS (
		INSERT INTO {events} (message_id, event_type, timestamp, traits)
		SELECT md5(($2::int + n)::text)::uuid::text, 'compute.instance.type' || n % 20, $3::timestamptz + n * interval '1ms',
			replace(replace($4, '@trait_00@', 'some value ' || n), '@instance_id@', 'instance ' || n / $5)
		FROM generate_series(0, $1::int * $5::int - 1) AS n RETURNING id, (timestamp - $3::timestamptz) AS since
	)
	INSERT INTO {members} (stream_id, event_id)
	SELECT wanted.id, stored.id FROM stored JOIN wanted ON wanted.n = 1 + round(extract(epoch FROM since) * 1000)::bigint % $1::int`),
		s.streams, s.first*s.perStream, noon.Add(-2*time.Hour), text(b, e.Traits), s.perStream)
}

func execute(b *testing.B, pool *pgxpool.Pool, statement string, values ...any) {
	b.Helper()
	if _, err := pool.Exec(b.Context(), statement, values...); err != nil {
		b.Fatal(err)
	}
}

// copyOf fills a schema with all that another one has.
func copyOf(b *testing.B, pool *pgxpool.Pool, schema, from string) {
	b.Helper()
	for _, table := range []string{"{events}", "{streams}", "{members}"} {
		execute(b, pool, "INSERT INTO "+inSchema(schema, table)+" SELECT * FROM "+inSchema(from, table))
	}
}

func empty(b *testing.B, pool *pgxpool.Pool, schema string) {
	b.Helper()
	execute(b, pool, inSchema(schema, "TRUNCATE {events}, {streams}, {members}"))
}

// analyze does what autovacuum will have done where that many rows have come in
// over hours.
func analyze(b *testing.B, pool *pgxpool.Pool, schemas ...string) {
	b.Helper()
	for _, schema := range schemas {
		execute(b, pool, inSchema(schema, "VACUUM ANALYZE {events}, {streams}, {members}"))
	}
}
