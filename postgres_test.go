package winchester_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/store"
)

// soon bounds what a test waits for.
const soon = 60 * time.Second

// process is an engine on a store of its own, as in a process of its own.
func process(t *testing.T, url string, handle func(events []winchester.Event, env *winchester.Env) ([]winchester.Event, error), change ...func(*winchester.Config)) (*winchester.Engine, *store.Store) {
	t.Helper()
	st := testdb.OpenURL(t, url, store.Options{})
	registry := scripts(map[string]*script{"s": {
		handle: func(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
			return handle(events, env)
		},
	}})
	c := winchester.Config{
		Store: st, Handlers: registry, Logger: slog.New(slog.DiscardHandler),
		PollInterval: time.Hour, // what happens earlier, a wake-up or a timer has done
		Pipelines:    []winchester.PipelineDefinition{{Name: "p", Handlers: specs("s")}},
		Triggers: []winchester.TriggerDefinition{{
			Name: "order", DistinguishedBy: winchester.By("id"), MatchCriteria: []winchester.Criterion{{EventTypes: []string{"placed", "paid"}}},
			FireCriteria: []winchester.Criterion{{EventTypes: []string{"paid"}}}, Expiration: "$last + 1h",
			FirePipeline: "p", ExpirePipeline: "p",
		}},
	}
	for _, f := range change {
		f(&c)
	}
	e, err := winchester.New(c)
	must(t, err)
	return e, st
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func submit(t *testing.T, e *winchester.Engine, eventType, messageID string, id any) {
	t.Helper()
	_, err := e.AddEvent(t.Context(), winchester.Event{
		MessageID: messageID, EventType: eventType, Timestamp: time.Now(), Traits: winchester.Traits{"id": id},
	})
	must(t, err)
}

func start(t *testing.T, e *winchester.Engine) {
	t.Helper()
	must(t, e.Start(context.Background()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		defer cancel()
		must(t, e.Stop(ctx))
	})
}

// until waits for a condition that someone else brings about.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	deadline := time.After(soon)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !met() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// TestWakeUpsAcrossProcesses: the workers are in one process, the events come
// in another one, and nobody polls.
func TestWakeUpsAcrossProcesses(t *testing.T) {
	t.Parallel()
	url := testdb.PostgresSchema(t)
	ran := make(chan string, 100)
	worker, _ := process(t, url, func(events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
		ran <- fmt.Sprint(env.Pass, " ", env.DistinguishingTraits["id"], " ", len(events))
		return events, nil
	})
	feeder, _ := process(t, url, nil)
	start(t, worker)
	wait := func(want string) {
		t.Helper()
		select {
		case got := <-ran:
			if got != want {
				t.Fatalf("ran %q, want %q", got, want)
			}
		case <-time.After(soon):
			t.Fatalf("%q was never run", want)
		}
	}
	for i := range 20 {
		submit(t, feeder, "placed", fmt.Sprint("a", i), i)
		submit(t, feeder, "paid", fmt.Sprint("b", i), i)
		wait(fmt.Sprintf("fire %d 2", i))
	}
	must(t, feeder.ReplaceTrigger(winchester.TriggerDefinition{
		Name: "order", DistinguishedBy: winchester.By("id"), MatchCriteria: []winchester.Criterion{{}},
		FireCriteria: []winchester.Criterion{{EventTypes: []string{"paid"}}}, Expiration: "$last + 1s",
		FirePipeline: "p", ExpirePipeline: "p",
	}))
	submit(t, feeder, "placed", "late", "late")
	wait("expire late 1") // by a timer
}

// TestReleasedStreamsAreTakenOver: what a stopping worker gives back, another
// process runs at once.
func TestReleasedStreamsAreTakenOver(t *testing.T) {
	t.Parallel()
	url := testdb.PostgresSchema(t)
	first, second := make(chan struct{}, 1), make(chan struct{}, 1)
	var release sync.Once
	hold := make(chan struct{})
	t.Cleanup(func() { release.Do(func() { close(hold) }) })
	stuck, _ := process(t, url, func(events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		first <- struct{}{}
		<-hold
		return nil, errors.New("stopped")
	}, func(c *winchester.Config) { c.Workers = 1 })
	submit(t, stuck, "paid", "m", "x")
	must(t, stuck.Start(context.Background()))
	<-first
	other, _ := process(t, url, func(events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		second <- struct{}{}
		return events, nil
	})
	start(t, other)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	go release.Do(func() { close(hold) })
	if err := stuck.Stop(ended); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	select {
	case <-second:
	case <-time.After(soon):
		t.Fatal("nobody took the stream over")
	}
}

// TestConnectionsAreCut: an administrator ends all connections, again and
// again. Adding an event may fail then, and is repeated; the workers go on by
// themselves.
func TestConnectionsAreCut(t *testing.T) {
	t.Parallel()
	const events = 200
	location := testdb.WithParameter(testdb.PostgresSchema(t), "application_name=winchester_cut_"+fmt.Sprint(os.Getpid()))
	var mu sync.Mutex
	ran := map[any]int{}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(ran) }
	worker, st := process(t, location, func(events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
		mu.Lock()
		defer mu.Unlock()
		ran[env.DistinguishingTraits["id"]]++
		return events, nil
	}, func(c *winchester.Config) { c.KeepCompleted, c.Lease = true, time.Second })
	feeder, _ := process(t, location, nil)
	start(t, worker)
	admin, err := sql.Open("pgx", testdb.Postgres(t))
	must(t, err)
	defer admin.Close()
	cuts := 0
	cut := func() {
		r, err := admin.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", "winchester_cut_"+fmt.Sprint(os.Getpid()))
		must(t, err)
		n, _ := r.RowsAffected()
		cuts += int(n)
	}
	failed := 0
	for i := range events {
		if i%20 == 10 {
			cut()
		}
		e := winchester.Event{MessageID: fmt.Sprint("m", i), EventType: "paid", Timestamp: time.Now(), Traits: winchester.Traits{"id": i}}
		until(t, "an event to be added", func() bool {
			_, err := feeder.AddEvent(t.Context(), e)
			if err != nil {
				failed++
			}
			return err == nil
		})
	}
	until(t, "all streams to be run", func() bool { return count() == events })
	until(t, "all streams to be completed", func() bool {
		n, err := st.CountStreams(t.Context(), winchester.StreamQuery{State: winchester.StateCompleted})
		return err == nil && n == events
	})
	if cuts == 0 {
		t.Fatal("no connection was cut")
	}
	t.Logf("%d connections cut, %d additions failed and were repeated", cuts, failed)
}

