//go:build unix

package cmd_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// terminal is a command that runs on a terminal of its own, as under a shell.
type terminal struct {
	*exec.Cmd
	t      *testing.T
	keys   *os.File
	mu     sync.Mutex
	text   bytes.Buffer
	more   chan struct{}
	closed chan struct{}
}

// onTerminal starts the command. Unless stdout is nil, that is not the terminal.
func onTerminal(t *testing.T, dir string, stdout *os.File, args ...string) *terminal {
	t.Helper()
	s := &terminal{Cmd: exec.Command(binary, args...), t: t, more: make(chan struct{}, 1), closed: make(chan struct{})}
	s.Dir = dir
	if stdout != nil {
		s.Stdout = stdout
	}
	keys, err := pty.StartWithSize(s.Cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Skip("no pseudo-terminals: " + err.Error())
	}
	s.keys = keys
	go func() {
		defer close(s.closed)
		buf := make([]byte, 4096)
		for {
			n, err := keys.Read(buf)
			s.mu.Lock()
			s.text.Write(buf[:n])
			s.mu.Unlock()
			select {
			case s.more <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = s.Process.Kill()
		<-s.closed
		_ = keys.Close()
	})
	return s
}

func (s *terminal) screen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// until waits until what is shown has so many matches.
func (s *terminal) until(pattern string, times int) {
	s.t.Helper()
	re, limit := regexp.MustCompile(pattern), time.After(time.Minute)
	for len(re.FindAllString(s.screen(), -1)) < times {
		select {
		case <-s.more:
		case <-s.closed:
			if len(re.FindAllString(s.screen(), -1)) < times {
				s.t.Fatalf("it ended without %d times %s:\n%q", times, pattern, s.screen())
			}
		case <-limit:
			s.t.Fatalf("it never showed %d times %s:\n%q", times, pattern, s.screen())
		}
	}
}

// press types a key.
func (s *terminal) press(key string) {
	s.t.Helper()
	if _, err := s.keys.WriteString(key); err != nil {
		s.t.Fatal(err)
	}
}

const ctrlC = "\x03"

// end waits for the end and returns the exit code.
func (s *terminal) end() int {
	s.t.Helper()
	select {
	case <-s.closed:
	case <-time.After(time.Minute):
		s.t.Fatalf("it does not end:\n%q", s.screen())
	}
	_ = s.Wait()
	return s.ProcessState.ExitCode()
}

// shop is a directory with a configuration whose database is up to date.
func shop(t *testing.T) (dir string) {
	t.Helper()
	dir = files(t, "http://127.0.0.1:1/")
	return dir
}

func orders(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"message_id":"o-%d","event_type":"order.seen","timestamp":"2026-05-01T12:00:00Z","traits":{"n":%d}}`+"\n", i, i)
	}
	return b.String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// runIn runs the command to its end.
func runIn(t *testing.T, dir string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	c := exec.Command(binary, args...)
	c.Dir = dir
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	_ = c.Run()
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// On a terminal there is a bar, which is wiped off in the end; nothing of it is in
// what is printed.
func TestProgress(t *testing.T) {
	t.Parallel()
	dir := shop(t)
	write(t, filepath.Join(dir, "orders.jsonl"), orders(2000)+"not JSON\n")
	stdout, err := os.Create(filepath.Join(dir, "printed"))
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	s := onTerminal(t, dir, stdout, "add", "--events", "orders.jsonl")
	if code := s.end(); code != 3 {
		t.Errorf("exit code %d\n%q", code, s.screen())
	}
	if !regexp.MustCompile(`adding +[1-9][0-9]?% `).MatchString(s.screen()) {
		t.Errorf("no progress was shown:\n%q", s.screen())
	}
	if !strings.Contains(s.screen(), "\rwinchester: orders.jsonl:2001: this is not a JSON object") {
		t.Errorf("what is wrong with a line is not on a line of its own:\n%q", s.screen())
	}
	if last := s.screen()[strings.LastIndex(s.screen(), "adding"):]; !strings.Contains(last, "\r") {
		t.Errorf("the bar is not wiped off: %q", last)
	}
	const want = "2001 lines: 2000 stored, 0 duplicates, 0 dropped, 1 failed. Streams were joined 0 times.\n"
	if printed, err := os.ReadFile(filepath.Join(dir, "printed")); err != nil || string(printed) != want {
		t.Errorf("%v: %q", err, printed)
	}
	// And without one, or for programs, there is none.
	out, errs, _ := runIn(t, dir, "add", "--events", "orders.jsonl")
	if strings.ContainsAny(out+errs, "\r\x1b") || strings.Contains(out+errs, "adding") {
		t.Errorf("%q %q", out, errs)
	}
	s = onTerminal(t, dir, nil, "add", "--events", "--json", "orders.jsonl")
	if s.end(); strings.Contains(s.screen(), "adding") {
		t.Errorf("%q", s.screen())
	}
}

// Ctrl-C in the middle of a file: it says how far it got, and that is so. The file can
// be added again.
func TestInterruptedAdd(t *testing.T) {
	t.Parallel()
	dir := shop(t)
	text := orders(1000)
	write(t, filepath.Join(dir, "orders.jsonl"), text)
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	s := onTerminal(t, dir, nil, "add", "--events", "--batch", "100", "pipe")
	w, err := os.OpenFile(pipe, os.O_WRONLY, 0) // when the other end is there
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	part := strings.Join(strings.SplitAfter(text, "\n")[:750], "")
	if _, err := w.WriteString(part + `{"message_id":`); err != nil { // the pipe stays open
		t.Fatal(err)
	}
	s.until(`adding`, 7)
	s.press(ctrlC)
	if code := s.end(); code != 130 {
		t.Errorf("exit code %d\n%q", code, s.screen())
	}
	m := regexp.MustCompile(`winchester: interrupted before pipe:(\d+)`).FindStringSubmatch(s.screen())
	if m == nil {
		t.Fatalf("%q", s.screen())
	}
	got, _ := strconv.Atoi(m[1])
	got--
	if out, _, _ := runIn(t, dir, "events", "count", "--name", "order.seen"); out != fmt.Sprintln(got) || got == 0 {
		t.Errorf("it says %d, and there are %s", got, out)
	}
	if !strings.Contains(s.screen(), fmt.Sprintf("%d lines: %d stored", got, got)) {
		t.Errorf("%q", s.screen())
	}
	out, _, code := runIn(t, dir, "add", "--events", "orders.jsonl")
	if want := fmt.Sprintf("1000 lines: %d stored, %d duplicates", 1000-got, got); code != 0 || !strings.HasPrefix(out, want) {
		t.Errorf("exit code %d: %s, want %s", code, out, want)
	}
}

// Nothing comes at all, and Ctrl-C is heard.
func TestInterruptedWhileWaiting(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"add", "--events", "-"}, {"simulate", "--events", "-"}} {
		s := onTerminal(t, shop(t), nil, args...)
		s.press(`{"message_id":"x","event_type":"order.seen","timestamp":"2026-05-01T12:00:00Z"}` + "\r")
		if args[0] == "add" {
			s.until(`adding`, 1)
		} else {
			s.until(`order\.seen`, 1) // the terminal's echo
		}
		// It may not have begun to watch for it: then it dies of it, which is as well.
		s.press(ctrlC)
		if code := s.end(); code != 130 && code != -1 {
			t.Errorf("%v: exit code %d\n%q", args, code, s.screen())
		}
	}
}

// Watching clears the screen each time, and Ctrl-C is the regular end of it.
func TestWatchOnTerminal(t *testing.T) {
	t.Parallel()
	dir := shop(t)
	for _, args := range [][]string{{"streams", "list"}, {"streams", "count"}, {"streams", "show", "1"}, {"events", "list"}, {"events", "count"}} {
		s := onTerminal(t, dir, nil, append(args, "--watch=10ms")...)
		s.until("\x1b\\[H\x1b\\[2J[^\x1b]+", 3)
		s.press(ctrlC)
		if code := s.end(); code != 0 {
			t.Errorf("%v: exit code %d\n%q", args, code, s.screen())
		}
	}
}
