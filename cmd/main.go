package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/config"
	"github.com/seed71495667/winchester/distiller"
	"github.com/seed71495667/winchester/store"
)

// Options are what a host compiles into its command. The zero value of each
// field stands for its default.
type Options struct {
	// Name is the command's name. Default "winchester".
	Name string
	// Version is what --version prints. Default: that of the module, as Go
	// recorded it in the program.
	Version string
	// Handlers knows the handlers that pipelines can name. Default:
	// config.Handlers(), the ready-made ones.
	Handlers *winchester.Registry
	// TraitPlugins knows the plugins that event definitions can name. Default:
	// distiller.NewPlugins(), the ready-made ones.
	TraitPlugins *distiller.Plugins
	// OpenDatabase opens a database with a driver of the host's: GORM's dialect
	// must be PostgreSQL's or SQLite's. It may return nil for a URL that it leaves
	// to the drivers that are there. Default: those.
	OpenDatabase func(ctx context.Context, url string) (*gorm.DB, error)
}

// The exit codes.
const (
	ExitOK       = 0 // done
	ExitFailed   = 1 // the database, a broker or a file could not be used; simulate: not as expected
	ExitUsage    = 2 // wrong usage, or something is wrong in the configuration
	ExitPartial  = 3 // some of the input could not be used
	ExitNotFound = 4 // there is no such stream or event
	// ExitInterrupted is for SIGINT and SIGTERM before it was done; it is also what
	// shells make of a process that died of SIGINT. What goes on until it is told to
	// stop is done then: worker, consume and --watch end with ExitOK.
	ExitInterrupted = 130
)

// Main runs the command with the arguments and streams of the process, and
// exits. The default logger of the process becomes one that writes to standard
// error.
func Main(host Options) {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	os.Exit(Run(context.Background(), host, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Run runs the command and returns its exit code. Commands that wait end when
// ctx does, and on SIGINT and SIGTERM, which they watch for themselves.
func Run(ctx context.Context, host Options, args []string, in io.Reader, out, errs io.Writer) int {
	if host.Name == "" {
		host.Name = "winchester"
	}
	o := &options{host: host, in: in, out: newOutput(out), errs: errs}
	root := newRoot(o)
	root.SetArgs(relativeLast(root, args))
	root.SetIn(in)
	root.SetOut(o.out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err != nil && !o.running { // wrong before anything was begun
		err = usageError{err}
	}
	if failed := o.out.flush(); failed != nil && !errors.Is(err, failed) {
		err = errors.Join(failed, err)
	}
	return o.report(err)
}

// report writes an error as lines for people, and returns its exit code.
func (o *options) report(err error) int {
	if err == nil {
		return ExitOK
	}
	var quiet silentError
	if !errors.As(err, &quiet) {
		for line := range strings.Lines(o.explain(err)) {
			fmt.Fprintf(o.errs, "%s: %s\n", o.host.Name, strings.TrimRight(line, "\n"))
		}
	}
	return exitCode(err)
}

// explain is the error's text, with what to do about it where that can be told.
func (o *options) explain(err error) string {
	text := err.Error()
	switch {
	case errors.As(err, new(usageError)):
		text += fmt.Sprintf("\nsee %s --help", o.path())
	case errors.Is(err, store.ErrNotMigrated) && errors.Is(err, fs.ErrNotExist):
		text = fmt.Sprintf("there is no such database: %s\nif that is where it shall be, make it with: %s db upgrade", strings.TrimSuffix(text, "; Options.Migrate makes it"), o.host.Name)
	case errors.Is(err, store.ErrNotMigrated):
		text = fmt.Sprintf("the database's schema is not up to date\nbring it there with: %s db upgrade", o.host.Name)
	case errors.Is(err, store.ErrNewerSchema):
		text = fmt.Sprintf("%s\nuse a newer %s, or take the schema back with that one's db downgrade", text, o.host.Name)
	}
	return text
}

// path is the command in question, as it was called.
func (o *options) path() string {
	if o.called == "" {
		return o.host.Name
	}
	return o.called
}

func exitCode(err error) int {
	var quiet silentError
	switch {
	case errors.As(err, &quiet):
		return quiet.code
	case errors.As(err, new(usageError)), errors.As(err, new(config.Faults)), errors.Is(err, winchester.ErrDefinition),
		errors.Is(err, winchester.ErrInvalidQuery), errors.Is(err, store.ErrUnsupportedDatabase), errors.As(err, new(configError)):
		return ExitUsage
	case errors.Is(err, errInterrupted):
		return ExitInterrupted
	case errors.Is(err, winchester.ErrNoSuchStream), errors.Is(err, winchester.ErrNoSuchEvent):
		return ExitNotFound
	}
	return ExitFailed
}

// usageError is a mistake in how the command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// configError is a configuration that cannot be had, or lacks what the command
// needs.
type configError struct{ error }

func (e configError) Unwrap() error { return e.error }

// silentError carries an exit code; what there is to say has been said.
type silentError struct{ code int }

func (e silentError) Error() string { return fmt.Sprintf("exit code %d", e.code) }
