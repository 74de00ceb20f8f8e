package winchester_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
	"github.com/seed71495667/winchester/store"
)

// exampleStore opens a SQLite file in a temporary directory.
func exampleStore() (*store.Store, func()) {
	dir, err := os.MkdirTemp("", "winchester")
	if err != nil {
		panic(err)
	}
	st, err := store.Open(context.Background(), "sqlite:///"+filepath.Join(dir, "events.db"), store.Options{Migrate: true})
	if err != nil {
		panic(err)
	}
	return st, func() { _ = st.Close(); _ = os.RemoveAll(dir) }
}

// digest is a handler that prints the events of a stream.
type digest struct{ winchester.HandlerDefaults }

func (digest) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	fmt.Printf("%s by %v:\n", env.Pass, env.DistinguishingTraits["user"])
	for _, e := range events {
		fmt.Printf("  %s %s\n", e.Timestamp.Format("15:04"), e.EventType)
	}
	return events, nil
}

// A session ends with a log-out, or when nothing has happened for half an
// hour. In a service, Start would run the pipelines; here a clock is moved by
// hand and RunOnce does one pass.
func Example() {
	ctx := context.Background()
	st, cleanup := exampleStore()
	defer cleanup()

	handlers := winchester.NewRegistry()
	winchester.MustRegister(handlers, "digest", func(winchester.NoParams) (winchester.Handler, error) { return digest{}, nil })
	clock := winchester.NewManualClock(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC))
	engine, err := winchester.New(winchester.Config{
		Store: st, Clock: clock, Handlers: handlers,
		Triggers: []winchester.TriggerDefinition{{
			Name:            "session",
			DistinguishedBy: winchester.By("user"),
			MatchCriteria:   []winchester.Criterion{{EventTypes: []string{"user.*"}}},
			FireCriteria:    []winchester.Criterion{{EventTypes: []string{"user.logout"}}},
			Expiration:      "$last + 30m",
			FirePipeline:    "digest",
			ExpirePipeline:  "digest",
		}},
		Pipelines: []winchester.PipelineDefinition{{Name: "digest", Handlers: []winchester.HandlerSpec{{Name: "digest"}}}},
	})
	if err != nil {
		panic(err)
	}

	for i, e := range []struct{ what, who string }{{"login", "ann"}, {"login", "bob"}, {"click", "ann"}, {"logout", "ann"}} {
		clock.Advance(time.Minute)
		_, err := engine.AddEvent(ctx, winchester.Event{
			MessageID: fmt.Sprint(i), EventType: "user." + e.what, Timestamp: clock.Now(), Traits: winchester.Traits{"user": e.who},
		})
		if err != nil {
			panic(err)
		}
	}
	for range 2 {
		clock.Advance(20 * time.Minute)
		if _, err := engine.RunOnce(ctx); err != nil {
			panic(err)
		}
	}
	// Output:
	// fire by ann:
	//   09:01 user.login
	//   09:03 user.click
	//   09:04 user.logout
	// expire by bob:
	//   09:02 user.login
}

// Every event gets a result; one that is refused does not disturb the others.
func ExampleTriggerManager_AddEvents() {
	st, cleanup := exampleStore()
	defer cleanup()
	triggers, err := winchester.NewTriggerManager(winchester.TriggerConfig{Store: st})
	if err != nil {
		panic(err)
	}
	at := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	results, err := triggers.AddEvents(context.Background(), []winchester.Event{
		{MessageID: "1", EventType: "order.placed", Timestamp: at},
		{MessageID: "1", EventType: "order.placed", Timestamp: at},
		{MessageID: "2", EventType: "order.placed"},
	})
	if err != nil {
		panic(err)
	}
	for _, r := range results {
		fmt.Println(r.MessageID, r.Outcome, r.Err)
	}
	// Output:
	// 1 stored <nil>
	// 1 duplicate <nil>
	// 2 failed invalid event "2": timestamp is missing
}

