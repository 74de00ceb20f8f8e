package benchmarks

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed71495667/winchester"
)

// row is an event as the database gets it, with the stream that it belongs in.
type row struct {
	messageID, eventType, traits string
	timestamp                    time.Time
	key, distinguishing          string
}

// rowsOf makes the rows of a batch, by message id. The floor knows the trigger.
func rowsOf(b *testing.B, events []winchester.Event) []row {
	b.Helper()
	rows := make([]row, len(events))
	for i, e := range events {
		by := winchester.Traits{"instance_id": e.Traits["instance_id"]}
		key, err := winchester.StreamKey(triggerName, by)
		if err != nil {
			b.Fatal(err)
		}
		rows[i] = row{e.MessageID, e.EventType, text(b, e.Traits), e.Timestamp, key, text(b, by)}
	}
	slices.SortFunc(rows, func(x, y row) int { return strings.Compare(x.messageID, y.messageID) })
	return rows
}

func text(b *testing.B, traits winchester.Traits) string {
	b.Helper()
	text, err := traits.AppendJSON(nil)
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

// progress is that of a stream whose one fire criterion nothing has met.
const progress = "0123456789ab:0"

// filingFloor stores events and files them into streams in one statement.
type filingFloor struct {
	pool      *pgxpool.Pool
	statement string
}

func newFilingFloor(b *testing.B) *filingFloor {
	b.Helper()
	pool := openPool(b, postgresURL(b))
	b.Cleanup(pool.Close)
	return &filingFloor{pool, inSchema(migrated(b), `
WITH stored AS (
	INSERT INTO {events} (message_id, event_type, timestamp, traits)
	SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[])
	ON CONFLICT ON CONSTRAINT winchester_events_message_id DO NOTHING RETURNING id, message_id, timestamp
), placed AS MATERIALIZED (
	SELECT id, timestamp, stream FROM stored JOIN unnest($1::text[], $5::int[]) AS of (message_id, stream) USING (message_id)
), filed AS (
	INSERT INTO {streams} AS s (name, stream_key, open_key, distinguishing_traits, state, state_serial_no,
		first_event, last_event, expire_timestamp, expire_due, progress)
	SELECT '`+triggerName+`', key, open_key, traits, 1, 0, first, last, last + interval '2d', last + interval '2d', '`+progress+`'
	FROM (SELECT stream, min(timestamp) AS first, max(timestamp) AS last FROM placed GROUP BY stream) AS spans
	JOIN unnest($6::text[], $7::text[], $8::uuid[]) WITH ORDINALITY AS of (key, traits, open_key, stream) USING (stream)
	ORDER BY key
	ON CONFLICT (open_key) WHERE open_key IS NOT NULL DO UPDATE SET first_event = least(s.first_event, excluded.first_event),
		last_event = greatest(s.last_event, excluded.last_event),
		expire_timestamp = greatest(s.expire_timestamp, excluded.expire_timestamp),
		expire_due = greatest(s.expire_due, excluded.expire_due), progress = excluded.progress
	RETURNING id, stream_key
)
INSERT INTO {members} (stream_id, event_id)
SELECT filed.id, placed.id FROM filed
JOIN unnest($6::text[]) WITH ORDINALITY AS of (stream_key, stream) USING (stream_key)
JOIN placed USING (stream)`)}
}

// arrays are a batch as the statement takes it.
type arrays struct {
	messageIDs, types, traits []string
	times                     []time.Time
	streams                   []int32 // of each event, counted from 1
	keys, distinguishing      []string
	openKeys                  []pgtype.UUID
}

func arraysOf(rows []row) arrays {
	var a arrays
	number := map[string]int32{}
	for _, r := range rows {
		n := number[r.key]
		if n == 0 {
			a.keys, a.distinguishing = append(a.keys, r.key), append(a.distinguishing, r.distinguishing)
			digest := sha256.Sum256([]byte(r.key))
			a.openKeys = append(a.openKeys, pgtype.UUID{Bytes: [16]byte(digest[:]), Valid: true})
			n = int32(len(a.keys))
			number[r.key] = n
		}
		a.messageIDs, a.types, a.traits = append(a.messageIDs, r.messageID), append(a.types, r.eventType), append(a.traits, r.traits)
		a.times, a.streams = append(a.times, r.timestamp), append(a.streams, n)
	}
	return a
}

func (f *filingFloor) file(ctx context.Context, a arrays, stored int) error {
	tag, err := f.pool.Exec(ctx, f.statement, a.messageIDs, a.types, a.times, a.traits, a.streams, a.keys, a.distinguishing, a.openKeys)
	if err == nil && tag.RowsAffected() != int64(stored) {
		err = fmt.Errorf("%d events were stored, not %d", tag.RowsAffected(), stored)
	}
	return err
}
