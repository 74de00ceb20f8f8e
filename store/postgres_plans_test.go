package store_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/store"
)

// plans collects what auto_explain, an extension that comes with the server,
// says of every statement.
type plans struct {
	mu   sync.Mutex
	seen []string
}

func (p *plans) notice(_ *pgconn.PgConn, n *pgconn.Notice) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, n.Message)
}

func (p *plans) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := p.seen
	p.seen = nil
	return seen
}

// openWatched opens a store all of whose plans are seen.
func openWatched(t *testing.T, o store.Options) (*store.Store, *gorm.DB, *plans) {
	t.Helper()
	o.Migrate, o.Logger = true, quiet
	config, err := pgx.ParseConfig(testdb.PostgresSchema(t))
	must(t, err)
	watch := &plans{}
	config.OnNotice = watch.notice
	config.RuntimeParams["session_preload_libraries"] = "auto_explain"
	config.RuntimeParams["auto_explain.log_min_duration"] = "0"
	config.RuntimeParams["client_min_messages"] = "log"
	pool := stdlib.OpenDB(*config)
	t.Cleanup(func() { _ = pool.Close() })
	db, err := gorm.Open(postgres.New(postgres.Config{Conn: pool}), &gorm.Config{Logger: logger.Discard})
	if err != nil && strings.Contains(err.Error(), "auto_explain") {
		t.Skipf("the plans of statements cannot be seen: %v", err)
	}
	must(t, err)
	s, err := store.New(t.Context(), db, o)
	must(t, err)
	return s, db, watch
}

// TestPlansWithMuchStored: no hot statement reads a whole table, with a million
// streams and five million events in there, nine in ten of them long completed.
func TestPlansWithMuchStored(t *testing.T) {
	if os.Getenv("WINCHESTER_BIG") == "" {
		t.Skip("storing five million events takes minutes: set WINCHESTER_BIG=1")
	}
	s, db, watch := openWatched(t, store.Options{})
	fill(t, db, 1_000_000, 5)
	must(t, db.Exec(analyze).Error)
	watch.take()
	for verb, run := range hotVerbs(t.Context(), s) {
		t.Run(verb, func(t *testing.T) {
			for i := range 8 { // from the sixth time on, a plan that is made once for all values
				must(t, run(i))
			}
			seen := watch.take()
			if len(seen) == 0 {
				t.Fatal("no plan was seen")
			}
			for _, plan := range seen {
				if strings.Contains(plan, "Seq Scan on winchester_") {
					t.Errorf("reads a whole table: %s", plan)
				}
				if isCompiled(t, plan) {
					t.Errorf("is compiled: %s", plan)
				}
			}
		})
	}
}

// fill stores streams with some events each: one in ten is open and expires in
// time, the rest is completed.
func fill(t *testing.T, db *gorm.DB, streams, events int) {
	t.Helper()
	for _, sql := range []string{
		// What is not written to the log is written faster.
		"ALTER TABLE winchester_events SET UNLOGGED", "ALTER TABLE winchester_streams SET UNLOGGED", "ALTER TABLE winchester_stream_events SET UNLOGGED",
		fmt.Sprintf(`INSERT INTO winchester_events (message_id, event_type, timestamp, traits)
			SELECT 'm' || i, 'type.' || i %% 10, timestamptz '2026-01-01' + i * interval '1 second', '{"customer":"' || i / %d || '"}' FROM generate_series(0, %d) AS i`, events, streams*events-1),
		fmt.Sprintf(`INSERT INTO winchester_streams (name, stream_key, open_key, distinguishing_traits, state, state_serial_no,
			first_event, last_event, expire_timestamp, expire_due)
			SELECT 't' || i %% 10, 'key' || i, CASE i %% 10 WHEN 0 THEN `+shortKey("'key' || i")+` END, '{"customer":"' || i || '"}', CASE i %% 10 WHEN 0 THEN 1 ELSE 6 END, 0,
			timestamptz '2026-01-01' + i * interval '5 seconds', timestamptz '2026-01-01' + (i + 1) * interval '5 seconds',
			timestamptz '2027-01-01' + i * interval '5 seconds', CASE i %% 10 WHEN 0 THEN timestamptz '2027-01-01' + i * interval '5 seconds' END
			FROM generate_series(0, %d) AS i`, streams-1),
		fmt.Sprintf(`INSERT INTO winchester_stream_events SELECT s.id, (s.id - 1) * %d + n FROM winchester_streams s, generate_series(1, %d) AS n`, events, events),
	} {
		must(t, db.Exec(sql).Error)
	}
}

// shortKey is the open_key of a stream's key, an expression of SQL.
func shortKey(key string) string {
	return "encode(substr(sha256(convert_to(" + key + ", 'UTF8')), 1, 16), 'hex')::uuid"
}

const analyze = "ANALYZE winchester_events, winchester_streams, winchester_stream_events"

