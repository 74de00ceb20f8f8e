package config

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/store"
)

// TestReplay: the file decides what the clock is, for events and for notifications
// that have no time, and keeps others away.
func TestReplay(t *testing.T) {
	t.Parallel()
	st := testdb.Open(t, store.Options{})
	open := func(text string, clock winchester.Clock) (*Engine, error) {
		t.Helper()
		dir := writeFiles(t, "winchester.yaml", text)
		c, err := Load(filepath.Join(dir, "winchester.yaml"), Options{Store: st, Clock: clock, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		e, err := c.Open(t.Context())
		if err == nil {
			t.Cleanup(func() { _ = e.Close() })
		}
		return e, err
	}
	if _, err := open("statistics_period: 0", nil); err != nil { // there is no replay yet
		t.Fatal(err)
	}
	replaying, err := open("clock: replay\ncatch_all_notifications: true\nreplay_max_jump: 0", nil)
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2014, 12, 24, 12, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{day.AddDate(-1, 0, 0), day} { // any jump will do
		if _, err := replaying.AddEvent(t.Context(), winchester.Event{MessageID: at.String(), EventType: "x", Timestamp: at}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := replaying.AddNotification(t.Context(), []byte(`{"message_id": "n", "event_type": "x", "publisher_id": "p"}`)); err != nil {
		t.Fatal(err)
	}
	if e, err := st.EventByMessageID(t.Context(), "n"); err != nil || !e.Timestamp.Equal(day) {
		t.Errorf("a notification without a time: %v, %v", e, err)
	}
	if err := replaying.Close(); err != nil {
		t.Fatal(err)
	}
	if at, err := st.ReplayTime(t.Context()); err != nil || !at.Equal(day) {
		t.Errorf("the clock stands at %s, %v", at, err)
	}

	want := "its clock stands at 2014-12-24T12:00:00Z, and "
	for _, clock := range []winchester.Clock{nil, winchester.NewManualClock(day)} {
		if _, err := open("clock: machine", clock); !errors.Is(err, winchester.ErrReplay) || !strings.Contains(err.Error(), want) {
			t.Errorf("an engine with %T: %v", clock, err)
		}
	}
	if err := st.EndReplay(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := open("clock: machine", nil); err != nil {
		t.Error(err)
	}
}

// TestClockOfTheHost goes before what the file says.
func TestClockOfTheHost(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, "winchester.yaml", "clock: replay\n")
	c, err := Load(filepath.Join(dir, "winchester.yaml"), Options{Database: "sqlite://", Clock: winchester.NewManualClock(time.Time{})})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 1 || !strings.HasSuffix(c.Warnings[0].String(), "winchester.yaml:1:8: clock: has no effect: the host has a clock of its own") {
		t.Error(c.Warnings)
	}
	if c.Clock != ClockMachine {
		t.Error(c.Clock)
	}
}
