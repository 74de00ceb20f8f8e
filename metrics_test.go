package winchester_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/store"
)

// meter is an SDK that is asked when a test wants to know.
type meter struct {
	t        *testing.T
	reader   *sdk.ManualReader
	provider *sdk.MeterProvider
}

func newMeter(t *testing.T) *meter {
	reader := sdk.NewManualReader()
	return &meter{t, reader, sdk.NewMeterProvider(sdk.WithReader(reader))}
}

// measured lets an engine measure for the meter.
func (m *meter) measured(c *winchester.Config) { c.MeterProvider = m.provider }

func (m *meter) collect() []metricdata.Metrics {
	m.t.Helper()
	var got metricdata.ResourceMetrics
	if err := m.reader.Collect(context.Background(), &got); err != nil {
		m.t.Fatal(err)
	}
	if len(got.ScopeMetrics) == 0 {
		return nil
	}
	expect(m.t, "scopes", len(got.ScopeMetrics), 1)
	expect(m.t, "scope", got.ScopeMetrics[0].Scope.Name, "github.com/seed71495667/winchester")
	return got.ScopeMetrics[0].Metrics
}

// point is what an instrument has for one set of attributes: a number, or how
// many numbers and their sum.
type point struct {
	attributes attribute.Set
	value, sum float64
}

func points(data metricdata.Aggregation) (out []point) {
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range d.DataPoints {
			out = append(out, point{p.Attributes, float64(p.Value), 0})
		}
	case metricdata.Gauge[int64]:
		for _, p := range d.DataPoints {
			out = append(out, point{p.Attributes, float64(p.Value), 0})
		}
	case metricdata.Gauge[float64]:
		for _, p := range d.DataPoints {
			out = append(out, point{p.Attributes, p.Value, 0})
		}
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			out = append(out, point{p.Attributes, float64(p.Count), p.Sum})
		}
	default:
		panic(fmt.Sprintf("%T", data))
	}
	return out
}

