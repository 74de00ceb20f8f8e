// Package suggest finds what a misspelt name was probably meant to be.
package suggest

import (
	"fmt"
	"slices"
	"strings"
)

// Closest returns the candidate that is nearest to name by edit distance
// (Damerau's: a swap of neighbours counts one), if it is near enough to be
// what was meant: a third of the length of the longer word, rounded up. The
// first of equally near candidates in sorted order wins.
func Closest(name string, candidates []string) (string, bool) {
	best, bestDistance := "", -1
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		d := distance(strings.ToLower(name), strings.ToLower(c))
		if d > (max(len(name), len(c))+2)/3 || bestDistance >= 0 && d >= bestDistance {
			continue
		}
		best, bestDistance = c, d
	}
	return best, bestDistance >= 0
}

// DidYouMean returns ` (did you mean "x"?)`, or nothing.
func DidYouMean(name string, candidates []string) string {
	if c, ok := Closest(name, candidates); ok && c != name {
		return fmt.Sprintf(" (did you mean %q?)", c)
	}
	return ""
}

func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 { // nobody misspells such a name, and the cost is quadratic
		return max(len(a), len(b))
	}
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
