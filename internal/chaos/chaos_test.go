//go:build unix

package chaos_test

import (
	"context"
	"database/sql"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/seed71495667/winchester/internal/chaos"
	"github.com/seed71495667/winchester/internal/chaos/check"
	"github.com/seed71495667/winchester/internal/chaos/scenario"
)

func TestMain(m *testing.M) {
	if chaos.IsChild() {
		os.Exit(chaos.Child())
	}
	os.Exit(m.Run())
}

// TestChaos is a short run, in which the server itself is left alone, since
// other tests use it. Then it damages what the run has left, in every way that
// the checker must find.
func TestChaos(t *testing.T) {
	url := os.Getenv("WINCHESTER_POSTGRES")
	if url == "" {
		t.Skip("no PostgreSQL: set WINCHESTER_POSTGRES to the URL of a server whose user can create databases, such as postgres://postgres@127.0.0.1:5432/postgres")
	}
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	var out strings.Builder
	r, err := chaos.Run(t.Context(), chaos.Options{
		URL: url, Duration: 12 * time.Second, Feeders: 2, Workers: 2, Rate: 80, FaultEvery: 500 * time.Millisecond, Dir: t.TempDir(), Out: &out,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background(), false); err != nil {
			t.Error(err)
		}
	})
	r.Print(&out)
	t.Logf("%s", out.String())
	if len(r.Faults()) > 0 {
		t.Fatalf("the run has found %d violations", len(r.Faults()))
	}
	if len(r.Injected) < 3 || r.Summary.Events == 0 || r.Summary.Made == 0 {
		t.Error("hardly anything has happened")
	}
	db, err := sql.Open("pgx", r.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, d := range damages {
		t.Run(d.name, func(t *testing.T) { testDamage(t, r, db, d) })
	}
	t.Run("told", func(t *testing.T) { testTold(t, r, db) })
}

// Streams of the run, for damages.
const (
	aFired = `(SELECT min(l.stream_id) FROM chaos.ledger l JOIN chaos.winchester_streams s ON s.id = l.stream_id
		WHERE l.pass = 'fire' AND s.name = 'assembly')`
	another = `(SELECT max(l.stream_id) FROM chaos.ledger l JOIN chaos.winchester_streams s ON s.id = l.stream_id
		WHERE l.pass = 'fire' AND s.name = 'assembly')`
	itsOpenKey = `encode(substr(sha256(convert_to(stream_key, 'UTF8')), 1, 16), 'hex')::uuid`
	itsEvent   = `(SELECT max(event_id) FROM chaos.winchester_stream_events WHERE stream_id = ` + aFired + `)`
)

// damage is done to a finished run, and must be found.
type damage struct {
	name string
	sql  string
	find []check.Kind // at least
}