// TestNoDeadlocks has feeders and workers meet in every way they can, in a
// database of its own, and looks at the server's counter of deadlocks.
func TestNoDeadlocks(t *testing.T) {
	t.Parallel()
	server := testdb.Postgres(t)
	name := fmt.Sprintf("winchester_deadlocks_%d", os.Getpid())
	must(t, testdb.Exec(server, "CREATE DATABASE "+name))
	t.Cleanup(func() { must(t, testdb.Exec(server, "DROP DATABASE "+name+" WITH (FORCE)")) })
	u, err := url.Parse(server)
	must(t, err)
	u.Path = "/" + name

	provokeDeadlock(t, u.String())
	if n := deadlocks(t, server, name); n != 1 {
		t.Fatalf("the server counts %d deadlocks after one was provoked: this test would notice none", n)
	}
	t.Run("load", func(t *testing.T) { shuffledLoad(t, u.String()) })
	if n := deadlocks(t, server, name) - 1; n != 0 {
		t.Errorf("%d deadlocks", n)
	}
}

// shuffledLoad: feeders hand in batches of the same events and the same keys, in
// any order; pipelines add events that belong to open streams; streams are
// reset and purged, and events are purged and trimmed meanwhile.
func shuffledLoad(t *testing.T, url string) {
	const feeders, keys, events, batch = 6, 40, 1500, 60
	var mu sync.Mutex
	made := 0
	echo := func(events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
		mu.Lock()
		defer mu.Unlock()
		made++
		if made%17 == 0 {
			return nil, errors.New("as it happens")
		}
		e := winchester.Event{
			MessageID: fmt.Sprint("echo-", env.StreamID), EventType: "placed", Timestamp: time.Now(),
			Traits: winchester.Traits{"id": rand.IntN(keys), "customer": rand.IntN(5)},
		}
		return append(events, e), nil
	}
	configure := func(c *winchester.Config) {
		c.Retry = winchester.RetryPolicy{InitialBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond}
		c.Lease, c.PollInterval = 200*time.Millisecond, 50*time.Millisecond
		c.KeepCompleted, c.TrimEvents, c.TrimEventsAge, c.TrimEventsBatchSize = true, true, "$timestamp + 1d", 20
		second := c.Triggers[0]
		second.Name, second.DistinguishedBy = "customer", winchester.By("customer")
		second.FireCriteria = []winchester.Criterion{{Number: 50}}
		c.Triggers = append(c.Triggers, second)
	}
	engines := make([]*winchester.Engine, 2)
	stores := make([]*store.Store, 2)
	for i := range engines {
		engines[i], stores[i] = process(t, url, echo, configure)
		start(t, engines[i])
	}
	all := make([]winchester.Event, events)
	for i := range all {
		all[i] = winchester.Event{
			MessageID: fmt.Sprint("m", i), EventType: "placed", Timestamp: time.Now(),
			Traits: winchester.Traits{"id": i % keys, "customer": i % 5},
		}
		if i%13 == 0 {
			all[i].EventType = "paid"
		}
	}
	var feeding sync.WaitGroup
	for f := range feeders {
		feeding.Add(1)
		go func() {
			defer feeding.Done()
			mine := append([]winchester.Event(nil), all...)
			rand.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
			for len(mine) > 0 {
				n := min(len(mine), 1+rand.IntN(batch))
				if _, err := engines[f%2].AddEvents(t.Context(), mine[:n]); err != nil {
					t.Error(err)
					return
				}
				mine = mine[n:]
			}
		}()
	}
	done := make(chan struct{})
	go func() { feeding.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			found, err := stores[0].FindEvents(t.Context(), winchester.EventQuery{Limit: 10})
			must(t, err)
			ids := make([]int64, 0, len(found))
			for _, e := range found {
				ids = append(ids, e.ID)
			}
			if _, err := stores[0].PurgeEvents(t.Context(), ids...); err != nil && !errors.Is(err, winchester.ErrConflict) {
				t.Error(err)
			}
			streams, err := stores[1].FindStreams(t.Context(), winchester.StreamQuery{Limit: 1})
			must(t, err)
			for _, s := range streams {
				if err := stores[1].PurgeStream(t.Context(), s.ID); err != nil && !errors.Is(err, winchester.ErrNoSuchStream) && !errors.Is(err, winchester.ErrConflict) {
					t.Error(err)
				}
			}
		}
	}
}

