package benchmarks

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// riverJob is about as small as a job can be, unless it brings the events that it
// is about.
type riverJob struct {
	Instance string       `json:"instance"`
	Events   []riverEvent `json:"events,omitempty"`
}

type riverEvent struct {
	MessageID string         `json:"message_id"`
	EventType string         `json:"event_type"`
	Timestamp time.Time      `json:"timestamp"`
	Traits    map[string]any `json:"traits"`
}

// riverEvents are the events of job n.
func riverEvents(n, perJob int) []riverEvent {
	var out []riverEvent
	for i := range perJob {
		e := newEvent(n*perJob+i, n)
		out = append(out, riverEvent{e.MessageID, e.EventType, e.Timestamp, e.Traits})
	}
	return out
}

func (riverJob) Kind() string { return "instance" }

// riverWorker does nothing, and counts.
type riverWorker struct {
	river.WorkerDefaults[riverJob]
	worked *atomic.Int64
}

func (w *riverWorker) Work(context.Context, *river.Job[riverJob]) error {
	w.worked.Add(1)
	return nil
}

// newRiver makes River's tables in a schema of its own.
func newRiver(b *testing.B, pool *pgxpool.Pool) (schema string) {
	b.Helper()
	schema = newSchema(b)
	execute(b, pool, "CREATE SCHEMA "+schema)
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: schema, Logger: quiet})
	if err == nil {
		_, err = migrator.Migrate(b.Context(), rivermigrate.DirectionUp, nil)
	}
	if err != nil {
		b.Fatal(err)
	}
	return schema
}

// riverClient has as many workers as a fetch can bring jobs. Tuned, it is set as
// was found to be fastest, with the shortest pause between fetches; else that is
// River's default.
func riverClient(b *testing.B, pool *pgxpool.Pool, schema string, tuned bool, worked *atomic.Int64) *river.Client[pgx.Tx] {
	b.Helper()
	workers := river.NewWorkers()
	river.AddWorker(workers, &riverWorker{worked: worked})
	config := &river.Config{
		Schema: schema, Workers: workers, Logger: quiet, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 1000}},
	}
	if tuned {
		config.FetchCooldown, config.FetchPollInterval = time.Millisecond, 10*time.Millisecond
	}
	client, err := river.NewClient(riverpgxv5.New(pool), config)
	if err != nil {
		b.Fatal(err)
	}
	return client
}

func riverInsert(b *testing.B, client *river.Client[pgx.Tx], n, perJob int) {
	b.Helper()
	for from := 0; from < n; from += 1000 {
		jobs := make([]river.InsertManyParams, min(1000, n-from))
		for i := range jobs {
			jobs[i] = river.InsertManyParams{Args: riverJob{instance(from + i), riverEvents(from+i, perJob)}}
		}
		if _, err := client.InsertManyFast(b.Context(), jobs); err != nil {
			b.Fatal(err)
		}
	}
}
