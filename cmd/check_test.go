package cmd_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Each directory of testdata/check has one mistake, where it is in mistake.txt, and
// what check says of it in expect.txt; 00-in-order has none.
func TestCheckFindsPlantedMistakes(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob("testdata/check/*")
	if err != nil || len(dirs) < 31 {
		t.Fatal(len(dirs), err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			c := exec.Command(binary, "check", "--strict")
			c.Dir = dir
			out, err := c.CombinedOutput()
			code := 0
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				code = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			want := 2
			if strings.HasSuffix(dir, "00-in-order") {
				want = 0
			}
			if code != want {
				t.Errorf("exit code %d", code)
			}
			compare(t, filepath.Join(dir, "expect.txt"), out)
			if want == 0 {
				return
			}
			mistake, err := os.ReadFile(filepath.Join(dir, "mistake.txt"))
			if err != nil {
				t.Fatal(err)
			}
			if at := strings.TrimSpace(string(mistake)) + ":"; !strings.HasPrefix(string(out), at) {
				t.Errorf("the mistake is at %s and check says\n%s", at, out)
			}
		})
	}
}

// The original's sample files, and what else is shipped, give no false alarm. The
// files of examples/quickstart need its handlers, so their test is there.
func TestCheckRaisesNoFalseAlarm(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"../config/testdata/etc/winchester.yaml"} {
		c := exec.Command(binary, "check", "--strict", "-c", file)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}
