package cmd

import (
	"context"
	"os/signal"
	"syscall"
)

// untilSignal is a context that ends when the process is asked to end.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
}
