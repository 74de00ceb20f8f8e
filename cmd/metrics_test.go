package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/store"
)

// flakyStore gives up one transaction for another.
type flakyStore struct {
	winchester.Store
	once atomic.Bool
}

func (s *flakyStore) Transact(ctx context.Context, fn func(winchester.Tx) error) error {
	if s.once.CompareAndSwap(false, true) {
		return winchester.ErrConflict
	}
	return s.Store.Transact(ctx, fn)
}

type slow struct {
	winchester.HandlerDefaults
	running, release chan struct{}
}

func (s slow) HandleEvents(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
	close(s.running)
	<-s.release
	return events, nil
}

// exposed runs an engine that has something to tell of everything, and returns
// what its endpoint answers: the names of the metrics, with their types.
func exposed(t *testing.T) map[string]string {
	t.Helper()
	o := &options{host: Options{Name: "winchester"}}
	m, err := o.newMetrics(t.Context(), ":0")
	if err != nil {
		t.Fatal(err)
	}
	definitions, err := distiller.New(distiller.Config{CatchAll: true})
	if err != nil {
		t.Fatal(err)
	}
	s := slow{running: make(chan struct{}), release: make(chan struct{})}
	handlers := winchester.NewRegistry()
	winchester.MustRegister(handlers, "slow", func(winchester.NoParams) (winchester.Handler, error) { return s, nil })
	quiet := slog.New(slog.DiscardHandler)
	engine, err := winchester.New(winchester.Config{
		Store: &flakyStore{Store: testdb.Open(t, store.Options{})}, Handlers: handlers, Distiller: definitions, Logger: quiet,
		MeterProvider: m.meterProvider(),
		Triggers: []winchester.TriggerDefinition{{
			Name: "all", FirePipeline: "p", Expiration: "$first + 100y", MatchCriteria: []winchester.Criterion{{}}, FireCriteria: []winchester.Criterion{{}},
		}},
		Pipelines: []winchester.PipelineDefinition{{Name: "p", Handlers: []winchester.HandlerSpec{{Name: "slow"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.AddNotification(t.Context(), []byte(
		`{"message_id":"1","event_type":"x","timestamp":"2026-05-01 12:00:00","publisher_id":"p","payload":{},"_context_tenant":"t"}`)); err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-s.running
	close(s.release)
	for engine.Stats().Fired == 0 {
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("the stream does not fire")
		}
	}
	server := httptest.NewServer(m.handler(quiet))
	defer server.Close()
	r, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatal(r.Status, err)
	}
	if err := engine.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(string(text), -1) {
		types[line[1]] = line[2]
	}
	if !strings.Contains(string(text), `target_info{service_name="winchester"} 1`) {
		t.Error("it does not tell whose they are")
	}
	return types
}

// TestDashboard: every metric that the dashboard asks for is one that the endpoint
// has, and every one of the engine's is on the dashboard.
func TestDashboard(t *testing.T) {
	t.Parallel()
	there := exposed(t)
	text, err := os.ReadFile("../dist/grafana/winchester.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		UID    string
		Panels []struct {
			Type, Title string
			Targets     []struct{ Expr string }
		}
		Templating struct {
			List []struct {
				Name, Type string
				Query      json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	var exprs []string
	for _, v := range dashboard.Templating.List {
		exprs = append(exprs, string(v.Query))
	}
	for _, p := range dashboard.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q asks for nothing", p.Title)
		}
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
			checkQuery(t, p.Title, target.Expr, there)
		}
	}
	shown := map[string]bool{}
	for _, expr := range exprs {
		for _, name := range regexp.MustCompile(`\b(winchester|process|go)_[a-z_]+`).FindAllString(expr, -1) {
			family := familyOf(name, there)
			if family == "" {
				t.Errorf("the dashboard asks for %s, which is not there; there are %s", name, slices.Sorted(maps.Keys(there)))
			}
			shown[family] = true
		}
	}
	for name := range there {
		if strings.HasPrefix(name, "winchester_") && !shown[name] {
			t.Errorf("%s is not on the dashboard", name)
		}
	}
	if n := len(slices.DeleteFunc(slices.Collect(maps.Keys(there)), func(name string) bool { return !strings.HasPrefix(name, "winchester_") })); n != 12 {
		t.Errorf("the endpoint has %d metrics of the engine: %v", n, there)
	}
}

// familyOf is the metric that a series belongs to, "" if there is none.
func familyOf(name string, types map[string]string) string {
	if types[name] != "" && types[name] != "histogram" {
		return name
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && types[base] == "histogram" {
			return base
		}
	}
	return ""
}

// checkQuery: counters and histograms are of each process, and are summed up as
// rates; the gauges of the database are the same everywhere.
func checkQuery(t *testing.T, panel, expr string, types map[string]string) {
	t.Helper()
	for _, at := range regexp.MustCompile(`winchester_[a-z_]+`).FindAllStringIndex(expr, -1) {
		name := expr[at[0]:at[1]]
		before := expr[:at[0]]
		switch kind := types[familyOf(name, types)]; {
		case kind == "counter" || kind == "histogram":
			if !strings.HasSuffix(before, "(rate(") {
				t.Errorf("%s: %s is a %s, and no rate of it is taken: %s", panel, name, kind, expr)
			}
		case strings.HasPrefix(name, "winchester_streams"):
			if !regexp.MustCompile(`max( by \([a-z]+\))? \($|max\($`).MatchString(before) {
				t.Errorf("%s: %s is the same in every process, and must be aggregated with max: %s", panel, name, expr)
			}
		}
	}
}

// TestAlertsDocumented: what docs/metrics.md says to watch is there.
func TestAlertsDocumented(t *testing.T) {
	t.Parallel()
	there := exposed(t)
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`\bwinchester_[a-z_]+`).FindAllString(string(text), -1)
	if len(names) < 8 {
		t.Errorf("only %q are mentioned", names)
	}
	for _, name := range names {
		if familyOf(name, there) == "" {
			t.Errorf("docs/metrics.md mentions %s, which is not there; there are %s", name, fmt.Sprint(slices.Sorted(maps.Keys(there))))
		}
	}
}