// expect compares what an instrument of the name has, written as
// "attribute=value,attribute=value:number" and sorted. Of a histogram, the number
// is that of the values, and their sum follows unless it is a time.
func (m *meter) expect(name string, want ...string) {
	m.t.Helper()
	var got []string
	for _, one := range m.collect() {
		if one.Name != name {
			continue
		}
		for _, p := range points(one.Data) {
			text := fmt.Sprintf("%s:%v", p.attributes.Encoded(attribute.DefaultEncoder()), p.value)
			if _, ok := one.Data.(metricdata.Histogram[float64]); ok && one.Unit != "s" {
				text += fmt.Sprintf("/%v", p.sum)
			}
			if p.value != 0 {
				got = append(got, text)
			}
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		m.t.Errorf("%s:\n got %q\nwant %q", name, got, want)
	}
}

func TestMetricsOfEvents(t *testing.T) {
	t.Parallel()
	m := newMeter(t)
	ctx := context.Background()
	r := newRig(t, nil, nil, m.measured, func(c *winchester.Config) { c.Distiller = wants{} })
	good := func(id string) winchester.Event {
		return winchester.Event{MessageID: id, EventType: "placed", Timestamp: noon, Traits: winchester.Traits{"id": id}}
	}
	if _, err := r.AddEvents(ctx, []winchester.Event{good("a"), good("b"), good("a"), {MessageID: "bad"}}); err != nil {
		t.Fatal(err)
	}
	m.expect("winchester.events", "result=stored:2", "result=duplicate:1", "result=failed:1")
	m.expect("winchester.batch.size", "operation=add:1/2")
	if _, err := r.AddEvent(ctx, good("c")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.AddEvent(ctx, winchester.Event{}); err == nil {
		t.Error("nothing is an event")
	}
	m.expect("winchester.events", "result=stored:3", "result=duplicate:1", "result=failed:2")
	m.expect("winchester.batch.size", "operation=add:2/3")
	m.expect("winchester.notifications")

	if _, err := r.AddNotifications(ctx, [][]byte{[]byte("n1"), []byte("drop n2"), []byte("c")}); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"n3", "drop n4", "n1"} {
		if _, err := r.AddNotification(ctx, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	m.expect("winchester.notifications", "outcome=stored:2", "outcome=dropped:2", "outcome=duplicate:2")
	m.expect("winchester.events", "result=stored:5", "result=duplicate:3", "result=failed:2")

	// What the database does not take has failed.
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.AddEvents(ctx, []winchester.Event{good("x"), good("y")}); err == nil {
		t.Error("a closed database takes events")
	}
	if _, err := r.AddNotifications(ctx, [][]byte{[]byte("z"), []byte("drop z")}); err == nil {
		t.Error("a closed database takes notifications")
	}
	m.expect("winchester.events", "result=stored:5", "result=duplicate:3", "result=failed:5")
	m.expect("winchester.notifications", "outcome=stored:2", "outcome=dropped:2", "outcome=duplicate:2", "outcome=failed:2")
	m.expect("winchester.database.errors", "error.type=other,operation=add:2")
}

func TestMetricsOfHostTransactions(t *testing.T) {
	t.Parallel()
	m := newMeter(t)
	ctx := context.Background()
	r := newRig(t, nil, nil, m.measured)
	e := winchester.Event{MessageID: "a", EventType: "placed", Timestamp: noon, Traits: winchester.Traits{"id": 1}}
	if _, err := r.AddEventTx(ctx, &conflictTx{}, e); err == nil {
		t.Error("no conflict")
	}
	m.expect("winchester.events")
	m.expect("winchester.database.errors", "error.type=conflict,operation=add:1")
	var result winchester.Result
	err := r.store.Transact(ctx, func(tx winchester.Tx) (err error) {
		result, err = r.AddEventTx(ctx, tx, e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	m.expect("winchester.events") // not before the host says that it is durable
	r.Committed(ctx, result)
	r.Committed(ctx, result)
	m.expect("winchester.events", "result=stored:1")
}

func TestMetricsOfRuns(t *testing.T) {
	t.Parallel()
	m := newMeter(t)
	ctx := context.Background()
	var answer error
	s := &script{
		handle: func(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
			return events, answer
		},
		inTx: func(context.Context, winchester.Tx) error { return nil },
	}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), m.measured)
	r.add("placed", 1)
	r.add("paid", 1)
	r.add("placed", 2)
	r.pass(2 * time.Second)
	m.expect("winchester.runs", "pass=fire,result=completed,trigger=order:1")
	m.expect("winchester.stream.lag", "pass=fire,trigger=order:1")
	r.pass(2 * time.Hour)
	m.expect("winchester.runs", "pass=fire,result=completed,trigger=order:1", "pass=expire,result=completed,trigger=order:1")
	m.expect("winchester.stream.lag", "pass=fire,trigger=order:1", "pass=expire,trigger=order:1")
	for _, one := range m.collect() {
		if one.Name != "winchester.stream.lag" {
			continue
		}
		for _, p := range points(one.Data) {
			want := 2.0 // by the engine's clock: it fired at once
			if pass, _ := p.attributes.Value("pass"); pass.AsString() == "expire" {
				want = (time.Hour + 2*time.Second).Seconds() // two seconds and two hours later, an hour after the event
			}
			if math.Abs(p.sum-want) > 1e-6 {
				t.Errorf("the lag is %v seconds, not %v", p.sum, want)
			}
		}
	}
	m.expect("winchester.pipeline.duration", "pass=fire,pipeline=p,trigger=order:1", "pass=expire,pipeline=p,trigger=order:1")
	m.expect("winchester.handler.duration", "call=handle,handler=s,pipeline=p,result=ok:2", "call=commit,handler=s,pipeline=p,result=ok:2",
		"call=commit_tx,handler=s,pipeline=p,result=ok:2")
	m.expect("winchester.batch.size", "operation=add:3/3", "operation=claim:2/2", "operation=settle:2/2")

	answer = errors.New("no luck")
	r.add("paid", 3)
	r.pass(time.Second)     // 1 of 3
	r.pass(2 * time.Minute) // 2
	answer = winchester.Snooze(time.Minute)
	r.pass(10 * time.Minute) // does not count
	answer = errors.New("no luck")
	r.pass(10 * time.Minute) // 3
	answer = winchester.Cancel(errors.New("never"))
	r.add("paid", 4)
	r.pass(time.Second)
	m.expect("winchester.runs", "pass=fire,result=completed,trigger=order:1", "pass=expire,result=completed,trigger=order:1",
		"pass=fire,result=retried,trigger=order:2", "pass=fire,result=snoozed,trigger=order:1", "pass=fire,result=failed,trigger=order:2")
	m.expect("winchester.stream.lag", "pass=fire,trigger=order:3", "pass=expire,trigger=order:1") // of first runs alone
	m.expect("winchester.handler.duration", "call=handle,handler=s,pipeline=p,result=ok:2", "call=commit,handler=s,pipeline=p,result=ok:2",
		"call=commit_tx,handler=s,pipeline=p,result=ok:2", "call=handle,handler=s,pipeline=p,result=error:4",
		"call=handle,handler=s,pipeline=p,result=snooze:1", "call=rollback,handler=s,pipeline=p,result=ok:5")

	// A worker that lost its lease.
	answer = nil
	r.add("paid", 5)
	inner := s.handle
	s.handle = func(c context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
		now := r.clock.Now().Add(time.Hour)
		if _, err := r.store.Claim(ctx, winchester.Claim{
			Pass: winchester.PassFire, Owner: "thief", Now: now, LeaseUntil: now.Add(time.Hour), Limit: 10,
		}); err != nil {
			t.Error(err)
		}
		return inner(c, events, env)
	}
	r.pass(time.Second)
	m.expect("winchester.runs", "pass=fire,result=completed,trigger=order:1", "pass=expire,result=completed,trigger=order:1",
		"pass=fire,result=retried,trigger=order:2", "pass=fire,result=snoozed,trigger=order:1", "pass=fire,result=failed,trigger=order:2",
		"pass=fire,result=lost,trigger=order:1")
	m.expect("winchester.database.errors") // none of this is the database's fault
}

// TestMetricsOfTriggersGone: a stream without a trigger fails, and has no pipeline.
func TestMetricsOfTriggersGone(t *testing.T) {
	t.Parallel()
	m := newMeter(t)
	r := newRig(t, nil, nil, m.measured)
	r.add("paid", 1)
	r.DeleteTrigger("order")
	r.pass(time.Second)
	m.expect("winchester.runs", "pass=fire,result=failed,trigger=order:1")
	m.expect("winchester.pipeline.duration")
}

// brokenStore fails as it is told to.
type brokenStore struct {
	winchester.Store
	err atomic.Pointer[error]
}

func (s *brokenStore) fault() error {
	if err := s.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (s *brokenStore) Claim(ctx context.Context, c winchester.Claim) ([]winchester.Stream, error) {
	if err := s.fault(); err != nil {
		return nil, err
	}
	return s.Store.Claim(ctx, c)
}

func (s *brokenStore) StreamEvents(ctx context.Context, ids ...int64) (map[int64][]winchester.Event, error) {
	if err := s.fault(); err != nil {
		return nil, err
	}
	return s.Store.StreamEvents(ctx, ids...)
}

func (s *brokenStore) Transact(ctx context.Context, fn func(winchester.Tx) error) error {
	if err := s.fault(); err != nil {
		return err
	}
	return s.Store.Transact(ctx, fn)
}

func TestMetricsOfDatabaseErrors(t *testing.T) {
	t.Parallel()
	for kind, fault := range map[string]error{
		"unavailable": winchester.ErrUnavailable, "timeout": context.DeadlineExceeded, "other": errors.New("it is on fire"), "": context.Canceled,
	} {
		t.Run("kind "+kind, func(t *testing.T) {
			t.Parallel()
			m, broken := newMeter(t), &brokenStore{}
			s := &script{commit: func(context.Context, *winchester.Env) error { broken.err.Store(&fault); return nil }}
			r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), m.measured, func(c *winchester.Config) {
				broken.Store = c.Store
				c.Store, c.Lease = broken, 10*time.Millisecond // it is waited for so long
			})
			r.add("paid", 1)
			broken.err.Store(&fault)
			if _, err := r.AddEvent(context.Background(), winchester.Event{MessageID: "x", EventType: "paid", Timestamp: noon}); !errors.Is(err, fault) {
				t.Errorf("add: %v", err)
			}
			r.clock.Advance(time.Second)
			if _, err := r.RunOnce(context.Background()); !errors.Is(err, fault) {
				t.Errorf("claim: %v", err)
			}
			want := []string{"error.type=" + kind + ",operation=add:1", "error.type=" + kind + ",operation=claim:1"}
			if kind == "" {
				want = nil
			}
			m.expect("winchester.database.errors", want...)
			m.expect("winchester.events", "result=stored:1", "result=failed:1")

			broken.err.Store(nil)
			if _, err := r.RunOnce(context.Background()); !errors.Is(err, fault) { // a commit breaks it, so nothing can be claimed to expire
				t.Error(err)
			}
			m.expect("winchester.runs", "pass=fire,result=unstored,trigger=order:1")
		})
	}
	t.Run("kind conflict", func(t *testing.T) {
		t.Parallel()
		m, contended := newMeter(t), &contendedStore{}
		r := newRig(t, specs("s"), scripts(map[string]*script{"s": {}}), m.measured, func(c *winchester.Config) {
			contended.Store = c.Store
			c.Store = contended
		})
		r.add("placed", 1)
		r.add("paid", 1)
		r.pass(time.Second)
		m.expect("winchester.database.errors", "error.type=conflict,operation=add:2", "error.type=conflict,operation=settle:1")
		m.expect("winchester.events", "result=stored:2") // and not one a try
		m.expect("winchester.runs", "pass=fire,result=completed,trigger=order:1")
	})
}

// askedStore counts how often it is asked about the backlog.
type askedStore struct {
	winchester.Store
	ready, states atomic.Int64
	broken        atomic.Bool
}

func (s *askedStore) Ready(ctx context.Context, pass winchester.Pass, now time.Time, limit int) (winchester.Ready, error) {
	s.ready.Add(1)
	if s.broken.Load() {
		return winchester.Ready{}, winchester.ErrUnavailable
	}
	return s.Store.Ready(ctx, pass, now, limit)
}

func (s *askedStore) CountStates(ctx context.Context) (map[winchester.State]int64, error) {
	s.states.Add(1)
	if s.broken.Load() {
		return nil, winchester.ErrUnavailable
	}
	return s.Store.CountStates(ctx)
}

func TestMetricsOfBacklog(t *testing.T) {
	t.Parallel()
	m, counting := newMeter(t), &askedStore{}
	running, release := make(chan struct{}), make(chan struct{})
	s := &script{handle: func(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		close(running)
		<-release
		return events, nil
	}}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), m.measured, func(c *winchester.Config) {
		counting.Store = c.Store
		c.Store, c.StatisticsPeriod, c.Lease = counting, -1, 1000*time.Hour
		c.Triggers = append(c.Triggers, winchester.TriggerDefinition{
			Name: "gone", MatchCriteria: []winchester.Criterion{{EventTypes: []string{"gone"}}}, Expiration: "$last + 1000d", FirePipeline: "p",
			FireCriteria: []winchester.Criterion{{EventTypes: []string{"gone"}}}, DistinguishedBy: winchester.By("id"),
		})
	})
	ctx := context.Background()
	m.expect("winchester.streams")
	expect(t, "questions before it starts", counting.ready.Load()+counting.states.Load(), 0)

	r.add("gone", "x") // fails, for its trigger will be gone; it opens an order as well
	r.DeleteTrigger("gone")
	r.pass(time.Second)
	r.add("paid", 1)
	r.clock.Advance(time.Millisecond)
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	<-running
	r.add("placed", 2)
	r.add("placed", 3)
	m.expect("winchester.streams", "state=active:3", "state=firing:1", "state=error:1")
	m.expect("winchester.runs.active", ":1")
	close(release)
	waitFor(t, func() bool { return r.Stats().Fired >= 1 })
	before := counting.states.Load()
	for range 10 {
		m.collect()
	}
	expect(t, "how often states are counted in a moment", counting.states.Load(), before)
	if err := r.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	asked := counting.ready.Load()
	m.expect("winchester.streams")
	m.expect("winchester.streams.ready")
	m.expect("winchester.runs.active")
	expect(t, "questions after it stopped", counting.ready.Load(), asked)
}

// TestMetricsBeginAtZero: the first failure is an increase of a series that is there.
func TestMetricsBeginAtZero(t *testing.T) {
	t.Parallel()
	m := newMeter(t)
	r := newRig(t, nil, nil, m.measured)
	if err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, one := range m.collect() {
		for _, p := range points(one.Data) {
			got[one.Name+" "+p.attributes.Encoded(attribute.DefaultEncoder())] = p.value
		}
	}
	for _, want := range []string{
		"winchester.runs pass=fire,result=failed,trigger=order", "winchester.runs pass=expire,result=lost,trigger=order",
		"winchester.runs pass=fire,result=retried,trigger=order", "winchester.runs pass=expire,result=unstored,trigger=order",
		"winchester.database.errors error.type=unavailable,operation=claim", "winchester.database.errors error.type=other,operation=observe",
		"winchester.events result=failed", "winchester.notifications outcome=failed",
	} {
		if v, there := got[want]; !there || v != 0 {
			t.Errorf("%s: %v, %v", want, v, there)
		}
	}
	if err := r.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// TestMetricsOfReady is about an engine that is awake and cannot claim.
func TestMetricsOfReady(t *testing.T) {
	t.Parallel()
	m, broken := newMeter(t), &brokenStore{}
	r := newRig(t, nil, nil, m.measured, func(c *winchester.Config) {
		broken.Store = c.Store
		c.Store, c.StatisticsPeriod = broken, -1
	})
	r.add("paid", 1)
	r.clock.Advance(time.Minute)
	r.add("paid", 2)
	r.add("placed", 3)
	r.clock.Advance(2 * time.Hour)
	away := winchester.ErrUnavailable
	broken.err.Store(&away)
	if err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	m.expect("winchester.streams.ready", "pass=fire:2", "pass=expire:1")
	m.expect("winchester.streams.ready.age", "pass=fire:7260", "pass=expire:3600")
	if err := r.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// TestMetricsOfBrokenBacklog: a database that does not answer gives no numbers, and
// neither old ones.
func TestMetricsOfBrokenBacklog(t *testing.T) {
	t.Parallel()
	m, counting := newMeter(t), &askedStore{}
	r := newRig(t, nil, nil, m.measured, func(c *winchester.Config) {
		counting.Store = c.Store
		c.Store, c.StatisticsPeriod = counting, -1
	})
	r.add("placed", 1)
	counting.broken.Store(true)
	if err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, one := range m.collect() {
		if strings.HasPrefix(one.Name, "winchester.streams") {
			t.Errorf("%s has %v", one.Name, points(one.Data))
		}
	}
	m.expect("winchester.database.errors", "error.type=unavailable,operation=observe:2")
	if err := r.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// TestMetricsDocumented: docs/metrics.md lists the instruments that there are, with
// their units and attributes.
func TestMetricsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(winchester\\.[a-z_.]+)` \\| ([a-z-]+) \\| `(\\S+)` \\| ([^|]*) \\|").FindAllStringSubmatch(string(text), -1) {
		listed[row[1]] = instrument(row[2], row[3], strings.Split(strings.ReplaceAll(row[4], "`", ""), ", "))
	}
	there := map[string]string{}
	for _, one := range everyMetric(t) {
		var keys []string
		for _, kv := range points(one.Data)[0].attributes.ToSlice() {
			keys = append(keys, string(kv.Key))
		}
		kind := "gauge"
		switch d := one.Data.(type) {
		case metricdata.Sum[int64]:
			kind = "up-down-counter"
			if d.IsMonotonic {
				kind = "counter"
			}
		case metricdata.Histogram[float64]:
			kind = "histogram"
		}
		there[one.Name] = instrument(kind, one.Unit, keys)
		if one.Description == "" {
			t.Errorf("%s has no description", one.Name)
		}
	}
	expect(t, "instruments", len(there), 12)
	for name := range there {
		expect(t, name+" in docs/metrics.md", listed[name], there[name])
	}
	for name := range listed {
		if there[name] == "" {
			t.Errorf("docs/metrics.md lists %s, which is not there", name)
		}
	}
}

func instrument(kind, unit string, keys []string) string {
	if len(keys) == 0 {
		keys = []string{"none"}
	}
	slices.Sort(keys)
	return fmt.Sprintf("%s in %s by %s", kind, unit, strings.Join(keys, ", "))
}

// everyMetric makes each instrument measure something.
func everyMetric(t *testing.T) []metricdata.Metrics {
	m := newMeter(t)
	running, release := make(chan struct{}), make(chan struct{})
	s := &script{handle: func(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		close(running)
		<-release
		return events, nil
	}}
	contended := &contendedStore{}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), m.measured, func(c *winchester.Config) {
		contended.Store = c.Store
		c.Store, c.StatisticsPeriod, c.Distiller = contended, -1, wants{}
	})
	r.add("paid", 1)
	if _, err := r.AddNotification(context.Background(), []byte("n")); err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(time.Second)
	if err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	<-running
	close(release)
	waitFor(t, func() bool { return r.Stats().Fired == 1 })
	all := m.collect()
	if err := r.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestMetricsOnPostgres: what the backlog tells, there as well.
func TestMetricsOnPostgres(t *testing.T) {
	t.Parallel()
	st := testdb.OpenPostgres(t, store.Options{})
	m, broken := newMeter(t), &brokenStore{Store: st}
	r := newRig(t, nil, nil, m.measured, func(c *winchester.Config) { c.Store, c.StatisticsPeriod = broken, -1 })
	r.add("paid", 1)
	r.add("placed", 2)
	r.pass(time.Minute)
	r.add("placed", 2) // which puts it off
	r.add("paid", 3)
	r.add("placed", 4)
	r.clock.Advance(time.Hour)
	away := winchester.ErrUnavailable
	broken.err.Store(&away)
	if err := r.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	m.expect("winchester.streams", "state=active:3")
	m.expect("winchester.streams.ready", "pass=fire:1")
	m.expect("winchester.streams.ready.age", "pass=fire:3600")
	if err := r.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// muteStore does not answer what the gauges ask.
type muteStore struct {
	winchester.Store
	asked chan struct{}
	ended chan error
}

func (s *muteStore) Ready(ctx context.Context, _ winchester.Pass, _ time.Time, _ int) (winchester.Ready, error) {
	close(s.asked)
	<-ctx.Done()
	s.ended <- ctx.Err()
	return winchester.Ready{}, ctx.Err()
}

func (s *muteStore) CountStates(ctx context.Context) (map[winchester.State]int64, error) {
	return nil, ctx.Err()
}

// TestStopDoesNotWaitForGauges: a collection that the database keeps waiting does
// not keep Stop waiting, too.
func TestStopDoesNotWaitForGauges(t *testing.T) {
	t.Parallel()
	m, s := newMeter(t), &muteStore{asked: make(chan struct{}), ended: make(chan error, 1)}
	r := newRig(t, nil, nil, m.measured, func(c *winchester.Config) {
		s.Store = c.Store
		c.Store, c.StatisticsPeriod = s, -1
	})
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var collecting sync.WaitGroup
	collecting.Go(func() { m.collect() })
	defer collecting.Wait()
	<-s.asked
	if err := r.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := <-s.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Stop has waited for the question to end with %v", err)
	}
}

// TestAgeIsAsTold: an answer that is told again does not grow older meanwhile.
func TestAgeIsAsTold(t *testing.T) {
	t.Parallel()
	m, counting, broken := newMeter(t), &askedStore{}, &brokenStore{}
	r := newRig(t, nil, nil, m.measured, func(c *winchester.Config) {
		broken.Store = c.Store
		counting.Store = broken
		c.Store, c.StatisticsPeriod = counting, -1
	})
	r.add("paid", 1)
	r.clock.Advance(time.Minute)
	away := winchester.ErrUnavailable
	broken.err.Store(&away)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	age := func() (seconds float64) {
		for _, one := range m.collect() {
			if one.Name == "winchester.streams.ready.age" {
				for _, p := range points(one.Data) {
					seconds = max(seconds, p.value)
				}
			}
		}
		return seconds
	}
	for {
		before := age()
		asked := counting.ready.Load()
		r.clock.Advance(time.Hour)
		after := age()
		if counting.ready.Load() == asked {
			expect(t, "the age that is told again", after, before)
			break
		}
	}
	if err := r.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}
