package winchester

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// AddEventTx is AddEvent in a transaction that the host has begun, on the
// database of the engine's store: the event is there, and in its streams, if the
// host commits, and otherwise not at all. Package store makes a Tx of the host's
// transaction: see Store.Tx there. After the commit, tell Committed.
//
// After an error the host must roll back. One that is ErrInvalidEvent comes again
// for as long as the event is the same. After ErrConflict the host may run its
// whole transaction again. A duplicate is no error.
//
// Until it ends, the host's transaction keeps others from the streams that the
// event joined, and on SQLite from writing at all: add events last, and end it
// soon. A transaction with several events should add them in one call of
// AddEventsTx, which locks their streams in an order that all share; with several
// calls two transactions may wait for each other until one of them gets
// ErrConflict.
func (m *TriggerManager) AddEventTx(ctx context.Context, tx Tx, event Event) (Result, error) {
	results, err := m.AddEventsTx(ctx, tx, []Event{event})
	if err != nil {
		return Result{MessageID: event.MessageID, EventType: event.EventType, Outcome: OutcomeFailed, Err: err}, err
	}
	return results[0], nil
}

// AddEventsTx is AddEventTx for many, in the order given. It returns one result
// an event. Unlike with AddEvents none fails alone: leaving out an event that
// cannot be stored is for the host to decide, whose rows may depend on it. The
// error then is ErrInvalidEvent and names all of them that were found.
func (m *TriggerManager) AddEventsTx(ctx context.Context, tx Tx, events []Event) ([]Result, error) {
	if len(events) == 0 {
		return nil, nil
	}
	b := newBatch(m, events)
	err := b.faults()
	if err == nil {
		err = b.file(ctx, tx)
		m.metrics.failed(ctx, opAdd, err)
	}
	if unfit := (*unfitError)(nil); errors.As(err, &unfit) {
		b.leaveOut(unfit)
		err = b.faults()
	}
	if err != nil {
		if !errors.Is(err, ErrConflict) { // that one's events come again
			m.stats.received.Add(int64(len(events)))
			m.countFailed(ctx, len(events))
		}
		return nil, fmt.Errorf("add events: %w", err)
	}
	filed := &filedTx{batch: b}
	for i := range b.results {
		b.results[i].filed = filed
	}
	return b.results, nil
}

// faults are the errors of the events that cannot be stored.
func (b *batch) faults() error {
	var faults []error
	for i := range b.results {
		faults = append(faults, b.results[i].Err)
	}
	return errors.Join(faults...)
}

// filedTx is what a call of AddEventsTx has done, in a transaction whose end is
// not known yet.
type filedTx struct {
	batch *batch
	once  sync.Once
}

// Committed tells that the host has committed the transaction in which AddEventTx
// or AddEventsTx gave these results. Workers of this engine then wake up for the
// streams that the events joined, and the statistics and debug counters count
// the events. Without it nothing is lost but those counts and some time: workers
// find the streams when they look by themselves, after
// PipelineConfig.PollInterval at the latest. Those of other processes hear of the
// commit from the database, if it can tell them.
//
// It counts each call of those methods once, however many of its results it is
// given, and ignores the results of other methods and of other engines. After a
// rollback there is nothing to tell.
func (m *TriggerManager) Committed(ctx context.Context, results ...Result) {
	for i := range results {
		filed := results[i].filed
		if filed == nil || filed.batch.m != m {
			continue
		}
		filed.once.Do(func() {
			m.stats.received.Add(int64(len(filed.batch.events)))
			filed.batch.settle(ctx)
		})
	}
}
