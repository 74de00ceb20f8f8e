package winchester_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/testdb"
	"github.com/seed71495667/winchester/store"
	"github.com/seed71495667/winchester/timex"
)

// The model is the engine as one would write it on a napkin: a list of
// streams, everything looked at anew each time, no database and no
// increments. Random triggers, events, clocks, failures and crashes are
// thrown at both, and after every step both must have the same streams.

type modelTrigger struct {
	def    winchester.TriggerDefinition
	types  []string // that match
	byDay  bool
	fire   []modelCriterion
	expiry func(first, last, now time.Time) time.Time
}

type modelCriterion struct {
	eventType string
	number    int
}

type modelStream struct {
	trigger, key string
	state        winchester.State
	first, last  time.Time
	fire, expire time.Time
	due          time.Time
	attempt      int
	events       []winchester.Event
}

func (s *modelStream) String() string {
	at := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.Format("02T15:04:05.000000")
	}
	ids := make([]string, len(s.events))
	for i, e := range s.events {
		ids[i] = e.MessageID
	}
	slices.Sort(ids)
	return fmt.Sprintf("%s %s %s [%s %s] fire %s expire %s due %s attempt %d %v",
		s.trigger, s.key, s.state, at(s.first), at(s.last), at(s.fire), at(s.expire), at(s.due), s.attempt, ids)
}

type model struct {
	triggers map[string]*modelTrigger
	streams  []*modelStream
	seen     map[string]bool
	effects  map[string]int // completed streams, by their text
}

func (m *model) add(now time.Time, e winchester.Event, order []string) {
	if m.seen[e.MessageID] {
		return
	}
	m.seen[e.MessageID] = true
	for _, name := range order {
		t := m.triggers[name]
		if !slices.Contains(t.types, e.EventType) {
			continue
		}
		key := fmt.Sprint("k=", e.Traits["k"])
		if t.byDay {
			key += " " + e.Timestamp.Format("2006-01-02")
		}
		var s *modelStream
		for _, candidate := range m.streams {
			if candidate.trigger == name && candidate.key == key && candidate.state == winchester.StateActive && candidate.expire.After(now) {
				s = candidate
			}
		}
		if s == nil {
			s = &modelStream{trigger: name, key: key, state: winchester.StateActive, first: e.Timestamp, last: e.Timestamp}
			m.streams = append(m.streams, s)
		}
		s.events = append(s.events, e)
		if e.Timestamp.Before(s.first) {
			s.first = e.Timestamp
		}
		if e.Timestamp.After(s.last) {
			s.last = e.Timestamp
		}
		s.expire = t.expiry(s.first, s.last, now)
		if s.fire.IsZero() && t.met(s.events) {
			s.fire = now.Add(t.def.FireDelay)
		}
	}
}

func (t *modelTrigger) met(events []winchester.Event) bool {
	for _, c := range t.fire {
		n := 0
		for _, e := range events {
			if e.EventType == c.eventType {
				n++
			}
		}
		if n < c.number {
			return false
		}
	}
	return true
}

// Behaviours of the pipelines during one pass.
const (
	works = iota
	fails
	cancels
	snoozes
	dies // the worker vanishes with its claims
	behaviours
)

const (
	modelAttempts = 3
	modelBackoff  = time.Minute
	modelLease    = 2 * time.Minute
	modelSnooze   = 5 * time.Minute
)

func (m *model) pass(now time.Time, fire bool, behaviour int) {
	for _, s := range m.streams {
		due := s.due
		switch {
		case s.state == winchester.StateActive && fire:
			due = s.fire
		case s.state == winchester.StateActive:
			due = s.expire
		case fire != (s.state == winchester.StateFiring || s.state == winchester.StateRetryFire):
			continue
		case !fire && s.state != winchester.StateExpiring && s.state != winchester.StateRetryExpire:
			continue
		}
		if due.IsZero() || !due.Before(now) {
			continue
		}
		m.run(now, s, fire, behaviour)
	}
	m.streams = slices.DeleteFunc(m.streams, func(s *modelStream) bool { return s.state == winchester.StateCompleted })
}

