package winchester_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// The crash test kills, with SIGKILL and at random moments, a process that
// adds events and fires streams on a SQLite file. What it proves:
//
//   - every event whose AddEvent returned is stored, once;
//   - every event is in the stream it belongs to, and in no other;
//   - every stream has had its transactional effect exactly once, and its
//     outside effect at least once, with the same idempotency key.

const (
	crashChildEnv  = "WINCHESTER_CRASH_CHILD"  // the database of a child process
	crashRoundsEnv = "WINCHESTER_CRASH_ROUNDS" // how often to kill; more than in a plain go test
	crashRoundEnv  = "WINCHESTER_CRASH_ROUND"  // which round a child is
	crashKeys      = 10                        // streams of a round that fire
	crashPerKey    = 8                         // events in each
	crashLoners    = 10                        // streams of a round of one event, that expire
)

func TestMain(m *testing.M) {
	if path := os.Getenv(crashChildEnv); path != "" {
		crashChild(path)
		return
	}
	goleak.VerifyTestMain(m)
}

func TestKill9(t *testing.T) {
	t.Parallel()
	rounds := 6
	if s := os.Getenv(crashRoundsEnv); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	kills := 0
	for round := range rounds {
		if crashRound(t, dir, round, acknowledged) {
			kills++
		}
	}
	crashVerify(t, dir, rounds, acknowledged)
	t.Logf("%d processes, %d killed, %d events acknowledged before the last kill", rounds, kills, len(acknowledged))
	if kills == 0 {
		t.Error("no process was killed")
	}
}

// crashRound runs a child and kills it after it has acknowledged a random
// number of events. What the child says before it dies counts.
func crashRound(t *testing.T, dir string, round int, acknowledged map[string]bool) (killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashChildEnv+"="+dir, crashRoundEnv+"="+strconv.Itoa(round))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	left := 1 + rand.IntN(150)
	for lines.Scan() {
		id, ok := strings.CutPrefix(lines.Text(), "ack ")
		if !ok {
			t.Fatalf("the child says %q", lines.Text())
		}
		acknowledged[id] = true
		if left--; left == 0 {
			// Not only right behind an acknowledgement, but anywhere after it.
			time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		}
	}
	err = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		t.Fatalf("the child failed by itself: %v", err)
	}
	return false
}

// crashEvents are the events of some rounds, in random order.
func crashEvents(rounds ...int) []winchester.Event {
	var events []winchester.Event
	add := func(kind, key string, n int) {
		events = append(events, winchester.Event{
			MessageID: fmt.Sprintf("%s-%s-%d", kind, key, n), EventType: kind, Timestamp: time.Now(),
			Traits: winchester.Traits{"key": key, "n": n},
		})
	}
	for _, r := range rounds {
		for k := range crashKeys {
			for n := range crashPerKey {
				add("work", crashKey(r, k), n)
			}
		}
		for k := range crashLoners {
			add("alone", crashKey(r, k), 0)
		}
	}
	rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	return events
}

func crashKey(round, k int) string { return fmt.Sprintf("%d.%d", round, k) }

// crashChild adds the events of its round, and once more those of the round
// before, which was killed: in random order, from two goroutines, while
// pipelines run. It says so for each event that is durable.
func crashChild(dir string) {
	ctx := context.Background()
	engine, st := crashEngine(ctx, dir)
	if err := engine.Start(ctx); err != nil {
		panic(err)
	}
	round, err := strconv.Atoi(os.Getenv(crashRoundEnv))
	if err != nil {
		panic(err)
	}
	events := crashEvents(round)
	if round > 0 {
		events = crashEvents(round-1, round)
	}
	half := len(events) / 2
	var wg sync.WaitGroup
	wg.Add(2)
	go func() { // one by one
		defer wg.Done()
		for _, e := range events[:half] {
			if _, err := engine.AddEvent(ctx, e); err != nil {
				panic(err)
			}
			fmt.Println("ack " + e.MessageID)
		}
	}()
	go func() { // in batches
		defer wg.Done()
		for batch := events[half:]; len(batch) > 0; {
			n := min(len(batch), 1+rand.IntN(10))
			results, err := engine.AddEvents(ctx, batch[:n])
			if err != nil {
				panic(err)
			}
			for _, r := range results {
				fmt.Println("ack " + r.MessageID)
			}
			batch = batch[n:]
		}
	}()
	wg.Wait()
	if err := engine.Stop(ctx); err != nil {
		panic(err)
	}
	if err := st.Close(); err != nil {
		panic(err)
	}
}

