package store_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// invoice is a table of the host's.
type invoice struct {
	ID     uint
	Amount int
}

func TestHandlerWritesInTheSameTransaction(t *testing.T) {
	t.Parallel()
	for name, conns := range map[string]int{"many connections": 0, "one connection": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := hostDB(t, filepath.Join(t.TempDir(), "host.db"), conns, &gorm.Config{})
			must(t, db.AutoMigrate(&invoice{}))
			s := openHost(t, db)
			boom := errors.New("boom")
			for _, outcome := range []error{boom, nil} {
				err := s.Transact(t.Context(), func(tx winchester.Tx) error {
					if _, err := tx.InsertEvents(t.Context(), []winchester.Event{{MessageID: "e", EventType: "t", Timestamp: time.Unix(1, 0)}}); err != nil {
						return err
					}
					if err := store.DB(tx).Where("amount > 100").Create(&invoice{Amount: 5}).Error; err != nil {
						return err
					}
					var n int64
					if err := store.DB(tx).Model(&invoice{}).Count(&n).Error; err != nil || n != 1 {
						t.Errorf("the transaction sees %d invoices (%v)", n, err)
					}
					return outcome
				})
				if !errors.Is(err, outcome) {
					t.Fatalf("error is %v, want %v", err, outcome)
				}
				want := int64(0)
				if outcome == nil {
					want = 1
				}
				var invoices int64
				must(t, db.Model(&invoice{}).Count(&invoices).Error)
				events, err := s.CountEvents(t.Context(), winchester.EventQuery{})
				must(t, err)
				if invoices != want || events != want {
					t.Fatalf("after %v there are %d invoices and %d events", outcome, invoices, events)
				}
			}
		})
	}
}

func TestTxOfTheHost(t *testing.T) {
	t.Parallel()
	db := hostDB(t, filepath.Join(t.TempDir(), "host.db"), 0, &gorm.Config{})
	must(t, db.AutoMigrate(&invoice{}))
	s := openHost(t, db)
	ctx := t.Context()
	file := func(host *gorm.DB) error {
		if err := host.Create(&invoice{Amount: 5}).Error; err != nil {
			return err
		}
		tx := s.Tx(host)
		ids, err := tx.InsertEvents(ctx, []winchester.Event{{MessageID: "e", EventType: "t", Timestamp: time.Unix(1, 0)}})
		if err != nil {
			return err
		}
		stream := &winchester.Stream{Name: "t", Key: "k", Open: true, State: winchester.StateActive}
		if err := tx.SaveStreams(ctx, []*winchester.Stream{stream}); err != nil {
			return err
		}
		return tx.AddMembers(ctx, []winchester.Member{{StreamID: stream.ID, EventID: ids[0]}})
	}
	boom := errors.New("the host changed its mind")
	if err := db.Transaction(func(host *gorm.DB) error { must(t, file(host)); return boom }); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if n, err := s.CountEvents(ctx, winchester.EventQuery{}); err != nil || n != 0 {
		t.Fatalf("%d events after the host rolled back (%v)", n, err)
	}
	must(t, db.Transaction(file))
	found, err := s.FindStreams(ctx, winchester.StreamQuery{IncludeEvents: true})
	must(t, err)
	if len(found) != 1 || len(found[0].Events) != 1 {
		t.Fatalf("found %+v", found)
	}
}

// TestTransactionTakesTheWriteLockFirst: a transaction that begins by reading
// must not find, when it wants to write, that it cannot any more.
func TestTransactionTakesTheWriteLockFirst(t *testing.T) {
	t.Parallel()
	host := func(t *testing.T, path string) *store.Store {
		return openHost(t, hostDB(t, path+"?_journal_mode=WAL&_busy_timeout=1", 0, &gorm.Config{}))
	}
	own := func(t *testing.T, path string) *store.Store {
		return open(t, path, store.Options{Migrate: true, BusyTimeout: time.Millisecond})
	}
	for name, open := range map[string]func(t *testing.T, path string) *store.Store{"host": host, "own": own} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "w.db")
			s, other := open(t, path), open(t, path)
			ctx := t.Context()
			must(t, s.Transact(ctx, func(tx winchester.Tx) error {
				if _, err := tx.OpenStreams(ctx, []string{"k"}); err != nil {
					return err
				}
				err := other.Transact(ctx, func(winchester.Tx) error { t.Error("two transactions write at once"); return nil })
				if !errors.Is(err, winchester.ErrConflict) {
					t.Errorf("the other transaction's error is %v, want ErrConflict", err)
				}
				if err := other.PurgeStream(ctx, 1); !errors.Is(err, winchester.ErrConflict) {
					t.Errorf("PurgeStream's error is %v, want ErrConflict", err)
				}
				if _, err := other.CountEvents(ctx, winchester.EventQuery{}); err != nil {
					t.Errorf("a reader is kept out: %v", err)
				}
				return tx.SaveStreams(ctx, []*winchester.Stream{{Name: "t", Key: "k", Open: true, State: winchester.StateActive}})
			}))
		})
	}
}

