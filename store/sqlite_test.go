package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// pragma asks the connection that writes.
func pragma(t *testing.T, s *store.Store, name string) (value string) {
	t.Helper()
	must(t, s.Transact(t.Context(), func(tx winchester.Tx) error {
		return store.DB(tx).Raw("PRAGMA " + name).Scan(&value).Error
	}))
	return value
}

func TestSQLiteSettings(t *testing.T) {
	t.Parallel()
	for o, synchronous := range map[store.Synchronous]string{"": "2", store.SyncFull: "2", store.SyncNormal: "1", store.SyncOff: "0"} {
		s := open(t, fileURL(t), store.Options{Migrate: true, Synchronous: o, BusyTimeout: 1234 * time.Millisecond})
		for name, want := range map[string]string{"journal_mode": "wal", "synchronous": synchronous, "busy_timeout": "1234"} {
			if got := pragma(t, s, name); got != want {
				t.Errorf("Synchronous %q: %s is %s, want %s", o, name, got, want)
			}
		}
	}
	s := open(t, fileURL(t)+"?synchronous=normal&busy_timeout=2s", store.Options{Migrate: true})
	if pragma(t, s, "synchronous") != "1" || pragma(t, s, "busy_timeout") != "2000" {
		t.Error("the parameters of the URL have no effect")
	}
}

// TestFileIsFull: what does not fit is reported as the disk's fault, and fits when
// there is room again.
func TestFileIsFull(t *testing.T) {
	t.Parallel()
	s := open(t, fileURL(t), store.Options{Migrate: true})
	pages := pragma(t, s, "page_count")
	pragma(t, s, "max_page_count = "+pages)
	add := func() error {
		return s.Transact(t.Context(), func(tx winchester.Tx) error {
			_, err := tx.InsertEvents(t.Context(), []winchester.Event{{MessageID: "e", EventType: "t", Timestamp: noon, Traits: winchester.Traits{"much": strings.Repeat("x", 1<<20)}}})
			return err
		})
	}
	if err := add(); !errors.Is(err, winchester.ErrUnavailable) {
		t.Fatalf("a full file gives %v", err)
	}
	pragma(t, s, "max_page_count = 1000000")
	must(t, add())
}

func TestFileNamesThatAreHardToWrite(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"with blank.db", "50%25.db", "what#.db", "äöü 名.db", "a&b=c.db", "it's.db"} {
		path := filepath.Join(t.TempDir(), name)
		s := open(t, "sqlite:///"+path, store.Options{Migrate: true})
		insert(t, s, "e")
		if schema := schemaOf(t, "file:"+strings.NewReplacer("%", "%25", "#", "%23", "?", "%3f").Replace(path)); len(schema) == 0 {
			t.Errorf("%s: the file has no tables", name)
		}
	}
}

func TestOpenTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := store.Open(t.Context(), "sqlite:///"+strings.TrimPrefix(dir, "/")+"/w.db", store.Options{Migrate: true})
	if err == nil || !strings.Contains(err.Error(), "write sqlite:////") {
		t.Errorf("three slashes before an absolute path: %v", err)
	}
	_, err = store.Open(t.Context(), filepath.Join(dir, "none", "w.db"), store.Options{Migrate: true})
	if err == nil || !strings.Contains(err.Error(), "no directory") {
		t.Errorf("a missing directory: %v", err)
	}
	_, err = store.Open(t.Context(), dir, store.Options{Migrate: true})
	if err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a directory: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Open(ctx, fileURL(t), store.Options{Migrate: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
	if _, err := store.Open(t.Context(), "mysql+pymysql://u:s3cret@h/d", store.Options{}); !errors.Is(err, store.ErrUnsupportedDatabase) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("MySQL: %v", err)
	}
}

// TestTwoProcesses: two stores on one file stand for two processes.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	url := fileURL(t)
	o := store.Options{Migrate: true, Synchronous: store.SyncOff, BusyTimeout: time.Minute}
	processes := []*store.Store{open(t, url, o), open(t, url, o)}
	const rounds, writers = 60, 3
	ctx := t.Context()
	var all sync.WaitGroup
	for p, s := range processes {
		for w := range writers {
			all.Add(1)
			go func() {
				defer all.Done()
				for i := range rounds {
					err := s.Transact(ctx, func(tx winchester.Tx) error {
						ids, err := tx.InsertEvents(ctx, []winchester.Event{{MessageID: fmt.Sprint(p, w, i), EventType: "t", Timestamp: time.Unix(1, 0)}})
						if err != nil {
							return err
						}
						open, err := tx.OpenStreams(ctx, []string{"k"})
						if err != nil {
							return err
						}
						stream := open["k"]
						if stream == nil {
							stream = &winchester.Stream{Name: "t", Key: "k", Open: true, State: winchester.StateActive, Progress: winchester.Progress{Fingerprint: "f", Counts: []int{0}}}
						}
						stream.Progress.Counts[0]++
						if err := tx.SaveStreams(ctx, []*winchester.Stream{stream}); err != nil {
							return err
						}
						return tx.AddMembers(ctx, []winchester.Member{{StreamID: stream.ID, EventID: ids[0]}})
					})
					if err != nil {
						t.Errorf("process %d: %v", p, err)
						return
					}
				}
			}()
		}
	}
	all.Wait()
	for _, s := range processes {
		found, err := s.FindStreams(ctx, winchester.StreamQuery{IncludeEvents: true})
		must(t, err)
		want := len(processes) * writers * rounds
		if len(found) != 1 || len(found[0].Events) != want || found[0].Progress.Counts[0] != want {
			t.Fatalf("%d streams, the first with %d events and count %v; want 1 with %d", len(found), len(found[0].Events), found[0].Progress.Counts, want)
		}
	}
}

func TestLockedByAnotherProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	s := open(t, path, store.Options{Migrate: true, BusyTimeout: time.Millisecond})
	other, err := sql.Open("sqlite3", "file:"+path+"?_txlock=immediate")
	must(t, err)
	defer other.Close()
	tx, err := other.Begin()
	must(t, err)
	err = s.Transact(t.Context(), func(winchester.Tx) error { t.Error("called"); return nil })
	if !errors.Is(err, winchester.ErrConflict) {
		t.Errorf("Transact: error is %v, want ErrConflict", err)
	}
	_, err = s.TrimEvents(t.Context(), time.Now(), 1)
	if !errors.Is(err, winchester.ErrConflict) {
		t.Errorf("TrimEvents: error is %v, want ErrConflict", err)
	}
	claim := winchester.Claim{Pass: winchester.PassFire, Now: time.Unix(9, 0), LeaseUntil: time.Unix(99, 0), Limit: 1}
	if got, err := s.Claim(t.Context(), claim); err != nil || len(got) != 0 { // nothing is due: no lock is needed to know
		t.Errorf("Claim: got %v, %v", got, err)
	}
	must(t, tx.Rollback())
	insert(t, s, "e")
}

// TestDiskFull: what running again would not cure is no conflict.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	db := hostDB(t, filepath.Join(t.TempDir(), "host.db"), 1, &gorm.Config{})
	s := openHost(t, db)
	must(t, db.Exec("PRAGMA max_page_count = 20").Error)
	insert(t, s, "before")
	long := strings.Repeat("x", 1_000_000)
	err := s.Transact(t.Context(), func(tx winchester.Tx) error {
		_, err := tx.InsertEvents(t.Context(), []winchester.Event{{MessageID: "e", EventType: "t", Timestamp: time.Unix(1, 0), Traits: winchester.Traits{"x": long}}})
		return err
	})
	if err == nil || errors.Is(err, winchester.ErrConflict) || !strings.Contains(err.Error(), "full") {
		t.Fatalf("error is %v; want one that says that the disk is full", err)
	}
	if n, err := s.CountEvents(t.Context(), winchester.EventQuery{}); err != nil || n != 1 {
		t.Fatalf("%d events, %v", n, err)
	}
}

// TestNoMembershipsAreLeftBehind, which no query would ever show.
func TestNoMembershipsAreLeftBehind(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := openFile(t)
	for name, purge := range map[string]func(stream winchester.Stream, event int64) error{
		"PurgeStream": func(stream winchester.Stream, _ int64) error { return s.PurgeStream(ctx, stream.ID) },
		"PurgeEvents": func(_ winchester.Stream, event int64) error { _, err := s.PurgeEvents(ctx, event); return err },
		"TrimEvents":  func(winchester.Stream, int64) error { _, err := s.TrimEvents(ctx, time.Unix(9, 0), 1); return err },
		"ChangeStreams": func(stream winchester.Stream, _ int64) error {
			return s.Transact(ctx, func(tx winchester.Tx) error {
				return tx.ChangeStreams(ctx, []winchester.StreamChange{{Stream: stream, Purge: true}})
			})
		},
	} {
		stream := &winchester.Stream{Name: "t", State: winchester.StateCompleted}
		var ids []int64
		must(t, s.Transact(ctx, func(tx winchester.Tx) (err error) {
			if ids, err = tx.InsertEvents(ctx, []winchester.Event{{MessageID: name, EventType: "t", Timestamp: time.Unix(1, 0)}}); err != nil {
				return err
			}
			if err := tx.SaveStreams(ctx, []*winchester.Stream{stream}); err != nil {
				return err
			}
			return tx.AddMembers(ctx, []winchester.Member{{StreamID: stream.ID, EventID: ids[0]}})
		}))
		must(t, purge(*stream, ids[0]))
		var left int
		must(t, s.Transact(ctx, func(tx winchester.Tx) error {
			return store.DB(tx).Raw("SELECT COUNT(*) FROM winchester_stream_events").Scan(&left).Error
		}))
		if left != 0 {
			t.Errorf("%s leaves %d memberships", name, left)
		}
		_, err := s.TrimEvents(ctx, time.Unix(9, 0), 9) // for the next one
		must(t, err)
	}
}

func TestClosedStore(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), "sqlite://", store.Options{Migrate: true, Logger: quiet})
	must(t, err)
	must(t, s.Close())
	if _, err := s.CountEvents(t.Context(), winchester.EventQuery{}); err == nil || errors.Is(err, winchester.ErrConflict) {
		t.Errorf("error is %v", err)
	}
}

// TestMemoryOutlivesCancelledContexts: database/sql gives up the connection of
// a transaction whose context ends.
func TestMemoryOutlivesCancelledContexts(t *testing.T) {
	t.Parallel()
	s := open(t, "sqlite://", store.Options{Migrate: true})
	insert(t, s, "kept")
	for i := range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		_ = s.Transact(ctx, func(tx winchester.Tx) error {
			_, err := tx.InsertEvents(ctx, []winchester.Event{{MessageID: fmt.Sprint(i), EventType: "t", Timestamp: time.Unix(1, 0)}})
			return err
		})
		_, _ = s.FindEvents(ctx, winchester.EventQuery{})
		cancel()
	}
	if _, err := s.EventByMessageID(t.Context(), "kept"); err != nil {
		t.Fatal(err)
	}
}
