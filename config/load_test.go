package config

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
)

// The files under testdata/etc are written as the original's samples are.
func TestLoadOldFiles(t *testing.T) {
	t.Parallel()
	c, err := Load(filepath.Join("testdata", "etc", "winchester.yaml"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := Settings{
		ConfigPath: []string{"/etc/winchester", "."}, DistillerConfig: []string{"event_definitions.yaml"}, StatisticsPeriod: 10 * time.Second,
		Database: Database{URL: "sqlite:///winchester.db", TablePrefix: "winchester_", Connections: 10}, TriggerDefinitions: "triggers.yaml",
		PipelineHandlers: map[string]string{"logger": "winchester.pipeline_handler:LoggingHandler", "usage": "winchester.pipeline_handler:UsageHandler"},
		PipelineConfig:   "pipelines.yaml", PipelineWorkerBatchSize: 1000, PipelineWorkerDelay: 10 * time.Second, PurgeCompletedStreams: true,
		TrimEvents: true, TrimEventsAge: "$timestamp - 14d", TrimEventsBatchSize: 500, Clock: ClockMachine, ReplayMaxJump: 24 * time.Hour, LogLevel: slog.LevelDebug,
	}
	if !reflect.DeepEqual(c.Settings, want) {
		t.Errorf("got  %+v\nwant %+v", c.Settings, want)
	}
	if len(c.Triggers) != 2 || c.Triggers[0].Name != "instance_usage" || c.Triggers[0].FireDelay != 30*time.Second {
		t.Errorf("triggers: %+v", c.Triggers)
	}
	if len(c.Pipelines) != 2 || c.Pipelines[0].Handlers[0].Name != winchester.LoggingHandlerName || c.Pipelines[0].Handlers[1].Name != "usage" {
		t.Errorf("pipelines: %+v", c.Pipelines)
	}
	if c.Distiller == nil || len(c.Warnings) != 0 {
		t.Errorf("distiller %v, warnings %v", c.Distiller, c.Warnings)
	}
	for got, want := range map[string]string{
		c.File: "winchester.yaml", strings.Join(c.DistillerFiles, ""): "event_definitions.yaml", c.TriggerFile: "triggers.yaml", c.PipelineFile: "pipelines.yaml",
	} {
		if got != filepath.Join("testdata", "etc", want) {
			t.Errorf("%s was read from %s", want, got)
		}
	}
}

// A file that says only what it must, and one that spells out all defaults,
// are the same.
func TestDefaults(t *testing.T) {
	t.Parallel()
	const least = "database:\n  url: sqlite://\n"
	load := func(text string) Settings {
		c, err := Load(filepath.Join(writeFiles(t, "winchester.yaml", text), "winchester.yaml"), Options{Logger: slog.Default()})
		if err != nil {
			t.Fatal(err)
		}
		return c.Settings
	}
	got := load(least)
	want := defaults()
	want.Database.URL = "sqlite://"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	text, retry := least, "retry:\n"
	for _, item := range Describe() {
		switch section, key, nested := strings.Cut(item.Key, "."); {
		case item.Default == "" || item.Key == "workers" || item.Key == "lease":
		case section == "retry":
			retry += "  " + key + ": " + item.Default + "\n"
		case nested:
			text = strings.Replace(text, section+":\n", section+":\n  "+key+": "+item.Default+"\n", 1)
		default:
			text += item.Key + ": " + item.Default + "\n"
		}
	}
	got = load(text + retry)
	want.PipelineHandlers, want.DistillerTraitPlugins = map[string]string{}, map[string]string{}
	want.Retry = winchester.RetryPolicy{
		MaxAttempts: 20, InitialBackoff: time.Second, MaxBackoff: time.Hour, Multiplier: 2, Jitter: 0.1, OnCommitError: winchester.CommitErrorRetry,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("in\n%s\ngot  %+v\nwant %+v", text+retry, got, want)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, "winchester.yaml", `
config_path: elsewhere
distiller_trait_plugins:
  cut: stackdistiller.trait_plugins:SplitterTraitPlugin
  shout: upper
catch_all_notifications: true
statistics_period: 0
database: {url: "sqlite:////var/lib/w.db?synchronous=normal", schema: billing, table_prefix: w_, connections: 3, echo_sql: true}
distiller_config: e.yaml
trigger_definitions: t.yaml
pipeline_config: p.json
pipeline_handlers:
  log: logger
  charge: our.billing:ChargeHandler
pipeline_worker_batch_size: 7
pipeline_worker_delay: 1m 30s
purge_completed_streams: no
trim_events: on
trim_events_age: $timestamp - 3mo
trim_events_batch_size: 8
workers: 9
lease: 5m
retry: {max_attempts: 1, initial_backoff: 2, max_backoff: 1d, multiplier: 1, jitter: 0.5, on_commit_error: ignore}
log_level: WARN
log_file: "%(proc_name)s-100%%.log"
`, "elsewhere/e.yaml", `
- {event_type: "*", traits: {a: {fields: payload.a, plugin: cut}, b: {fields: payload.b, plugin: shout}, c: {fields: payload.c, plugin: split}}}
`, "elsewhere/t.yaml", triggerText("load_criteria: []"), "elsewhere/p.json", `{"p": ["log", {"name": "charge"}, "logger"]}`)
	handlers := winchester.NewRegistry()
	winchester.MustRegister(handlers, "our.billing:ChargeHandler", func(winchester.NoParams) (winchester.Handler, error) { return noHandler{}, nil })
	plugins := distiller.NewPlugins()
	plugins.MustRegister("upper", func(map[string]any) (distiller.TraitPlugin, error) {
		return distiller.TraitPluginFunc(func(m []distiller.Match) (any, error) { return strings.ToUpper(m[0].Value.(string)), nil }), nil
	})
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	c, err := Load(filepath.Join(dir, "winchester.yaml"), Options{
		Handlers: handlers, TraitPlugins: plugins, Name: "worker_1", Clock: winchester.NewManualClock(now),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Settings{
		ConfigPath:      []string{"elsewhere"},
		DistillerConfig: []string{"e.yaml"}, DistillerTraitPlugins: map[string]string{"cut": "stackdistiller.trait_plugins:SplitterTraitPlugin", "shout": "upper"},
		CatchAllNotifications: true, Database: Database{URL: "sqlite:////var/lib/w.db?synchronous=normal", Schema: "billing", TablePrefix: "w_", Connections: 3, EchoSQL: true},
		TriggerDefinitions: "t.yaml", PipelineConfig: "p.json",
		PipelineHandlers:        map[string]string{"log": "logger", "charge": "our.billing:ChargeHandler"},
		PipelineWorkerBatchSize: 7, PipelineWorkerDelay: 90 * time.Second,
		TrimEvents: true, TrimEventsAge: "$timestamp - 3mo", TrimEventsBatchSize: 8, Clock: ClockMachine, ReplayMaxJump: 24 * time.Hour, Workers: 9, Lease: 5 * time.Minute,
		Retry: winchester.RetryPolicy{
			MaxAttempts: 1, InitialBackoff: 2 * time.Second, MaxBackoff: 24 * time.Hour, Multiplier: 1, Jitter: 0.5, OnCommitError: "ignore",
		},
		LogLevel: slog.LevelWarn, LogFile: "worker_1-100%.log",
	}
	if !reflect.DeepEqual(c.Settings, want) {
		t.Errorf("got  %+v\nwant %+v", c.Settings, want)
	}
	var names []string
	for _, h := range c.Pipelines[0].Handlers {
		names = append(names, h.Name)
	}
	if !reflect.DeepEqual(names, []string{"logger", "our.billing:ChargeHandler", "logger"}) {
		t.Errorf("handlers: %q", names)
	}
	event, err := c.Distiller.Distill([]byte(`{"message_id": "1", "event_type": "x", "payload": {"a": "one.two", "b": "b", "c": "three.four"}}`))
	if err != nil || event.Traits["a"] != "one" || event.Traits["b"] != "B" || event.Traits["c"] != "three" || !event.Timestamp.Equal(now) {
		t.Errorf("%+v, %v", event, err)
	}
	if len(c.Warnings) != 1 || !strings.HasSuffix(c.Warnings[0].String(), `t.yaml:6:18: [0].load_criteria: has no effect, as in the original`) {
		t.Errorf("warnings: %v", c.Warnings)
	}
	ec := c.EngineConfig(nil)
	if ec.StatisticsPeriod != -1 || !ec.KeepCompleted || ec.BatchSize != 7 || ec.PollInterval != 90*time.Second || ec.Workers != 9 ||
		ec.Lease != 5*time.Minute || ec.Retry != want.Retry || !ec.TrimEvents || ec.TrimEventsAge != "$timestamp - 3mo" ||
		ec.TrimEventsBatchSize != 8 || ec.Handlers != handlers || ec.Distiller != c.Distiller || ec.Clock == nil {
		t.Errorf("%+v", ec)
	}
	if got := plugins.Names(); !reflect.DeepEqual(got, []string{"bitfield", "split", "sum", "upper"}) {
		t.Errorf("the host's own plugins have changed: %q", got)
	}
}

func TestSettingFaults(t *testing.T) {
	t.Parallel()
	const howHandler = `write it in Go, register it with winchester.Register, hand the registry in as Options.Handlers and use its name here`
	const howPlugin = `write it in Go, register it with distiller.Plugins, hand that in as Options.TraitPlugins and use its name here`
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", `:1:1: the required setting database.url is missing`},
		{"not a map", "- a", `:1:1: expected a map, found a list`},
		{"not YAML", "a: [", `:1:4: sequence end token ']' not found`},
		{"no url", "database: {echo_sql: true}", `:1:11: database: the required setting database.url is missing`},
		{"null database", "database:", `:1:1: the required setting database.url is missing`},
		{"unknown", "databse: {}\n", `:1:1: unknown key "databse" (did you mean "database"?)
:1:1: the required setting database.url is missing`},
		{"unknown in a section", "database: {url: sqlite://, echosql: true}", `:1:28: database: unknown key "echosql" (did you mean "echo_sql"?)`},
		{"twice", "workers: 1\nworkers: 2", `:2:1: duplicate key "workers", first on line 1`},

		{"database", "database: mysql://u:hunter2@h/db", `:1:11: database: expected a map of url, schema, table_prefix, connections, echo_sql`},
		{"url", "database: {url: [hunter2]}", `:1:17: database.url: expected a database URL`},
		{"echo_sql", "database: {url: sqlite://, echo_sql: maybe}", `:1:38: database.echo_sql: expected true or false, found the text "maybe"`},
		{"config_path", "config_path: {a: b}", `:1:14: config_path: expected text or a list of texts, found a map`},
		{"config_path of numbers", "config_path: [1]", `:1:15: config_path[0]: expected text, found the integer 1; put it in quotes if text is meant`},
		{"long config_path", "config_path: [" + strings.Repeat("a,", 101) + "]", `:1:14: config_path: expected at most 100 directories, found 101`},
		{"catch_all_notifications", "catch_all_notifications: 1", `:1:26: catch_all_notifications: expected true or false, found the integer 1`},
		{"statistics_period", "statistics_period: often", `:1:20: statistics_period: "often" is not a duration: expected a number of seconds, or text such as "1h 30m"`},
		{"pipeline_worker_batch_size", "pipeline_worker_batch_size: 0", `:1:29: pipeline_worker_batch_size: expected an integer from 1 to 1000000, found 0`},
		{"pipeline_worker_delay", "pipeline_worker_delay: -1", `:1:24: pipeline_worker_delay: a duration of -1 seconds is negative`},
		{"purge_completed_streams", `purge_completed_streams: "yes"`, `:1:26: purge_completed_streams: expected true or false, found the text "yes"`},
		{"trim_events", "trim_events: 14d", `:1:14: trim_events: expected true or false, found the text "14d"`},
		{"trim_events_age", "trim_events_age: $now - 14d", `:1:18: trim_events_age: in "$now - 14d": undefined variable "$now"`},
		{"trim_events_age, parsed", "trim_events_age: 14d", `:1:18: trim_events_age: in "14d": expected a variable like "$timestamp", a function like "day" or "(", found "14"`},
		{"trim_events_batch_size", "trim_events_batch_size: many", `:1:25: trim_events_batch_size: expected an integer, found the text "many"`},
		{"workers", "workers: -1", `:1:10: workers: expected an integer from 1 to 1000000, found -1`},
		{"lease", "lease: 0", `:1:8: lease: expected a duration longer than 0`},
		{"retry", "retry: often", `:1:8: retry: expected a map of max_attempts, initial_backoff, max_backoff, multiplier, jitter, on_commit_error`},
		{"key of retry", "retry: {max_attempt: 1}", `:1:9: retry: unknown key "max_attempt" (did you mean "max_attempts"?)`},
		{"value of retry", "retry: {max_attempts: 0}", `:1:23: retry.max_attempts: expected an integer from 1 to 1000000, found 0`},
		{"log_level", "log_level: wraning", `:1:12: log_level: unknown log level "wraning" (did you mean "warning"?): expected debug, info, warning, error or critical`},
		{"log_file", "log_file: '%(process)d.log'", `:1:11: log_file: unknown placeholder: the only one is %(proc_name)s; write %% for a percent sign`},

		{"file", "trigger_definitions: none.yaml", `:1:22: trigger_definitions: there is no file DIR/none.yaml, nor none.yaml`},
		{"absolute file", "trigger_definitions: /none/none.yaml", `:1:22: trigger_definitions: there is no file /none/none.yaml`},
		{"file in several places", "config_path: [/a, b]\npipeline_config: none.yaml", `:2:18: pipeline_config: there is no file /a/none.yaml, nor DIR/b/none.yaml, nor b/none.yaml`},
		{"directory", "distiller_config: .", `:1:19: distiller_config: there is no file DIR, nor .`},
		{"ini file", "pipeline_config: pipelines.ini", `:1:18: pipeline_config: pipelines.ini cannot be read: files are YAML or JSON`},
		{"number as file", "pipeline_config: 5", `:1:18: pipeline_config: expected text, found the integer 5; put it in quotes if text is meant`},

		{"pipeline_handlers", "pipeline_handlers: [a]", `:1:20: pipeline_handlers: expected a map, found a list`},
		{"class", "pipeline_handlers: {a: 5}", `:1:24: pipeline_handlers.a: expected text, found the integer 5; put it in quotes if text is meant`},
		{"no class", "pipeline_handlers: {a: }", `:1:21: pipeline_handlers.a: expected the name of a registered handler, or a Python class that one stands in for, found nothing`},
		{"unknown class", "pipeline_handlers: {a: 'my.mod:Handler'}", `:1:24: pipeline_handlers.a: no Go handler stands in for the Python class my.mod:Handler: ` + howHandler + `, or register it under that very name; registered are ` + readyMade()},
		{"misspelt class", "pipeline_handlers: {a: 'winchester.pipeline_handler:LogingHandler'}", `:1:24: pipeline_handlers.a: no Go handler stands in for the Python class winchester.pipeline_handler:LogingHandler (did you mean "winchester.pipeline_handler:LoggingHandler"?): ` + howHandler + `, or register it under that very name; registered are ` + readyMade()},
		{"unknown handler", "pipeline_handlers: {a: loger}", `:1:24: pipeline_handlers.a: no handler "loger" is registered (did you mean "logger"?): ` + howHandler + `; registered are ` + readyMade()},
		{"distiller_trait_plugins", "distiller_trait_plugins: x", `:1:26: distiller_trait_plugins: expected a map, found the text "x"`},
		{"unknown plugin class", "distiller_trait_plugins: {a: 'my.mod:Plugin'}", `:1:30: distiller_trait_plugins.a: no Go plugin stands in for the Python class my.mod:Plugin: ` + howPlugin + `, or register it under that very name; registered are bitfield, split, sum`},
		{"unknown plugin", "distiller_trait_plugins: {a: splt}", `:1:30: distiller_trait_plugins.a: no trait plugin "splt" is registered (did you mean "split"?): ` + howPlugin + `; registered are bitfield, split, sum`},
		{"no plugin", "distiller_trait_plugins: {a: ''}", `:1:30: distiller_trait_plugins.a: expected the name of a trait plugin, or a Python class that one stands in for, found nothing`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := c.text
			if strings.Contains(text, ": ") && !strings.Contains(text, "datab") && c.name != "not YAML" {
				text += "\ndatabase: {url: 'sqlite://'}"
			}
			dir := writeFiles(t, "winchester.yaml", text)
			path := filepath.Join(dir, "winchester.yaml")
			_, err := Load(path, Options{})
			if err == nil {
				t.Fatal("accepted")
			}
			if got := strings.ReplaceAll(strings.ReplaceAll(err.Error(), path, ""), dir, "DIR"); got != c.want {
				t.Errorf("in\n%s\ngot  %s\nwant %s", text, got, c.want)
			}
		})
	}
}

// A class that a ready-made handler stands in for is of no use if the host has
// left that one out.
func TestClassWithoutHandler(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, "winchester.yaml", "pipeline_handlers: {a: 'winchester.pipeline_handler:NotabeneHandler'}\ndatabase: {url: 'sqlite://'}")
	_, err := Load(filepath.Join(dir, "winchester.yaml"), Options{Handlers: winchester.NewRegistry()})
	want := `winchester.pipeline_handler:NotabeneHandler is the Go handler "notify" here, which is not registered; registered are logger`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v\nwant %s", err, want)
	}
}

