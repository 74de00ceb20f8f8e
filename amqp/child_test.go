package amqp_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/amqp"
	"github.com/seed71495667/winchester/distiller"
	"github.com/seed71495667/winchester/store"
)

func killEngine(dir string) (*winchester.Engine, *store.Store) {
	st, err := store.Open(context.Background(), "sqlite:///"+filepath.Join(dir, "kill.db"), store.Options{Migrate: true})
	if err != nil {
		panic(err)
	}
	d, err := distiller.New(distiller.Config{CatchAll: true})
	if err != nil {
		panic(err)
	}
	engine, err := winchester.New(winchester.Config{Store: st, Distiller: d, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	return engine, st
}

// killChild consumes a batch, says so when it is committed, and then waits to be
// killed instead of acknowledging it.
func killChild(dir string) {
	engine, _ := killEngine(dir)
	queue, dead, _ := strings.Cut(os.Getenv(killQueueEnv), " ")
	c, err := amqp.New(amqp.Config{
		URL: os.Getenv("WINCHESTER_RABBITMQ"), Logger: slog.New(slog.DiscardHandler), DeadLetters: amqp.DeadLetters{Exchange: dead},
		Queues: []amqp.Queue{{Name: queue, MaxMessages: 1 + rand.IntN(30)}},
		Sink: &sink{to: engine, after: func(int, []winchester.Result) {
			fmt.Println("committed")
			select {}
		}},
	})
	if err != nil {
		panic(err)
	}
	if err := c.Run(context.Background()); err != nil {
		panic(err)
	}
}
