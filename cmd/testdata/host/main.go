// Host is a command with everything of a host's compiled in: a handler, a trait
// plugin and a database driver. The tests build it and run it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/cmd"
	"github.com/seed71495667/winchester/config"
	"github.com/seed71495667/winchester/distiller"
)

func main() {
	handlers := config.Handlers()
	winchester.MustRegister(handlers, "hang", func(p hangParams) (winchester.Handler, error) { return &hang{p: p}, nil })
	plugins := distiller.NewPlugins()
	if err := plugins.Register("shout", newShout); err != nil {
		panic(err)
	}
	cmd.Main(cmd.Options{Name: "host", Version: "v1.2.3", Handlers: handlers, TraitPlugins: plugins, OpenDatabase: open})
}

type hangParams struct {
	// Until is an address: the handler hangs until who listens there closes the
	// connection.
	Until string `json:"until"`
	// Deaf is for one that hangs even when it is told to end.
	Deaf bool `json:"deaf"`
}

func (p *hangParams) Validate() error {
	if _, _, err := net.SplitHostPort(p.Until); err != nil {
		return fmt.Errorf("until: expected an address such as 127.0.0.1:80: %w", err)
	}
	return nil
}

type hang struct {
	winchester.HandlerDefaults
	p      hangParams
	orders int
}

func (h *hang) HandleEvents(ctx context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
	conn, err := net.Dial("tcp", h.p.Until)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if !h.p.Deaf {
		defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	}
	if _, err := io.ReadAll(conn); err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	h.orders = len(events)
	return events, nil
}

func (h *hang) Commit(context.Context) error {
	_, err := fmt.Fprintf(os.Stdout, "hang: %d events\n", h.orders)
	return err
}

// newShout makes text louder.
func newShout(parameters map[string]any) (distiller.TraitPlugin, error) {
	mark, ok := parameters["mark"].(string)
	if !ok {
		return nil, errors.New("mark: expected text")
	}
	return distiller.TraitPluginFunc(func(matches []distiller.Match) (any, error) {
		if len(matches) == 0 {
			return nil, nil
		}
		return strings.ToUpper(fmt.Sprint(matches[0].Value)) + mark, nil
	}), nil
}

// open opens databases with connections of the host's, and says so.
func open(_ context.Context, url string) (*gorm.DB, error) {
	var dialect gorm.Dialector
	switch path, isFile := strings.CutPrefix(url, "sqlite:///"); {
	case isFile:
		dialect = sqlite.Open("file:" + path + "?_journal_mode=WAL&_busy_timeout=5000&_txlock=immediate")
	case os.Getenv("HOST_OPENS") != "":
		dialect = postgres.Open(url)
	default:
		return nil, nil // package store has a driver for it
	}
	fmt.Fprintln(os.Stderr, "the host opens the database")
	return gorm.Open(dialect, &gorm.Config{})
}