// Faults that only show when files are held against each other.
func TestFaultsAcrossFiles(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, "winchester.yaml", `
database: {url: "sqlite://"}
trigger_definitions: t.yaml
pipeline_config: p.yaml
distiller_config: e.yaml
pipeline_handlers: {log: logger, broken: "my.mod:Handler"}
workers: none
`, "t.yaml", triggerText("fire_pipeline: bil", "expire_pipeline: q", "fire_delay: soon"),
		"p.yaml", "bill: [log, broken, logr]\nq: [{name: logger, params: {prefx: x}}]\n",
		"e.yaml", "- {event_type: x, traits: {a: {fields: a, plugin: splat}, b: {field: b}}}\n")
	_, err := Load(filepath.Join(dir, "winchester.yaml"), Options{})
	const how = `write it in Go, register it with winchester.Register, hand the registry in as Options.Handlers and use its name here`
	want := `winchester.yaml:6:42: pipeline_handlers.broken: no Go handler stands in for the Python class my.mod:Handler: ` + how + `, or register it under that very name; registered are ` + readyMade() + `
winchester.yaml:7:10: workers: expected an integer, found the text "none"
t.yaml:5:18: [0].fire_pipeline: there is no pipeline "bil" (did you mean "bill"?) in p.yaml
t.yaml:7:15: [0].fire_delay: "soon" is not a duration: expected a number of seconds, or text such as "1h 30m"
p.yaml:1:21: bill[2]: unknown handler "logr" (did you mean "log"?): ` + how + `; known are ` + readyMade("broken", "log") + `
p.yaml:2:36: q[0].params.prefx: handler "logger": parameters: prefx: there is no such parameter (did you mean "prefix"?)
e.yaml:1:51: [0].traits.a.plugin: there is no plugin "splat" (did you mean "split"?), only bitfield, split, sum
e.yaml:1:62: [0].traits.b: fields is missing
e.yaml:1:63: [0].traits.b: unknown key "field" (did you mean "fields"?)`
	if err == nil {
		t.Fatal("accepted")
	}
	if got := strings.ReplaceAll(err.Error(), dir+"/", ""); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var faults Faults
	if !errors.As(err, &faults) || faults[2].Line != 5 || faults[2].Column != 18 || faults[2].Path != "[0].fire_pipeline" || !strings.HasSuffix(faults[2].File, "t.yaml") {
		t.Errorf("%+v", faults)
	}
}