// hotVerbs are those whose work must not grow with what is stored.
func hotVerbs(ctx context.Context, s *store.Store) map[string]func(i int) error {
	soon := time.Date(2027, 1, 1, 2, 0, 0, 0, time.UTC)
	claim := func(pass winchester.Pass, now time.Time) ([]winchester.Stream, error) {
		return s.Claim(ctx, winchester.Claim{Pass: pass, Owner: "w", Now: now, LeaseUntil: now.Add(time.Minute), Limit: 10})
	}
	return map[string]func(i int) error{
		"file": func(i int) error {
			return s.Transact(ctx, func(tx winchester.Tx) error {
				events := make([]winchester.Event, 1000)
				for j := range events {
					events[j] = winchester.Event{MessageID: fmt.Sprintf("new-%d-%d", i, j/2), EventType: "t", Timestamp: soon}
				}
				// Every other one is a duplicate, of this batch or of what is stored.
				for j := 0; j < len(events); j += 2 {
					events[j].MessageID = fmt.Sprint("m", i*1000+j)
				}
				ids, err := tx.InsertEvents(ctx, events)
				if err != nil {
					return err
				}
				streams := []*winchester.Stream{}
				keys := []string{}
				for j := range 500 {
					key := fmt.Sprint("key", (i*500+j)*20) // half of them is open
					keys = append(keys, key)
					streams = append(streams, &winchester.Stream{Name: "t", Key: key, State: winchester.StateActive, ExpireTimestamp: soon.Add(1000 * time.Hour)})
				}
				open, err := tx.OpenStreams(ctx, keys)
				if err != nil {
					return err
				}
				var changed []*winchester.Stream
				for j, s := range streams {
					if one := open[s.Key]; one != nil {
						if streams[j] = one; j%3 == 0 {
							one.FilingNo-- // as if somebody else had filed since
							changed = append(changed, one)
						}
					}
				}
				if err := tx.SaveOpen(ctx, streams); err != nil {
					return err
				}
				var members []winchester.Member
				for _, one := range streams {
					if one.ID != 0 {
						members = append(members, winchester.Member{StreamID: one.ID, EventID: ids[1]})
					}
				}
				if open, err = tx.OpenStreams(ctx, keys); err != nil {
					return err
				}
				for j := range changed {
					changed[j] = open[changed[j].Key]
				}
				if err := tx.SaveStreams(ctx, changed); err != nil {
					return err
				}
				return tx.AddMembers(ctx, members)
			})
		},
		"claim to fire": func(int) error { _, err := claim(winchester.PassFire, soon); return err },
		"claim to expire, load, renew and complete": func(i int) error {
			streams, err := claim(winchester.PassExpire, soon)
			if err != nil || len(streams) == 0 {
				return fmt.Errorf("nothing was claimed: %w", err)
			}
			var ids []int64
			var changes []winchester.StreamChange
			for n, one := range streams {
				ids = append(ids, one.ID)
				c := winchester.StreamChange{SerialBefore: one.StateSerialNo, Stream: one, Purge: n%2 == 0}
				c.Stream.State, c.Stream.StateSerialNo = winchester.StateCompleted, one.StateSerialNo+1
				changes = append(changes, c)
			}
			if _, err := s.Renew(ctx, "w", ids, soon.Add(time.Hour)); err != nil {
				return err
			}
			if events, err := s.StreamEvents(ctx, ids...); err != nil || len(events) != len(ids) {
				return fmt.Errorf("the events of %d streams were loaded: %w", len(events), err)
			}
			return s.Transact(ctx, func(tx winchester.Tx) error { return tx.ChangeStreams(ctx, changes) })
		},
		"look for what is due next": func(int) error { _, err := s.NextDue(ctx); return err },
		"count what is ready": func(int) error {
			for _, pass := range []winchester.Pass{winchester.PassFire, winchester.PassExpire} {
				if _, err := s.Ready(ctx, pass, soon, 1000); err != nil {
					return err
				}
			}
			return nil
		},
		"look up an event": func(int) error { _, err := s.EventByMessageID(ctx, "m4711"); return err },
		"look up a stream": func(int) error { _, err := s.StreamByID(ctx, 4711); return err },
		"purge":            func(i int) error { _, err := s.PurgeEvents(ctx, int64(1000+i), int64(2000+i)); return err },
		"trim": func(int) error {
			n, err := s.TrimEvents(ctx, time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC), 100)
			if err == nil && n == 0 {
				err = fmt.Errorf("nothing was trimmed")
			}
			return err
		},
		"the newest page of events": func(int) error { _, err := s.FindEvents(ctx, winchester.EventQuery{Limit: 20}); return err },
		"the newest page of streams": func(int) error {
			_, err := s.FindStreams(ctx, winchester.StreamQuery{Limit: 20, State: winchester.StateActive})
			return err
		},
		"the newest page of a stream's events": func(i int) error {
			found, err := s.FindEvents(ctx, winchester.EventQuery{StreamID: int64(4711 + i), Limit: 3})
			if err == nil && len(found) != 3 {
				err = fmt.Errorf("%d events were found", len(found))
			}
			return err
		},
		"the streams of an event": func(i int) error {
			found, err := s.FindStreams(ctx, winchester.StreamQuery{EventID: int64(4711 + i), Limit: 20})
			if err == nil && len(found) != 1 {
				err = fmt.Errorf("%d streams were found", len(found))
			}
			return err
		},
		"streams in error": func(int) error {
			_, err := s.FindStreams(ctx, winchester.StreamQuery{State: winchester.StateError})
			return err
		},
	}
}

