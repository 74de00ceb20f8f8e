package suggest

import "testing"

func TestDidYouMean(t *testing.T) {
	t.Parallel()
	names := []string{"map_distinguished_by", "match_criteria", "fire_criteria", "name"}
	for _, c := range []struct{ in, want string }{
		{"map_distingushed_by", ` (did you mean "map_distinguished_by"?)`},
		{"mathc_criteria", ` (did you mean "match_criteria"?)`},
		{"Name", ` (did you mean "name"?)`},
		{"name", ""},
		{"whatever", ""},
		{"", ""},
	} {
		if got := DidYouMean(c.in, names); got != c.want {
			t.Errorf("DidYouMean(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}