// TestTxOfTheHostThatBeganByReading gets ErrConflict if it has been overtaken.
func TestTxOfTheHostThatBeganByReading(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "host.db") + "?_journal_mode=WAL&_busy_timeout=1"
	db := hostDB(t, path, 0, &gorm.Config{})
	s := openHost(t, db)
	host := db.Begin()
	defer host.Rollback()
	tx := s.Tx(host)
	_, err := tx.OpenStreams(t.Context(), []string{"k"})
	must(t, err)
	insert(t, s, "overtaking")
	_, err = tx.InsertEvents(t.Context(), []winchester.Event{{MessageID: "late", EventType: "t", Timestamp: time.Unix(1, 0)}})
	if !errors.Is(err, winchester.ErrConflict) {
		t.Fatalf("error is %v, want ErrConflict", err)
	}
}

// TestHostSettingsStay: the host's *gorm.DB is used as it is and left as it was.
func TestHostSettingsStay(t *testing.T) {
	t.Parallel()
	db := hostDB(t, filepath.Join(t.TempDir(), "host.db"), 3, &gorm.Config{})
	var log bytes.Buffer
	hosts := logger.New(writer{&log}, logger.Config{LogLevel: logger.Info})
	db.Logger = hosts
	pool, err := db.DB()
	must(t, err)
	s := openHost(t, db.Where("1 = 0")) // conditions of the host's are not ours
	insert(t, s, "e")
	n, err := s.CountEvents(t.Context(), winchester.EventQuery{})
	must(t, err)
	if n != 1 {
		t.Errorf("%d events", n)
	}
	if strings.Contains(log.String(), "winchester") {
		t.Errorf("the host's logger got statements of the store: %s", &log)
	}
	must(t, s.Transact(t.Context(), func(tx winchester.Tx) error { return store.DB(tx).Exec("SELECT 'by the host'").Error }))
	if !strings.Contains(log.String(), "by the host") {
		t.Error("the host's logger did not get its own statement")
	}
	if db.Logger != hosts || db.SkipDefaultTransaction || db.PrepareStmt || pool.Stats().MaxOpenConnections != 3 {
		t.Error("the host's settings have changed")
	}
	must(t, s.Close())
	must(t, pool.Ping())
}

type writer struct{ *bytes.Buffer }

func (w writer) Printf(format string, args ...any) {
	w.WriteString(strings.ReplaceAll(format, "%", ""))
	for _, a := range args {
		if s, ok := a.(string); ok {
			w.WriteString(s)
		}
	}
}

func TestDBOfAnotherStore(t *testing.T) {
	t.Parallel()
	defer func() {
		if p := recover(); p == nil || !strings.Contains(p.(string), "package store") {
			t.Errorf("panic is %v", p)
		}
	}()
	store.DB(foreignTx{})
}

type foreignTx struct{ winchester.Tx }

func (foreignTx) Unwrap() any { return "something else" }

func TestNewRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	if _, err := store.New(context.Background(), nil, store.Options{}); err == nil {
		t.Error("nil: no error")
	}
	db := hostDB(t, ":memory:", 1, &gorm.Config{})
	if _, err := store.New(t.Context(), db, store.Options{TablePrefix: "x y"}); err == nil {
		t.Error("bad options: no error")
	}
	if _, err := store.New(t.Context(), db, store.Options{}); !errors.Is(err, store.ErrNotMigrated) {
		t.Errorf("not migrated: error is %v", err)
	}
	db.Dialector = renamed{db.Dialector}
	if _, err := store.New(t.Context(), db, store.Options{}); !errors.Is(err, store.ErrUnsupportedDatabase) {
		t.Errorf("another database: error is %v", err)
	}
}

type renamed struct{ gorm.Dialector }

func (renamed) Name() string { return "clickhouse" }

func TestLogging(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := open(t, fileURL(t), store.Options{Migrate: true, EchoSQL: true, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	secret := winchester.Traits{"password": "s3cret"}
	must(t, s.Transact(t.Context(), func(tx winchester.Tx) error {
		_, err := tx.InsertEvents(t.Context(), []winchester.Event{{MessageID: "e", EventType: "t", Timestamp: time.Unix(1, 0), Traits: secret}})
		return err
	}))
	_, err := s.FindEvents(t.Context(), winchester.EventQuery{Traits: secret})
	must(t, err)
	for _, want := range []string{"INSERT INTO winchester_events", "SELECT id, message_id", "Database migrated"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	if strings.Contains(log.String(), "s3cret") {
		t.Errorf("the log has the value of a trait:\n%s", &log)
	}
}

func TestSlowStatementsAreLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := open(t, fileURL(t), store.Options{Migrate: true, SlowQuery: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	_, err := s.CountEvents(t.Context(), winchester.EventQuery{})
	must(t, err)
	if !strings.Contains(log.String(), "Slow statement") {
		t.Errorf("log:\n%s", &log)
	}
}
