package store_test

import (
	"fmt"
	"testing"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/store"
)

// TestStreamEventsByOtherPlans: the events of streams are read whatever order the
// database finds them in. A host that shares the database may have it analyzed
// at a time when there are few events.
func TestStreamEventsByOtherPlans(t *testing.T) {
	t.Parallel()
	if testdb.OnPostgres() {
		t.Skip("it is about the statistics of SQLite")
	}
	db := testdb.OpenHost(t)
	s, err := store.New(t.Context(), db, store.Options{Migrate: true, Logger: quiet})
	must(t, err)
	const n = 20
	streams, events := make([]*winchester.Stream, n), make([]winchester.Event, 2*n)
	for i := range streams {
		streams[i] = &winchester.Stream{Name: "t", Key: fmt.Sprintf("key %02d", i), State: winchester.StateActive, Open: true, ExpireTimestamp: noon}
	}
	for i := range events {
		events[i] = winchester.Event{MessageID: fmt.Sprint(i), EventType: "t", Timestamp: noon}
	}
	must(t, s.Transact(t.Context(), func(tx winchester.Tx) error {
		stored, err := tx.InsertEvents(t.Context(), events)
		must(t, err)
		must(t, tx.SaveOpen(t.Context(), streams))
		var members []winchester.Member
		for i, id := range stored { // one for each stream, then another one for each
			members = append(members, winchester.Member{StreamID: streams[i%n].ID, EventID: id})
		}
		return tx.AddMembers(t.Context(), members)
	}))
	for _, sql := range []string{
		"ANALYZE", "DELETE FROM sqlite_stat1",
		"INSERT INTO sqlite_stat1 VALUES ('winchester_stream_events', 'sqlite_autoindex_winchester_stream_events_1', '100000 50000 1')",
		"INSERT INTO sqlite_stat1 VALUES ('winchester_stream_events', 'winchester_stream_events_event_id', '100000 1')",
		"INSERT INTO sqlite_stat1 VALUES ('winchester_events', 'winchester_events_message_id', '10 1')",
		"ANALYZE sqlite_schema",
	} {
		must(t, db.Exec(sql).Error)
	}
	ids := make([]int64, n)
	for i := range streams {
		ids[i] = streams[i].ID
	}
	got, err := s.StreamEvents(t.Context(), ids...)
	must(t, err)
	for i, id := range ids {
		if e := got[id]; len(e) != 2 || e[0].MessageID != fmt.Sprint(i) || e[1].MessageID != fmt.Sprint(n+i) {
			t.Errorf("stream %d has %d events", i, len(e))
		}
	}
}
