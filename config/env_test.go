package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// env is an environment for tests.
func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestExpandEnv(t *testing.T) {
	t.Parallel()
	expand := expandEnv(env("A", "1", "LONG_name_2", "two", "EMPTY", "", "NESTED", "${A}", "DOLLAR", "$"))
	for text, want := range map[string]string{
		"": "", "plain": "plain", "$last + 1h": "$last + 1h", "$A": "$A", "a$": "a$", "{A}": "{A}",
		"${A}": "1", "x${A}y${LONG_name_2}z": "x1ytwoz", "${A}${A}": "11", "${EMPTY}": "", "${NESTED}": "${A}",
		"${A:-x}": "1", "${EMPTY:-x}": "x", "${NO:-}": "", "${NO:-a b:-c}": "a b:-c", "${NO:-$last}": "$last",
		"$${A}": "${A}", "$$${A}": "$${A}", "a$${A}b${A}": "a${A}b1", "$$": "$$", "$${": "${", "${DOLLAR}{A}": "${A}",
	} {
		if got, err := expand(text); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"${NO}": `the environment variable NO is not set; ${NO:-...} would give it a default`,
		"${":    errNoVariable.Error(), "${}": errNoVariable.Error(), "${A": errNoVariable.Error(), "${A B}": errNoVariable.Error(),
		"${1}": errNoVariable.Error(), "${A-x}": errNoVariable.Error(), "${A:x}": errNoVariable.Error(), "${A:-${B}}": errNoVariable.Error(),
		"${:-x}": errNoVariable.Error(),
	} {
		if got, err := expand(text); err == nil || err.Error() != want {
			t.Errorf("%s: %q, %v, want %s", text, got, err, want)
		}
	}
}

// writeFiles makes a directory of files, given as names and texts in turn.
func writeFiles(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestEnvironmentInFiles(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, "winchester.yaml", `
database:
  url: sqlite:///${DIR}/w.db
  echo_sql: ${NO:-}
pipeline_worker_delay: ${DELAY}
workers: ${WORKERS:-3}
trim_events: ${TRIM}
trim_events_age: ${AGE:-$timestamp - 7d}
trigger_definitions: ${NAME}.yaml
pipeline_config: p.yaml
log_level: ${UNSET:-}
`, "123.yaml", `
- name: ${NAME}
  match_criteria: [{traits: {a: "${NAME}", b: "${NAME}", "${NAME}": 1}}]
  fire_criteria: &same
  - number: "${NAME}"
  load_criteria: *same
  expiration: $last + ${HOURS}h
  fire_pipeline: p
`, "p.yaml", `p: [{name: logger, params: {prefix: "${EVIL}"}}]`)
	load := func(pairs ...string) (*Config, error) {
		return Load(filepath.Join(dir, "winchester.yaml"), Options{LookupEnv: env(pairs...)})
	}
	_, err := load("DIR", "/tmp", "DELAY", "2m", "TRIM", "yes", "NAME", "123", "HOURS", "6", "EVIL", "x")
	want := filepath.Join(dir, "123.yaml") + `:5:13: [0].fire_criteria[0].number: expected an integer, found the text "123"`
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Fatalf("text in quotes is not a number: %v", err)
	}
	text, _ := os.ReadFile(filepath.Join(dir, "123.yaml"))
	if err := os.WriteFile(filepath.Join(dir, "123.yaml"), []byte(strings.ReplaceAll(string(text), `number: "${NAME}"`, `number: ${NAME}`)), 0o600); err != nil {
		t.Fatal(err)
	}
	evil := "x\", y: z}]\nq: [logger] # \"$last ${A}"
	c, err := load("DIR", "/tmp", "DELAY", "2m", "TRIM", "yes", "NAME", "123", "HOURS", "6", "EVIL", evil)
	if err != nil {
		t.Fatal(err)
	}
	d := c.Triggers[0]
	if c.PipelineWorkerDelay != 2*time.Minute || c.Workers != 3 || !c.TrimEvents || c.TrimEventsAge != "$timestamp - 7d" || c.Database.EchoSQL {
		t.Errorf("%+v", c.Settings)
	}
	if d.Name != "123" || d.Expiration != "$last + 6h" || d.FireCriteria[0].Number != 123 || d.LoadCriteria[0].Number != 123 {
		t.Errorf("%+v", d)
	}
	if traits := d.MatchCriteria[0].Traits; traits["a"] != "123" || traits["${NAME}"] != int64(1) {
		t.Errorf("%+v", traits)
	}
	if got := c.Pipelines[0].Handlers[0].Params["prefix"]; got != evil || len(c.Pipelines) != 1 {
		t.Errorf("what the environment says was read as YAML: %+v", c.Pipelines)
	}

	_, err = load("NAME", "123")
	for _, part := range []string{
		`winchester.yaml:3:8: database.url: the environment variable DIR is not set; ${DIR:-...} would give it a default`,
		`winchester.yaml:5:24: pipeline_worker_delay: the environment variable DELAY is not set`,
		`123.yaml:7:15: [0].expiration: the environment variable HOURS is not set`,
		`p.yaml:1:37: p[0].params.prefix: the environment variable EVIL is not set`,
	} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s\nis not in\n%v", part, err)
		}
	}
	if n := strings.Count(err.Error(), "\n"); n != 4 {
		t.Errorf("noise:\n%v", err)
	}
}

// A stranger's definitions do not see the environment.
func TestParseLooksAtNoEnvironment(t *testing.T) {
	t.Setenv("WINCHESTER_TEST_SECRET", "hunter2")
	defs, err := ParseTriggers("t.yaml", []byte(triggerText("name: ${WINCHESTER_TEST_SECRET}")))
	if err != nil || defs[0].Name != "${WINCHESTER_TEST_SECRET}" {
		t.Errorf("%+v, %v", defs, err)
	}
	dir := writeFiles(t, "t.yaml", triggerText("name: ${WINCHESTER_TEST_SECRET}"))
	if defs, err = LoadTriggers(filepath.Join(dir, "t.yaml"), Options{}); err != nil || defs[0].Name != "hunter2" {
		t.Errorf("%+v, %v", defs, err)
	}
}
