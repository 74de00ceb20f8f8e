package cmd

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/config"
	"github.com/seed71495667/winchester/store"
)

// options are the flags that all commands have, and what they work with.
type options struct {
	host Options
	in   io.Reader
	out  *output
	errs io.Writer

	configFile string
	database   string
	json       bool
	logLevel   string

	called  string         // the command in question
	running bool           // its arguments are in order, and it has begun
	cmd     *cobra.Command // then

	watching bool // what is printed is printed again and again
}

var logLevelNames = []string{"debug", "info", "warning", "error", "critical"}

// level is that of --log-level, or the default.
func (o *options) level(otherwise slog.Level) (slog.Level, error) {
	if o.logLevel == "" {
		return otherwise, nil
	}
	level, err := config.ParseLogLevel(o.logLevel)
	if err != nil {
		return level, usagef("--log-level: %w", err)
	}
	return level, nil
}

// logger is for commands that do one thing and end. Only what is worth a
// person's attention is logged, to standard error.
func (o *options) logger() (*slog.Logger, error) {
	level, err := o.level(slog.LevelWarn)
	if err != nil {
		return nil, err
	}
	return slog.New(slog.NewTextHandler(o.errs, &slog.HandlerOptions{Level: level})), nil
}

// configOptions are what the configuration is read with.
func (o *options) configOptions() config.Options {
	return config.Options{
		Handlers: o.host.Handlers, TraitPlugins: o.host.TraitPlugins, OpenDatabase: o.host.OpenDatabase,
		Database: o.database, SkipMigrations: true,
	}
}

// load reads the configuration, with all files that it names, for a command
// that does one thing and ends.
func (o *options) load() (*config.Config, error) {
	logger, err := o.logger()
	if err != nil {
		return nil, err
	}
	opts := o.configOptions()
	opts.Logger = logger
	return o.loadWith(config.Load, opts)
}

// settings reads winchester.yaml only: for commands that need no more than the
// database, and must work when a rule is broken. Without a file, --database is
// enough.
func (o *options) settings() (*config.Config, error) {
	logger, err := o.logger()
	if err != nil {
		return nil, err
	}
	opts := o.configOptions()
	opts.Logger = logger
	if o.database != "" && !o.cmd.Flags().Changed("config") {
		if _, err := os.Stat(o.configFile); errors.Is(err, fs.ErrNotExist) {
			return config.Default(opts)
		}
	}
	return o.loadWith(config.LoadSettings, opts)
}

func (o *options) loadWith(load func(string, config.Options) (*config.Config, error), opts config.Options) (*config.Config, error) {
	cfg, err := load(o.configFile, opts)
	if err != nil {
		return nil, o.unreadable(err)
	}
	return cfg, nil
}

// unreadable is the error of a configuration that cannot be had.
func (o *options) unreadable(err error) error {
	if errors.Is(err, fs.ErrNotExist) && !errors.As(err, new(config.Faults)) && !o.cmd.Flags().Changed("config") {
		err = errors.New("there is no " + o.configFile + " here; name the configuration with --config")
	}
	return configError{err}
}

// openStore opens the database for queries.
func (o *options) openStore(ctx context.Context) (*store.Store, error) {
	cfg, err := o.settings()
	if err != nil {
		return nil, err
	}
	return cfg.OpenStore(ctx)
}

// openEngine opens an engine for a command that does one thing and ends. It is
// not to be started; close what was opened when done.
func openEngine(ctx context.Context, cfg *config.Config) (_ *winchester.Engine, closeAll func() error, err error) {
	st, err := cfg.OpenStore(ctx)
	if err != nil {
		return nil, nil, err
	}
	clock, closeClock, err := cfg.OpenClock(ctx, st)
	if err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	closeAll = func() error { return errors.Join(closeClock(), st.Close()) }
	ec := cfg.EngineConfig(st)
	ec.Clock = clock
	engine, err := winchester.New(ec)
	if err != nil {
		return nil, nil, errors.Join(err, closeAll())
	}
	return engine, closeAll, nil
}
