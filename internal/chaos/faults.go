//go:build unix

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// injector makes things go wrong, at random.
type injector struct {
	*controller
	random *rand.Rand
	counts map[string]int
}

// inject makes one thing after the other go wrong until ctx ends.
func (j *injector) inject(ctx context.Context) error {
	nextRestart := time.Now().Add(j.o.RestartEvery / 2)
	for wait(ctx, time.Duration(j.random.ExpFloat64()*float64(j.o.FaultEvery))) == nil {
		if j.o.RestartCommand != "" && time.Now().After(nextRestart) {
			if err := j.restartServer(ctx); err != nil {
				return err
			}
			nextRestart = time.Now().Add(j.o.RestartEvery/2 + time.Duration(j.random.Int64N(int64(j.o.RestartEvery))))
			continue
		}
		j.one(ctx)
	}
	return nil
}

func (j *injector) one(ctx context.Context) {
	switch dice := j.random.IntN(100); {
	case dice < 20:
		j.send("killed a feeder", feederRole, syscall.SIGKILL)
	case dice < 45:
		j.send("killed a worker", workerRole, syscall.SIGKILL)
	case dice < 55:
		j.send("ended a worker", workerRole, syscall.SIGTERM)
	case dice < 63:
		j.suspend(ctx, "suspended a feeder", feederRole)
	case dice < 80:
		j.suspend(ctx, "suspended a worker", workerRole)
	default:
		asking, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		n, err := j.database.disconnect(asking, 1+j.random.IntN(4))
		if err == nil {
			j.counts["ended a connection"] += n
		}
	}
}

// send sends a signal to one of the processes of a role, if any runs.
func (j *injector) send(what string, r role, s syscall.Signal) *process {
	for _, at := range j.random.Perm(len(j.processes)) {
		if p := j.processes[at]; p.Role == r && p.signal(s) {
			j.counts[what]++
			return p
		}
	}
	return nil
}

// suspend stops a process for longer than its leases last. When it wakes up it
// is a zombie: others have taken its streams.
func (j *injector) suspend(ctx context.Context, what string, r role) {
	p := j.send(what, r, syscall.SIGSTOP)
	if p == nil {
		return
	}
	pause := j.o.Lease + j.o.Lease/2 + time.Duration(j.random.Int64N(int64(j.o.Lease)))
	j.waking.Go(func() {
		_ = wait(ctx, pause)
		p.signal(syscall.SIGCONT)
	})
}

func (j *injector) restartServer(ctx context.Context) error {
	j.monitor.look(ctx) // the server may forget what it has counted
	// Not a pipe: the server would hold it, and we would wait for the server.
	log, err := os.OpenFile(filepath.Join(j.o.Dir, "restart.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	// Once begun it is seen through: the run must not leave others without a server.
	command := exec.CommandContext(context.WithoutCancel(ctx), "sh", "-c", j.o.RestartCommand)
	command.Stdout, command.Stderr = log, log
	if err := command.Run(); err != nil {
		return fmt.Errorf("chaos: the restart command: %w\n%s", err, tail(log.Name()))
	}
	j.counts["restarted the server"]++
	return nil
}
