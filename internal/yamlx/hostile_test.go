package yamlx

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// maxCost is what reading one hostile file may allocate in all, in bytes.
const maxCost = 128 << 20

func hostileFiles() map[string]string {
	repeat := strings.Repeat
	lines := func(size int, line func(i int) string) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			b.WriteString(line(i))
		}
		return b.String()
	}
	mergeBomb := "m0: &m0 {" + lines(200, func(i int) string { return fmt.Sprintf("k%d: 1, ", i) }) + "}\n"
	aliasBomb, deepAlias := "a0: &a0 x\n", "a0: &a0 x\n"
	for i := 1; i < 40; i++ {
		mergeBomb += fmt.Sprintf("m%d: &m%[1]d {<<: [*m%[2]d, *m%[2]d, *m%[2]d]}\n", i, i-1)
		aliasBomb += fmt.Sprintf("a%d: &a%[1]d [%s]\n", i, repeat(fmt.Sprintf("*a%d, ", i-1), 9))
	}
	for i := 1; i < 10000; i++ {
		deepAlias += fmt.Sprintf("a%d: &a%[1]d [*a%d]\n", i, i-1)
	}
	const mib = MaxSize - 100
	return map[string]string{
		"too large":         repeat("a: b\n", 4<<20),
		"brackets":          repeat("[", mib),
		"brackets, few":     repeat("[", 2000),
		"braces":            repeat("{", mib),
		"braces with keys":  repeat("{a: ", mib/4),
		"dashes":            repeat("- ", mib/2),
		"dashes, few":       repeat("- ", 2000),
		"questions":         repeat("? ", mib/2),
		"questions, few":    repeat("? ", 2000),
		"questions, lines":  repeat("?\n", 40000),
		"questions in flow": "[" + repeat("? ", 40000),
		"anchors":           repeat("&a ", 30000),
		"anchors, lines":    repeat("&a\n", 30000),
		"tags":              repeat("!a ", 30000),
		"tags, lines":       repeat("!!map\n", 20000),
		"stairs":            lines(mib, func(i int) string { return repeat(" ", i) + "a:\n" }),
		"a wide map":        lines(mib, func(i int) string { return fmt.Sprintf("k%d: v\n", i) }),
		"wide maps":         lines(mib/2, func(int) string { return "-" + repeat("  a:\n ", 1900) + "\n" }),
		"keys, no values":   lines(200000, func(i int) string { return fmt.Sprintf("k%d:\n", i) }),
		"documents":         repeat("--- a\n", mib/6),
		"a wide list":       repeat("- a\n", mib/4),
		"a long list":       repeat("- a\n", 49000),
		"a list in flow":    "[" + repeat("1,", 49000) + "1]",
		"empty items":       repeat("-\n", 49000),
		"merge bomb":        mergeBomb,
		"alias bomb":        aliasBomb,
		"deep aliases":      deepAlias,
		"merges":            "- &a {x: 1}\n" + lines(500000, func(int) string { return "- {<<: *a}\n" }),
		"merge of many":     "- &a {" + lines(30000, func(i int) string { return fmt.Sprintf("k%d,", i) }) + "}\n- <<: [" + repeat("*a,", 20000) + "]\n",
		"duplicate keys":    repeat("a: 1\n", 1900),
		"comments":          repeat("# c\n", mib/4),
		"quotes":            repeat("\"", mib),
		"colons":            repeat(": ", mib/2),
		"commas":            "[" + repeat(",", mib),
		"closing":           repeat("]", mib),
		"one long word":     "a: " + repeat("x", mib),
		"a long text":       "a: |\n" + repeat("  x\n", mib/4),
		"escapes":           "a: \"" + repeat("\\n", mib/2) + "\"",
		"open quote":        "a: '" + repeat("x", mib),
		"blank":             repeat(" ", mib),
		"newlines":          repeat("\n", mib),
		"bangs":             repeat("!", mib),
		"percent":           repeat("%a\n", mib/3),
		"pipes":             repeat("- |\n", mib/4),
	}
}

// Every one of these is either refused or read, within bounds. The memory is
// measured, not the time: it is the same on every machine, and no path of the
// parser takes long without allocating. Not parallel, as the count is of the
// whole process.
func TestHostileFiles(t *testing.T) {
	for name, text := range hostileFiles() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			d := NewDecoder("f")
			v := d.Parse([]byte(text))
			v.Any()
			err := d.Err()
			if err != nil && len(err.Error()) > 1<<20 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			runtime.ReadMemStats(&after)
			if cost := after.TotalAlloc - before.TotalAlloc; cost > maxCost {
				t.Errorf("took %d MB", cost>>20)
			} else {
				t.Logf("took %d MB, %t", cost>>20, err == nil)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	repeat := strings.Repeat
	for _, c := range []struct{ text, want string }{
		{repeat("#", MaxSize+1), "f: the file has 1048577 bytes, at most 1048576 are allowed"},
		{repeat("[", 101) + repeat("]", 101), "f:1:101: nested deeper than 100 levels"},
		{repeat("[", 102) + repeat("]", 102), "f:1:101: nested deeper than 100 levels"},
		{repeat("#\n", MaxTokens+1), "f:100001:1: the file is too large: more than 100000 words and signs"},
		{repeat("a:\n", 3000), "f:2829:1: too many keys in one map"},
		{"a: &a [" + repeat("x,", 999) + "x]\nb: &b [" + repeat("*a,", 249) + "*a]\n", "f:2:7: b: aliases and merges make this more than 250000 values"},
	} {
		if _, err := Parse("f", []byte(c.text)); fmt.Sprint(err) != c.want {
			t.Errorf("got %.200v, want %s", err, c.want)
		}
	}
	if _, err := Parse("f", []byte(repeat("[", 100)+repeat("]", 100))); err != nil {
		t.Errorf("100 levels: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"a: &a {x: 1}\nb:\n  <<: *a\n  y: [1, 'two', \"three\", ~]\n", "- |\n  a\n- >-\n  b\n", "? a\n: b\n", "{<<: [{a: b}]}",
		"a: !!str 5 # c\n", "--- a\n...\n", "'a': \"\\x41\"", "a: 2014-01-01 00:00:00\nb: 1.5e3\n", "- - - a\n    b: c\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := NewDecoder("f")
		v := d.Parse(data)
		v.Any()
		m := v.Map("a", "b")
		m.Get("a").Texts()
		for _, item := range m.Get("b").Items() {
			item.FaultAtf(1, "x")
			item.Node().Timestamp()
		}
		_ = fmt.Sprint(d.Err())
	})
}
