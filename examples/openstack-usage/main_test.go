package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/handlers/usage"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/internal/testrabbit"
	"github.com/seed71495667/winchester/store"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		if err := child(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

var small = plan{seed: 1, run: "test", days: 2, instances: 30}

// TestGenerator: a plan makes the same days each time, and everything happens in
// them that can happen, in every form that Nova has.
func TestGenerator(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		p := small
		p.seed = seed
		days, err := generate(p)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := generate(p); err != nil || !reflect.DeepEqual(days, again) {
			t.Fatalf("seed %d: not the same days again, %v", seed, err)
		}
		for _, s := range slices.Concat(scenarios, faults) {
			if days.played[s.name] == 0 {
				t.Errorf("seed %d: nobody was %s", seed, s.name)
			}
		}
		expected := days.expected()
		for _, kind := range []string{"U0", "U1", "U2", "U3", "U4", "U5", "U6", "U7", "U8", verified, warning} {
			if expected[kind] == 0 {
				t.Errorf("seed %d: no %s is expected", seed, kind)
			}
		}
		if days.late == 0 || days.again == 0 || days.dead == 0 || days.foreign == 0 {
			t.Errorf("seed %d: %d late, %d twice, %d broken, %d foreign", seed, days.late, days.again, days.dead, days.foreign)
		}
		forms := map[string]int{}
		for i, d := range days.deliveries {
			if i > 0 && d.at.Before(days.deliveries[i-1].at) {
				t.Fatalf("seed %d: delivery %d comes before the one before it", seed, i)
			}
			forms[fmt.Sprint(d.key, " ", bytes.Contains(d.body, []byte("oslo.message")))]++
		}
		if len(forms) != 4 {
			t.Errorf("seed %d: forms are %v", seed, forms)
		}
	}
	if _, err := generate(plan{days: 1, instances: 10}); err == nil || !strings.Contains(err.Error(), "at least 52 instances are needed") {
		t.Errorf("too few instances: %v", err)
	}
}

// testEngine is an engine with the example's rules, whose verdicts stay in its store.
func testEngine(t *testing.T) *eventTime {
	t.Helper()
	clock := winchester.NewManualClock(time.Unix(0, 0))
	cfg, err := loadFiles(setting{rabbitmq: localBroker, database: "sqlite:///unused.db", log: slog.New(slog.DiscardHandler)}, clock)
	if err != nil {
		t.Fatal(err)
	}
	c := cfg.EngineConfig(testdb.Open(t, store.Options{}))
	c.Pipelines = []winchester.PipelineDefinition{{Name: "verify_usage", Handlers: []winchester.HandlerSpec{{Name: "usage"}}}}
	engine, err := winchester.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return &eventTime{engine: engine, distiller: cfg.Distiller, clock: clock}
}

// TestVerdicts plays the days without a broker: however messages gather into
// batches, each instance-day gets its verdicts.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	days, err := generate(small)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 37, len(days.deliveries)} {
		t.Run(fmt.Sprintf("batches of %d", size), func(t *testing.T) {
			t.Parallel()
			e := testEngine(t)
			for portion := range slices.Chunk(days.deliveries, size) {
				bodies := make([][]byte, len(portion))
				for i, d := range portion {
					bodies[i] = d.body
				}
				results, err := e.AddNotifications(t.Context(), bodies)
				if err != nil || len(results) != len(bodies) {
					t.Fatalf("%d results, %v", len(results), err)
				}
			}
			if n := e.engine.Stats(); n.Fired == 0 || n.Expired == 0 || n.Errors+n.Retried > 0 || n.Failed != int64(days.dead) || n.Dropped != int64(days.foreign) {
				t.Errorf("%+v", n)
			}
			events, err := e.engine.Store().FindEvents(t.Context(), winchester.EventQuery{
				EventTypes: []string{usage.EventVerified, usage.EventFailed, usage.EventWarnings},
			})
			if err != nil {
				t.Fatal(err)
			}
			l := newLedger()
			for _, event := range events {
				if _, err := l.AddNotifications(t.Context(), [][]byte{asNotification(t, event.Event)}); err != nil {
					t.Fatal(err)
				}
			}
			if b := l.check(days); len(b.faults) > 0 || b.right != len(days.verdicts) {
				t.Errorf("%d of %d are right: %s", b.right, len(days.verdicts), strings.Join(b.faults, "\n"))
			}
		})
	}
}

