package benchmarks

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

const (
	latencyRate    = 500 // events a second
	latencySeconds = 10
	latencyWarmUp  = time.Second // not counted

	latencySchema = "WINCHESTER_BENCH_LATENCY" // makes a worker of this program
)

// BenchmarkLatency adds 500 events a second, each of which completes a stream,
// and measures how long after AddEvent was called a handler in another process
// has the stream's events. An event is sent when its time has come, however
// many others are still on their way.
func BenchmarkLatency(b *testing.B) {
	schema := newSchema(b)
	engine := newEngine(b, winchester.Config{Store: openStore(b, schema), Triggers: triggers(true)})
	var latencies []time.Duration
	for b.Loop() {
		latencies = append(latencies, latencyRound(b, engine, schema)...)
	}
	slices.Sort(latencies)
	at := func(share float64) float64 {
		return latencies[int(share*float64(len(latencies)-1))].Seconds() * 1000
	}
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
	b.ReportMetric(at(1), "max-ms")
	b.ReportMetric(0, "ns/op")
}

func latencyRound(b *testing.B, engine *winchester.Engine, schema string) []time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), latencySeconds*time.Second+30*time.Second)
	defer cancel()
	worker := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestLatencyWorker$")
	worker.Env = append(os.Environ(), latencySchema+"="+schema)
	worker.Stderr = os.Stderr
	stdin, err := worker.StdinPipe() // it ends when this does
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := worker.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := worker.Start(); err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() || lines.Text() != "ready" {
		b.Fatalf("the worker said %q", lines.Text())
	}
	sent := map[string]time.Time{}
	failed := make(chan error, 1)
	go func() { failed <- send(ctx, engine, sent) }()
	arrived := map[string]time.Time{}
	for len(arrived) < latencyRate*latencySeconds && lines.Scan() {
		id, at, _ := strings.Cut(lines.Text(), " ")
		micros, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			break // the test framework's last words
		}
		arrived[id] = time.UnixMicro(micros)
	}
	if err := <-failed; err != nil {
		b.Fatal(err)
	}
	_ = stdin.Close()
	if err := worker.Wait(); err != nil || len(arrived) < len(sent) {
		b.Fatalf("%d of %d events have arrived: %v", len(arrived), len(sent), err)
	}
	return waits(sent, arrived)
}

// waits returns how long each event took, without those of the warming up.
func waits(sent, arrived map[string]time.Time) []time.Duration {
	var first time.Time
	for _, at := range sent {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	var out []time.Duration
	for id, at := range sent {
		if at.After(first.Add(latencyWarmUp)) {
			out = append(out, arrived[id].Sub(at))
		}
	}
	return out
}

// send adds the events, each in its time, and tells when that was.
func send(ctx context.Context, engine *winchester.Engine, sent map[string]time.Time) error {
	tick := time.NewTicker(time.Second / latencyRate)
	defer tick.Stop()
	var (
		mu    sync.Mutex
		fault error
		all   sync.WaitGroup
	)
	begin := time.Now()
	for n := range latencyRate * latencySeconds {
		due := begin.Add(time.Duration(n) * time.Second / latencyRate)
		for time.Now().Before(due) {
			<-tick.C
		}
		e := newEvent(n, 0)
		e.MessageID = fmt.Sprintf("%s-%d", begin.Format(time.RFC3339Nano), n)
		e.Traits["instance_id"], e.Timestamp = e.MessageID, due
		sent[e.MessageID] = due
		all.Go(func() {
			if _, err := engine.AddEvent(ctx, e); err != nil {
				mu.Lock()
				defer mu.Unlock()
				fault = err
			}
		})
	}
	all.Wait()
	return fault
}

// TestLatencyWorker is the worker process: it tells what its handler gets, and
// when.
func TestLatencyWorker(t *testing.T) {
	schema := os.Getenv(latencySchema)
	if schema == "" {
		t.Skip("only as a process of BenchmarkLatency")
	}
	s, err := store.Open(t.Context(), os.Getenv("WINCHESTER_POSTGRES"), store.Options{Schema: schema, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out := &announcer{w: bufio.NewWriter(os.Stdout)}
	handlers := winchester.NewRegistry()
	winchester.MustRegister(handlers, pipelineName, func(winchester.NoParams) (winchester.Handler, error) { return announce{out: out}, nil })
	engine, err := winchester.New(engineConfig(winchester.Config{Store: s, Triggers: triggers(true), Handlers: handlers}))
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	out.say("ready\n")
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the benchmark closes it
	if err := engine.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

type announcer struct {
	mu sync.Mutex
	w  *bufio.Writer
}

func (a *announcer) say(text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, _ = a.w.WriteString(text)
	_ = a.w.Flush()
}

// announce is a handler that tells of the events it gets.
type announce struct {
	winchester.HandlerDefaults
	out *announcer
}

func (h announce) HandleEvents(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
	now := time.Now().UnixMicro()
	for _, e := range events {
		h.out.say(fmt.Sprintf("%s %d\n", e.MessageID, now))
	}
	return events, nil
}
