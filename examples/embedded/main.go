// Shop is a host service as it would embed Winchester: a module of its own,
// with its own database connection, tables and handlers. Orders and payments
// are events; an order that is paid is booked in the shop's ledger, in the
// transaction that completes its stream, and therefore exactly once.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// LedgerEntry is a table of the shop's.
type LedgerEntry struct {
	ID      int64
	OrderID string `gorm:"uniqueIndex"`
	Cents   int64
}

// book writes the ledger.
type book struct {
	winchester.HandlerDefaults
	entry LedgerEntry
}

func (b *book) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	b.entry.OrderID, _ = env.DistinguishingTraits.String("order_id")
	for _, e := range events {
		cents, _ := e.Traits.Int("cents")
		b.entry.Cents += cents
	}
	return events, nil
}

// CommitTx runs in the transaction that completes the stream. It may be called
// again if that comes to nothing, so it writes a copy: GORM sets the id of what
// it creates.
func (b *book) CommitTx(ctx context.Context, tx winchester.Tx) error {
	entry := b.entry
	return store.DB(tx).WithContext(ctx).Create(&entry).Error
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "shop")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	// The shop's own connection. The write lock is taken when a transaction
	// begins, and waited for, so that our transactions and the shop's do not
	// trip over each other.
	db, err := gorm.Open(sqlite.Open("file:"+filepath.Join(dir, "shop.db")+"?_journal_mode=WAL&_busy_timeout=5000&_txlock=immediate"), &gorm.Config{})
	if err != nil {
		return err
	}
	if err := db.AutoMigrate(&LedgerEntry{}); err != nil {
		return err
	}
	pool, err := db.DB()
	if err != nil {
		return err
	}
	defer pool.Close()

	events, err := store.New(ctx, db, store.Options{Migrate: true})
	if err != nil {
		return err
	}
	handlers := winchester.NewRegistry()
	winchester.MustRegister(handlers, "book", func(winchester.NoParams) (winchester.Handler, error) { return &book{}, nil })
	engine, err := winchester.New(winchester.Config{
		Store:    events,
		Handlers: handlers,
		Triggers: []winchester.TriggerDefinition{{
			Name: "order", DistinguishedBy: winchester.By("order_id"), Expiration: "$first + 1h", FirePipeline: "ledger",
			MatchCriteria: []winchester.Criterion{{EventTypes: []string{"order.*"}}},
			FireCriteria: []winchester.Criterion{
				{EventTypes: []string{"order.placed"}},
				{EventTypes: []string{"order.paid"}, Traits: map[string]any{"cents": winchester.Compare{Type: "int", Value: "> 0"}}},
			},
		}},
		Pipelines: []winchester.PipelineDefinition{{Name: "ledger", Handlers: []winchester.HandlerSpec{{Name: "book"}}}},
	})
	if err != nil {
		return err
	}
	if err := engine.Start(ctx); err != nil {
		return err
	}

	const orders = 20
	for i := range orders {
		id := fmt.Sprintf("A-%d", i)
		for _, e := range []winchester.Event{
			{MessageID: id + "-paid", EventType: "order.paid", Timestamp: time.Now(), Traits: winchester.Traits{"order_id": id, "cents": 100 + i}},
			{MessageID: id + "-placed", EventType: "order.placed", Timestamp: time.Now(), Traits: winchester.Traits{"order_id": id}},
			{MessageID: id + "-paid", EventType: "order.paid", Timestamp: time.Now(), Traits: winchester.Traits{"order_id": id, "cents": 100 + i}},
		} {
			if _, err := engine.AddEvent(ctx, e); err != nil {
				return err
			}
		}
	}

	patience, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var total struct{ Orders, Cents int64 }
	for total.Orders < orders {
		if err := db.WithContext(patience).Raw("SELECT count(*) AS orders, sum(cents) AS cents FROM ledger_entries").Scan(&total).Error; err != nil {
			return err
		}
	}
	if err := engine.Stop(ctx); err != nil {
		return err
	}
	fmt.Printf("%d orders booked once each, %d cents, in the shop's own table beside the engine's\n", total.Orders, total.Cents)
	return nil
}