// damages go behind the unique indexes where these would keep them away; the
// checker does not rely on them.
var damages = []damage{
	{"lose an event", `DELETE FROM chaos.winchester_events WHERE id = ` + itsEvent, []check.Kind{check.Stored, check.Acknowledged, check.Filed}},
	{"lose an event and its memberships", `WITH lost AS (DELETE FROM chaos.winchester_events WHERE id = ` + itsEvent + ` RETURNING id)
		DELETE FROM chaos.winchester_stream_events WHERE event_id IN (SELECT id FROM lost)`, []check.Kind{check.Stored, check.Acknowledged, check.Booked}},
	{"store an event twice", `ALTER TABLE chaos.winchester_events DROP CONSTRAINT winchester_events_message_id; WITH again AS (SELECT nextval('chaos.winchester_events_id_seq') AS id, *
		FROM (SELECT message_id, event_type, timestamp, traits FROM chaos.winchester_events WHERE id = ` + itsEvent + `) AS e)
		INSERT INTO chaos.winchester_events SELECT * FROM again`, []check.Kind{check.Stored}},
	{"invent an event", `INSERT INTO chaos.winchester_events (message_id, event_type, timestamp, traits) VALUES ('x', 'sample', now(), '{"region":"region 1"}')`,
		[]check.Kind{check.Stored, check.Filed}},
	{"change a trait", `UPDATE chaos.winchester_events SET traits = replace(traits, '"n":', '"n":1') WHERE id = ` + itsEvent, []check.Kind{check.Stored}},
	{"make a trait a float", `UPDATE chaos.winchester_events SET traits = regexp_replace(traits, '"n":([0-9]+)', '"n":\1.0') WHERE id = ` + itsEvent, []check.Kind{check.Stored}},
	{"change a time", `UPDATE chaos.winchester_events SET timestamp = timestamp + interval '1 us' WHERE id = ` + itsEvent, []check.Kind{check.Stored}},
	{"lose a membership", `DELETE FROM chaos.winchester_stream_events WHERE stream_id = ` + aFired + ` AND event_id = ` + itsEvent,
		[]check.Kind{check.Filed, check.Booked}},
	{"move a membership", `UPDATE chaos.winchester_stream_events SET stream_id = ` + another + ` WHERE stream_id = ` + aFired + ` AND event_id = ` + itsEvent,
		[]check.Kind{check.Filed, check.Booked}},
	{"file an event twice", `INSERT INTO chaos.winchester_stream_events VALUES (` + another + `, ` + itsEvent + `)`, []check.Kind{check.Filed, check.Booked}},
	{"drop a stream", `DELETE FROM chaos.winchester_streams WHERE id = ` + aFired, []check.Kind{check.Filed, check.Booked, check.Told, check.Made}},
	{"drop a stream with its memberships", `WITH gone AS (DELETE FROM chaos.winchester_stream_events WHERE stream_id = ` + aFired + `)
		DELETE FROM chaos.winchester_streams WHERE id = ` + aFired, []check.Kind{check.Filed, check.Booked}},
	{"empty a stream", `DELETE FROM chaos.winchester_stream_events WHERE stream_id = ` + aFired, []check.Kind{check.Counted, check.Filed}},
	{"exchange a key", `UPDATE chaos.winchester_streams SET distinguishing_traits = '{"cell":"elsewhere"}' WHERE id = ` + aFired, []check.Kind{check.Filed}},
	{"give two streams one key", `UPDATE chaos.winchester_streams SET stream_key = (SELECT stream_key FROM chaos.winchester_streams WHERE name = 'order' LIMIT 1)
		WHERE id = ` + aFired, []check.Kind{check.Filed}},
	{"leave a stream open", `UPDATE chaos.winchester_streams SET open_key = ` + itsOpenKey + ` WHERE id = ` + aFired, []check.Kind{check.Ended}},
	{"open two streams of a key", `DROP INDEX chaos.winchester_streams_open_key;
		UPDATE chaos.winchester_streams SET open_key = ` + itsOpenKey + ` WHERE name = 'digest'`, []check.Kind{check.OneOpen, check.Ended}},
	{"forget that a stream fires", `UPDATE chaos.winchester_streams SET fire_timestamp = NULL WHERE id = ` + aFired, []check.Kind{check.Counted, check.Booked}},
	{"fire a stream too early", `UPDATE chaos.winchester_streams SET fire_timestamp = fire_timestamp + interval '1 h' WHERE id = ` + aFired, []check.Kind{check.Booked}},
	{"have a stream fire without reason", `UPDATE chaos.winchester_streams SET fire_timestamp = expire_timestamp
		WHERE id = (SELECT min(stream_id) FROM chaos.ledger JOIN chaos.winchester_streams s ON s.id = stream_id WHERE pass = 'expire' AND s.name = 'order')`,
		[]check.Kind{check.Counted, check.Booked}},
	{"miscount the first time", `UPDATE chaos.winchester_streams SET first_event = first_event + interval '1 us' WHERE id = ` + aFired, []check.Kind{check.Counted}},
	{"miscount an expiry", `UPDATE chaos.winchester_streams SET expire_timestamp = expire_timestamp + interval '1 us' WHERE name = 'order'`, []check.Kind{check.Counted}},
	{"leave a stream firing", `UPDATE chaos.winchester_streams SET state = 2, owner = 'a worker' WHERE id = ` + aFired, []check.Kind{check.Ended}},
	{"leave a stream to be retried", `UPDATE chaos.winchester_streams SET state = 8 WHERE id = ` + aFired, []check.Kind{check.Ended}},
	{"leave a stream active", `UPDATE chaos.winchester_streams SET state = 1 WHERE id = ` + aFired, []check.Kind{check.Ended}},
	{"leave a stream in error", `UPDATE chaos.winchester_streams SET state = 4 WHERE id = ` + aFired, []check.Kind{check.Ended, check.Booked}},
	{"leave a completed stream due", `UPDATE chaos.winchester_streams SET expire_due = now() WHERE id = ` + aFired, []check.Kind{check.Ended}},
	{"complete a doomed stream", `UPDATE chaos.winchester_streams SET state = 6 WHERE state IN (4, 5)`, []check.Kind{check.Ended, check.Booked}},
	{"book a stream twice", `INSERT INTO chaos.ledger SELECT * FROM chaos.ledger WHERE stream_id = ` + aFired, []check.Kind{check.Booked}},
	{"lose a booking", `DELETE FROM chaos.ledger WHERE stream_id = ` + aFired, []check.Kind{check.Booked}},
	{"book too few events", `UPDATE chaos.ledger SET members = split_part(members, chr(10), 1) WHERE stream_id = ` + aFired, []check.Kind{check.Booked}},
	{"book events out of order", `UPDATE chaos.ledger SET members = (SELECT string_agg(m, chr(10) ORDER BY at DESC)
		FROM unnest(string_to_array(members, chr(10))) WITH ORDINALITY AS u (m, at)) WHERE stream_id = ` + aFired, []check.Kind{check.Booked}},
	{"book a stream of nobody", `UPDATE chaos.ledger SET stream_id = 0 WHERE stream_id = ` + aFired, []check.Kind{check.Booked}},
	{"run the wrong pipeline", `UPDATE chaos.ledger SET pass = 'expire' WHERE stream_id = ` + aFired, []check.Kind{check.Booked}},
	{"book what has expired in silence", `INSERT INTO chaos.ledger SELECT id, 'expire', 'x', now(), 1, '' FROM chaos.winchester_streams s
		WHERE name = 'alarm' AND NOT EXISTS (SELECT 1 FROM chaos.ledger WHERE stream_id = s.id)`, []check.Kind{check.Booked}},
	{"do not tell the outside", `DELETE FROM chaos.outside WHERE stream_id = ` + aFired, []check.Kind{check.Told}},
	{"tell the outside under another key", `UPDATE chaos.outside SET idempotency_key = 'x' WHERE stream_id = ` + aFired, []check.Kind{check.Told}},
	{"tell the outside under two keys", `INSERT INTO chaos.outside VALUES (` + aFired + `, 'x')`, []check.Kind{check.Told}},
	{"use a key for two streams", `UPDATE chaos.outside SET idempotency_key = (SELECT min(idempotency_key) FROM chaos.outside WHERE stream_id = ` + another + `)
		WHERE stream_id = ` + aFired, []check.Kind{check.Told}},
	{"lose a made event", `DELETE FROM chaos.winchester_events WHERE event_type = 'report' AND traits LIKE '%"stream":' || ` + aFired + ` || '}'`,
		[]check.Kind{check.Made, check.Filed}},
	{"make an event twice", `INSERT INTO chaos.winchester_events (message_id, event_type, timestamp, traits)
		SELECT message_id || '?', event_type, timestamp, traits FROM chaos.winchester_events WHERE event_type = 'report' AND traits LIKE '%"stream":' || ` + aFired + ` || '}'`,
		[]check.Kind{check.Made, check.Filed}},
}

