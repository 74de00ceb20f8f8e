package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/seed71495667/winchester"
)

// printer is what the handlers of this example share: HandleEvents finds out
// what there is to say, and has no side effects, since it may be repeated.
// Commit says it.
type printer struct {
	winchester.HandlerDefaults
	out  io.Writer
	text string
}

func (p *printer) say(env *winchester.Env, format string, args ...any) {
	p.text = fmt.Sprintf("           ▸ %-12s %s\n", env.Pipeline, fmt.Sprintf(format, args...))
}

// Commit is where the outside world hears of it.
func (p *printer) Commit(context.Context) error {
	_, err := io.WriteString(p.out, p.text)
	return err
}

// register makes the handlers known that pipelines.yaml names.
func register(r *winchester.Registry, out io.Writer) error {
	p := printer{out: out}
	return errors.Join(
		winchester.Register(r, "bill", func(params billParams) (winchester.Handler, error) {
			return &bill{printer: p, params: params}, nil
		}),
		winchester.Register(r, "measure", func(winchester.NoParams) (winchester.Handler, error) { return &measure{printer: p}, nil }),
		winchester.Register(r, "investigate", func(winchester.NoParams) (winchester.Handler, error) {
			return &investigate{printer: p}, nil
		}),
		winchester.Register(r, "invoice", func(winchester.NoParams) (winchester.Handler, error) { return &invoice{printer: p}, nil }),
	)
}

// billParams are what pipelines.yaml can say about the handler.
type billParams struct {
	CentsPerGBHour int `json:"cents_per_gb_hour"`
}

// bill puts a price on an instance's day and makes an event of it.
type bill struct {
	printer
	params billParams
}

// HandleEvents returns what came in with one event more. That is stored when
// the stream completes, or not at all.
func (h *bill) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	exists := events[len(events)-1]
	name, _ := exists.Traits.String("display_name")
	memory, _ := exists.Traits.Int("memory_mb")
	from, _ := exists.Traits.Time("audit_period_beginning")
	to, _ := exists.Traits.Time("audit_period_ending")
	if launched, ok := exists.Traits.Time("launched_at"); ok && launched.After(from) {
		from = launched
	}
	hours := int64(to.Sub(from) / time.Hour)
	cents := hours * memory / 1024 * int64(h.params.CentsPerGBHour)
	h.say(env, "%s: %d events, %d hours of %d MB, %d cents", name, len(events), hours, memory, cents)
	return append(events[:len(events):len(events)], winchester.Event{
		MessageID: exists.MessageID + "-billed", EventType: "day.billed", Timestamp: exists.Timestamp,
		Traits: winchester.Traits{"tenant_id": exists.Traits["tenant_id"], "display_name": name, "cents": cents},
	}), nil
}

// measure tells how long a creation took.
type measure struct {
	printer
}

func (h *measure) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	first, last := events[0], events[len(events)-1] // sorted by time, whatever the order they came in
	h.say(env, "%s was created in %s", first.Traits["display_name"], last.Timestamp.Sub(first.Timestamp))
	return events, nil
}

// investigate is told of what never became complete.
type investigate struct {
	printer
}

func (h *investigate) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	last := events[len(events)-1]
	h.say(env, "%s of %s: nothing more after %s", env.StreamName, last.Traits["display_name"], last.EventType)
	return events, nil
}

// invoice adds up what a tenant owes.
type invoice struct {
	printer
}

func (h *invoice) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	var cents int64
	for _, e := range events {
		n, _ := e.Traits.Int("cents")
		cents += n
	}
	h.say(env, "tenant %s owes %d cents for %d days", env.DistinguishingTraits["tenant_id"], cents, len(events))
	return events, nil
}