func (m *model) run(now time.Time, s *modelStream, fire bool, behaviour int) {
	state := func(firing, expiring winchester.State) winchester.State {
		if fire {
			return firing
		}
		return expiring
	}
	s.attempt++
	s.due = time.Time{}
	retry := func(at time.Time) {
		s.state, s.due = state(winchester.StateRetryFire, winchester.StateRetryExpire), at
	}
	giveUp := func() { s.state = state(winchester.StateError, winchester.StateExpireError) }
	if behaviour == dies {
		s.state, s.due = state(winchester.StateFiring, winchester.StateExpiring), now.Add(modelLease)
		return
	}
	switch known := m.triggers[s.trigger] != nil; {
	case !known || s.attempt > modelAttempts || behaviour == cancels:
		giveUp()
	case behaviour == snoozes:
		s.attempt--
		retry(now.Add(modelSnooze))
	case behaviour == fails && s.attempt >= modelAttempts:
		giveUp()
	case behaviour == fails:
		retry(now.Add(modelBackoff << (s.attempt - 1)))
	default:
		s.state = winchester.StateCompleted
		m.effects[effect(s.trigger, s.events)]++
	}
}

func effect(trigger string, events []winchester.Event) string {
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = e.MessageID
	}
	slices.Sort(ids)
	return trigger + " " + strings.Join(ids, ",")
}

// modelHandler behaves as told, and has its effect in the database.
type modelHandler struct {
	winchester.HandlerDefaults
	behaviour *int
	effect    string
}

func (h *modelHandler) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	if !slices.IsSortedFunc(events, func(a, b winchester.Event) int { return a.Timestamp.Compare(b.Timestamp) }) {
		return nil, winchester.Cancel(errors.New("the events are not sorted"))
	}
	h.effect = effect(env.StreamName, events)
	switch *h.behaviour {
	case fails:
		return nil, errors.New("told to fail")
	case cancels:
		return nil, winchester.Cancel(errors.New("told to cancel"))
	case snoozes:
		return nil, winchester.Snooze(modelSnooze)
	}
	return events, nil
}

func (h *modelHandler) CommitTx(_ context.Context, tx winchester.Tx) error {
	return store.DB(tx).Exec("INSERT INTO effects VALUES (?)", h.effect).Error
}

func TestModel(t *testing.T) {
	t.Parallel()
	// One database file for all runs: tables are emptied in between.
	st := testdb.Open(t, store.Options{})
	execSQL(t, st, "CREATE TABLE effects (stream TEXT)")
	rapid.Check(t, func(t *rapid.T) {
		execSQL(t, st, "DELETE FROM effects")
		for _, table := range []string{"stream_events", "streams", "events"} {
			execSQL(t, st, "DELETE FROM winchester_"+table)
		}
		newModelRun(t, st).check(t)
	})
}

type fataler interface {
	Helper()
	Fatal(args ...any)
}

func execSQL(t fataler, st *store.Store, sql string) {
	t.Helper()
	err := st.Transact(context.Background(), func(tx winchester.Tx) error { return store.DB(tx).Exec(sql).Error })
	if err != nil {
		t.Fatal(err)
	}
}

// modelRun is one random history, on the model and on the engine.
type modelRun struct {
	ctx       context.Context
	store     *store.Store
	clock     *winchester.ManualClock
	model     *model
	triggers  *winchester.TriggerManager
	workers   *winchester.PipelineManager
	behaviour int
	ids       int
	order     []string
}

