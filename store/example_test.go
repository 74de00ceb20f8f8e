package store_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/store"
)

// One call opens a database and brings its schema up to date.
func ExampleOpen() {
	ctx := context.Background()
	st, err := store.Open(ctx, "sqlite://", store.Options{Migrate: true, Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer st.Close()
	err = st.Transact(ctx, func(tx winchester.Tx) error {
		_, err := tx.InsertEvents(ctx, []winchester.Event{
			{MessageID: "1", EventType: "order.placed", Timestamp: time.Now(), Traits: winchester.Traits{"customer": "Zoë", "items": 2}},
			{MessageID: "2", EventType: "order.paid", Timestamp: time.Now(), Traits: winchester.Traits{"customer": "Zoë"}},
		})
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := st.FindEvents(ctx, winchester.EventQuery{Traits: winchester.Traits{"items": 2}})
	fmt.Println(len(found), found[0].EventType, err)
	// Output: 1 order.placed <nil>
}

// A host's own tables and Winchester's live in one database; what a handler
// writes through DB in its CommitTx is committed together with the stream.
func ExampleDB() {
	type Invoice struct {
		ID     uint
		Amount int
	}
	ctx := context.Background()
	db, err := gorm.Open(sqlite.Open("file:/example-db?vfs=memdb"), &gorm.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	pool, _ := db.DB()
	defer pool.Close()
	if err := db.AutoMigrate(&Invoice{}); err != nil {
		fmt.Println(err)
		return
	}
	st, err := store.New(ctx, db, store.Options{Migrate: true, Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	commitTx := func(tx winchester.Tx) error { // as a TxHandler's
		return store.DB(tx).Create(&Invoice{Amount: 42}).Error
	}
	if err := st.Transact(ctx, commitTx); err != nil {
		fmt.Println(err)
		return
	}
	var invoice Invoice
	db.First(&invoice)
	fmt.Println(invoice.Amount)
	// Output: 42
}

// Migrations can be printed, for a database administrator to run.
func ExampleMigrationSQL() {
	sql, err := store.MigrationSQL("sqlite:///winchester.db", store.Options{TablePrefix: "billing_"}, 1, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.TrimSpace(sql))
	// Output:
	// -- 0001_initial: down
	// BEGIN;
	//
	// DROP TABLE billing_replay_clock;
	// DROP TABLE billing_stream_events;
	// DROP TABLE billing_streams;
	// DROP TABLE billing_events;
	//
	// DELETE FROM billing_migrations WHERE version = 1;
	//
	// COMMIT;
}
