package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/config"
)

var update = flag.Bool("update", false, "rewrite testdata/output.txt")

// TestOutput keeps the first thing that people see as it was meant.
func TestOutput(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "output.txt")
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("the output has changed (go test -update, if that was meant):\n%s", out.String())
	}
}

// TestNoWarnings keeps the check of the files from raising a false alarm.
func TestNoWarnings(t *testing.T) {
	t.Parallel()
	handlers := winchester.NewRegistry()
	if err := register(handlers, io.Discard); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load("etc/winchester.yaml", config.Options{
		Handlers:  handlers,
		LookupEnv: func(name string) (string, bool) { return t.TempDir(), name == "QUICKSTART_DIR" },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings) > 0 {
		t.Error(cfg.Warnings)
	}
}