func crashEngine(ctx context.Context, dir string) (*winchester.Engine, *store.Store) {
	st, err := store.Open(ctx, "sqlite:///"+filepath.Join(dir, "crash.db"), store.Options{Migrate: true})
	if err != nil {
		panic(err)
	}
	err = st.Transact(ctx, func(tx winchester.Tx) error {
		return store.DB(tx).Exec("CREATE TABLE IF NOT EXISTS ledger (stream TEXT, events INTEGER, pass TEXT)").Error
	})
	if err != nil {
		panic(err)
	}
	registry := winchester.NewRegistry()
	winchester.MustRegister(registry, "ledger", func(winchester.NoParams) (winchester.Handler, error) {
		return &ledgerHandler{dir: dir}, nil
	})
	engine, err := winchester.New(winchester.Config{
		Store: st, Handlers: registry, Logger: slog.New(slog.DiscardHandler),
		Lease: 300 * time.Millisecond, PollInterval: 20 * time.Millisecond, StatisticsPeriod: -1,
		Retry:     winchester.RetryPolicy{MaxAttempts: 1000, InitialBackoff: time.Millisecond, MaxBackoff: time.Millisecond},
		Pipelines: []winchester.PipelineDefinition{{Name: "book", Handlers: []winchester.HandlerSpec{{Name: "ledger"}}}},
		Triggers: []winchester.TriggerDefinition{{
			Name: "complete", DistinguishedBy: winchester.By("key"),
			MatchCriteria: []winchester.Criterion{{EventTypes: []string{"work"}}},
			FireCriteria:  []winchester.Criterion{{EventTypes: []string{"work"}, Number: crashPerKey}},
			Expiration:    "$last + 10d", FirePipeline: "book",
		}, {
			Name: "alone", DistinguishedBy: winchester.By("key"),
			MatchCriteria: []winchester.Criterion{{EventTypes: []string{"alone"}}},
			FireCriteria:  []winchester.Criterion{{EventTypes: []string{"never"}}},
			Expiration:    "$first + 100000us", ExpirePipeline: "book",
		}},
	})
	if err != nil {
		panic(err)
	}
	return engine, st
}

// ledgerHandler books a stream in a table of the same database, in the
// transaction that completes it, and in a file outside.
type ledgerHandler struct {
	dir string
	env *winchester.Env
	n   int
}

func (h *ledgerHandler) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	h.env, h.n = env, len(events)
	return events, nil
}

func (h *ledgerHandler) name() string {
	key, _ := h.env.DistinguishingTraits.String("key")
	return h.env.StreamName + "/" + key
}

func (h *ledgerHandler) Commit(context.Context) error {
	f, err := os.OpenFile(filepath.Join(h.dir, "outside"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintf(f, "%s %s\n", h.name(), h.env.IdempotencyKey)
	return err
}

func (h *ledgerHandler) Rollback(context.Context) error { return nil }

func (h *ledgerHandler) CommitTx(_ context.Context, tx winchester.Tx) error {
	return store.DB(tx).Exec("INSERT INTO ledger VALUES (?, ?, ?)", h.name(), h.n, string(h.env.Pass)).Error
}

// crashVerify delivers everything once more, lets the engine finish, and
// compares what is there with what must be.
func crashVerify(t *testing.T, dir string, rounds int, acknowledged map[string]bool) {
	t.Helper()
	ctx := context.Background()
	engine, st := crashEngine(ctx, dir)
	defer st.Close()

	stored, err := st.FindEvents(ctx, winchester.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]int{}
	for _, e := range stored {
		have[e.MessageID]++
	}
	for id := range acknowledged {
		if have[id] != 1 {
			t.Errorf("event %s was acknowledged and is stored %d times", id, have[id])
		}
	}

	if err := engine.Start(ctx); err != nil {
		t.Fatal(err)
	}
	every := make([]int, rounds)
	for r := range every {
		every[r] = r
	}
	results, err := engine.AddEvents(ctx, crashEvents(every...))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if acknowledged[r.MessageID] && r.Outcome != winchester.OutcomeDuplicate {
			t.Errorf("event %s was acknowledged, and now it is %s", r.MessageID, r.Outcome)
		}
	}
	waitFor(t, func() bool {
		n, err := st.CountStreams(ctx, winchester.StreamQuery{})
		return err == nil && n == 0
	})
	if err := engine.Stop(ctx); err != nil {
		t.Fatal(err)
	}

	booked := map[string][]string{}
	err = st.Transact(ctx, func(tx winchester.Tx) error {
		rows, err := store.DB(tx).Raw("SELECT stream, events, pass FROM ledger").Rows()
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var stream, pass string
			var n int
			if err := rows.Scan(&stream, &n, &pass); err != nil {
				return err
			}
			booked[stream] = append(booked[stream], fmt.Sprintf("%d %s", n, pass))
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	outside, commits := outsideKeys(t, dir)
	t.Logf("%d streams, %d outside commits: %d were repeated after a kill", len(booked), commits, commits-len(booked))
	expect := func(name, entry string) {
		if got := booked[name]; len(got) != 1 || got[0] != entry {
			t.Errorf("stream %s is booked as %q, want once %q", name, got, entry)
		}
		if len(outside[name]) != 1 {
			t.Errorf("stream %s was committed outside with the keys %v, want one", name, outside[name])
		}
		delete(booked, name)
	}
	for r := range rounds {
		for k := range crashKeys {
			expect("complete/"+crashKey(r, k), fmt.Sprintf("%d fire", crashPerKey))
		}
		for k := range crashLoners {
			expect("alone/"+crashKey(r, k), "1 expire")
		}
	}
	if len(booked) > 0 {
		t.Errorf("streams that must not exist: %v", booked)
	}
}

func outsideKeys(t *testing.T, dir string) (byStream map[string]map[string]bool, commits int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "outside"))
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]map[string]bool{}
	for line := range strings.Lines(string(text)) {
		name, key, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue // the last words of a killed process
		}
		if keys[name] == nil {
			keys[name] = map[string]bool{}
		}
		keys[name][key] = true
		commits++
	}
	return keys, commits
}

// waitFor waits for a condition that other goroutines bring about.
func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("waited a minute in vain")
		}
	}
}
