package cmd_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// daemon is a command that goes on, while it runs.
type daemon struct {
	*exec.Cmd
	t      *testing.T
	mu     sync.Mutex
	log    strings.Builder
	more   chan struct{}
	ended  chan struct{}
	failed error
}

func startDaemon(t *testing.T, dir string, env []string, args ...string) *daemon {
	t.Helper()
	return startCommand(t, binary, dir, append(os.Environ(), env...), nil, args...)
}

func startCommand(t *testing.T, path, dir string, env []string, stdout io.Writer, args ...string) *daemon {
	t.Helper()
	d := &daemon{Cmd: exec.Command(path, args...), t: t, more: make(chan struct{}, 1), ended: make(chan struct{})}
	d.Dir, d.Env, d.Stdout = dir, env, stdout
	stderr, err := d.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(d.ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			d.mu.Lock()
			d.log.WriteString(lines.Text() + "\n")
			d.mu.Unlock()
			select {
			case d.more <- struct{}{}:
			default:
			}
		}
		d.failed = d.Wait()
	}()
	t.Cleanup(func() {
		_ = d.Process.Kill()
		<-d.ended
	})
	return d
}

func (d *daemon) output() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// until waits for a line, and returns what its group has.
func (d *daemon) until(pattern string) string {
	d.t.Helper()
	re, limit := regexp.MustCompile(pattern), time.After(time.Minute)
	for {
		if m := re.FindStringSubmatch(d.output()); m != nil {
			return m[len(m)-1]
		}
		select {
		case <-d.more:
		case <-d.ended:
			if m := re.FindStringSubmatch(d.output()); m != nil {
				return m[len(m)-1]
			}
			d.t.Fatalf("it ended (%v) and never logged %s:\n%s", d.failed, pattern, d.output())
		case <-limit:
			d.t.Fatalf("it never logged %s:\n%s", pattern, d.output())
		}
	}
}

func (d *daemon) exitCode() int {
	d.t.Helper()
	select {
	case <-d.ended:
	case <-time.After(time.Minute):
		d.t.Fatalf("it does not end:\n%s", d.output())
	}
	var exit *exec.ExitError
	if errors.As(d.failed, &exit) {
		return exit.ExitCode()
	}
	return 0
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(data)
}

