package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/seed71495667/winchester/internal/testdb"
)

// The scripts of testdata/script run the built command as a user would, on SQLite;
// those of testdata/script/postgres on PostgreSQL, those in rabbitmq beside
// RabbitMQ. go doc github.com/rogpeppe/go-internal/testscript says what they are
// made of.
func TestScripts(t *testing.T) {
	t.Parallel()
	runScripts(t, "testdata/script", func(*testscript.Env) {})
}

func TestScriptsOnPostgres(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	// The same scripts, and those that need more than one process.
	for _, dir := range []string{"testdata/script", "testdata/script/postgres"} {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			runScripts(t, dir, func(e *testscript.Env) {
				// A deferred clean-up of the test's own would come too early.
				schema := fmt.Sprintf("winchester_cmd_%d_%d", os.Getpid(), schemas.Add(1))
				if err := testdb.Exec(url, "CREATE SCHEMA "+schema); err != nil {
					e.T().Fatal(err)
				}
				e.Defer(func() { _ = testdb.Exec(url, "DROP SCHEMA "+schema+" CASCADE") })
				e.Setenv("DATABASE", testdb.WithParameter(url, "search_path="+schema))
			})
		})
	}
}

var schemas atomic.Int64

func TestScriptsOnRabbitMQ(t *testing.T) {
	t.Parallel()
	url := os.Getenv("WINCHESTER_RABBITMQ")
	if url == "" {
		t.Skip("no RabbitMQ: set WINCHESTER_RABBITMQ to its URL, such as amqp://guest:guest@127.0.0.1:5672/")
	}
	runScripts(t, "testdata/script/rabbitmq", func(e *testscript.Env) {
		e.Setenv("RABBITMQ", url)
		e.Setenv("QUEUE", fmt.Sprintf("winchester_cmd_%d_%d", os.Getpid(), schemas.Add(1)))
	})
}

func runScripts(t *testing.T, dir string, setup func(*testscript.Env)) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Dir:           dir,
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", binaryDir+string(filepath.ListSeparator)+e.Getenv("PATH"))
			e.Setenv("DATABASE", "sqlite:///winchester.db")
			e.Setenv("NOW", time.Now().UTC().Format(time.RFC3339))
			setup(e)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"until": until, "code": code, "replace": replace},
	})
}

// until runs a command again and again until what it prints matches: until PATTERN
// COMMAND...
func until(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile("(?m)" + args[0])
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for {
		err := ts.Exec(args[1], args[2:]...)
		out := ts.ReadFile("stdout")
		if pattern.MatchString(out) {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			ts.Fatalf("%s never printed %s, but (%v):\n%s%s", strings.Join(args[1:], " "), args[0], err, out, ts.ReadFile("stderr"))
		}
	}
}

// code expects a command to end with an exit code: code 2 winchester ...
func code(ts *testscript.TestScript, _ bool, args []string) {
	got := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s:\n%s%s", got, args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// replace replaces what a pattern matches in files that were printed: replace
// PATTERN TEXT FILE...
func replace(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile("(?m)" + args[0])
	for _, file := range args[2:] {
		path := ts.MkAbs(file)
		data, err := os.ReadFile(path)
		ts.Check(err)
		ts.Check(os.WriteFile(path, pattern.ReplaceAll(data, []byte(args[1])), 0o600))
	}
}
