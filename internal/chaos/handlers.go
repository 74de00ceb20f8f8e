//go:build unix

package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/chaos/scenario"
	"github.com/seed71495667/winchester/store"
)

// world is what the handlers of a process have to do with. Those of a feeder,
// which runs no pipelines, have none.
type world struct {
	outside *sql.DB // connections of their own, outside of the engine's transactions
	tally   *tally
	lease   time.Duration
}

func (w *world) handlers() *winchester.Registry {
	registry := winchester.NewRegistry()
	register(registry, "outside", func() winchester.Handler { return &outsideHandler{world: w} })
	register(registry, "ledger", func() winchester.Handler { return &ledgerHandler{} })
	register(registry, "report", func() winchester.Handler { return &reportHandler{} })
	register(registry, "moody", func() winchester.Handler { return &moodyHandler{world: w} })
	return registry
}

func register(r *winchester.Registry, name string, create func() winchester.Handler) {
	winchester.MustRegister(r, name, func(winchester.NoParams) (winchester.Handler, error) { return create(), nil })
}

// outsideHandler has an effect that no transaction of the engine's undoes.
type outsideHandler struct {
	winchester.HandlerDefaults
	world *world
	env   *winchester.Env
}

func (h *outsideHandler) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	h.env = env
	return events, nil
}

func (h *outsideHandler) Commit(ctx context.Context) error {
	_, err := h.world.outside.ExecContext(ctx, "INSERT INTO chaos.outside VALUES ($1, $2)", h.env.StreamID, h.env.IdempotencyKey)
	return err
}

// ledgerHandler books the stream in the transaction that completes it.
type ledgerHandler struct {
	winchester.HandlerDefaults
	env     *winchester.Env
	members []string
}

func (h *ledgerHandler) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	h.env = env
	for _, e := range events {
		h.members = append(h.members, e.MessageID)
	}
	return events, nil
}

func (h *ledgerHandler) CommitTx(ctx context.Context, tx winchester.Tx) error {
	return store.DB(tx).WithContext(ctx).Exec("INSERT INTO chaos.ledger VALUES (?, ?, ?, ?, ?, ?)",
		h.env.StreamID, string(h.env.Pass), h.env.IdempotencyKey, h.env.Now, h.env.Attempt, strings.Join(h.members, "\n")).Error
}

// reportHandler makes an event of the stream, which the rule "summary" is about.
type reportHandler struct{ winchester.HandlerDefaults }

func (reportHandler) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	return append(slices.Clone(events), winchester.Event{
		MessageID: "report " + env.IdempotencyKey, EventType: scenario.ReportType, Timestamp: events[len(events)-1].Timestamp,
		Traits: winchester.Traits{"of": env.StreamName, "shard": env.StreamID % 3, "stream": env.StreamID, "members": len(events)},
	}), nil
}

// moodyHandler comes last and fails in every way that a handler can, at random;
// for streams that are doomed, for good.
type moodyHandler struct{ world *world }

var errMood = errors.New("not in the mood")

func (h *moodyHandler) HandleEvents(ctx context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	h.world.tally.count("run")
	switch dice := rand.IntN(100); {
	case dice < 6:
		h.world.tally.count("failure")
		return nil, errMood
	case dice < 8:
		h.world.tally.count("panic")
		panic(errMood)
	case dice < 12:
		h.world.tally.count("snooze")
		return nil, winchester.Snooze(rand.N(300 * time.Millisecond))
	case dice < 13:
		// Longer than the lease; now and then without listening.
		h.world.tally.count("slow")
		pause := h.world.lease + rand.N(h.world.lease)
		if rand.IntN(2) == 0 {
			ctx = context.WithoutCancel(ctx)
		}
		if err := wait(ctx, pause); err != nil {
			return nil, err
		}
	}
	if scenario.Doomed(env.StreamName, env.DistinguishingTraits) {
		h.world.tally.count("doomed")
		return nil, winchester.Cancel(fmt.Errorf("tenant %d is not to be dealt with", scenario.DoomedTenant))
	}
	return events, nil
}

func (h *moodyHandler) Commit(context.Context) error { return h.fail("failed commit") }

func (h *moodyHandler) Rollback(context.Context) error { return h.fail("failed rollback") }

// CommitTx fails after the ledger has been written.
func (h *moodyHandler) CommitTx(context.Context, winchester.Tx) error {
	return h.fail("failed commit in transaction")
}

func (h *moodyHandler) fail(what string) error {
	if rand.IntN(100) >= 2 {
		return nil
	}
	h.world.tally.count(what)
	return errMood
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
