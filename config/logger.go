package config

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/seed71495667/winchester/internal/suggest"
	"github.com/seed71495667/winchester/internal/yamlx"
)

// logLevels are the names that Python's logging has, and their values here.
var logLevels = map[string]slog.Level{
	"notset": slog.LevelDebug, "debug": slog.LevelDebug, "info": slog.LevelInfo,
	"warning": slog.LevelWarn, "warn": slog.LevelWarn, "error": slog.LevelError,
	"critical": slog.LevelError + 4, "fatal": slog.LevelError + 4,
}

// ParseLogLevel returns the level that log_level calls so.
func ParseLogLevel(name string) (slog.Level, error) {
	level, known := logLevels[strings.ToLower(name)]
	if !known {
		return 0, fmt.Errorf("unknown log level %q%s: expected debug, info, warning, error or critical",
			short(name), suggest.DidYouMean(name, []string{"debug", "info", "warning", "error", "critical"}))
	}
	return level, nil
}

func (l *loader) readLogLevel(v yamlx.Value) {
	text := v.Text()
	level, err := ParseLogLevel(text)
	if err != nil && text != "" {
		v.Faultf("%v", err)
	}
	l.cfg.LogLevel = level
	l.ignoredByLogger(v)
}

func (l *loader) readLogFile(v yamlx.Value) {
	text := v.Text()
	const name = "%(proc_name)s"
	if rest := strings.ReplaceAll(strings.ReplaceAll(text, name, ""), "%%", ""); strings.Contains(rest, "%") {
		v.Faultf("unknown placeholder: the only one is %s; write %%%% for a percent sign", name)
	}
	l.cfg.LogFile = strings.NewReplacer(name, l.opts.name(), "%%", "%").Replace(text)
	l.ignoredByLogger(v)
}

func (l *loader) ignoredByLogger(v yamlx.Value) {
	if l.opts.Logger != nil {
		l.main.warn(v, "has no effect: the host has a logger of its own")
	}
}

// Logger returns the logger that the host has handed in; without one, a logger
// that does what log_level and log_file say; and slog.Default() if they say
// nothing. The Closer closes the log file, if there is one.
func (c *Config) Logger() (*slog.Logger, io.Closer, error) {
	switch {
	case c.opts.Logger != nil:
		return c.opts.Logger, io.NopCloser(nil), nil
	case !c.logging:
		return slog.Default(), io.NopCloser(nil), nil
	}
	var out io.Writer = os.Stderr
	closer := io.NopCloser(nil)
	if c.LogFile != "" {
		f, err := os.OpenFile(c.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
		if err != nil {
			return nil, nil, fmt.Errorf("config: log_file: %w", err)
		}
		out, closer = f, f
	}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: c.LogLevel})), closer, nil
}
