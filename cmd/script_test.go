package cmd_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	binary16 "encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf16"

	amqp091 "github.com/rabbitmq/amqp091-go"
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
			e.Setenv("FRACTION", `[-0-9]{10}T[0-9:]{8}\.[0-9]{1,6}Z`) // times that differ from run to run
			setup(e)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"until": until, "code": code, "replace": replace, "mangle": mangle, "newer": newer, "expand": expand, "publish": publish},
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

// expand puts the values of $QUEUE into a file: names in a configuration are not
// expanded.
func expand(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	ts.Check(os.WriteFile(path, []byte(strings.ReplaceAll(string(data), "${QUEUE}", ts.Getenv("QUEUE"))), 0o600))
}

// mangle makes of a file what nobody meant it to be: mangle FILE bom|crlf|gzip|utf16|noise|huge...
func mangle(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	for _, how := range args[1:] {
		switch how {
		case "bom":
			data = append([]byte("\xef\xbb\xbf"), data...)
		case "crlf":
			data = bytes.TrimSuffix(bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")), []byte("\r\n"))
		case "gzip":
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			_, err := w.Write(data)
			ts.Check(errors.Join(err, w.Close()))
			data = b.Bytes()
		case "utf16":
			data, err = binary16.Append([]byte("\xff\xfe"), binary16.LittleEndian, utf16.Encode([]rune(string(data))))
			ts.Check(err)
		case "noise":
			data = make([]byte, 5000)
			_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
			data[0] = 0
		case "huge":
			const event = `{"message_id":"huge","event_type":"order.huge","timestamp":"2026-05-01T12:00:00Z","traits":{"text":"%s"}}`
			data = fmt.Appendf(nil, event+"\n"+event, strings.Repeat("x", 10_000_000), strings.Repeat("x", 17_000_000))
		default:
			ts.Fatalf("mangle how? %s", how)
		}
	}
	ts.Check(os.WriteFile(path, data, 0o600))
}

// newer makes the database one of a newer program.
func newer(ts *testscript.TestScript, _ bool, _ []string) {
	const statement = "INSERT INTO winchester_migrations (version, name, applied_at) SELECT 99, 'later', applied_at FROM winchester_migrations"
	url := ts.Getenv("DATABASE")
	path, isFile := strings.CutPrefix(url, "sqlite:///")
	if !isFile {
		ts.Check(testdb.Exec(url, statement))
		return
	}
	db, err := sql.Open("sqlite3", ts.MkAbs(path))
	ts.Check(err)
	_, err = db.ExecContext(context.Background(), statement)
	ts.Check(errors.Join(err, db.Close()))
}

// publish publishes files to the script's queue, once it is there.
func publish(ts *testscript.TestScript, _ bool, files []string) {
	conn, err := amqp091.Dial(ts.Getenv("RABBITMQ"))
	ts.Check(err)
	defer conn.Close()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(time.Minute); ; <-tick.C {
		ch, err := conn.Channel()
		ts.Check(err)
		if _, err = ch.QueueDeclarePassive(ts.Getenv("QUEUE"), true, true, false, false, nil); err != nil {
			if time.Now().After(limit) {
				ts.Fatalf("no queue: %v", err)
			}
			continue
		}
		for _, file := range files {
			ts.Check(ch.PublishWithContext(context.Background(), "", ts.Getenv("QUEUE"), true, false, amqp091.Publishing{Body: []byte(ts.ReadFile(file))}))
		}
		return
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
