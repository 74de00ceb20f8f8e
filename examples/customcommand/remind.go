package main

import (
	"context"
	"fmt"
	"os"

	"github.com/seed71495667/winchester"
)

// remind tells of orders that have not been paid.
type remind struct {
	winchester.HandlerDefaults
	text string
}

type remindParams struct {
	// Greeting begins the reminder. Default "Dear customer".
	Greeting string `json:"greeting"`
}

func newRemind(p remindParams) (winchester.Handler, error) {
	if p.Greeting == "" {
		p.Greeting = "Dear customer"
	}
	return &remind{text: p.Greeting}, nil
}

func (r *remind) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	order, _ := env.DistinguishingTraits.String("order_id")
	r.text += ", please pay order " + order
	return events, nil
}

// Commit is where the outside world hears of it.
func (r *remind) Commit(context.Context) error {
	_, err := fmt.Fprintln(os.Stdout, r.text)
	return err
}
