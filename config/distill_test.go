package config

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
)

const usageTriggers = `
- name: instance_usage
  distinguished_by: [instance_id, {timestamp: day}]
  expiration: "$last + 1d"
  fire_pipeline: usage
  expire_pipeline: usage
  match_criteria: [{event_type: [compute.instance.*, "!compute.instance.exists.*"]}]
  fire_criteria: [{event_type: compute.instance.exists}]
`

// Usage is verified by the built-in definitions from either of the formats in
// which Nova sends notifications.
func TestBuiltinUsage(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	data, err := os.ReadFile(filepath.Join("..", "distiller", "testdata", "builtin", "nova.json"))
	if err != nil {
		t.Fatal(err)
	}
	var samples []json.RawMessage
	if err := json.Unmarshal(data, &samples); err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]winchester.Traits{}
	for format, version := range map[string]string{"unversioned": "5f0e1a00-", "versioned": "7a1c1a00-"} {
		dir := writeFiles(t, "winchester.yaml", "database: {url: 'sqlite://'}\ndistiller_config: builtin:nova\ntrigger_definitions: t.yaml\npipeline_config: p.yaml\n",
			"t.yaml", usageTriggers, "p.yaml", "usage: [usage]\n")
		clock := winchester.NewManualClock(time.Date(2026, 8, 22, 1, 0, 0, 0, time.UTC))
		c, err := Load(filepath.Join(dir, "winchester.yaml"), Options{Clock: clock, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		e, err := c.Open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var bodies [][]byte
		for _, s := range samples {
			// The day of the instance's creation, up to its record, which is sent
			// after midnight: it is told here as of the day.
			body := strings.ReplaceAll(string(s), "2026-08-22 00:00:31", "2026-08-21 23:59:59")
			if strings.Contains(body, version) && (strings.Contains(body, "create.end") || strings.Contains(body, "instance.exists")) && !strings.Contains(body, "keypair.") {
				bodies = append(bodies, []byte(body))
			}
		}
		results, err := e.AddNotifications(ctx, bodies)
		if err != nil || len(results) != 2 || !results[1].Streams[0].Ready {
			t.Fatalf("%s: %+v, %v", format, results, err)
		}
		clock.Advance(time.Second)
		if n, err := e.RunOnce(ctx); err != nil || n.Fire != 1 {
			t.Errorf("%s: %+v, %v", format, n, err)
		}
		verified, err := e.Store().FindEvents(ctx, winchester.EventQuery{EventTypes: []string{"compute.instance.exists.verified"}})
		if err != nil || len(verified) != 1 {
			t.Fatalf("%s: %+v, %v", format, verified, err)
		}
		verdicts[format] = verified[0].Traits
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"instance_id", "tenant_id", "launched_at", "audit_period_beginning", "audit_period_ending", "state", "instance_flavor_id", "memory_mb", "disk_gb", "os_architecture"} {
		got, want := verdicts["versioned"][name], verdicts["unversioned"][name]
		if got == nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v and %v", name, got, want)
		}
	}
}

// Several files and sets make one list, in which the later counts first.
func TestDistillerConfig(t *testing.T) {
	t.Parallel()
	load := func(value string) (*Config, error) {
		dir := writeFiles(t, "winchester.yaml", "database: {url: 'sqlite://'}\ndistiller_config: "+value+"\n",
			"own.yaml", "- {event_type: compute.instance.exists, traits: {mine: {fields: payload.state}}}", "bad.yaml", "- {event_type: a}", "worse.yaml", "- {traits: {}}")
		return Load(filepath.Join(dir, "winchester.yaml"), Options{})
	}
	const body = `{"event_type":"compute.instance.exists","message_id":"1","publisher_id":"compute.h","payload":{"state":"active"}}`
	for value, trait := range map[string]string{
		"builtin:nova": "state", "[builtin:nova, own.yaml]": "mine", "[own.yaml, 'builtin:nova']": "state", "[builtin:openstack]": "state", "own.yaml": "mine",
	} {
		c, err := load(value)
		if err != nil {
			t.Fatal(err)
		}
		event, err := c.Distiller.Distill([]byte(body))
		if err != nil || event.Traits[trait] != "active" {
			t.Errorf("%s: %+v, %v", value, event, err)
		}
	}
	if c, err := load("[builtin:nova, own.yaml]"); err != nil || len(c.DistillerFiles) != 2 || c.DistillerFiles[0] != "builtin:nova" || filepath.Base(c.DistillerFiles[1]) != "own.yaml" {
		t.Errorf("%+v, %v", c, err)
	}
	for value, want := range map[string]string{
		"builtin:nvoa":                         `2:19: distiller_config: there are no built-in definitions "nvoa" (did you mean "nova"?), only cinder, glance, keystone, neutron, nova, openstack`,
		"[builtin:, none.yaml]":                `distiller_config[0]: there are no built-in definitions ""`,
		"[own.yaml, none.yaml]":                `2:30: distiller_config[1]: there is no file `,
		"[bad.yaml, builtin:nova, worse.yaml]": "bad.yaml:1:3: [0]: traits is missing\n",
		"[worse.yaml, bad.yaml]":               "bad.yaml:1:3: [0]: traits is missing",
		"[5]":                                  `distiller_config[0]: expected text, found the integer 5`,
		"[builtin:nova, '']":                   `distiller_config[1]: expected the name of a file, or of a built-in set of definitions, found nothing`,
		"{a: b}":                               `distiller_config: expected text or a list of texts, found a map`,
	} {
		_, err := load(value)
		if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, winchester.ErrDefinition) {
			t.Errorf("%s: got  %v\nwant %s", value, err, want)
		}
	}
}
