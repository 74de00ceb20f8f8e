package config

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed71495667/winchester/store"
)

const password = "hunter2"

func TestSecret(t *testing.T) {
	t.Parallel()
	for text, want := range map[Secret]string{
		"":                                  "",
		"sqlite:///winchester.db":           "sqlite:///winchester.db",
		"postgres://u:hunter2@db:5432/w":    "postgres://u:xxxxx@db:5432/w",
		"postgres://u:hun@ter2@db/w":        "postgres://u:xxxxx@db/w",
		"postgres://u@db/w?password=hunter": "postgres://u@db/w",
		"hunter2":                           "xxxxx",
	} {
		j, err := json.Marshal(map[string]any{"url": text})
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "url", text)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "settings", Settings{Database: Database{URL: text}})
		all := text.String() + fmt.Sprintf(" %v %s %q %#v %+v %#v ", text, text, text, text, Database{URL: text}, Database{URL: text}) + string(j) + log.String()
		if text.String() != want || strings.Contains(all, "hunter") || strings.Contains(all, "ter2") {
			t.Errorf("%s: %s", want, all)
		}
		if string(text) == want && strings.Contains(want, "x") && strings.Contains(want, "@") {
			t.Errorf("%s has changed itself", want)
		}
	}
}

// Wherever a password can stand in a file, and whatever is wrong with what is
// around it, no error says it.
func TestNoPasswordInErrors(t *testing.T) {
	t.Parallel()
	const url = "mysql://winchester:" + password + "@localhost/winchester"
	for name, text := range map[string]string{
		"unsupported":              "database: {url: '" + url + "'}",
		"unsupported with driver":  "database: {url: 'mysql+pymysql://winchester:" + password + "@localhost/winchester?charset=utf8'}",
		"postgres with parameters": "database: {url: 'postgresql://h/w?user=u&sslmode=x&password=" + password + "'}",
		"libpq words":              "database: {url: 'host=h user=u password=" + password + "'}",
		"other scheme":             "database: {url: 'oracle://u:" + password + "@h'}",
		"parameter of SQLite":      "database: {url: 'sqlite:///x.db?key=" + password + "'}",
		"section is the URL":       "database: " + url,
		"section is a list":        "database: [" + url + "]",
		"key misspelt":             "database: {ulr: '" + url + "'}",
		"URL as key":               "database: {'" + url + "': url}",
		"in the wrong key":         "database: {echo_sql: '" + url + "'}",
		"URL elsewhere":            "workers: " + url,
		"long URL elsewhere":       "workers: postgresql://a_rather_long_name_of_a_user:" + password + "_and_much_more_of_it@localhost/w",
		"quoted URL elsewhere":     "lease: 'postgres://u:" + password + "@h'",
		"URL as trim age":          "trim_events_age: " + url,
		"URL as file":              "pipeline_config: " + url,
		"URL as handler":           "pipeline_handlers: {a: '" + url + "'}",
		"URL as log level":         "log_level: " + url,
		"not closed":               "database:\n  url: \"" + url + "\n",
		"bad indent":               "database:\n  url: " + url + "\n workers: 3",
		"a list in it":             "database:\n  url: [" + url + "\n",
		"twice":                    "database:\n  url: " + url + "\n  url: " + url,
		"tab":                      "database:\n\turl: " + url,
		"two colons":               "database:\n  url: " + url + ": x",
		"tag":                      "database:\n  url: !secret " + url,
		"anchor":                   "database:\n  url: *" + password,
		"environment":              "database:\n  url: ${X:-" + url,
		"environment name":         "database:\n  url: ${" + password + " :-x}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := writeFiles(t, "winchester.yaml", text)
			_, err := Load(filepath.Join(dir, "winchester.yaml"), Options{LookupEnv: env()})
			if err == nil {
				t.Fatal("accepted")
			}
			if name != "anchor" && strings.Contains(err.Error(), password) {
				t.Error(err)
			}
			if strings.HasPrefix(name, "unsupported") && (!errors.Is(err, store.ErrUnsupportedDatabase) && !strings.Contains(err.Error(), "unsupported database: MySQL and MariaDB") ||
				!strings.Contains(err.Error(), "sqlite:///")) {
				t.Errorf("no help: %v", err)
			}
		})
	}
}

// Nor does what is logged while an engine is opened and works.
func TestNoPasswordInLog(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t, "winchester.yaml", `
database: {url: "sqlite:///${DIR}/w.db", echo_sql: true}
time_sync_endpoint: http://u:${PASSWORD}@h
pipeline_config: p.yaml
log_level: debug
log_file: ${DIR}/log
`, "p.yaml", `p: [{name: logger, params: {prefix: "${PASSWORD}"}}]`)
	var log bytes.Buffer
	c, err := Load(filepath.Join(dir, "winchester.yaml"), Options{
		LookupEnv: env("DIR", dir, "PASSWORD", password), Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := c.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if log.Len() == 0 || strings.Contains(log.String(), password) {
		t.Errorf("log:\n%s", &log)
	}
}
