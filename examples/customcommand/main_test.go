package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The command knows the host's handler, and goes by the host's name.
func TestCommand(t *testing.T) {
	t.Parallel()
	shop := filepath.Join(t.TempDir(), "shop")
	if out, err := exec.Command("go", "build", "-o", shop, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	check := exec.Command(shop, "check", "--strict", "-c", "etc/winchester.yaml")
	if out, err := check.CombinedOutput(); err != nil || !strings.Contains(string(out), "is in order: 1 trigger, 1 pipeline") {
		t.Fatalf("%v\n%s", err, out)
	}
	wrong := exec.Command(shop, "streams")
	wrong.Args = append(wrong.Args, "lits")
	out, err := wrong.CombinedOutput()
	if err == nil || !strings.HasPrefix(string(out), `shop: unknown command "lits" (did you mean "list"?)`) {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat("etc/shop.db"); err == nil {
		t.Error("check has made a database")
	}
}
