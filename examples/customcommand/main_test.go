package main

import (
	"bufio"
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

// The host's handler runs on real files and a real database, and check finds what is
// wrong with its parameters.
func TestHandler(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("etc")); err != nil {
		t.Fatal(err)
	}
	shop := filepath.Join(dir, "shop")
	if out, err := exec.Command("go", "build", "-o", shop, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	command := func(args ...string) *exec.Cmd {
		c := exec.Command(shop, args...)
		c.Dir = dir
		return c
	}
	if out, err := command("db", "upgrade").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	add := command("add", "--events", "-")
	add.Stdin = strings.NewReader(`{"message_id":"1","event_type":"order.placed","timestamp":"2026-05-01T12:00:00Z","traits":{"order_id":"A-1"}}`)
	if out, err := add.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "1 lines: 1 stored") {
		t.Fatalf("%v\n%s", err, out)
	}
	worker := command("worker")
	stdout, err := worker.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n') // its hour has long passed
	if err != nil || line != "Good morning, please pay order A-1\n" {
		t.Errorf("%v: %q", err, line)
	}
	_ = worker.Process.Signal(os.Interrupt)
	if err := worker.Wait(); err != nil {
		t.Error(err)
	}
	if out, err := command("streams", "count").Output(); err != nil || string(out) != "0\n" {
		t.Errorf("%v: %s streams are left", err, out)
	}

	pipelines := "unpaid:\n  - name: remind\n    params: {greting: Good morning}\n"
	if err := os.WriteFile(filepath.Join(dir, "pipelines.yaml"), []byte(pipelines), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := command("check").Output()
	if err == nil || !strings.HasPrefix(string(out), "pipelines.yaml:3:") || !strings.Contains(string(out), `did you mean "greeting"?`) {
		t.Errorf("%v\n%s", err, out)
	}
}
