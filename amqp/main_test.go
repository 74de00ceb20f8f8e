package amqp_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/amqp"
	"github.com/seed71495667/winchester/distiller"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/internal/testrabbit"
	"github.com/seed71495667/winchester/store"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killChildEnv); dir != "" {
		killChild(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// newEngine returns an engine that stores every notification.
func newEngine(t testing.TB) *winchester.Engine {
	t.Helper()
	d, err := distiller.New(distiller.Config{CatchAll: true})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := winchester.New(winchester.Config{
		Store: testdb.Open(t, store.Options{}), Distiller: d, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

func stored(t testing.TB, engine *winchester.Engine) map[string]int {
	t.Helper()
	events, err := engine.Store().FindEvents(t.Context(), winchester.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, e := range events {
		out[e.MessageID]++
	}
	return out
}

func countStored(t testing.TB, engine *winchester.Engine) int64 {
	t.Helper()
	n, err := engine.Store().CountEvents(t.Context(), winchester.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func notification(id, eventType string) string {
	return fmt.Sprintf(`{"message_id":%q,"event_type":%q,"publisher_id":"compute.host1","priority":"INFO","timestamp":"2026-05-08 20:23:48.028195","_context_request_id":"req-1","payload":{"tenant_id":"t-1"}}`, id, eventType)
}

func notifications(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = notification(fmt.Sprintf("%s-%d", prefix, i), "compute.instance.update")
	}
	return out
}

// start runs a consumer until the test ends, or stop is called.
func start(t testing.TB, c amqp.Config) (consumer *amqp.Consumer, stop func()) {
	t.Helper()
	if c.URL == "" {
		c.URL = testrabbit.URL(t)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.ReconnectDelay == 0 {
		c.ReconnectDelay, c.MaxWait = 20*time.Millisecond, 200*time.Millisecond
	}
	consumer, err := amqp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := consumer.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := consumer.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	t.Cleanup(stop)
	return consumer, stop
}

func waitAcknowledged(t testing.TB, c *amqp.Consumer, n int64) {
	t.Helper()
	testrabbit.WaitFor(t, fmt.Sprintf("%d acknowledgements", n), func() bool { return c.Stats().Acknowledged >= n })
}

// sink is a Sink that stands between the consumer and an engine, or alone.
type sink struct {
	to     amqp.Sink
	before func(call int, bodies [][]byte) error
	after  func(call int, results []winchester.Result)
	calls  atomic.Int64

	mu     sync.Mutex
	bodies []string // that went in
}

func (s *sink) AddNotifications(ctx context.Context, bodies [][]byte) (results []winchester.Result, err error) {
	call := int(s.calls.Add(1))
	if s.before != nil {
		if err := s.before(call, bodies); err != nil {
			return nil, err
		}
	}
	if s.to != nil {
		results, err = s.to.AddNotifications(ctx, bodies)
	} else {
		results = make([]winchester.Result, len(bodies))
		for i := range results {
			results[i].Outcome = winchester.OutcomeStored
		}
	}
	if err == nil {
		s.mu.Lock()
		for _, b := range bodies {
			s.bodies = append(s.bodies, string(b))
		}
		s.mu.Unlock()
		if s.after != nil {
			s.after(call, results)
		}
	}
	return results, err
}

func (s *sink) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.bodies...)
}
