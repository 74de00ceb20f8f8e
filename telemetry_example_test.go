package winchester_test

import (
	"context"
	"fmt"
	"time"

	metricsdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	tracesdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/seed71495667/winchester"
)

// A host gives the engine the providers of its SDK, or sets them with
// otel.SetMeterProvider and otel.SetTracerProvider. Here a reader and an exporter
// that keep everything in memory stand where those for Prometheus or OTLP would.
func ExampleConfig() {
	ctx := context.Background()
	reader, exporter := metricsdk.NewManualReader(), tracetest.NewInMemoryExporter()
	metrics := metricsdk.NewMeterProvider(metricsdk.WithReader(reader))
	traces := tracesdk.NewTracerProvider(tracesdk.WithSyncer(exporter))
	defer func() { _ = traces.Shutdown(ctx); _ = metrics.Shutdown(ctx) }()

	st, cleanup := exampleStore()
	defer cleanup()
	clock := winchester.NewManualClock(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC))
	engine, err := winchester.New(winchester.Config{
		Store: st, Clock: clock,
		MeterProvider: metrics, TracerProvider: traces,
		Triggers: []winchester.TriggerDefinition{{
			Name: "order", DistinguishedBy: winchester.By("order_id"),
			MatchCriteria: []winchester.Criterion{{EventTypes: []string{"order.*"}}},
			FireCriteria:  []winchester.Criterion{{EventTypes: []string{"order.paid"}}},
			Expiration:    "$last + 1h", FirePipeline: "ship",
		}},
		Pipelines: []winchester.PipelineDefinition{{Name: "ship"}},
	})
	if err != nil {
		panic(err)
	}
	if _, err := engine.AddEvent(ctx, winchester.Event{
		MessageID: "1", EventType: "order.paid", Timestamp: clock.Now(), Traits: winchester.Traits{
			"order_id": "A-1", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		},
	}); err != nil {
		panic(err)
	}
	clock.Advance(2 * time.Second)
	if _, err := engine.RunOnce(ctx); err != nil {
		panic(err)
	}

	for _, span := range exporter.GetSpans() {
		fmt.Println(span.Name, "linked to trace", span.Links[0].SpanContext.TraceID())
	}
	var collected metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &collected); err != nil {
		panic(err)
	}
	for _, m := range collected.ScopeMetrics[0].Metrics {
		if m.Name == "winchester.stream.lag" {
			fmt.Println(m.Name, m.Data.(metricdata.Histogram[float64]).DataPoints[0].Sum, m.Unit)
		}
	}
	// Output:
	// process order linked to trace 0af7651916cd43dd8448eb211c80319c
	// winchester.stream.lag 2 s
}
