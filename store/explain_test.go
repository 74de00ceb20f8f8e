package store

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
)

// openExplained opens a store for tests that look at statements.
func openExplained(t *testing.T, o Options) *Store {
	t.Helper()
	o.Migrate, o.Synchronous, o.Logger = true, SyncOff, slog.New(slog.DiscardHandler)
	s, err := Open(context.Background(), "sqlite:///"+filepath.Join(t.TempDir(), "w.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// recorder is a *gorm.DB's logger that keeps the statements.
type recorder struct {
	slogger
	sql *[]string
}

func (r recorder) Trace(_ context.Context, _ time.Time, statement func() (string, int64), _ error) {
	sql, _ := statement()
	*r.sql = append(*r.sql, sql)
}

// planOf runs a verb of the store and returns the query plan of the statements
// it sent through GORM, which are prepared anew with their values left open.
func planOf(t *testing.T, s *Store, verb func(s *Store) error) string {
	t.Helper()
	var statements []string
	watched := *s
	session := s.write.Session(&gorm.Session{NewDB: true, Logger: recorder{s.log, &statements}})
	watched.write, watched.read = session, session
	if err := verb(&watched); err != nil {
		t.Fatal(err)
	}
	var plan strings.Builder
	for _, sql := range statements {
		plan.WriteString(explain(t, s, sql))
	}
	if plan.Len() == 0 {
		t.Fatal("the verb sent no statement")
	}
	return plan.String()
}

// explain returns the query plan of one statement.
func explain(t *testing.T, s *Store, sql string) string {
	t.Helper()
	values := make([]any, strings.Count(sql, "?"))
	var plan strings.Builder
	err := each(s.write.Raw("EXPLAIN QUERY PLAN "+sql, values...), func(row scanner) error {
		var id, parent, unused int
		var detail string
		err := row.Scan(&id, &parent, &unused, &detail)
		fmt.Fprintln(&plan, detail)
		return err
	})
	if err != nil {
		t.Fatalf("EXPLAIN %s: %v", sql, err)
	}
	return plan.String()
}

// TestHotQueriesUseTheirIndexes is the proof that their work does not grow with
// what is stored.
func TestHotQueriesUseTheirIndexes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	at := time.Date(2026, 4, 5, 12, 0, 0, 0, time.UTC)
	claim := func(pass winchester.Pass) func(s *Store) error {
		return func(s *Store) error {
			// A stream that is due, so that the claim gets past its first look.
			due := &winchester.Stream{State: winchester.StateActive, FireTimestamp: at, ExpireTimestamp: at}
			if pass == winchester.PassExpire {
				due.FireTimestamp = time.Time{} // it would fire
			}
			err := s.Transact(ctx, func(tx winchester.Tx) error { return tx.SaveStreams(ctx, []*winchester.Stream{due}) })
			if err == nil {
				_, err = s.Claim(ctx, winchester.Claim{Pass: pass, Now: at.Add(time.Second), LeaseUntil: at.Add(time.Minute), Limit: 100})
			}
			return err
		}
	}
	for name, c := range map[string]struct {
		verb func(s *Store) error
		want []string // each is part of the plan
	}{
		"Claim fire": {claim(winchester.PassFire), []string{
			"SEARCH winchester_streams USING COVERING INDEX winchester_streams_fire_due (fire_due<?)",
			"SEARCH winchester_streams USING INTEGER PRIMARY KEY (rowid=?)",
		}},
		"Claim expire": {claim(winchester.PassExpire), []string{
			"SEARCH winchester_streams USING COVERING INDEX winchester_streams_expire_due (expire_due<?)",
			"SEARCH winchester_streams USING INTEGER PRIMARY KEY (rowid=?)",
		}},
		"Renew": {func(s *Store) error { _, err := s.Renew(ctx, "w", []int64{1}, at); return err }, []string{
			"SEARCH winchester_streams USING INDEX winchester_streams_state (state=? AND rowid=?)",
		}},
		"NextDue": {func(s *Store) error { _, err := s.NextDue(ctx); return err }, []string{
			"SEARCH winchester_streams USING COVERING INDEX winchester_streams_fire_due",
			"SEARCH winchester_streams USING COVERING INDEX winchester_streams_expire_due",
		}},
		"Ready to fire": {func(s *Store) error { _, err := s.Ready(ctx, winchester.PassFire, at, 10); return err }, []string{
			"SEARCH winchester_streams USING COVERING INDEX winchester_streams_fire_due (fire_due<?)",
		}},
		"Ready to expire": {func(s *Store) error { _, err := s.Ready(ctx, winchester.PassExpire, at, 10); return err }, []string{
			"SEARCH winchester_streams USING COVERING INDEX winchester_streams_expire_due (expire_due<?)",
		}},
		"CountStates": {func(s *Store) error { _, err := s.CountStates(ctx); return err }, []string{
			"SEARCH winchester_streams USING COVERING INDEX winchester_streams_state (state=?)",
		}},
		"StreamEvents": {func(s *Store) error { _, err := s.StreamEvents(ctx, 1, 2); return err }, []string{
			"SEARCH m USING PRIMARY KEY (stream_id=?)", "SEARCH e USING INTEGER PRIMARY KEY (rowid=?)",
		}},
		"OpenStreams": {func(s *Store) error {
			query, value := sqliteDialect{}.openStreamsSQL(s.t, []string{"k"})
			return s.writer(ctx).Exec(query, value).Error
		}, []string{"SEARCH winchester_streams USING INDEX winchester_streams_open_key (open_key=?)"}},
		"EventByMessageID": {func(s *Store) error { _, _ = s.EventByMessageID(ctx, "x"); return nil }, []string{
			"SEARCH winchester_events USING INDEX winchester_events_message_id (message_id=?)",
		}},
		"StreamByID": {func(s *Store) error { _, _ = s.StreamByID(ctx, 1); return nil }, []string{
			"SEARCH winchester_streams USING INTEGER PRIMARY KEY (rowid=?)",
		}},
		"FindEvents by type": {func(s *Store) error {
			_, err := s.FindEvents(ctx, winchester.EventQuery{EventTypes: []string{"x"}, Limit: 10})
			return err
		}, []string{"SEARCH winchester_events USING INDEX winchester_events_event_type (event_type=?)"}},
		"FindEvents by types": {func(s *Store) error {
			_, err := s.FindEvents(ctx, winchester.EventQuery{EventTypes: []string{"x", "y"}, Limit: 10})
			return err
		}, []string{"SEARCH winchester_events USING INDEX winchester_events_event_type (event_type=?)"}},
		"FindEvents by time": {func(s *Store) error {
			_, err := s.FindEvents(ctx, winchester.EventQuery{From: at, To: at.Add(time.Hour), Limit: 10})
			return err
		}, []string{"SEARCH winchester_events USING INDEX winchester_events_timestamp (timestamp>? AND timestamp<?)"}},
		"FindEvents, the next page": {func(s *Store) error {
			_, err := s.FindEvents(ctx, winchester.EventQuery{Mark: "+1f", Limit: 10})
			return err
		}, []string{"SEARCH winchester_events USING INTEGER PRIMARY KEY (rowid>?)"}},
		"FindEvents of a stream, the next page": {func(s *Store) error {
			_, err := s.FindEvents(ctx, winchester.EventQuery{StreamID: 1, Mark: "1f", Limit: 10})
			return err
		}, []string{
			"SEARCH winchester_stream_events USING PRIMARY KEY (stream_id=? AND event_id<?)",
			"SEARCH winchester_events USING INTEGER PRIMARY KEY (rowid=?)",
		}},
		"FindStreams of an event": {func(s *Store) error {
			_, err := s.FindStreams(ctx, winchester.StreamQuery{EventID: 1, Limit: 10})
			return err
		}, []string{
			"SEARCH winchester_stream_events USING COVERING INDEX winchester_stream_events_event_id (event_id=?)",
			"SEARCH winchester_streams USING INTEGER PRIMARY KEY (rowid=?)",
		}},
		"FindStreams by name": {func(s *Store) error {
			_, err := s.FindStreams(ctx, winchester.StreamQuery{Name: "x", Limit: 10})
			return err
		}, []string{"SEARCH winchester_streams USING INDEX winchester_streams_name (name=?)"}},
		"FindStreams by state": {func(s *Store) error {
			_, err := s.FindStreams(ctx, winchester.StreamQuery{State: winchester.StateError, Limit: 10})
			return err
		}, []string{"SEARCH winchester_streams USING INDEX winchester_streams_state (state=?)"}},
		"OlderEvents": {func(s *Store) error { _, err := s.OlderEvents(ctx, at, 10); return err }, []string{
			"SEARCH winchester_events USING COVERING INDEX winchester_events_timestamp (timestamp<?)",
		}},
		"TrimEvents": {func(s *Store) error {
			err := s.Transact(ctx, func(tx winchester.Tx) error {
				_, err := tx.InsertEvents(ctx, []winchester.Event{{MessageID: "m", EventType: "t", Timestamp: at}})
				return err
			})
			if err == nil {
				_, err = s.TrimEvents(ctx, at.Add(time.Hour), 10)
			}
			return err
		}, []string{
			"SEARCH e USING COVERING INDEX winchester_events_timestamp (timestamp<?)",
			"SEARCH m USING COVERING INDEX winchester_stream_events_event_id (event_id=?)",
			"SEARCH s USING INTEGER PRIMARY KEY (rowid=?)",
			"SEARCH winchester_events USING INTEGER PRIMARY KEY (rowid=?)",
			"SEARCH winchester_stream_events USING COVERING INDEX winchester_stream_events_event_id (event_id=?)",
		}},
		"PurgeStream": {func(s *Store) error { _ = s.PurgeStream(ctx, 1); return nil }, []string{
			"SEARCH winchester_streams USING INTEGER PRIMARY KEY (rowid=?)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := planOf(t, openExplained(t, Options{}), c.verb)
			for _, part := range c.want {
				if !strings.Contains(plan, part) {
					t.Errorf("the plan lacks %q:\n%s", part, plan)
				}
			}
			if scan := regexp.MustCompile(`SCAN (winchester_\S+|[ems]\b)`).FindString(plan); scan != "" {
				t.Errorf("the plan reads a whole table (%s):\n%s", scan, plan)
			}
			if strings.Contains(plan, "TEMP B-TREE") && name != "FindEvents by time" && name != "FindEvents by types" {
				t.Errorf("the plan sorts:\n%s", plan)
			}
		})
	}
}

// TestStatementsOfBatchesUseTheirIndexes is about the statements that do not
// go through GORM.
func TestStatementsOfBatchesUseTheirIndexes(t *testing.T) {
	t.Parallel()
	s := openExplained(t, Options{})
	for sql, want := range map[string]string{
		"UPDATE winchester_streams SET state = ? WHERE id = ? AND state_serial_no = ?": "USING INTEGER PRIMARY KEY",
		"DELETE FROM winchester_streams WHERE id = ? AND state_serial_no = ?":          "USING INTEGER PRIMARY KEY",
		"DELETE FROM winchester_stream_events WHERE stream_id IN (SELECT value FROM json_each(?))": "SEARCH winchester_stream_events USING " +
			"PRIMARY KEY (stream_id=?)",
	} {
		if plan := explain(t, s, sql); !strings.Contains(plan, want) || strings.Contains(plan, "SCAN winchester") {
			t.Errorf("%s:\n%s", sql, plan)
		}
	}
}

func TestIndexedTraitsAreUsed(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	o := Options{IndexedTraits: []string{"customer", "request.id"}}
	s := openExplained(t, o)
	for _, name := range o.IndexedTraits {
		plan := planOf(t, s, func(s *Store) error {
			_, err := s.FindEvents(ctx, winchester.EventQuery{Traits: winchester.Traits{name: int64(5)}, Limit: 10})
			return err
		})
		if !strings.Contains(plan, "SEARCH winchester_events USING INDEX winchester_events_trait_"+name) || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("trait %s: the plan is\n%s", name, plan)
		}
	}
	o, _ = o.withDefaults()
	if err := s.prepare(ctx, o); err != nil { // as when it is opened again
		t.Fatal(err)
	}
}