// TestPlanOfEvents: the events of a batch are read one by one from the index,
// no copies of them are kept for streams that have the same events, and the plan
// is not compiled, whatever the server's statistics say of the tables.
func TestPlanOfEvents(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		streams, events, batch int
		analyzed               bool
	}{
		"few events":         {3000, 10, 100, true},
		"many events":        {600, 500, 40, true},
		"without statistics": {30_000, 10, 100, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, db, watch := openWatched(t, store.Options{})
			must(t, db.Exec("ALTER TABLE winchester_stream_events SET (autovacuum_enabled = off)").Error)
			fill(t, db, c.streams, c.events)
			if c.analyzed {
				must(t, db.Exec(analyze).Error)
			}
			streams := make([]int64, c.batch)
			for i := range 8 { // from the sixth time on, a plan that is made once for all values
				for j := range streams {
					streams[j] = int64(1 + i*c.batch + j)
				}
				watch.take()
				events, err := s.StreamEvents(t.Context(), streams...)
				must(t, err)
				if len(events) != c.batch || len(events[streams[7]]) != c.events {
					t.Fatalf("%d streams have events, one of them %d", len(events), len(events[streams[7]]))
				}
				seen := watch.take()
				if len(seen) == 0 {
					t.Fatal("no plan was seen")
				}
				for _, plan := range seen {
					if strings.Contains(plan, "Seq Scan on winchester_") || strings.Contains(plan, "Memoize") || isCompiled(t, plan) {
						t.Errorf("time %d: %s", i, plan)
					}
				}
			}
		})
	}
}

// isCompiled tells whether a plan costs as much as the server, by default,
// compiles (jit_above_cost).
func isCompiled(t *testing.T, plan string) bool {
	t.Helper()
	costs := regexp.MustCompile(`\(cost=[0-9.]+\.\.([0-9.]+) `).FindStringSubmatch(plan)
	if costs == nil {
		t.Fatalf("a plan without costs: %s", plan)
	}
	cost, err := strconv.ParseFloat(costs[1], 64)
	must(t, err)
	return cost > 100_000
}

// TestClaimBehindBacklog: what a claim costs must not grow with how much has
// expired, as it has when the workers were away for a while; else working that off
// takes the square of it.
func TestClaimBehindBacklog(t *testing.T) {
	t.Parallel()
	s, db, watch := openWatched(t, store.Options{})
	for _, sql := range []string{
		// A few of those that seem to have expired have not.
		`INSERT INTO winchester_streams (name, stream_key, open_key, distinguishing_traits, state, state_serial_no,
			first_event, last_event, expire_timestamp, expire_due)
			SELECT 't', 'key' || i, ` + shortKey("'key' || i") + `, '{"customer":"' || i || '"}', 1, 0, timestamptz '2026-01-01', timestamptz '2026-01-01',
			timestamptz '2026-01-02' + i * interval '1 second' + CASE i % 50 WHEN 7 THEN interval '2 years' ELSE interval '0' END,
			timestamptz '2026-01-02' + i * interval '1 second' FROM generate_series(0, 29999) AS i`,
		"ANALYZE winchester_streams",
	} {
		must(t, db.Exec(sql).Error)
	}
	now := time.Date(2027, 1, 1, 2, 0, 0, 0, time.UTC)
	for i := range 8 { // from the sixth time on, a plan that is made once for all values
		watch.take()
		streams, err := s.Claim(t.Context(), winchester.Claim{Pass: winchester.PassExpire, Owner: "w", Now: now, LeaseUntil: now.Add(time.Minute), Limit: 49})
		must(t, err)
		if len(streams) != 49 {
			t.Fatalf("claim %d got %d streams", i, len(streams))
		}
		for _, one := range streams {
			if !one.ExpireTimestamp.Before(now) {
				t.Errorf("stream %d expires at %s", one.ID, one.ExpireTimestamp)
			}
		}
		for _, plan := range watch.take() {
			if strings.Contains(plan, "Seq Scan on winchester_") {
				t.Errorf("claim %d reads a whole table: %s", i, plan)
			}
		}
	}
	watch.take()
	for i := range 8 {
		r, err := s.Ready(t.Context(), winchester.PassExpire, now, 1000)
		must(t, err)
		if r.Streams < 900 || r.Streams > 1000 || r.Oldest.IsZero() {
			t.Errorf("time %d: ready are %+v", i, r)
		}
		for _, plan := range watch.take() {
			if strings.Contains(plan, "Seq Scan on winchester_") || strings.Contains(plan, "Sort") {
				t.Errorf("what is ready is counted by reading or sorting a whole table: %s", plan)
			}
		}
	}
	var later int64
	must(t, db.Raw("SELECT count(*) FROM winchester_streams WHERE expire_due < ? AND expire_timestamp >= ?", now, now).Scan(&later).Error)
	if later < 500 { // of 600
		t.Errorf("only %d are left that seem to have expired: claims look at more than they take", later)
	}
}
