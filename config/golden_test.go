package config

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/glob"
)

// The golden test compares what loads here with recordings of the original. It
// reads the repository's recordings or, to run another set of cases through
// it, those in the directory that WINCHESTER_GOLDEN names.

type goldenDefinition struct {
	Name       string
	Definition json.RawMessage
	OK         bool
	Parsed     struct {
		DebugLevel    json.Number      `json:"debug_level"`
		FireDelay     json.RawMessage  `json:"fire_delay"`
		FirePipeline  *string          `json:"fire_pipeline"`
		ExpirePipe    *string          `json:"expire_pipeline"`
		FireCriteria  []goldenCriteria `json:"fire_criteria"`
		MatchCriteria []goldenCriteria `json:"match_criteria"`
	}
}

type goldenCriteria struct {
	Included     []string
	Excluded     []string
	Number       json.RawMessage
	HasTimestamp bool `json:"has_timestamp"`
	Traits       []string
}

// deviation is a rule by which definitions that the original loaded are refused
// here. applies tells whether it accounts for a fault; example is a definition
// that the original loads, by its source, so that the rule is put to the test
// even where no recorded case needs it.
type deviation struct {
	id      string
	applies func(f Fault) bool
	example string
}

// base begins a definition without fault; it lacks the closing brace.
const base = `{"name":"n","expiration":"$last + 1d","fire_pipeline":"f","match_criteria":[{}],"fire_criteria":[{}]`

// says returns a rule for faults whose message matches a pattern.
func says(pattern string) func(Fault) bool {
	re := regexp.MustCompile(pattern)
	return func(f Fault) bool { return re.MatchString(f.Message) }
}

func in(part string, applies func(Fault) bool) func(Fault) bool {
	return func(f Fault) bool { return strings.Contains(f.Path, part) && applies(f) }
}

var deviations = []deviation{
	{"trigger-unknown-key", says(`^unknown key "`), base + `,"whatever":1}`},
	{
		"trigger-unknown-trait-type", in(".traits", says(`^unknown type "`)),
		base + `,"load_criteria":[{"traits":{"x":{"numeric":"> 4"}}}]}`,
	},
	{
		"trigger-unknown-operator", in(".traits", says(`^(int|float): unknown operator "`)),
		base + `,"load_criteria":[{"traits":{"x":{"int":"=> 4"}}}]}`,
	},
	{
		"trigger-expression-at-load", says(`^in ".*": .*(unknown function|undefined variable|out of range|longer than the years)`),
		base + `,"load_criteria":[{"timestamp":"dya"}]}`,
	},
	{
		"trigger-distinguishing-expression", in("distinguished_by[", says(`^in "|^expected (one trait|a time expression)`)),
		base + `,"distinguished_by":[{"timestamp":"day +"}]}`,
	},
	{
		"trigger-distinguished-twice", in("distinguished_by[", says(`is listed twice$`)),
		base + `,"distinguished_by":["a","a"]}`,
	},
	{
		"trigger-mapped-not-distinguishing", in(".map_distinguished_by", says(`is not in distinguished_by`)),
		strings.Replace(base, "[{}]", `[{"map_distinguished_by":{"a":"b"}}]`, 1) + `}`,
	},
	{
		"trigger-out-of-bounds", says(`^expected an integer from|is not 0, 1 or 2$|is negative$|does not fit into 64 bits|is too long`),
		base + `,"debug_level":3}`,
	},
	{
		"trigger-wrong-type", says(`^expected .*, found|^".*" is not a duration|^(int|float|string|text): expected`),
		base + `,"load_criteria":["x"]}`,
	},
	{
		"trigger-number-spelling", in(".traits", says(`^(int|float): ".*" is not a number`)),
		base + `,"load_criteria":[{"traits":{"x":{"int":"99999999999999999999"}}}]}`,
	},
	{
		"trigger-no-name", says(`name is missing$|^is missing$`),
		strings.Replace(base, `"name":"n"`, `"name":""`, 1) + `}`,
	},
}

