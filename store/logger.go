package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// slogger lets GORM log to log/slog. Errors of statements are not logged: they
// are returned, and whoever handles them decides. Values of statements are
// never logged: events may hold what must not be in a log.
type slogger struct {
	log  *slog.Logger
	echo bool
	slow time.Duration
}

func newLogger(o Options) slogger { return slogger{o.Logger, o.EchoSQL, o.SlowQuery} }

// LogMode implements GORM's logger.Interface; the level is slog's business.
func (l slogger) LogMode(logger.LogLevel) logger.Interface { return l }

// Info implements GORM's logger.Interface.
func (l slogger) Info(ctx context.Context, format string, args ...any) {
	l.log.InfoContext(ctx, fmt.Sprintf(format, args...))
}

// Warn implements GORM's logger.Interface.
func (l slogger) Warn(ctx context.Context, format string, args ...any) {
	l.log.WarnContext(ctx, fmt.Sprintf(format, args...))
}

// Error implements GORM's logger.Interface.
func (l slogger) Error(ctx context.Context, format string, args ...any) {
	l.log.ErrorContext(ctx, fmt.Sprintf(format, args...))
}

// Trace implements GORM's logger.Interface: it is called for every statement.
func (l slogger) Trace(ctx context.Context, begin time.Time, statement func() (sql string, rows int64), err error) {
	if l.slow > 0 {
		if elapsed := time.Since(begin); elapsed >= l.slow {
			sql, rows := statement()
			l.log.WarnContext(ctx, "Slow statement", "sql", sql, "rows", rows, "elapsed", elapsed)
			return
		}
	}
	if l.echo && l.log.Enabled(ctx, slog.LevelDebug) {
		sql, rows := statement()
		args := []any{"sql", sql, "rows", rows}
		if err != nil && !errors.Is(err, gorm.ErrRecordNotFound) {
			args = append(args, "err", err)
		}
		l.log.DebugContext(ctx, "Statement", args...)
	}
}

// ParamsFilter implements GORM's ParamsFilter: it takes the values away.
func (l slogger) ParamsFilter(_ context.Context, sql string, _ ...any) (string, []any) {
	return sql, nil
}

// batch logs a statement that was run for a number of rows outside of GORM.
func (l slogger) batch(ctx context.Context, sql string, rows int) {
	if l.echo && rows > 0 {
		l.log.DebugContext(ctx, "Statement", "sql", sql, "rows", rows)
	}
}
