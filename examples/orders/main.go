// Orders is an order service whose rows and events commit together: the row of
// an order, in the service's own table, and the event that says so are written
// in one transaction of the service's. If it comes to nothing, neither is there.
//
//	go run ./examples/orders                              # on SQLite, in a temporary directory
//	go run ./examples/orders postgres://user@host/db      # tables orders and winchester_*
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// Order is a table of the service's.
type Order struct {
	ID    string `gorm:"primaryKey"`
	Cents int64
}

// service is what the rest of the program would call.
type service struct {
	db     *gorm.DB
	events *store.Store
	engine *winchester.Engine
}

var errDeclined = errors.New("the card was declined")

// place writes the order's row and its event, or neither.
func (s *service) place(ctx context.Context, id string, cents int64) error {
	var placed winchester.Result
	err := s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := tx.Create(&Order{ID: id, Cents: cents}).Error; err != nil {
			return err
		}
		var err error
		placed, err = s.engine.AddEventTx(ctx, s.events.Tx(tx), winchester.Event{
			MessageID: "order-placed-" + id, EventType: "order.placed", Timestamp: time.Now(),
			Traits: winchester.Traits{"order_id": id, "cents": cents},
		})
		if err != nil {
			return err
		}
		return charge(cents) // the last thing that can go wrong
	})
	if err == nil {
		s.engine.Committed(ctx, placed) // now the workers may look at it
	}
	return err
}

func charge(cents int64) error {
	if cents > 1000 {
		return errDeclined
	}
	return nil
}

// ship is a handler: it is given the events of an order that is ready.
type ship struct {
	winchester.HandlerDefaults
	shipped chan<- string
	order   string
}

func (h *ship) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	h.order, _ = env.DistinguishingTraits.String("order_id")
	return events, nil
}

func (h *ship) Commit(context.Context) error {
	h.shipped <- h.order
	return nil
}

func main() {
	url := ""
	if len(os.Args) > 1 {
		url = os.Args[1]
	}
	if err := run(context.Background(), os.Stdout, url); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, url string) error {
	db, closeDB, err := open(url)
	if err != nil {
		return err
	}
	defer closeDB()
	if err := db.AutoMigrate(&Order{}); err != nil {
		return err
	}
	s := &service{db: db}
	if s.events, err = store.New(ctx, db, store.Options{Migrate: true}); err != nil {
		return err
	}
	defer s.events.Close()

	shipped := make(chan string, 10)
	handlers := winchester.NewRegistry()
	winchester.MustRegister(handlers, "ship", func(winchester.NoParams) (winchester.Handler, error) { return &ship{shipped: shipped}, nil })
	s.engine, err = winchester.New(winchester.Config{
		Store:    s.events,
		Handlers: handlers,
		Triggers: []winchester.TriggerDefinition{{
			Name: "order", DistinguishedBy: winchester.By("order_id"), Expiration: "$first + 1h", FirePipeline: "shipping",
			MatchCriteria: []winchester.Criterion{{EventTypes: []string{"order.*"}}},
			FireCriteria:  []winchester.Criterion{{EventTypes: []string{"order.placed"}}},
		}},
		Pipelines: []winchester.PipelineDefinition{{Name: "shipping", Handlers: []winchester.HandlerSpec{{Name: "ship"}}}},
	})
	if err != nil {
		return err
	}
	if err := s.engine.Start(ctx); err != nil {
		return err
	}
	for _, order := range []Order{{"A-1", 900}, {"A-2", 5000}, {"A-3", 250}} {
		switch err := s.place(ctx, order.ID, order.Cents); {
		case errors.Is(err, errDeclined):
			fmt.Fprintf(out, "%s: %v; no row, no event\n", order.ID, err)
		case err != nil:
			return err
		default:
			fmt.Fprintf(out, "%s: placed\n", order.ID)
			fmt.Fprintf(out, "%s: shipped\n", <-shipped)
		}
	}
	var rows int64
	if err := db.WithContext(ctx).Model(&Order{}).Count(&rows).Error; err != nil {
		return err
	}
	events, err := s.events.CountEvents(ctx, winchester.EventQuery{})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d orders, %d events\n", rows, events)
	return s.engine.Stop(ctx)
}

// open opens the service's own connection.
func open(url string) (*gorm.DB, func(), error) {
	dialector, cleanUp := postgres.Open(url), func() {}
	if !strings.HasPrefix(url, "postgres") {
		dir, err := os.MkdirTemp("", "orders")
		if err != nil {
			return nil, nil, err
		}
		cleanUp = func() { _ = os.RemoveAll(dir) }
		// Transactions take the write lock when they begin, and wait for it.
		dialector = sqlite.Open("file:" + filepath.Join(dir, "orders.db") + "?_journal_mode=WAL&_busy_timeout=5000&_txlock=immediate")
	}
	db, err := gorm.Open(dialector, &gorm.Config{Logger: logger.Discard})
	if err != nil {
		cleanUp()
		return nil, nil, err
	}
	pool, err := db.DB()
	return db, func() { _ = pool.Close(); cleanUp() }, err
}
