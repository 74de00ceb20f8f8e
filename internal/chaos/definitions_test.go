//go:build unix

package chaos

import (
	"testing"

	"github.com/seed71495667/winchester/internal/chaos/scenario"
)

// TestDefinitions: the engine is given the rules that the checker goes by. That
// they mean the same, every run shows.
func TestDefinitions(t *testing.T) {
	if len(triggers) != len(scenario.Rules) {
		t.Fatalf("%d triggers for %d rules", len(triggers), len(scenario.Rules))
	}
	for i, rule := range scenario.Rules {
		d := triggers[i]
		if err := d.Validate(); err != nil {
			t.Error(err)
		}
		if d.Name != rule.Name || d.FirePipeline != string(rule.OnFire) || d.ExpirePipeline != string(rule.OnExpire) || len(d.DistinguishedBy) != len(rule.Key) {
			t.Errorf("trigger %+v is not rule %+v", d, rule)
		}
	}
}