func newModelRun(t *rapid.T, st *store.Store) *modelRun {
	r := &modelRun{
		ctx: context.Background(), store: st, clock: winchester.NewManualClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)),
		model: &model{triggers: map[string]*modelTrigger{}, seen: map[string]bool{}, effects: map[string]int{}},
	}
	quiet := slog.New(slog.DiscardHandler)
	var err error
	if r.triggers, err = winchester.NewTriggerManager(winchester.TriggerConfig{Store: st, Clock: r.clock, Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	registry := winchester.NewRegistry()
	winchester.MustRegister(registry, "model", func(winchester.NoParams) (winchester.Handler, error) {
		return &modelHandler{behaviour: &r.behaviour}, nil
	})
	r.workers, err = winchester.NewPipelineManager(winchester.PipelineConfig{
		Triggers: r.triggers, Handlers: registry, BatchSize: 10000, Lease: modelLease,
		Retry:     winchester.RetryPolicy{MaxAttempts: modelAttempts, InitialBackoff: modelBackoff, Jitter: -1},
		Pipelines: []winchester.PipelineDefinition{{Name: "p", Handlers: []winchester.HandlerSpec{{Name: "model"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "triggers") {
		r.addTrigger(t, fmt.Sprintf("t%d", i))
	}
	return r
}

func (r *modelRun) addTrigger(t *rapid.T, name string) {
	types := []string{"a", "b", "c"}
	m := &modelTrigger{
		types: rapid.SliceOfNDistinct(rapid.SampledFrom(types), 1, 3, rapid.ID).Draw(t, "types"),
		byDay: rapid.Bool().Draw(t, "by day"),
	}
	expirations := []struct {
		text string
		at   func(first, last, now time.Time) time.Time
	}{
		{"$last + 1h", func(_, last, _ time.Time) time.Time { return last.Add(time.Hour) }},
		{"$first + 90m", func(first, _, _ time.Time) time.Time { return first.Add(90 * time.Minute) }},
		{"$timestamp + 30m", func(_, _, now time.Time) time.Time { return now.Add(30 * time.Minute) }},
		{"day($last) + 1d", func(_, last, _ time.Time) time.Time { return last.Truncate(24 * time.Hour).Add(24 * time.Hour) }},
	}
	e := rapid.SampledFrom(expirations).Draw(t, "expiration")
	m.expiry = e.at
	m.def = winchester.TriggerDefinition{
		Name: name, DistinguishedBy: winchester.By("k"), Expiration: e.text, FirePipeline: "p", ExpirePipeline: "p",
		MatchCriteria: []winchester.Criterion{{EventTypes: m.types}}, FireCriteria: []winchester.Criterion{},
		FireDelay: rapid.SampledFrom([]time.Duration{0, 0, 10 * time.Minute}).Draw(t, "delay"),
	}
	if m.byDay {
		m.def.DistinguishedBy = append(m.def.DistinguishedBy, winchester.Distinguisher{Trait: "timestamp", Expression: "day"})
	}
	for range rapid.IntRange(0, 2).Draw(t, "criteria") {
		c := modelCriterion{rapid.SampledFrom(types).Draw(t, "fire type"), rapid.IntRange(1, 3).Draw(t, "number")}
		m.fire = append(m.fire, c)
		m.def.FireCriteria = append(m.def.FireCriteria, winchester.Criterion{EventTypes: []string{c.eventType}, Number: c.number})
	}
	if err := r.triggers.AddTrigger(m.def); err != nil {
		t.Fatal(err)
	}
	r.model.triggers[name] = m
	r.order = append(r.order, name)
}

func (r *modelRun) check(t *rapid.T) {
	t.Repeat(map[string]func(*rapid.T){
		"":               r.compare,
		"add events":     r.addEvents,
		"time passes":    func(t *rapid.T) { r.clock.Advance(time.Duration(rapid.IntRange(1, 5400).Draw(t, "s")) * time.Second) },
		"workers pass":   r.pass,
		"workers pass 2": r.pass,
		"reset":          r.reset,
		"redefine":       r.redefine,
	})
}

func (r *modelRun) addEvents(t *rapid.T) {
	now := r.clock.Now()
	events := make([]winchester.Event, rapid.IntRange(1, 5).Draw(t, "n"))
	for i := range events {
		id := r.ids
		if r.ids == 0 || rapid.IntRange(0, 9).Draw(t, "fresh") > 0 {
			r.ids++
		} else {
			id = rapid.IntRange(0, r.ids-1).Draw(t, "duplicate")
		}
		events[i] = winchester.Event{
			MessageID: fmt.Sprintf("m%04d", id), EventType: rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "type"),
			Timestamp: now.Add(time.Duration(rapid.IntRange(-7200, 1800).Draw(t, "offset")) * time.Second),
			Traits:    winchester.Traits{"k": rapid.IntRange(0, 2).Draw(t, "k")},
		}
	}
	if _, err := r.triggers.AddEvents(r.ctx, events); err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		r.model.add(now, e, r.order)
	}
}

func (r *modelRun) pass(t *rapid.T) {
	r.behaviour = rapid.IntRange(0, behaviours-1).Draw(t, "behaviour")
	now := r.clock.Now()
	if r.behaviour == dies {
		for _, pass := range []winchester.Pass{winchester.PassFire, winchester.PassExpire} {
			_, err := r.store.Claim(r.ctx, winchester.Claim{Pass: pass, Owner: "doomed", Now: now, LeaseUntil: now.Add(modelLease), Limit: 10000})
			if err != nil {
				t.Fatal(err)
			}
		}
	} else if _, err := r.workers.RunOnce(r.ctx); err != nil {
		t.Fatal(err)
	}
	r.model.pass(now, true, r.behaviour)
	r.model.pass(now, false, r.behaviour)
}

func (r *modelRun) reset(t *rapid.T) {
	for _, state := range []winchester.State{winchester.StateError, winchester.StateExpireError} {
		found, err := r.store.FindStreams(r.ctx, winchester.StreamQuery{State: state})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range found {
			if _, err := r.workers.ResetStream(r.ctx, s.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, s := range r.model.streams {
		switch s.state {
		case winchester.StateError:
			s.state, s.due, s.attempt = winchester.StateRetryFire, s.fire, 0
		case winchester.StateExpireError:
			s.state, s.due, s.attempt = winchester.StateRetryExpire, s.expire, 0
		}
	}
}

// redefine deletes a trigger, or defines it anew in other words.
func (r *modelRun) redefine(t *rapid.T) {
	name := fmt.Sprintf("t%d", rapid.IntRange(0, 2).Draw(t, "trigger"))
	if r.triggers.DeleteTrigger(name) {
		delete(r.model.triggers, name)
		r.order = slices.DeleteFunc(r.order, func(n string) bool { return n == name })
	}
	if rapid.IntRange(0, 3).Draw(t, "again") > 0 {
		r.addTrigger(t, name)
	}
}

// compare is run after every step.
func (r *modelRun) compare(t *rapid.T) {
	found, err := r.store.FindStreams(r.ctx, winchester.StreamQuery{IncludeEvents: true})
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, s := range found {
		key := fmt.Sprint("k=", s.DistinguishingTraits["k"])
		if day, ok := s.DistinguishingTraits["timestamp"].(timex.Range); ok {
			key += " " + day.Begin.Format("2006-01-02")
		}
		m := modelStream{
			trigger: s.Name, key: key, state: s.State, first: s.FirstEvent, last: s.LastEvent, fire: s.FireTimestamp,
			expire: s.ExpireTimestamp, due: s.Due, attempt: s.Attempt, events: s.Events,
		}
		got = append(got, m.String())
	}
	for _, s := range r.model.streams {
		want = append(want, s.String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("the engine has\n%s\nthe model\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var effects []string
	err = r.store.Transact(r.ctx, func(tx winchester.Tx) error {
		return store.DB(tx).Raw("SELECT stream FROM effects").Scan(&effects).Error
	})
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, e := range effects {
		count[e]++
	}
	for e, n := range r.model.effects {
		if count[e] != n {
			t.Fatalf("effect of %q: %d times, want %d", e, count[e], n)
		}
	}
	if len(count) != len(r.model.effects) {
		t.Fatalf("effects %v, want %v", count, r.model.effects)
	}
}
