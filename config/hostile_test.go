package config

import (
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"
)

// What loading a hostile file may cost: bytes in use, and time.
const (
	maxMemory = 100 << 20
	maxTime   = 10 * time.Second // a quarter of a second on a quiet machine; a bomb takes for ever
)

func hostileFiles() map[string]string {
	repeat := strings.Repeat
	lines := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, strings.ReplaceAll(format, "#", "%[1]d"), i)
		}
		return b.String()
	}
	mergeBomb, aliasBomb := "m0: &m0 {"+lines(200, "k#: 1, ")+"}\n", "- &a0 [x]\n"
	for i := 1; i < 30; i++ {
		mergeBomb += fmt.Sprintf("m%d: &m%[1]d {<<: [*m%[2]d, *m%[2]d, *m%[2]d]}\n", i, i-1)
		aliasBomb += fmt.Sprintf("- &a%d [%s]\n", i, repeat(fmt.Sprintf("*a%d, ", i-1), 9))
	}
	const head = "- name: n\n  expiration: $last\n  fire_pipeline: p\n"
	return map[string]string{
		"huge":          repeat("a: b\n", 1<<20),
		"brackets":      repeat("[", 100_000),
		"braces":        repeat("{a: ", 100_000),
		"dashes":        repeat("- ", 100_000),
		"merge bomb":    mergeBomb,
		"alias bomb":    aliasBomb,
		"binary":        repeat("\x00\xff", 1000),
		"many triggers": lines(9_000, "- {name: t#, fire_pipeline: p#}\n"),
		"many good triggers": "- &t {name: x, match_criteria: [{}], fire_criteria: [{}], expiration: $last, fire_pipeline: p}\n" +
			lines(9_000, "- {<<: *t, name: t#}\n"),
		"many unknown keys":     head + "  match_criteria:\n" + lines(15_000, "  - {event_tpye#: x}\n"),
		"many criteria":         head + "  match_criteria: [" + repeat("{},", 30_000) + "]\n  fire_criteria: []\n",
		"many distinguishers":   head + "  match_criteria: [" + repeat("{},", 10_000) + "]\n  fire_criteria: []\n  distinguished_by: [" + lines(20_000, "t#,") + "]\n",
		"aliased criteria":      head + "  fire_criteria: []\n  match_criteria: [&c {traits: {a: 1}}, " + repeat("*c,", 30_000) + "]\n",
		"aliased bad criteria":  head + "  fire_criteria: []\n  match_criteria: [&c {traits: {a: {int: x}}}, " + repeat("*c,", 30_000) + "]\n",
		"much that is mapped":   head + "  fire_criteria: []\n  distinguished_by: [" + lines(10_000, "trait_number_#,") + "]\n  match_criteria: [{map_distinguished_by: {" + lines(15_000, "tarit_number_#: x,") + "}}]\n",
		"long expression":       "- name: n\n  fire_pipeline: p\n  match_criteria: []\n  fire_criteria: []\n  expiration: $last" + repeat(" + 1d", 150_000) + "\n",
		"nested expression":     "- name: n\n  fire_pipeline: p\n  match_criteria: []\n  fire_criteria: []\n  expiration: " + repeat("(", 500_000) + "\n",
		"many expressions":      head + "  fire_criteria: []\n  match_criteria:\n" + lines(10_000, "  - {timestamp: $a + #d + 1h to $b}\n"),
		"many globs":            head + "  fire_criteria: []\n  match_criteria:\n  - event_type: [" + lines(30_000, `"*#*[a-z]*",`) + "]\n",
		"many pipelines":        lines(1_900, "pipeline_number_#: [handler_number_#]\n"),
		"many handlers":         "p: [" + lines(40_000, "handler_number_#,") + "]\n",
		"many parameters":       "p: [{name: logger, params: {" + lines(20_000, "k#: [1],") + "}}]\n",
		"many environment uses": "p: [" + lines(20_000, "'${NO#}${X}',") + "]\n",
		"growing":               "p: [" + lines(20_000, "'${LONG}',") + "]\n",
		"many directories":      "config_path: [" + lines(30_000, "d#,") + "]\ntrigger_definitions: none.yaml\n",
		"many aliases":          "pipeline_handlers: {" + lines(15_000, "h#: loger,") + "}\n",
		"long words":            "? " + repeat("x", 1_000_000) + "\n: y\n",
	}
}

// Each of these is refused, or read, within a second and a hundred megabytes,
// whichever file of its shape it is taken for. Not parallel: memory is measured for the whole
// process.
func TestHostileFiles(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes ten times as long, and there is nothing concurrent here")
	}
	long := strings.Repeat("x", 1000)
	lookup := env("X", "x", "LONG", long)
	const good = "database: {url: 'sqlite://'}\ntrigger_definitions: t.yaml\npipeline_config: p.yaml\ndistiller_config: e.yaml\n"
	for name, text := range hostileFiles() {
		taken := []string{"winchester.yaml", "p.yaml"}
		if strings.HasPrefix(text, "-") || strings.HasPrefix(text, "[") {
			taken = []string{"t.yaml", "e.yaml"}
		}
		for _, file := range taken {
			t.Run(name+"/"+file, func(t *testing.T) {
				files := map[string]string{"winchester.yaml": good, "t.yaml": "", "p.yaml": "", "e.yaml": ""}
				if file == "t.yaml" {
					files["p.yaml"] = lines1900
				}
				files[file] = text
				var list []string
				for name, text := range files {
					list = append(list, name, text)
				}
				path := filepath.Join(writeFiles(t, list...), "winchester.yaml")
				peak := watchHeap()
				start := time.Now()
				_, err := Load(path, Options{LookupEnv: lookup})
				if err != nil && len(err.Error()) > 1<<20 {
					t.Errorf("the error has %d bytes", len(err.Error()))
				}
				elapsed, used := time.Since(start), peak()
				for try := 0; elapsed > maxTime && try < 3; try++ { // the machine may have been busy with something else
					start := time.Now()
					_, _ = Load(path, Options{LookupEnv: lookup})
					elapsed = time.Since(start)
				}
				t.Logf("%v and %d MB, refused: %t", elapsed, used>>20, err != nil)
				if used > maxMemory {
					t.Errorf("took %d MB", used>>20)
				}
				if elapsed > maxTime {
					t.Errorf("took %v", elapsed)
				}
			})
		}
	}
}

// watchHeap looks at how much memory is in use until the function it returns is
// called, which tells how much more it has been at most.
func watchHeap() func() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	inUse := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	runtime.GC()
	before, peak := inUse(), uint64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			peak = max(peak, inUse())
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-stopped
		return max(peak, before) - before
	}
}

// lines1900 are pipelines whose names triggers nearly hit.
var lines1900 = func() string {
	var b strings.Builder
	for i := range 1900 {
		fmt.Fprintf(&b, "q%d: []\n", i)
	}
	return b.String()
}()
