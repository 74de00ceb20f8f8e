package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/amqp"
	"github.com/seed71495667/winchester/config"
)

//go:embed etc/*.yaml
var files embed.FS

// setting is what differs between runs.
type setting struct {
	rabbitmq string // the broker's URL
	database string
	run      string // part of all names on the broker
	log      *slog.Logger
}

// names are those of a run, so that several can share a broker.
func (s setting) exchange() string   { return "winchester-usage." + s.run + ".nova" }
func (s setting) queue() string      { return "winchester-usage." + s.run }
func (s setting) dead() string       { return "winchester-usage." + s.run + ".dead" }
func (s setting) verdicts() string   { return "winchester-usage." + s.run + ".verdicts" }
func (s setting) connection() string { return "winchester-usage." + s.run }

// service is what an operator would run: the engine that the files describe, and
// the consumer that feeds it.
type service struct {
	engine   *config.Engine
	consumer *amqp.Consumer
}

// openService reads the files and opens the database. A service that lives by the
// machine's clock would go on with cfg.Consumer(engine) and engine.Start.
func openService(ctx context.Context, s setting) (*service, error) {
	clock := winchester.NewManualClock(time.Unix(0, 0)) // the notifications will tell
	cfg, err := loadFiles(s, clock)
	if err != nil {
		return nil, err
	}
	engine, err := cfg.Open(ctx)
	if err != nil {
		return nil, err
	}
	ac, err := cfg.ConsumerConfig(&eventTime{engine: engine.Engine, distiller: cfg.Distiller, clock: clock})
	if err != nil {
		engine.Close()
		return nil, err
	}
	q := &ac.Queues[0]
	q.Name, q.Exchange, ac.DeadLetters.Exchange, ac.Name = s.queue(), s.exchange(), s.dead(), s.connection()
	consumer, err := amqp.New(ac)
	if err != nil {
		engine.Close()
		return nil, err
	}
	return &service{engine, consumer}, nil
}

// close lets what is under way come to its end.
func (s *service) close() error {
	patience, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.consumer.Stop(patience); err != nil {
		return err
	}
	return s.engine.Close()
}

// loadFiles writes the files where a service would have them, and reads them.
func loadFiles(s setting, clock winchester.Clock) (*config.Config, error) {
	dir, err := os.MkdirTemp("", "winchester-usage-etc-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	entries, err := fs.ReadDir(files, "etc")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		data, err := files.ReadFile("etc/" + entry.Name())
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, entry.Name()), data, 0o600); err != nil {
			return nil, err
		}
	}
	env := map[string]string{"WINCHESTER_DATABASE": s.database, "RABBITMQ_URL": s.rabbitmq, "VERDICTS": s.verdicts()}
	cfg, err := config.Load(filepath.Join(dir, "winchester.yaml"), config.Options{
		Clock: clock, Logger: s.log,
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	})
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return cfg, nil
}