// rules returns the deviations that account for a refusal; ok is false if a
// fault is left for which there is none.
func rules(err error) (ids []string, ok bool) {
	var faults Faults
	if !errors.As(err, &faults) {
		return nil, false
	}
	for _, f := range faults {
		i := slices.IndexFunc(deviations, func(d deviation) bool { return d.applies(f) })
		if i < 0 {
			return nil, false
		}
		ids = append(ids, deviations[i].id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), true
}

func parseDefinition(definition []byte) ([]winchester.TriggerDefinition, error) {
	return ParseTriggers("triggers.json", slices.Concat([]byte("["), definition, []byte("]")))
}

func goldenDir() (dir string, own bool) {
	if dir := os.Getenv("WINCHESTER_GOLDEN"); dir != "" {
		return dir, false
	}
	return filepath.Join("..", "testdata", "golden"), true
}

func TestGoldenTriggers(t *testing.T) {
	t.Parallel()
	dir, own := goldenDir()
	data, err := os.ReadFile(filepath.Join(dir, "triggers", "definitions.json"))
	if errors.Is(err, os.ErrNotExist) && !own {
		t.Skip("no recorded trigger definitions in " + dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	var cases []goldenDefinition
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	excused := map[string][]string{}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			got, err := parseDefinition(c.Definition)
			switch {
			case err == nil && !c.OK:
				t.Errorf("accepted, but the original refuses:\n%s", c.Definition)
			case err == nil:
				c.compare(t, got[0])
			case c.OK:
				ids, ok := rules(err)
				if !ok {
					t.Fatalf("refused, but the original accepts:\n%s\n%v", c.Definition, err)
				}
				t.Logf("deviation %s: %v", strings.Join(ids, ", "), err)
				for _, id := range ids {
					excused[id] = append(excused[id], c.Name)
				}
			}
		})
	}
	for id, names := range excused {
		t.Logf("deviation %s excuses %s", id, strings.Join(names, ", "))
	}
}

// TestDeviations fails if a rule has become stale, because what it excuses is
// accepted by now, or is not explained.
func TestDeviations(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "docs", "deviations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range deviations {
		if !strings.Contains(string(text), "| `"+d.id+"` |") {
			t.Errorf("%s is not explained", d.id)
		}
		_, err := parseDefinition([]byte(d.example))
		if err == nil {
			t.Errorf("%s is stale: %s is accepted", d.id, d.example)
		} else if got, _ := rules(err); !slices.Equal(got, []string{d.id}) {
			t.Errorf("%s: the example falls under %q: %v", d.id, got, err)
		}
	}
	if _, err := parseDefinition([]byte(base + "}")); err != nil {
		t.Error(err)
	}
}

func (c goldenDefinition) compare(t *testing.T, got winchester.TriggerDefinition) {
	t.Helper()
	want := c.Parsed
	if strconv.Itoa(got.DebugLevel) != want.DebugLevel.String() {
		t.Errorf("debug_level %d, want %s", got.DebugLevel, want.DebugLevel)
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	if got.FirePipeline != text(want.FirePipeline) || got.ExpirePipeline != text(want.ExpirePipe) {
		t.Errorf("pipelines %q and %q, want %q and %q", got.FirePipeline, got.ExpirePipeline, text(want.FirePipeline), text(want.ExpirePipe))
	}
	// Text and null were kept as they stood, and failed when the stream was to fire.
	if seconds, err := strconv.ParseFloat(string(want.FireDelay), 64); err == nil && got.FireDelay != time.Duration(seconds*1e6)*time.Microsecond {
		t.Errorf("fire_delay %s, want %s seconds", got.FireDelay, want.FireDelay)
	}
	compareCriteria(t, "match_criteria", got.MatchCriteria, want.MatchCriteria)
	compareCriteria(t, "fire_criteria", got.FireCriteria, want.FireCriteria)
}

func compareCriteria(t *testing.T, list string, got []winchester.Criterion, want []goldenCriteria) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d criteria, want %d", list, len(got), len(want))
	}
	for i, g := range got {
		w := want[i]
		types := glob.NewSet(g.EventTypes)
		if !slices.Equal(types.Included(), w.Included) || !slices.Equal(types.Excluded(), w.Excluded) {
			t.Errorf("%s[%d]: includes %q and excludes %q, want %q and %q", list, i, types.Included(), types.Excluded(), w.Included, w.Excluded)
		}
		number := g.Number
		switch number {
		case 0:
			number = 1
		case winchester.NumberZero:
			number = 0
		}
		if strconv.Itoa(number) != string(w.Number) {
			t.Errorf("%s[%d]: number %d, want %s", list, i, number, w.Number)
		}
		if (g.Timestamp != "") != w.HasTimestamp {
			t.Errorf("%s[%d]: timestamp %q, want one: %v", list, i, g.Timestamp, w.HasTimestamp)
		}
		traits := []string{}
		for name := range g.Traits {
			traits = append(traits, name)
		}
		slices.Sort(traits)
		slices.Sort(w.Traits)
		if !slices.Equal(traits, w.Traits) {
			t.Errorf("%s[%d]: traits %q, want %q", list, i, traits, w.Traits)
		}
	}
}
