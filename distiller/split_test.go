package distiller

import (
	"fmt"
	"strings"
	"testing"
)

// A piece is found without cutting the others off; it is the same one.
func TestSplitPieces(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "a", "a.b", ".", "..", "a.b.c.d", "a..b", "::a::b", ":::"} {
		for _, separator := range []string{".", ":", "::", "a"} {
			for limit := -1; limit <= 4; limit++ {
				for segment := -5; segment <= 5; segment++ {
					p, err := newSplit(map[string]any{"separator": separator, "segment": int64(segment), "max_split": int64(limit)})
					if err != nil {
						t.Fatal(err)
					}
					got, err := p.Value([]Match{{Value: text}})
					n := limit + 1
					if limit < 0 {
						n = -1
					}
					pieces := strings.SplitN(text, separator, n)
					i := segment
					if i < 0 {
						i += len(pieces)
					}
					var want any
					if i >= 0 && i < len(pieces) {
						want = pieces[i]
					}
					if err != nil || got != want {
						t.Errorf("%q by %q, %d, %d: got %v, %v, want %v", text, separator, limit, segment, got, err, want)
					}
				}
			}
		}
	}
	if _, err := newSplit(map[string]any{"separator": 5}); err == nil || fmt.Sprint(err) != "separator: expected a text, found 5" {
		t.Errorf("got %v", err)
	}
}
