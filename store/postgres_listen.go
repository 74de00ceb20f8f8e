package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/gorm"
)

// Wake-ups across processes travel by LISTEN and NOTIFY
// (https://www.postgresql.org/docs/current/sql-notify.html). What is announced
// in a transaction is delivered when that commits, and not if it does not.
//
// All stores on the same tables share a channel. Its messages are the time at
// which a stream is due, in microseconds since 1970, or "ping" and a nonce.

const ping = "ping "

// patience is how long a ping may be on its way.
const patience = 3 * time.Second

// channelOf is the channel of the tables, by a digest: names are limited to 63
// bytes.
func channelOf(t tables) string {
	h := fnv.New64a()
	h.Write([]byte(t.qualified))
	return fmt.Sprintf("winchester_%016x", h.Sum64())
}

func (postgresDialect) announces() bool { return true }

func (postgresDialect) announce(ctx context.Context, conn gorm.ConnPool, t tables, due time.Time) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_notify($1, $2)", channelOf(t), strconv.FormatInt(due.UnixMicro(), 10))
	return err
}

// listen keeps a connection for itself. If notifications do not come through,
// say because a pooler gives the connection to others between transactions, it
// says so and gives it back.
func (d postgresDialect) listen(ctx context.Context, db *gorm.DB, t tables, log slogger, wake func(due time.Time)) error {
	pool, err := db.DB()
	if err != nil {
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	if pool.Stats().MaxOpenConnections == 1 {
		return fmt.Errorf("%w: a pool of one connection cannot spare one for listening", errors.ErrUnsupported)
	}
	l := listener{pool: pool, channel: channelOf(t), wake: wake}
	const lost = "No wake-ups from other processes; workers poll the database"
	pings := 0 // that did not come through, in a row
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		began := time.Now()
		err := l.once(ctx)
		if pings++; !errors.Is(err, errNoPing) {
			pings = 0
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errors.ErrUnsupported) && (pings == 0 || pings == maxPings):
			log.log.WarnContext(ctx, lost, "reason", err)
			return err
		case time.Since(began) > time.Minute:
			pause = 100 * time.Millisecond
		}
		log.log.WarnContext(ctx, "The connection that listens for wake-ups is lost; trying again", "err", err, "in", pause)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

var errNoPing = fmt.Errorf("%w: notifications do not come through; is there a pooler in between that pools by transaction?", errors.ErrUnsupported)

// maxPings is how often that is believed to be chance.
const maxPings = 3

type listener struct {
	pool    *sql.DB
	channel string
	wake    func(due time.Time)
}

// once listens for as long as the connection lives.
func (l *listener) once(ctx context.Context) error {
	conn, err := l.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	var ended error
	err = conn.Raw(func(raw any) error {
		c, ok := raw.(*stdlib.Conn)
		if !ok {
			ended = fmt.Errorf("%w: the driver is not pgx but %T", errors.ErrUnsupported, raw)
			return nil
		}
		ended = l.listen(ctx, c.Conn())
		// Whatever it is in the middle of, nobody else shall have this connection.
		return driver.ErrBadConn
	})
	if ended != nil {
		return ended
	}
	return err
}

func (l *listener) listen(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, "LISTEN "+l.channel); err != nil {
		return err
	}
	defer func() { // a pooler may keep the server's end of it
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, _ = conn.Exec(ctx, "UNLISTEN "+l.channel)
	}()
	nonce := make([]byte, 8)
	_, _ = rand.Read(nonce)
	token := ping + hex.EncodeToString(nonce)
	pinging, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	sent := make(chan error, 1)
	go func() {
		_, err := l.pool.ExecContext(pinging, "SELECT pg_notify($1, $2)", l.channel, token)
		sent <- err
	}()
	err := l.receive(pinging, conn, token)
	if fault := <-sent; fault != nil {
		return errors.Join(ctx.Err(), fault)
	}
	if err != nil {
		if ctx.Err() == nil && pinging.Err() != nil {
			return errNoPing
		}
		return err
	}
	l.wake(time.Time{}) // for what was announced while nobody listened
	return l.receive(ctx, conn, "")
}

// receive passes on what is announced until the message comes that it waits
// for, or the connection ends.
func (l *listener) receive(ctx context.Context, conn *pgx.Conn, until string) error {
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if until != "" && n.Payload == until {
			return nil
		}
		if strings.HasPrefix(n.Payload, ping) {
			continue
		}
		if due, err := strconv.ParseInt(n.Payload, 10, 64); err == nil {
			l.wake(time.UnixMicro(due).UTC())
		}
	}
}
