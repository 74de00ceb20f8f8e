package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"
)

// untilSignal is a context that ends when the process is asked to end. Asked once
// more, it ends at once.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// errInterrupted is what a command ends with that was asked to end before it was
// done.
var errInterrupted = errors.New("interrupted")

// interruptedBefore also says at which line that was.
func interruptedBefore(file string, no int) error {
	return fmt.Errorf("%w before %s:%d", errInterrupted, file, no)
}

// reader reads until a context ends, which a terminal or a pipe may be waited for
// much longer.
type reader struct {
	ctx  context.Context
	from io.Reader
	buf  []byte
}

func (r *reader) Read(p []byte) (int, error) {
	if r.buf == nil {
		r.buf = make([]byte, 1<<16)
	}
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	buf := r.buf[:min(len(p), len(r.buf))]
	go func() {
		n, err := r.from.Read(buf)
		done <- result{n, err}
	}()
	select {
	case <-r.ctx.Done():
		r.buf = nil // it may still be written to
		return 0, r.ctx.Err()
	case got := <-done:
		return copy(p, buf[:got.n]), got.err
	}
}
