package config_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/config"
	"github.com/seed71495667/winchester/store"
)

func ExampleParseTriggers() {
	triggers, err := config.ParseTriggers("triggers.yaml", []byte(`
- name: unpaid
  distinguished_by: [order_id]
  match_criteria:
  - event_type: order.*
  fire_criteria:
  - event_type: order.placed
  - event_type: order.paid
  expiration: $first + 30m
  expire_pipeline: remind
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range triggers {
		fmt.Println(t.Name, t.DistinguishedBy[0].Trait, t.Expiration)
	}
	// Output: unpaid order_id $first + 30m
}

// All faults come together, each with its place and, where it can be told, with
// what was meant.
func ExampleParseTriggers_faults() {
	_, err := config.ParseTriggers("triggers.yaml", []byte(`
- name: unpaid
  distinguished_by: [order_id]
  match_criteria:
  - event_tpye: order.*
  fire_criteria:
  - traits: {amount: {float: ">5"}}
  expiration: $frist + 30m
`))
	fmt.Println(err)
	var faults config.Faults
	if errors.As(err, &faults) {
		fmt.Println(len(faults), "faults, the first one on line", faults[0].Line)
	}
	// Output:
	// triggers.yaml:2:3: [0]: at least one of fire_pipeline and expire_pipeline is required
	// triggers.yaml:5:5: [0].match_criteria[0]: unknown key "event_tpye" (did you mean "event_type"?)
	// triggers.yaml:7:30: [0].fire_criteria[0].traits.amount.float: float: ">5" is not a number; write "> 5"
	// triggers.yaml:8:15: [0].expiration: in "$frist + 30m": undefined variable "$frist" (did you mean "$first"?)
	// 4 faults, the first one on line 2
}

func ExampleParsePipelines() {
	pipelines, err := config.ParsePipelines("pipelines.yaml", []byte(`
remind:
- logger
- name: mail
  params: {template: reminder}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range pipelines {
		for _, h := range p.Handlers {
			fmt.Println(p.Name, h.Name, h.Params)
		}
	}
	// Output:
	// remind logger map[]
	// remind mail map[template:reminder]
}

// reminder is a handler: see docs/pipelines.md.
type reminder struct {
	winchester.HandlerDefaults
	order string
}

func (r *reminder) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	r.order, _ = env.DistinguishingTraits.String("order_id")
	return events, nil
}

func (r *reminder) Commit(context.Context) error {
	fmt.Println("please pay order", r.order)
	return nil
}

// files writes what a service would have in its directory.
func files(texts map[string]string) (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "winchester")
	if err != nil {
		panic(err)
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			panic(err)
		}
	}
	return dir, func() { _ = os.RemoveAll(dir) }
}

var unpaid = map[string]string{
	"winchester.yaml": `
database: {url: "sqlite://"}
trigger_definitions: triggers.yaml
pipeline_config: pipelines.yaml
`,
	"triggers.yaml": `
- name: unpaid
  distinguished_by: [order_id]
  match_criteria: [{event_type: order.*}]
  fire_criteria: [{event_type: order.placed}, {event_type: order.paid}]
  expiration: $first + 30m
  expire_pipeline: remind
`,
	"pipelines.yaml": "remind: [reminder]\n",
}

// From files to a working engine.
func ExampleLoad() {
	dir, remove := files(unpaid)
	defer remove()

	handlers := config.Handlers()
	winchester.MustRegister(handlers, "reminder", func(winchester.NoParams) (winchester.Handler, error) { return &reminder{}, nil })
	clock := winchester.NewManualClock(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
	cfg, err := config.Load(filepath.Join(dir, "winchester.yaml"), config.Options{
		Handlers: handlers, Clock: clock, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	engine, err := cfg.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()

	placed := winchester.Event{MessageID: "1", EventType: "order.placed", Timestamp: clock.Now(), Traits: winchester.Traits{"order_id": "o-17"}}
	if _, err := engine.AddEvent(ctx, placed); err != nil {
		fmt.Println(err)
	}
	clock.Advance(31 * time.Minute)
	if _, err := engine.RunOnce(ctx); err != nil { // a service calls engine.Start instead
		fmt.Println(err)
	}
	// Output: please pay order o-17
}

// A host with a store of its own, say on its own *gorm.DB, which wants to
// change what the files say.
func ExampleConfig_EngineConfig() {
	dir, remove := files(unpaid)
	defer remove()
	ctx := context.Background()
	quiet := slog.New(slog.DiscardHandler)
	st, err := store.Open(ctx, "sqlite://", store.Options{Migrate: true, Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()

	handlers := config.Handlers()
	winchester.MustRegister(handlers, "reminder", func(winchester.NoParams) (winchester.Handler, error) { return &reminder{}, nil })
	cfg, err := config.Load(filepath.Join(dir, "winchester.yaml"), config.Options{Handlers: handlers, Store: st, Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	ec := cfg.EngineConfig(st)
	ec.Triggers[0].FireDelay = time.Minute
	engine, err := winchester.New(ec)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(engine.Triggers()[0].Name, engine.Triggers()[0].FireDelay)
	// Output: unpaid 1m0s
}

func ExampleDescribe() {
	for _, item := range config.Describe() {
		if item.Required {
			fmt.Printf("%s (%s): %s\n", item.Key, item.Type, item.Help)
		}
	}
	// Output: database.url (text): The database, as a URL: see docs/storage.md. Not required if the host hands in a store.
}
