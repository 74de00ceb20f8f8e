package config

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What is wrong with one thing does not keep Check from warning of others, and
// nothing is said that only follows from what is wrong.
func TestCheckTellsAllAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"winchester.yaml": "database: {url: sqlite://}\ntrigger_definitions: t.yaml\npipeline_config: p.yaml\ndistiller_config: d.yaml\nlogging_config: x\nworkers: none\n",
		"d.yaml":          "- {event_type: order.*, traits: {order_id: {fields: payload.id}}}\n",
		"p.yaml":          "p:\n  - logger\nq:\n  - {name: logger, parms: {}}\nunused:\n  - logger\n",
		"t.yaml": `- name: late
  distinguished_by: [order_id]
  match_criteria: [{event_type: ordr.placed}]
  fire_criteria: [{event_type: order.paid}]
  expiration: $first
  fire_pipeline: pp
- name: half
  distinguished_by: [nobody]
  match_criteria: [{event_tipe: order.placed}]
  fire_criteria: [{event_type: invoice.paid}]
  expiration: $first
  fire_pipeline: p
- name: broken
  match_criteria: [{event_type: order.*}]
  fire_criteria: [{event_type: invoice.paid}]
  expiration: $frst
  fire_pipeline: q
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	report, err := Check(filepath.Join(dir, "winchester.yaml"), Options{})
	if err != nil || report.Config != nil {
		t.Fatal(report.Config, err)
	}
	place := func(f Fault) string { return filepath.Base(f.File) + " " + f.Path }
	var faults, warnings []string
	for _, f := range report.Faults {
		faults = append(faults, place(f))
	}
	for _, w := range report.Warnings {
		warnings = append(warnings, place(Fault(w)))
	}
	if want := []string{"winchester.yaml workers", "t.yaml [0].fire_pipeline", "t.yaml [1].match_criteria[0]", "t.yaml [2].expiration", "p.yaml q[0]"}; !slices.Equal(faults, want) {
		t.Errorf("faults: %q\nwant: %q", faults, want)
	}
	// Not that "unused" is: "pp" may be meant for it. Not that no event has "nobody":
	// it is not known which events "half" is for.
	if want := []string{
		"winchester.yaml logging_config", "t.yaml [0].match_criteria[0].event_type", "t.yaml [0].fire_criteria[0].event_type",
		"t.yaml [0].expiration", "t.yaml [1].expiration", "t.yaml [2].fire_criteria[0].event_type",
	}; !slices.Equal(warnings, want) {
		t.Errorf("warnings: %q\nwant: %q", warnings, want)
	}
	if _, err := Load(filepath.Join(dir, "winchester.yaml"), Options{}); err == nil {
		t.Error("Load takes it")
	}
}
