//go:build unix

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// process is a child that is started again each time it dies, until it has done
// its work.
type process struct {
	child
	restarts int
	done     chan struct{} // closed when it will not be started again

	mu      sync.Mutex
	cmd     *exec.Cmd // nil while it does not run
	stopped bool      // by SIGSTOP
	ending  bool      // it is not to be started again
	faults  []string  // the times that it died by itself
}

// run keeps the child alive until it has done its work, finish was called, or
// ctx ends.
func (p *process) run(ctx context.Context) {
	defer close(p.done)
	for ctx.Err() == nil {
		err := p.once(ctx)
		switch finished := err == nil && p.Role == feederRole; {
		case finished, p.isEnding():
			if !finished {
				p.blame(err)
			}
			return
		case ctx.Err() == nil:
			p.blame(err)
		}
		_ = wait(ctx, rand.N(500*time.Millisecond))
		p.restarts++
	}
}

// once runs the child from its start to its end.
func (p *process) once(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	told, err := json.Marshal(p.child)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(p.path("log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childEnv+"="+string(told))
	cmd.Stdout, cmd.Stderr = log, log
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	defer lifeline.Close()
	p.mu.Lock()
	if p.ending {
		p.mu.Unlock()
		return nil
	}
	if err := cmd.Start(); err != nil {
		p.mu.Unlock()
		return err
	}
	p.cmd, p.stopped = cmd, false
	p.mu.Unlock()
	err = cmd.Wait()
	p.mu.Lock()
	p.cmd = nil
	p.mu.Unlock()
	return err
}

// blame notes how a child ended, unless a signal of the controller's did it: one
// that has hardly begun does not listen to SIGTERM yet.
func (p *process) blame(err error) {
	exit := (*exec.ExitError)(nil)
	if err == nil {
		return
	}
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && (status.Signal() == syscall.SIGKILL || status.Signal() == syscall.SIGTERM) {
			return
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, fmt.Sprintf("process: %s ended by itself: %v; the end of its log:\n%s", p.name(), err, tail(p.path("log"))))
}

// signal sends a signal and tells whether there was a process to get it. A
// stopped one is not stopped again.
func (p *process) signal(s syscall.Signal) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.stopped && s != syscall.SIGCONT && s != syscall.SIGKILL || p.cmd.Process.Signal(s) != nil {
		return false
	}
	switch s {
	case syscall.SIGSTOP:
		p.stopped = true
	case syscall.SIGCONT:
		p.stopped = false
	}
	return true
}

// finish asks the child to end and not to be started again.
func (p *process) finish() {
	p.mu.Lock()
	p.ending = true
	p.mu.Unlock()
	p.signal(syscall.SIGCONT)
	p.signal(syscall.SIGTERM)
}

func (p *process) isEnding() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ending
}

// tail is the end of a log.
func tail(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > 2000 {
		_, _ = file.Seek(-2000, io.SeekEnd)
	}
	text, _ := io.ReadAll(file)
	return string(text)
}
