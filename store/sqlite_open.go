package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
)

// open opens a file with one connection that writes and several that
// read beside it, which WAL lets go on while it writes. Writers wait for each
// other in Go, where waiting is fair and ends with its context, and not in
// SQLite, where it is neither.
func (sqliteDialect) open(ctx context.Context, l location, o Options) (write, read *gorm.DB, closeAll func() error, err error) {
	var pools []*sql.DB
	closePools := func() error {
		var faults []error
		for _, pool := range slices.Backward(pools) { // the writer last: it folds the log into the file
			faults = append(faults, pool.Close())
		}
		return errors.Join(faults...)
	}
	defer func() {
		if err != nil {
			_ = closePools()
		}
	}()
	open := func(dsn string, connections int) (*gorm.DB, error) {
		pool, err := sql.Open("sqlite3", dsn)
		if err != nil {
			return nil, err
		}
		pools = append(pools, pool)
		pool.SetMaxOpenConns(connections)
		pool.SetMaxIdleConns(connections)
		if err := firstConnection(ctx, pool, o.BusyTimeout); err != nil {
			return nil, sqliteHint(l, err)
		}
		return gorm.Open(sqlite.New(sqlite.Config{Conn: pool}), &gorm.Config{
			SkipDefaultTransaction: true, DisableAutomaticPing: true, Logger: newLogger(o),
		})
	}
	if l.file == "" {
		// A database in memory lasts as long as a connection to it is open, and
		// database/sql gives one up when the context of a transaction ends. The
		// first pool holds an idle one for that; reading beside writing would
		// only meet locks.
		dsn := memoryDSN(o)
		if _, err := open(dsn, 1); err != nil {
			return nil, nil, nil, err
		}
		write, err = open(dsn, 1)
		return write, write, closePools, err
	}
	if write, err = open(sqliteDSN(l, o, false), 1); err != nil {
		return nil, nil, nil, err
	}
	read, err = open(sqliteDSN(l, o, true), o.Readers)
	return write, read, closePools, err
}

// sqliteDSN is the data source name for mattn's driver.
func sqliteDSN(l location, o Options, readOnly bool) string {
	params := url.Values{
		"_busy_timeout": {strconv.FormatInt(o.BusyTimeout.Milliseconds(), 10)},
		"_synchronous":  {string(o.Synchronous)},
		// The hot statements, prepared once a connection.
		"_stmt_cache_size": {"64"},
	}
	if readOnly {
		params.Set("_query_only", "true")
	} else {
		// BEGIN IMMEDIATE takes the write lock at once: a transaction that begins
		// by reading could not get it any more once another process has written.
		params.Set("_txlock", "immediate")
		params.Set("_journal_mode", "WAL")
	}
	query := params.Encode()
	if l.query != "" {
		query = l.query + "&" + query
	}
	// Of the characters of a path only these mean something in SQLite's URIs.
	path := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(filepath.ToSlash(l.file))
	return "file:" + path + "?" + query
}

// memories counts the databases in memory, so that each has a name of its own.
var memories atomic.Int64

func memoryDSN(o Options) string {
	l := location{file: fmt.Sprintf("/winchester-%d", memories.Add(1)), query: "vfs=memdb"}
	return sqliteDSN(l, o, false)
}

// firstConnection makes the file if need be and brings it to WAL. While other
// processes do the same SQLite may refuse without waiting, so that is done here.
func firstConnection(ctx context.Context, db *sql.DB, patience time.Duration) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil || !(sqliteDialect{}).isContention(err) {
			return err
		}
		retry := time.NewTimer(5 * time.Millisecond)
		select {
		case <-ctx.Done():
			retry.Stop()
			return errors.Join(ctx.Err(), err)
		case <-deadline.C:
			retry.Stop()
			return err
		case <-retry.C:
		}
	}
}

// sqliteHint adds what is most often wrong when a file cannot be opened.
func sqliteHint(l location, err error) error {
	if l.file == "" {
		return err
	}
	dir := filepath.Dir(l.file)
	if _, missing := os.Stat(dir); errors.Is(missing, os.ErrNotExist) {
		hint := ""
		if _, absolute := os.Stat("/" + dir); absolute == nil && !filepath.IsAbs(dir) {
			hint = fmt.Sprintf("; for the absolute path write sqlite:////%s", l.file)
		}
		return fmt.Errorf("%w: there is no directory %s%s", err, dir, hint)
	}
	return fmt.Errorf("%w (%s)", err, l.file)
}