// testDamage does the damage in a transaction, so that the next one finds the
// run as it was.
func testDamage(t *testing.T, r *chaos.Result, db *sql.DB, d damage) {
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for statement := range strings.SplitSeq(d.sql, ";") {
		done, err := tx.ExecContext(t.Context(), statement)
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := done.RowsAffected(); n == 0 && !strings.Contains(statement, "DROP ") {
			t.Fatalf("nothing was damaged by %s", statement)
		}
	}
	_, violations, err := check.Check(t.Context(), tx, r.Plan, r.Histories)
	if err != nil {
		t.Fatal(err)
	}
	mustFind(t, violations, d.find...)
}

// testTold: what feeders were told is compared with what is stored.
func testTold(t *testing.T, r *chaos.Result, db *sql.DB) {
	told := func(acks ...scenario.Ack) []scenario.History {
		return append(slices.Clone(r.Histories), scenario.History{Acks: acks})
	}
	for name, histories := range map[string][]scenario.History{
		"nothing":                  nil,
		"stored twice":             told(scenario.Ack{Outcome: "stored"}, scenario.Ack{Outcome: "stored"}),
		"stored in other streams":  told(scenario.Ack{Outcome: "stored", Streams: []int64{0}}),
		"failed":                   told(scenario.Ack{Outcome: "failed", Reason: "no reason"}),
		"an event that is unknown": told(scenario.Ack{Event: r.Plan.Events, Outcome: "stored"}),
	} {
		t.Run(name, func(t *testing.T) {
			_, violations, err := check.Check(t.Context(), db, r.Plan, histories)
			if err != nil {
				t.Fatal(err)
			}
			mustFind(t, violations, check.Acknowledged)
		})
	}
}

func mustFind(t *testing.T, violations []check.Violation, kinds ...check.Kind) {
	t.Helper()
	found := map[check.Kind]string{}
	for _, v := range violations {
		if found[v.Kind] == "" {
			found[v.Kind] = v.Text
		}
	}
	for _, kind := range kinds {
		if found[kind] == "" {
			t.Errorf("not found as %q; found: %.300v", kind, found)
		} else {
			t.Logf("%s: %.300s", kind, found[kind])
		}
	}
}
