package cmd

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
)

// metrics are what GET /metrics answers with: the engine's, by way of
// OpenTelemetry, and those of Prometheus's default registry, in which are the Go
// runtime's, the process's, and what the handlers of a host's own command have
// put there.
type metrics struct {
	provider *sdk.MeterProvider
	engine   *prometheus.Registry
}

// newMetrics returns nil if nobody can ask for them; engines then measure for the
// global provider, which a host's own command may have set.
func (o *options) newMetrics(ctx context.Context, listen string) (*metrics, error) {
	if listen == "" {
		return nil, nil
	}
	m := &metrics{engine: prometheus.NewRegistry()}
	reader, err := exporter.New(exporter.WithRegisterer(m.engine), exporter.WithoutScopeInfo())
	if err != nil {
		return nil, err
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", o.host.Name)), resource.WithFromEnv())
	if err != nil {
		return nil, err
	}
	m.provider = sdk.NewMeterProvider(sdk.WithReader(reader), sdk.WithResource(about))
	return m, nil
}

// meterProvider is what an engine is given; nil for the global one.
func (m *metrics) meterProvider() metric.MeterProvider {
	if m == nil {
		return nil
	}
	return m.provider
}

func (m *metrics) handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(prometheus.Gatherers{prometheus.DefaultGatherer, m.engine}, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError,
	})
}
