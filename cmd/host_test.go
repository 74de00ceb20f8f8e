package cmd_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed71495667/winchester/internal/testdb"
)

// host is testdata/host, a command with a handler, a trait plugin and a driver of
// its own, built once.
var host = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaryDir, "host")
	out, err := exec.Command("go", "build", "-o", path, "./testdata/host").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, err
})

// custom is a directory with a configuration for host.
type custom struct {
	t    *testing.T
	path string
	dir  string
	env  []string
}

// newCustom also adds a notification whose stream has a pipeline that hangs until
// hold says otherwise.
func newCustom(t *testing.T, database, hold string, deaf bool) *custom {
	t.Helper()
	path, err := host()
	if err != nil {
		t.Fatal(err)
	}
	h := &custom{t: t, path: path, dir: t.TempDir(), env: append(os.Environ(), "DATABASE="+database, "HOST_OPENS=1")}
	h.write("winchester.yaml", "database: {url: '${DATABASE}'}\ntrigger_definitions: triggers.yaml\npipeline_config: pipelines.yaml\n"+
		"distiller_config: events.yaml\nlease: 1s\nretry: {initial_backoff: 1ms}\n")
	h.write("triggers.yaml", "- name: order\n  distinguished_by: [order_id]\n  match_criteria: [{event_type: order.placed}]\n"+
		"  fire_criteria: [{event_type: order.placed}]\n  expiration: $first + 100y\n  fire_pipeline: tell\n")
	h.write("pipelines.yaml", fmt.Sprintf("tell:\n  - name: hang\n    params: {until: %q, deaf: %t}\n", hold, deaf))
	h.write("events.yaml", "- event_type: order.*\n  traits:\n    order_id: {fields: payload.id, plugin: {name: shout, parameters: {mark: '!'}}}\n")
	h.write("n.jsonl", `{"message_id":"n-1","event_type":"order.placed","timestamp":"2026-05-01 12:00:00","payload":{"id":"a-1"}}`)
	for _, args := range []string{"check --strict", "db upgrade", "add n.jsonl"} {
		if out, errs, code := h.run(strings.Fields(args)...); code != 0 {
			t.Fatalf("%s: exit code %d\n%s%s", args, code, out, errs)
		}
	}
	return h
}

func (h *custom) write(name, text string) { write(h.t, filepath.Join(h.dir, name), text) }

func (h *custom) run(args ...string) (stdout, stderr string, code int) {
	c := exec.Command(h.path, args...)
	c.Dir, c.Env = h.dir, h.env
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	_ = c.Run()
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

func (h *custom) start(args ...string) (*daemon, *bytes.Buffer) {
	h.t.Helper()
	var out bytes.Buffer
	return startCommand(h.t, h.path, h.dir, h.env, &out, args...), &out
}

// gate is an address at which handlers hang.
type gate struct {
	address string
	came    chan net.Conn
}

func newGate(t *testing.T) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{l.Addr().String(), make(chan net.Conn, 16)}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			g.came <- conn
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		done.Wait()
		for {
			select {
			case conn := <-g.came:
				_ = conn.Close()
			default:
				return
			}
		}
	})
	return g
}

// next waits for the next handler to hang.
func (g *gate) next(t *testing.T) net.Conn {
	t.Helper()
	select {
	case conn := <-g.came:
		return conn
	case <-time.After(time.Minute):
		t.Fatal("no handler was run")
		return nil
	}
}

// databases runs a test on both.
func databases(t *testing.T, f func(t *testing.T, url string)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		f(t, "sqlite:///"+filepath.Join(t.TempDir(), "host.db"))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		f(t, testdb.PostgresSchema(t))
	})
}

