package config

import (
	"context"
	"log/slog"
	"os"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
)

// Options are what a host adds to what the files say. The zero value of each
// field stands for its default.
type Options struct {
	// Handlers knows the handlers that pipelines can name. Default: Handlers(),
	// the ready-made ones.
	Handlers *winchester.Registry
	// TraitPlugins knows the plugins that event definitions can name. Default:
	// distiller.NewPlugins(), the ready-made ones.
	TraitPlugins *distiller.Plugins
	// Store is used instead of a database that Open would open; the files then
	// need not name one. Open's Engine does not close it. Default: none.
	Store winchester.Store
	// Database is a URL that takes the place of database.url, which then need not
	// be there. Default: none.
	Database string
	// OpenDatabase opens the database with a driver of the host's. What it
	// returns is closed with the engine. It may return nil for a URL that it
	// leaves to package store. Default: all are left to it.
	OpenDatabase func(ctx context.Context, url string) (*gorm.DB, error)
	// SkipMigrations leaves the schema as it is; Open fails if it is not up to
	// date. Default: Open brings it up to date.
	SkipMigrations bool
	// Logger gets all log lines. Default: what log_level and log_file say, or
	// slog.Default() if they say nothing.
	Logger *slog.Logger
	// LogLevel takes the place of log_level. Default: what that says.
	LogLevel *slog.Level
	// Clock tells the time, whatever the files say. Default: what clock says,
	// winchester.SystemClock if it says nothing.
	Clock winchester.Clock
	// Name is the process's name: %(proc_name)s in log_file. Default
	// "pipeline_worker".
	Name string
	// MeterProvider and TracerProvider are OpenTelemetry's: see docs/metrics.md.
	// Defaults: the global ones.
	MeterProvider  metric.MeterProvider
	TracerProvider trace.TracerProvider
	// LookupEnv finds environment variables for ${NAME}. Default: os.LookupEnv.
	LookupEnv func(name string) (value string, ok bool)
}

func (o Options) handlers() *winchester.Registry {
	if o.Handlers == nil {
		return Handlers()
	}
	return o.Handlers
}

func (o Options) traitPlugins() *distiller.Plugins {
	if o.TraitPlugins == nil {
		return distiller.NewPlugins()
	}
	return o.TraitPlugins
}

func (o Options) lookupEnv() func(string) (string, bool) {
	if o.LookupEnv == nil {
		return os.LookupEnv
	}
	return o.LookupEnv
}

func (o Options) name() string {
	if o.Name == "" {
		return "pipeline_worker"
	}
	return o.Name
}
