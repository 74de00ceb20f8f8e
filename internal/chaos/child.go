//go:build unix

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/seed71495667/winchester/internal/chaos/scenario"
	"github.com/seed71495667/winchester/store"
)

// childEnv carries, to a child process, what it is: not in its arguments, where
// everybody could see the password of the URL.
const childEnv = "WINCHESTER_CHAOS_CHILD"

// role is what a child process does.
type role string

const (
	feederRole role = "feeder"
	workerRole role = "worker"
)

// child is what a child process is told.
type child struct {
	Role  role
	Index int
	URL   string
	Dir   string // where its journal and its tally are
	Lease time.Duration
	Plan  scenario.Plan
}

func (c *child) name() string { return fmt.Sprintf("%s %d", c.Role, c.Index) }

// path is a file of the child's own.
func (c *child) path(extension string) string {
	return filepath.Join(c.Dir, fmt.Sprintf("%s-%d.%s", c.Role, c.Index, extension))
}

// IsChild tells whether this process was started by a controller. A program
// that runs one must ask first, and call Child then.
func IsChild() bool { return os.Getenv(childEnv) != "" }

// Child is the life of a child process; it returns its exit code.
func Child() int {
	var c child
	if err := json.Unmarshal([]byte(os.Getenv(childEnv)), &c); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", childEnv, err)
		return 2
	}
	go dieWithParent()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	run := c.feed
	if c.Role == workerRole {
		run = c.work
	}
	if err := run(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", c.name(), err)
		return 1
	}
	return 0
}

// dieWithParent waits for the end of the standard input, whose other end only
// the controller has.
func dieWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(3)
}

// open opens the store; as often as it takes, since the server may be away.
func (c *child) open(ctx context.Context) (*store.Store, error) {
	var last error
	for {
		s, err := store.Open(ctx, c.URL, store.Options{Schema: scenario.Schema, Connections: 4, Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			return s, nil
		}
		if last == nil || last.Error() != err.Error() {
			fmt.Fprintf(os.Stderr, "%s: %v\n", c.name(), err)
			last = err
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}
