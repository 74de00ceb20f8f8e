package cmd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester/internal/testdb"
)

// TestTutorial runs the commands of docs/tutorial.md as they stand and looks in what
// they print for what the page says. A "…" there stands for anything.
func TestTutorial(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString("set -e\n")
	var want []string
	url := ""
	skipped := false
	for _, m := range regexp.MustCompile("(?ms)^```(sh postgres|sh|text)\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		text := m[2]
		switch {
		case m[1] == "text" && skipped:
		case m[1] == "text":
			for line := range strings.Lines(text) {
				line = strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSuffix(line, "\n")), "…", ".*")
				want = append(want, fmt.Sprintf("(?m)^%s$", line))
			}
		case m[1] == "sh postgres" && os.Getenv("WINCHESTER_POSTGRES") == "":
			t.Log("the part on PostgreSQL is left out: WINCHESTER_POSTGRES is not set")
			skipped = true
		default:
			if m[1] == "sh postgres" {
				url = testdb.PostgresSchema(t)
				was := "postgres://shop:secret@localhost/shop"
				if !strings.Contains(text, was) {
					t.Fatal("the page has another URL")
				}
				text = strings.Replace(text, was, "'"+url+"'", 1)
			}
			script.WriteString(text)
		}
	}
	if len(want) < 10 {
		t.Fatalf("the page says little: %q", want)
	}
	sh := exec.Command("sh", "-c", script.String())
	sh.Dir = t.TempDir()
	sh.Env = append(os.Environ(), "PATH="+binaryDir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	began := time.Now()
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("it took %s", time.Since(began).Round(time.Second))
	for _, line := range want {
		if !regexp.MustCompile(line).Match(out) {
			t.Errorf("it says %s, and what is printed is\n%s", line, out)
		}
	}
}
