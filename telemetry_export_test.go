package winchester

import "context"

// MeasureEvents does all that telemetry does when n events are added in one
// transaction, and nothing else.
func (m *TriggerManager) MeasureEvents(ctx context.Context, n int64) {
	m.metrics.failed(ctx, opAdd, nil)
	became := tally{stored: n}
	became.add(ctx, &m.metrics.events)
	m.metrics.batches.record(ctx, float64(n), batchAdd)
}

// MeasureRuns is the same for n streams that are run by a pipeline of one handler,
// in one batch.
func (m *PipelineManager) MeasureRuns(ctx context.Context, n int) {
	t := m.triggers
	t.metrics.failed(ctx, opClaim, nil)
	t.metrics.batches.record(ctx, float64(n), batchClaim)
	t.metrics.failed(ctx, opLoad, nil)
	for range n {
		r := &run{ctx: ctx, stream: Stream{Name: "test_trigger", Attempt: 1, StateSerialNo: 1}, pass: PassExpire}
		r.metrics, r.tracing, r.pipeline, r.names = t.metrics, t.tracing, "log", []string{"pass"}
		r.beginSpan(t.tracing)
		m.recordLag(r)
		began := r.metrics.pipelines.begin(ctx)
		for _, call := range []string{callHandle, callCommit} {
			s := r.begin(r.ctx, call, 0)
			s.end(nil)
		}
		r.endPipeline(began)
		m.count(r, runCompleted)
		r.endSpan()
	}
	t.metrics.failed(ctx, opSettle, nil)
	t.metrics.batches.record(ctx, float64(n), batchSettle)
}
