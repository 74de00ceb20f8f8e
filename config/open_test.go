package config

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// The sample files, unchanged but for the database's place, take notifications
// and run pipelines.
func TestOpen(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir()
	for _, name := range []string{"winchester.yaml", "triggers.yaml", "pipelines.yaml", "event_definitions.yaml"} {
		data, err := os.ReadFile(filepath.Join("testdata", "etc", name))
		if err != nil {
			t.Fatal(err)
		}
		data = bytes.ReplaceAll(data, []byte("sqlite:///"), []byte("sqlite:///${DIR}/"))
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	clock := winchester.NewManualClock(time.Date(2014, 7, 21, 1, 0, 0, 0, time.UTC))
	c, err := Load(filepath.Join(dir, "winchester.yaml"), Options{Clock: clock, LookupEnv: env("DIR", dir), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	e, err := c.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{
		`{"message_id": "1", "event_type": "compute.instance.create.end", "publisher_id": "compute.host1", "timestamp": "2014-07-20 10:00:00.000000",
		  "payload": {"instance_id": "i1", "launched_at": "2014-07-20 10:00:00"}}`,
		`{"message_id": "2", "event_type": "compute.instance.exists", "publisher_id": "compute.host1", "timestamp": "2014-07-21 00:05:00.000000",
		  "payload": {"instance_id": "i1", "launched_at": "2014-07-20 10:00:00", "audit_period_beginning": "2014-07-20 00:00:00", "audit_period_ending": "2014-07-21 00:00:00"}}`,
	} {
		r, err := e.AddNotification(ctx, []byte(body))
		if err != nil || r.Outcome != winchester.OutcomeStored || len(r.Streams) != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	clock.Advance(time.Minute)
	if n, err := e.RunOnce(ctx); err != nil || n.Fire != 1 {
		t.Errorf("%+v, %v", n, err)
	}
	events, err := e.Store().FindEvents(ctx, winchester.EventQuery{})
	if err != nil || len(events) != 3 || events[0].EventType != "compute.instance.exists.verified" {
		t.Errorf("%+v, %v", events, err)
	}
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.Close(), e.Close()); err != nil {
		t.Error(err)
	}
	if _, err := e.Store().FindEvents(ctx, winchester.EventQuery{}); err == nil {
		t.Error("the database is still open")
	}
}

func TestOpenHostsStore(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	st, err := store.Open(ctx, "sqlite://", store.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	c, err := Load(filepath.Join(writeFiles(t, "winchester.yaml", ""), "winchester.yaml"), Options{Store: st})
	if err != nil {
		t.Fatal(err)
	}
	e, err := c.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.AddNotification(ctx, []byte("{}")); !errors.Is(err, winchester.ErrNoDistiller) {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if _, err := st.CountEvents(ctx, winchester.EventQuery{}); err != nil {
		t.Errorf("the host's store is closed: %v", err)
	}
}

func TestOpenFails(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := writeFiles(t, "winchester.yaml", "database: {url: 'sqlite:///${DIR}/none/w.db'}\nlog_file: ${DIR}/log", "log.yaml",
		"database: {url: 'sqlite://'}\nlog_file: ${DIR}/none/log", "schema.yaml", "database: {url: 'sqlite:///${DIR}/w.db'}")
	open := func(file string, opts Options) error {
		opts.LookupEnv = env("DIR", dir)
		c, err := Load(filepath.Join(dir, file), opts)
		if err != nil {
			t.Fatal(err)
		}
		e, err := c.Open(ctx)
		if err == nil || e != nil {
			t.Errorf("%s was opened", file)
		}
		return err
	}
	if err := open("winchester.yaml", Options{}); !strings.Contains(err.Error(), "config: open the database sqlite:///") {
		t.Error(err)
	}
	if err := open("log.yaml", Options{}); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "config: log_file: ") {
		t.Error(err)
	}
	if err := open("schema.yaml", Options{SkipMigrations: true}); !errors.Is(err, store.ErrNotMigrated) {
		t.Error(err)
	}
}

func TestLogger(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, "winchester.yaml", "database: {url: 'sqlite://'}", "file.yaml", "database: {url: 'sqlite://'}\nlog_level: warning\nlog_file: ${DIR}/%(proc_name)s.log",
		"level.yaml", "database: {url: 'sqlite://'}\nlog_level: critical")
	logger := func(file string, opts Options) *slog.Logger {
		opts.LookupEnv = env("DIR", dir)
		c, err := Load(filepath.Join(dir, file), opts)
		if err != nil {
			t.Fatal(err)
		}
		l, closer, err := c.Logger()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = closer.Close() })
		return l
	}
	if logger("winchester.yaml", Options{}) != slog.Default() {
		t.Error("not the default logger")
	}
	own := slog.New(slog.DiscardHandler)
	if logger("file.yaml", Options{Logger: own}) != own {
		t.Error("not the host's logger")
	}
	l := logger("file.yaml", Options{Name: "w1"})
	l.Info("quiet")
	l.Warn("loud", "key", "value")
	text, err := os.ReadFile(filepath.Join(dir, "w1.log"))
	if err != nil || !strings.Contains(string(text), "level=WARN msg=loud key=value") || strings.Contains(string(text), "quiet") {
		t.Errorf("%s, %v", text, err)
	}
	if l := logger("level.yaml", Options{}); l.Enabled(context.Background(), slog.LevelError) || !l.Enabled(context.Background(), slog.LevelError+4) {
		t.Error("the level is not critical")
	}
}
