package distiller

import (
	"fmt"
	"strings"
	"testing"
)

// Not parallel, as it counts allocations.
func TestTexts(t *testing.T) {
	var kept texts
	for round := range 2 {
		for i := range 5000 {
			for _, text := range []string{"", fmt.Sprint(i), fmt.Sprintf("first 8 %d last 8", i), strings.Repeat("x", i%200)} {
				if got := kept.value([]byte(text)); got != text {
					t.Fatalf("round %d: got %v, want %s", round, got, text)
				}
			}
		}
	}
	text := []byte("instance")
	kept.value(text)
	text[0] = 'I'
	if got := kept.value([]byte("instance")); got != "instance" {
		t.Errorf("what is kept is %v, and not a copy", got)
	}
	if n := testing.AllocsPerRun(100, func() { kept.value([]byte("instance")) }); n > 0 {
		t.Errorf("%v allocations for a text that is kept", n)
	}
}