// files writes a configuration with a database that is up to date, and an event
// whose stream has a pipeline to run that takes until hold answers.
func files(t *testing.T, hold string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		"winchester.yaml": "database: {url: sqlite:///w.db}\ntrigger_definitions: triggers.yaml\npipeline_config: pipelines.yaml\n",
		"replay.yaml":     "database: {url: sqlite:///w.db}\nclock: replay\n",
		"triggers.yaml": "- name: order\n  distinguished_by: [order_id]\n  match_criteria: [{event_type: order.placed}]\n" +
			"  fire_criteria: [{event_type: order.placed}]\n  expiration: $first + 100y\n  fire_pipeline: tell\n",
		"pipelines.yaml": fmt.Sprintf("tell: [{name: atompub, params: {url: %q}}]\n", hold),
		"events.jsonl":   `{"message_id":"1","event_type":"order.placed","timestamp":"2026-05-01T12:00:00Z","traits":{"order_id":"A"}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"db", "upgrade"}, {"add", "--events", "events.jsonl"}} {
		c := exec.Command(binary, args...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	return dir
}

// holding is a server that answers when it is let go.
func holding(t *testing.T) (url string, arrived <-chan struct{}, letGo func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	came, gate := make(chan struct{}, 8), make(chan struct{})
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		came <- struct{}{}
		select {
		case <-gate:
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusCreated)
	})}
	var done sync.WaitGroup
	done.Go(func() { _ = srv.Serve(l) })
	var once sync.Once
	letGo = func() { once.Do(func() { close(gate) }) }
	t.Cleanup(func() {
		letGo()
		_ = srv.Close()
		done.Wait()
	})
	return "http://" + l.Addr().String() + "/", came, letGo
}

// The first SIGTERM lets a pipeline end; the process says meanwhile that it is
// not ready for more.
func TestWorkerDrains(t *testing.T) {
	t.Parallel()
	url, arrived, letGo := holding(t)
	dir := files(t, url)
	d := startDaemon(t, dir, nil, "worker", "--listen", "127.0.0.1:0")
	base := "http://" + d.until(`msg=Listening address=(\S+)`)
	<-arrived
	if status, body := get(t, base+"/healthz"); status != 200 || body != `{"status":"ok"}`+"\n" {
		t.Errorf("/healthz: %d %s", status, body)
	}
	if status, body := get(t, base+"/readyz"); status != 200 {
		t.Errorf("/readyz: %d %s", status, body)
	}
	status, body := get(t, base+"/metrics")
	for _, line := range []string{
		"winchester_runs_active 1", `winchester_streams{state="firing"} 1`, `winchester_streams_ready{pass="fire"} 0`,
		`winchester_stream_lag_seconds_count{pass="fire",trigger="order"} 1`, `winchester_batch_size_sum{operation="claim"} 1`,
		"# TYPE go_goroutines gauge", "# TYPE process_cpu_seconds_total counter",
	} {
		if status != 200 || !strings.Contains(body, line+"\n") {
			t.Errorf("/metrics: %d without %s:\n%s", status, line, body)
		}
	}
	if err := d.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	d.until("msg=\"Stopping")
	if status, body := get(t, base+"/readyz"); status != 503 || !strings.Contains(body, "stopping") {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if status, _ := get(t, base+"/healthz"); status != 200 {
		t.Errorf("/healthz: %d", status)
	}
	letGo()
	if code := d.exitCode(); code != 0 || !strings.Contains(d.output(), "msg=Stopped") {
		t.Errorf("exit code %d\n%s", code, d.output())
	}
	if n := count(t, dir); n != "0" {
		t.Errorf("%s streams are left", n)
	}
}

// A second SIGTERM does not wait: the stream is there to be tried again.
func TestWorkerAborts(t *testing.T) {
	t.Parallel()
	url, arrived, _ := holding(t)
	dir := files(t, url)
	d := startDaemon(t, dir, nil, "worker")
	<-arrived
	abort(t, d) // the pipeline would go on for two minutes
	if code := d.exitCode(); code != 1 || !strings.Contains(d.output(), "winchester: aborted by a second signal") {
		t.Errorf("exit code %d\n%s", code, d.output())
	}
	if n := count(t, dir); n != "1" {
		t.Errorf("%s streams are left", n)
	}
}

func count(t *testing.T, dir string) string {
	t.Helper()
	c := exec.Command(binary, "streams", "count", "--json")
	c.Dir = dir
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var counts []struct{ Count json.Number }
	if err := json.Unmarshal(out, &counts); err != nil || len(counts) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	return counts[0].Count.String()
}

// systemd hears that it is ready, alive and stopping.
func TestSystemd(t *testing.T) {
	t.Parallel()
	dir := files(t, "http://127.0.0.1:1/")
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenPacket("unixgram", socket)
	if err != nil {
		t.Skip("no datagram sockets: " + err.Error())
	}
	defer l.Close()
	d := startDaemon(t, dir, []string{"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=200000"}, "worker")
	heard := func(want string) {
		t.Helper()
		buf := make([]byte, 256)
		_ = l.SetReadDeadline(time.Now().Add(time.Minute))
		for {
			n, _, err := l.ReadFrom(buf)
			if err != nil {
				t.Fatalf("%s: %v", want, err)
			}
			if string(buf[:n]) == want {
				return
			}
		}
	}
	heard("READY=1")
	heard("WATCHDOG=1")
	heard("WATCHDOG=1")
	_ = d.Process.Signal(syscall.SIGTERM)
	heard("STOPPING=1")
	if code := d.exitCode(); code != 0 {
		t.Errorf("exit code %d\n%s", code, d.output())
	}
}

// The database is gone: alive, but not ready.
func TestNotReadyWithoutDatabase(t *testing.T) {
	t.Parallel()
	dir := files(t, "http://127.0.0.1:1/")
	d := startDaemon(t, dir, nil, "worker", "--listen", "127.0.0.1:0")
	base := "http://" + d.until(`msg=Listening address=(\S+)`)
	d.until("msg=Started")
	drop := exec.CommandContext(context.Background(), binary, "db", "downgrade", "base", "--yes")
	drop.Dir = dir
	if out, err := drop.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if status, body := get(t, base+"/readyz"); status != 503 || !strings.Contains(body, "unavailable") {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if status, _ := get(t, base+"/healthz"); status != 200 {
		t.Errorf("/healthz: %d", status)
	}
}

// RabbitMQ cannot be reached: it goes on trying, is not ready, and stops when told.
func TestConsumeWithoutBroker(t *testing.T) {
	t.Parallel()
	dir := files(t, "http://127.0.0.1:1/")
	text := "database: {url: sqlite:///w.db}\ncatch_all_notifications: true\n" +
		"rabbit_broker: {url: 'amqp://app:hunter2@127.0.0.1:1/'}\nconsumers: {queues: {notifications: {}}, dead_letter_file: dead.jsonl}\n"
	if err := os.WriteFile(filepath.Join(dir, "winchester.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, dir, nil, "consume", "--listen", "127.0.0.1:0")
	base := "http://" + d.until(`msg=Listening address=(\S+)`)
	if status, body := get(t, base+"/readyz"); status != 503 || !strings.Contains(body, "not connected to RabbitMQ") {
		t.Errorf("/readyz: %d %s", status, body)
	}
	d.until(`(?i)connection refused`)
	_ = d.Process.Signal(syscall.SIGTERM)
	if code := d.exitCode(); code != 0 {
		t.Errorf("exit code %d\n%s", code, d.output())
	}
	if strings.Contains(d.output(), "hunter2") {
		t.Errorf("a password in the log:\n%s", d.output())
	}
}
