package store_test

import (
	"errors"
	"testing"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// TestServerIsFull: that the server has no room on its disk, or cannot read it, is
// the fault of nothing that was to be stored.
func TestServerIsFull(t *testing.T) {
	t.Parallel()
	s, db, _ := openWatched(t, store.Options{})
	must(t, db.Exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = NEW.event_type; END $$`).Error)
	must(t, db.Exec("CREATE TRIGGER refuse BEFORE INSERT ON winchester_events FOR EACH ROW EXECUTE FUNCTION refuse()").Error)
	for code, want := range map[string]bool{"53100": true, "58030": true, "22003": false, "23514": false} {
		err := s.Transact(t.Context(), func(tx winchester.Tx) error {
			_, err := tx.InsertEvents(t.Context(), []winchester.Event{{MessageID: code, EventType: code, Timestamp: noon}})
			return err
		})
		if err == nil || errors.Is(err, winchester.ErrUnavailable) != want {
			t.Errorf("%s: %v", code, err)
		}
	}
}
