package simulate

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Expectation writes what an expectation would say for the simulation to be just
// as it was: to begin a test with. Text is in quotes as in JSON.
func (r *Report) Expectation() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "events: {stored: %d, duplicates: %d, dropped: %d, failed: %d, unfiled: %d}\n",
		r.Stored, r.Duplicates, r.Dropped, r.Failed, r.Unfiled)
	if len(r.Streams) == 0 {
		b.WriteString("streams: []\n")
		return []byte(b.String())
	}
	b.WriteString("streams:\n")
	for _, l := range r.Streams {
		fmt.Fprintf(&b, "  - trigger: %s\n", quoted(l.Trigger))
		if len(l.DistinguishingTraits) > 0 {
			var parts []string
			for _, name := range slices.Sorted(maps.Keys(l.DistinguishingTraits)) {
				parts = append(parts, quoted(name)+": "+quoted(plain(l.DistinguishingTraits[name])))
			}
			fmt.Fprintf(&b, "    traits: {%s}\n", strings.Join(parts, ", "))
		}
		fmt.Fprintf(&b, "    ends: %s\n", l.Ends)
		if l.Ends != EndsActive {
			fmt.Fprintf(&b, "    at: %s\n    pipeline: %s\n", quoted(moment(l.At)), quoted(l.Pipeline))
		}
		ids := make([]string, len(l.Events))
		for i, id := range l.Events {
			ids[i] = quoted(id)
		}
		fmt.Fprintf(&b, "    events: [%s]\n", strings.Join(ids, ", "))
	}
	return []byte(b.String())
}

func quoted(v any) string {
	if f, ok := v.(float64); ok { // 5 and 5.0 are two values
		digits, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'g', -1, 64), "e")
		switch {
		case math.IsInf(f, 0) || math.IsNaN(f):
			return strings.ToLower(strings.NewReplacer("Inf", ".inf", "NaN", ".nan").Replace(digits))
		case !strings.Contains(digits, "."):
			digits += ".0"
		}
		if exponent != "" {
			exponent = "e" + exponent
		}
		return digits + exponent
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // of a text, a number, a boolean or nothing
	return strings.TrimSuffix(b.String(), "\n")
}