// A delivery of notifications is stored in one transaction. What is wrong with
// one of them costs the others nothing.
func ExampleTriggerManager_AddNotifications() {
	ctx := context.Background()
	st, cleanup := exampleStore()
	defer cleanup()
	d, err := distiller.New(distiller.Config{CatchAll: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := winchester.NewTriggerManager(winchester.TriggerConfig{Store: st, Distiller: d})
	if err != nil {
		fmt.Println(err)
		return
	}
	results, err := m.AddNotifications(ctx, [][]byte{
		[]byte(`{"message_id": "1", "event_type": "user.in", "publisher_id": "web"}`),
		[]byte(`{"id": 2, "kind": "user.out"}`),
		[]byte(`[{"specversion": "1.0", "id": "3", "source": "/app", "type": "user.out"}, {"message_id": "1", "event_type": "user.in", "publisher_id": "web"}]`),
	})
	if err != nil { // none is stored; the call can be repeated
		fmt.Println(err)
		return
	}
	for _, r := range results {
		fmt.Println(r.Outcome, r.MessageID, r.Err)
		for _, item := range r.Items {
			fmt.Println("-", item.Outcome, item.MessageID)
		}
	}
	// Output:
	// stored 1 <nil>
	// failed  unknown notification format: no event_type, oslo.message, specversion, CADF typeURI or detail-type among its keys: "id", "kind"
	// batch  <nil>
	// - stored /app 3
	// - duplicate 1
}

// An order and the event that tells of it are stored together or not at all, in
// the host's own transaction.
func ExampleTriggerManager_AddEventTx() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "winchester")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	dsn := "file:" + filepath.Join(dir, "shop.db") + "?_journal_mode=WAL&_busy_timeout=5000&_txlock=immediate"
	db, err := gorm.Open(sqlite.Open(dsn), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		panic(err)
	}
	pool, err := db.DB()
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	type Order struct {
		ID   int
		Item string
	}
	if err := db.AutoMigrate(&Order{}); err != nil {
		panic(err)
	}
	st, err := store.New(ctx, db, store.Options{Migrate: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	engine, err := winchester.New(winchester.Config{
		Store: st,
		Triggers: []winchester.TriggerDefinition{{
			Name: "unpaid", DistinguishedBy: winchester.By("order_id"), MatchCriteria: []winchester.Criterion{{EventTypes: []string{"order.*"}}},
			FireCriteria: []winchester.Criterion{{EventTypes: []string{"order.paid"}}}, Expiration: "$first + 1d", ExpirePipeline: "remind",
		}},
		Pipelines: []winchester.PipelineDefinition{{Name: "remind"}},
	})
	if err != nil {
		panic(err)
	}

	place := func(item string, stock int) error {
		var result winchester.Result
		err := db.Transaction(func(db *gorm.DB) (err error) {
			order := Order{Item: item}
			if err := db.Create(&order).Error; err != nil {
				return err
			}
			result, err = engine.AddEventTx(ctx, st.Tx(db), winchester.Event{
				MessageID: fmt.Sprint("placed-", order.ID), EventType: "order.placed", Timestamp: time.Now(),
				Traits: winchester.Traits{"order_id": order.ID},
			})
			if err == nil && stock == 0 {
				err = errors.New("sold out: " + item)
			}
			return err
		})
		if err == nil {
			engine.Committed(ctx, result)
		}
		return err
	}
	fmt.Println(place("kettle", 3))
	fmt.Println(place("teapot", 0))
	var orders int64
	if err := db.Model(&Order{}).Count(&orders).Error; err != nil {
		panic(err)
	}
	events, err := st.CountEvents(ctx, winchester.EventQuery{})
	if err != nil {
		panic(err)
	}
	fmt.Println(orders, "order,", events, "event,", engine.Stats().Saved, "counted")
	// Output:
	// <nil>
	// sold out: teapot
	// 1 order, 1 event, 1 counted
}

// Faults of a definition are reported together, each with what was probably
// meant.
func ExampleTriggerDefinition_Validate() {
	err := winchester.TriggerDefinition{
		Name:          "order",
		MatchCriteria: []winchester.Criterion{{Traits: map[string]any{"amount": winchester.Compare{Type: "flaot", Value: "> 5"}}}},
		FireCriteria:  []winchester.Criterion{},
		Expiration:    "$frist + 1h",
		FirePipeline:  "p",
	}.Validate()
	fmt.Println(errors.Is(err, winchester.ErrDefinition))
	fmt.Println(err)
	// Output:
	// true
	// invalid definition: trigger "order": match_criteria[0].traits.amount: unknown type "flaot" (did you mean "float"?): expected one of int, float, string, text, datetime
	// expiration: timex: column 1 of "$frist + 1h": undefined variable "$frist" (did you mean "$first"?)
}

// limits are the parameters of a handler, as a pipeline definition gives them.
type limits struct {
	Max int `json:"max"`
}

func (l limits) Validate() error {
	if l.Max <= 0 {
		return errors.New("max must be positive")
	}
	return nil
}

// A handler's parameters are checked when the pipeline is configured.
func ExampleRegister() {
	registry := winchester.NewRegistry()
	err := winchester.Register(registry, "limit", func(l limits) (winchester.Handler, error) { return digest{}, nil })
	fmt.Println(err)
	_, err = registry.Factory("limit", map[string]any{"max": 3})
	fmt.Println(err)
	_, err = registry.Factory("limit", map[string]any{"max": 0})
	fmt.Println(err)
	_, err = registry.Factory("limit", map[string]any{"maxx": 3})
	fmt.Println(err)
	_, err = registry.Factory("limit", map[string]any{"max": "three"})
	fmt.Println(err)
	_, err = registry.Factory("limti", nil)
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
	// handler "limit": parameters: max must be positive
	// handler "limit": parameters: maxx: there is no such parameter (did you mean "max"?)
	// handler "limit": parameters: max: expected int, found string
	// unknown handler "limti" (did you mean "limit"?)
}

// A stream that is in error waits for someone to put things right and reset it.
func ExamplePipelineManager_ResetStream() {
	ctx := context.Background()
	st, cleanup := exampleStore()
	defer cleanup()
	broken := true
	handlers := winchester.NewRegistry()
	winchester.MustRegister(handlers, "pay", func(winchester.NoParams) (winchester.Handler, error) {
		if broken {
			return nil, winchester.Cancel(errors.New("the bank is closed"))
		}
		return digest{}, nil
	})
	clock := winchester.NewManualClock(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC))
	engine, err := winchester.New(winchester.Config{
		Store: st, Clock: clock, Handlers: handlers, KeepCompleted: true, Logger: slog.New(slog.DiscardHandler),
		Triggers: []winchester.TriggerDefinition{{
			Name: "payment", MatchCriteria: []winchester.Criterion{{}}, FireCriteria: []winchester.Criterion{}, Expiration: "$last + 1h", FirePipeline: "pay",
		}},
		Pipelines: []winchester.PipelineDefinition{{Name: "pay", Handlers: []winchester.HandlerSpec{{Name: "pay"}}}},
	})
	if err != nil {
		panic(err)
	}
	result, err := engine.AddEvent(ctx, winchester.Event{MessageID: "1", EventType: "payment", Timestamp: clock.Now(), Traits: winchester.Traits{"user": "ann"}})
	if err != nil {
		panic(err)
	}
	pass := func() {
		clock.Advance(time.Second)
		if _, err := engine.RunOnce(ctx); err != nil {
			panic(err)
		}
		s, err := st.StreamByID(ctx, result.Streams[0].StreamID)
		if err != nil {
			panic(err)
		}
		fmt.Println(s.State, s.LastError)
	}
	pass()
	broken = false
	if _, err := engine.ResetStream(ctx, result.Streams[0].StreamID); err != nil {
		panic(err)
	}
	pass()
	// Output:
	// error pay: create: the bank is closed
	// fire by <nil>:
	//   09:00 payment
	// completed
}

// Listings are read page by page: the mark of the last row goes on behind it.
func ExampleParseMark() {
	m, err := winchester.ParseMark("+1f")
	fmt.Println(m.Ascending, m.After, m.ID, err)
	_, err = winchester.ParseMark("page 2")
	fmt.Println(err)
	// Output:
	// true true 31 <nil>
	// invalid query: mark "page 2" is not a hexadecimal number with an optional + or - in front
}