// TestEventTime: a batch is taken in as it would have been message by message, also
// if a stream becomes due in the middle of it.
func TestEventTime(t *testing.T) {
	t.Parallel()
	g := &generator{rng: rand.New(rand.NewPCG(1, 1)), begin: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	i, midnight := g.launchedBefore(g.begin), g.begin.AddDate(0, 0, 1)
	message := func(eventType string, at time.Time, p period) []byte {
		_, body := notification(*i, g.id(), eventType, at, p)
		return body
	}
	beat := func(after time.Duration) []byte {
		_, body := heartbeat(g.id(), midnight.Add(after))
		return body
	}
	whole := period{g.begin, midnight}
	for name, c := range map[string]struct {
		late  int // the place in the batch of an event of the day
		fired int64
		codes []string
	}{
		"before": {2, 1, []string{""}},
		"after":  {3, 1, []string{"", "U0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := testEngine(t)
			batch := slices.Insert([][]byte{
				message("exists", midnight.Add(10*time.Minute), whole), // the stream is due an hour later
				beat(65 * time.Minute), beat(72 * time.Minute), beat(80 * 24 * time.Hour),
			}, c.late, message("reboot.end", midnight.Add(-time.Minute), period{}))
			if _, err := e.AddNotifications(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			events, err := e.engine.Store().FindEvents(t.Context(), winchester.EventQuery{EventTypes: []string{usage.EventVerified, usage.EventFailed}})
			if err != nil {
				t.Fatal(err)
			}
			var codes []string
			for _, event := range events {
				code, _ := event.Traits.String("error_code")
				codes = append(codes, code)
			}
			slices.Sort(codes)
			if !slices.Equal(codes, c.codes) || e.engine.Stats().Fired != c.fired {
				t.Errorf("codes are %q, %+v", codes, e.engine.Stats())
			}
		})
	}
}

func asNotification(t *testing.T, e winchester.Event) []byte {
	t.Helper()
	data, err := json.Marshal(map[string]any{
		"message_id": e.MessageID, "event_type": e.EventType, "timestamp": e.Timestamp.Format("2006-01-02 15:04:05.000000"), "payload": map[string]any(e.Traits),
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestCheck: whatever is wrong with the verdicts is found, and named.
func TestCheck(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	on := instanceDay{"i", "2026-03-01"}
	days := &traffic{verdicts: map[instanceDay][]string{on: {verified, warning}}, records: map[string]instanceDay{"r": on}}
	make := func(id, eventType, code, instance, record string, stream int64) verdict {
		v := verdict{MessageID: id, EventType: "compute.instance.exists." + eventType, Timestamp: "2026-03-02 00:10:00"}
		v.Payload.InstanceID, v.Payload.ErrorCode, v.Payload.Record, v.Payload.StreamID, v.Payload.From = instance, code, record, stream, at
		return v
	}
	good := []verdict{make("1", "verified", "", "i", "r", 7), make("2", "warnings", "", "i", "", 7)}
	for _, c := range []struct {
		name     string
		verdicts []verdict
		want     []string
	}{
		{"as it should be", good, nil},
		{"nothing", nil, []string{"i on 2026-03-01: missing [verified warning], too much []", "i on 2026-03-01: the record r has no verdict"}},
		{"another verdict", []verdict{make("1", "failed", "U2", "i", "r", 7), good[1]}, []string{"i on 2026-03-01: missing [verified], too much [U2]"}},
		{"no warning", good[:1], []string{"i on 2026-03-01: missing [warning], too much []"}},
		{"twice", append(slices.Clone(good), make("3", "verified", "", "i", "r", 7)), []string{"the record r is judged twice, by 1 and 3", "too much [verified]"}},
		{"one more", append(slices.Clone(good), make("3", "failed", "U0", "i", "", 8)), []string{"i on 2026-03-02: nobody expects [U0]"}},
		{"another instance", append(slices.Clone(good), make("3", "verified", "", "j", "x", 8)), []string{"j on 2026-03-01: the verdict 3 is on a record of  on  (known: false)", "nobody expects"}},
		{"another instance's record", []verdict{make("1", "verified", "", "j", "r", 7), good[1]}, []string{"is on a record of i on 2026-03-01", "comes without a verdict", "nobody expects"}},
	} {
		l := newLedger()
		for _, v := range c.verdicts {
			l.verdicts[v.MessageID] = v
		}
		got := strings.Join(l.check(days).faults, "\n")
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is not among\n%s", c.name, want, got)
			}
		}
		if (c.want == nil) != (got == "") {
			t.Errorf("%s: faults are %q", c.name, got)
		}
	}
}

// TestRun runs the example as the README does, but smaller.
func TestRun(t *testing.T) {
	t.Parallel()
	o := options{setting: setting{rabbitmq: testrabbit.URL(t)}, plan: small}
	var out bytes.Buffer
	if err := run(t.Context(), &out, o); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"4 dead letters", "0 of them more than once", "0 failed", "instance-days have exactly the verdicts that they must have"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

// TestRunOnPostgres is TestRun with PostgreSQL.
func TestRunOnPostgres(t *testing.T) {
	t.Parallel()
	o := options{setting: setting{rabbitmq: testrabbit.URL(t), database: testdb.PostgresSchema(t)}, plan: small}
	var out bytes.Buffer
	if err := run(t.Context(), &out, o); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// TestUnrouted: what no queue takes is not passed over.
func TestUnrouted(t *testing.T) {
	t.Parallel()
	s := setting{rabbitmq: testrabbit.URL(t), run: fmt.Sprintf("unrouted-%d", os.Getpid())}
	c, err := openCloud(s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.tidy(); err != nil {
			t.Error(err)
		}
	}()
	if err := c.ch.ExchangeDeclare(s.exchange(), "topic", false, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	err = c.publish(t.Context(), []delivery{{key: "nowhere", body: []byte("{}")}})
	if err == nil || !strings.Contains(err.Error(), "no queue has taken 1 of the notifications") {
		t.Error(err)
	}
}

// TestNoBroker: without a broker nothing is played.
func TestNoBroker(t *testing.T) {
	t.Parallel()
	err := run(context.Background(), io.Discard, options{setting: setting{rabbitmq: "amqp://guest:hush@127.0.0.1:1/"}, plan: small})
	if err == nil || !strings.Contains(err.Error(), "there is no RabbitMQ: ") || strings.Contains(err.Error(), "hush") {
		t.Error(err)
	}
}
