package config

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester/internal/glob"
)

// LoadSettings is not kept from the database by a rule that is wrong.
func TestLoadSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "winchester.yaml")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("winchester.yaml", "database: {url: 'sqlite:///"+dir+"/w.db', table_prefix: x_}\ntrigger_definitions: triggers.yaml\nlog_level: error\n")
	write("triggers.yaml", "this is: no trigger")
	opts := Options{Logger: nil}
	if _, err := Load(file, opts); err == nil {
		t.Error("Load takes it")
	}
	debug := slog.LevelDebug
	opts.LogLevel = &debug
	cfg, err := LoadSettings(file, opts)
	if err != nil {
		t.Fatal(err)
	}
	if o := cfg.StoreOptions(); o.TablePrefix != "x_" || !o.Migrate || cfg.LogLevel != slog.LevelDebug || cfg.Triggers != nil {
		t.Errorf("%+v %+v", o, cfg.Settings)
	}
	st, err := cfg.OpenStore(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Error(err)
	}
	write("winchester.yaml", "databsae: {}")
	if _, err := LoadSettings(file, opts); err == nil || !strings.Contains(err.Error(), `did you mean "database"?`) {
		t.Errorf("%v", err)
	}
}

// Options.Database takes the place of what the file says, and is checked as that is.
func TestOptionsDatabase(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "winchester.yaml")
	if err := os.WriteFile(file, []byte("database: {url: sqlite:///a.db, schema: s}"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(file, Options{Database: "postgres://u:p@h/d"})
	if err != nil || string(cfg.Database.URL) != "postgres://u:p@h/d" || cfg.Database.Schema != "s" {
		t.Errorf("%+v, %v", cfg, err)
	}
	if _, err := Load(file, Options{Database: "oracle://u:hunter2@h/d"}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
	if cfg, err := Default(Options{Database: "sqlite://"}); err != nil || cfg.Database.TablePrefix != "winchester_" {
		t.Errorf("%+v, %v", cfg, err)
	}
	if _, err := Default(Options{}); err == nil {
		t.Error("no database is none")
	}
	if _, err := LoadSettings(filepath.Join(t.TempDir(), "none"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// What a stranger's files cost is bounded in the cross-checks as well.
func TestCrossCheckIsBounded(t *testing.T) {
	t.Parallel()
	var triggers, definitions strings.Builder
	for i := range 900 {
		name := "n" + strings.Repeat("a", i%50) + string(rune('a'+i%26)) + time.Duration(i).String()
		triggers.WriteString("- {name: " + name + ", distinguished_by: [zzz], match_criteria: [{event_type: '" + strings.Repeat("*a?", 60) + "'}], fire_criteria: [{event_type: b}], expiration: $first, fire_pipeline: p}\n")
		definitions.WriteString("- {event_type: '" + strings.Repeat("*b?", 60) + "', traits: {a: {fields: payload.a}}}\n")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"winchester.yaml": "database: {url: sqlite://}\ntrigger_definitions: t.yaml\npipeline_config: p.yaml\ndistiller_config: d.yaml\n",
		"t.yaml":          triggers.String(), "d.yaml": definitions.String(), "p.yaml": "p: [logger]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := newLoader(filepath.Join(dir, "winchester.yaml"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	l.readDistiller()
	read := l.readTriggers()
	pipelines, known := l.readPipelines()
	c := l.crossChecker(pipelines, known)
	calls, work := 0, 0
	c.overlaps = func(a, b glob.Set) bool {
		calls++
		work += length(a) * length(b)
		return a.Overlaps(b)
	}
	c.check(read)
	if err := l.finish(); err != nil {
		t.Fatal(err)
	}
	// Unbounded it would be 900 triggers times 900 definitions, a thousand times more.
	if work > maxCost || work < maxCost/2 {
		t.Errorf("%d comparisons that cost %d steps; at most %d are allowed", calls, work, maxCost)
	}
	if len(l.cfg.Warnings) > maxWarnings+10 {
		t.Errorf("%d warnings", len(l.cfg.Warnings))
	}
}