// A file that cannot be read at all must not make others look faulty.
func TestNoFaultsThatFollow(t *testing.T) {
	t.Parallel()
	for pipelines, want := range map[string]string{
		"p: [":        "p.yaml:1:4: sequence end token ']' not found",
		"q: [logger]": `t.yaml:5:18: [0].fire_pipeline: there is no pipeline "p" (did you mean "q"?) in p.yaml`,
		"":            `t.yaml:5:18: [0].fire_pipeline: there is no pipeline "p" in p.yaml`,
	} {
		dir := writeFiles(t, "winchester.yaml", "database: {url: 'sqlite://'}\ntrigger_definitions: t.yaml\npipeline_config: p.yaml",
			"t.yaml", triggerText(), "p.yaml", pipelines)
		_, err := Load(filepath.Join(dir, "winchester.yaml"), Options{})
		if err == nil || strings.ReplaceAll(err.Error(), dir+"/", "") != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	dir := writeFiles(t, "winchester.yaml", "database: {url: 'sqlite://'}\ntrigger_definitions: t.yaml", "t.yaml", triggerText())
	_, err := Load(filepath.Join(dir, "winchester.yaml"), Options{})
	if want := `t.yaml:5:18: [0].fire_pipeline: there is no pipeline "p": winchester.yaml has no pipeline_config`; err == nil || strings.ReplaceAll(err.Error(), dir+"/", "") != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, load := range []func(string) error{
		func(path string) error { _, err := Load(path, Options{}); return err },
		func(path string) error { _, err := LoadTriggers(path, Options{}); return err },
		func(path string) error { _, err := LoadPipelines(path, Options{}); return err },
	} {
		if err := load(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		if err := load(dir); !errors.Is(err, errNotRegular) {
			t.Error(err)
		}
	}
}

// The directory of winchester.yaml goes before the working directory, in which
// the original looked.
func TestConfigPathOrder(t *testing.T) {
	dir := writeFiles(t, "etc/winchester.yaml", "database: {url: 'sqlite://'}\nconfig_path: [a, b]\ntrigger_definitions: t.yaml\npipeline_config: p.yaml",
		"a/t.yaml", triggerText("name: cwd"), "etc/b/t.yaml", triggerText("name: etc"), "b/p.yaml", "p: []", "etc/b/p.yaml", "p: [logger]")
	t.Chdir(dir)
	c, err := Load("etc/winchester.yaml", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c.TriggerFile != "a/t.yaml" || c.PipelineFile != "etc/b/p.yaml" {
		t.Errorf("%s, %s", c.TriggerFile, c.PipelineFile)
	}
	if err := os.Remove("etc/winchester.yaml"); err != nil {
		t.Fatal(err)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, "winchester.yaml", `database: {url: 'sqlite://'}
logging_config: logging.conf
time_sync_endpoint: http://user:hunter2@localhost:8880
pipeline_worker_delay: 0
log_level: info
log_file: x.log
`)
	c, err := Load(filepath.Join(dir, "winchester.yaml"), Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range c.Warnings {
		got = append(got, strings.TrimPrefix(w.String(), dir+"/"))
	}
	want := []string{
		"winchester.yaml:2:17: logging_config: has no effect: it is a configuration of Python's logging; use log_level and log_file, or hand a logger in",
		"winchester.yaml:3:21: time_sync_endpoint: has no effect: there is no time server; to replay old events set clock: replay, and all processes on the database share a clock that follows them (docs/replay.md)",
		"winchester.yaml:4:24: pipeline_worker_delay: 0 is taken for 1 second: workers are woken when a stream is due, and need not poll for it",
		"winchester.yaml:5:12: log_level: has no effect: the host has a logger of its own",
		"winchester.yaml:6:11: log_file: has no effect: the host has a logger of its own",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if c.PipelineWorkerDelay != time.Second {
		t.Error(c.PipelineWorkerDelay)
	}
}

// readyMade lists the ready-made handlers and others, as errors do.
func readyMade(others ...string) string {
	return strings.Join(slices.Sorted(slices.Values(append(Handlers().Names(), others...))), ", ")
}
