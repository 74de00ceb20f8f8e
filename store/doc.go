// Package store keeps Winchester's events and streams in a SQL database by way
// of GORM. It is the ready-made implementation of winchester.Store.
//
//	st, err := store.Open(ctx, "sqlite:///winchester.db", store.Options{Migrate: true})
//
// opens a database of its own; a host that has a *gorm.DB already hands that in:
//
//	st, err := store.New(ctx, db, store.Options{})
//
// and gets Winchester's tables beside its own, so that a handler's CommitTx can
// write to both in one transaction (see [DB]).
//
// # Databases
//
// SQLite is complete: a file, WAL, one writer connection and readers beside it.
// What differs between databases is behind one small interface, dialect, with
// one file for each. docs/storage.md has the schema, the indexes, what each
// invariant is protected by, and what the durability settings trade.
//
// # How it is written
//
// Writing a batch of events and reading a batch of claimed streams are the hot
// paths; they use prepared statements on the connection of the GORM transaction.
// Everything else is plain GORM.
//
// # Dependencies
//
// This package knows winchester and GORM, and no sibling (distiller, handlers).
// Package storetest proves it, and any other implementation.
package store