// What a host compiles in is used by all commands, and what is wrong with its
// parameters is found by check, with file and line.
func TestHost(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, url string) {
		g := newGate(t)
		h := newCustom(t, url, g.address, false)
		out, errs, code := h.run("streams", "list")
		if code != 0 || !strings.Contains(out, "order_id=A-1!") || errs != "the host opens the database\n" {
			t.Errorf("exit code %d\n%s%s", code, out, errs)
		}
		if out, _, _ := h.run("--version"); out != "host version v1.2.3\n" {
			t.Errorf("%q", out)
		}
		d, printed := h.start("worker")
		_ = g.next(t).Close()
		d.until("msg=Started")
		for out := ""; out != "0\n"; out, _, _ = h.run("streams", "count") { // its handler has committed then
		}
		_ = d.Process.Signal(syscall.SIGTERM)
		if code := d.exitCode(); code != 0 || printed.String() != "hang: 1 events\n" || !strings.Contains(d.output(), "the host opens the database") {
			t.Errorf("exit code %d\n%s%s", code, printed, d.output())
		}

		h.write("pipelines.yaml", "tell:\n  - name: hang\n    params:\n      until: nowhere\n      def: true\n")
		h.write("events.yaml", "- event_type: order.*\n  traits:\n    order_id: {fields: payload.id, plugin: {name: shout}}\n    other: {fields: payload.id, plugin: shuot}\n")
		out, errs, code = h.run("check")
		if code != 2 || errs != "" {
			t.Errorf("exit code %d\n%s", code, errs)
		}
		for _, want := range []string{
			"events.yaml:3:", `mark: expected text`, "events.yaml:4:", `did you mean "shout"?`,
			`pipelines.yaml:5:12: error: tell[0].params.def: `, `did you mean "deaf"?`,
		} {
			if !strings.Contains(out, want) {
				t.Errorf("check does not say %s, but\n%s", want, out)
			}
		}
		h.write("pipelines.yaml", "tell:\n  - name: hang\n    params:\n      until: nowhere\n")
		if out, _, _ := h.run("check"); !strings.Contains(out, "pipelines.yaml:4:") || !strings.Contains(out, "until: expected an address such as") {
			t.Errorf("%s", out)
		}
		if _, errs, code := h.run("worker"); code != 2 || !strings.Contains(errs, "host: pipelines.yaml:4:") {
			t.Errorf("exit code %d\n%s", code, errs)
		}
	})
}

// The first SIGTERM lets a handler that hangs come to its end, and nobody is to send
// work meanwhile; the second one does not wait even for one that hears nothing. What
// it had is another worker's then.
func TestHangingHandler(t *testing.T) {
	t.Parallel()
	for _, deaf := range []bool{false, true} {
		t.Run(fmt.Sprintf("deaf=%t", deaf), func(t *testing.T) {
			t.Parallel()
			databases(t, func(t *testing.T, url string) {
				g := newGate(t)
				h := newCustom(t, url, g.address, deaf)
				d, printed := h.start("worker", "--listen", "127.0.0.1:0")
				base := "http://" + d.until(`msg=Listening address=(\S+)`)
				hanging := g.next(t)
				defer hanging.Close()
				ready := func(want int) {
					t.Helper()
					if status, body := get(t, base+"/readyz"); status != want {
						t.Errorf("/readyz: %d %s", status, body)
					}
					if status, body := get(t, base+"/healthz"); status != 200 {
						t.Errorf("/healthz: %d %s", status, body)
					}
				}
				ready(200)
				_ = d.Process.Signal(syscall.SIGTERM)
				d.until(`msg="Stopping`)
				ready(503)
				abort(t, d)
				if code := d.exitCode(); code != 1 || !strings.Contains(d.output(), "host: aborted by a second signal") || deaf != strings.Contains(d.output(), "something does not end") || printed.Len() > 0 {
					t.Errorf("exit code %d\n%s%s", code, printed, d.output())
				}
				if _, err := hanging.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
					t.Errorf("it still hangs: %v", err)
				}

				d, printed = h.start("worker", "--listen", "127.0.0.1:0")
				base = "http://" + d.until(`msg=Listening address=(\S+)`)
				hanging = g.next(t)
				_ = d.Process.Signal(syscall.SIGTERM)
				d.until(`msg="Stopping`)
				ready(503)
				_ = hanging.Close()
				if code := d.exitCode(); code != 0 || !strings.Contains(d.output(), "msg=Stopped") || printed.String() != "hang: 1 events\n" {
					t.Errorf("exit code %d\n%s%s", code, printed, d.output())
				}
				if out, _, _ := h.run("streams", "count"); out != "0\n" {
					t.Errorf("%s streams are left", out)
				}
			})
		})
	}
}

// abort signals until it ends: what comes too soon after the first counts as the
// first.
func abort(t *testing.T, d *daemon) {
	t.Helper()
	tick, limit := time.NewTicker(100*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for {
		select {
		case <-d.ended:
			return
		case <-tick.C:
			_ = d.Process.Signal(syscall.SIGTERM)
		case <-limit:
			t.Fatalf("it does not give up:\n%s", d.output())
		}
	}
}
