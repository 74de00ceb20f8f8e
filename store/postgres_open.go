package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

// open opens a pool of connections to a server.
func (d postgresDialect) open(ctx context.Context, l location, o Options) (write, read *gorm.DB, closeAll func() error, err error) {
	config, err := pgx.ParseConfig(l.url)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", RedactURL(l.url), parseFault(err))
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "winchester"
	}
	// Values may travel as text, and patterns have backslashes.
	config.RuntimeParams["datestyle"], config.RuntimeParams["standard_conforming_strings"] = "ISO, MDY", "on"
	config.DialFunc = dialer(config.ConnectTimeout).DialContext
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(o.Connections)
	pool.SetMaxIdleConns(o.Connections)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	db, err := gorm.Open(postgres.New(postgres.Config{Conn: pool}), &gorm.Config{
		SkipDefaultTransaction: true, DisableAutomaticPing: true, Logger: newLogger(o),
	})
	if err == nil {
		err = d.check(ctx, db)
	}
	if err != nil {
		return nil, nil, nil, errors.Join(fmt.Errorf("%s: %w", RedactURL(l.url), err), pool.Close())
	}
	return db, db, pool.Close, nil
}

// silence is how long a server may not be heard of before a connection to it is
// given up: one that has vanished from the network never says so.
const silence = 20 * time.Second

func dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout: timeout, Control: unanswered,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silence / 2, Interval: silence / 8, Count: 4},
	}
}

// parseFault is what is wrong with a URL without the URL itself.
func parseFault(err error) error {
	if cause := errors.Unwrap(err); cause != nil {
		return cause
	}
	return errors.New("it cannot be parsed")
}