// deadlocks is the server's counter, once all connections have reported.
func deadlocks(t *testing.T, server, database string) (n int) {
	t.Helper()
	admin, err := sql.Open("pgx", server)
	must(t, err)
	defer admin.Close()
	until(t, "all connections to end", func() bool {
		var open int
		must(t, admin.QueryRow("SELECT count(*) FROM pg_stat_activity WHERE datname = $1", database).Scan(&open))
		return open == 0
	})
	must(t, admin.QueryRow("SELECT deadlocks FROM pg_stat_database WHERE datname = $1", database).Scan(&n))
	return n
}

func provokeDeadlock(t *testing.T, url string) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	must(t, err)
	defer db.Close()
	var conns [2]*sql.Tx
	for i := range conns {
		conns[i], err = db.Begin()
		must(t, err)
		_, err = conns[i].Exec("SELECT pg_advisory_xact_lock($1)", i)
		must(t, err)
	}
	faults := make(chan error, 2)
	for i := range conns {
		go func() {
			_, err := conns[i].Exec("SELECT pg_advisory_xact_lock($1)", 1-i)
			_ = conns[i].Rollback()
			faults <- err
		}()
	}
	if err := errors.Join(<-faults, <-faults); err == nil {
		t.Fatal("there was no deadlock")
	}
}
