package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
)

// distill tries event definitions on notifications, and stores nothing.
type distill struct {
	*options
	definitions []string
	catchAll    bool
	distiller   winchester.Distiller

	tested, dropped, failed int
	events                  []eventJSON
}

func newDistill(o *options) *cobra.Command {
	d := &distill{options: o}
	c := &cobra.Command{
		Use:   "distill FILE...",
		Short: "Show what event definitions make of notifications",
		Long: `Show what event definitions make of notifications, without a database: the traits of
each event, and how many notifications were dropped. A file is JSON, one notification
or an array of them, or JSON Lines; - is standard input. Without -d the definitions are
those of the configuration.`,
		Example: `  winchester distill -d event_definitions.yaml notifications.json
  winchester distill -d builtin:nova -d mine.yaml --json - < notifications.jsonl`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return d.run(c.Context(), args) },
	}
	f := c.Flags()
	f.StringArrayVarP(&d.definitions, "definitions", "d", nil, "event definitions: a `file`, or builtin:NAME; several, the last counts first")
	f.BoolVar(&d.catchAll, "catch-all", false, "with -d: keep the basic traits of what no definition applies to")
	_ = c.MarkFlagFilename("definitions", "yaml", "yml", "json")
	return c
}

func (d *distill) run(ctx context.Context, files []string) error {
	if err := d.prepare(); err != nil {
		return err
	}
	d.events = []eventJSON{}
	for _, file := range files {
		in, err := d.open(ctx, file)
		if err != nil {
			return err
		}
		data, err := in.all(maxDistilled)
		_ = in.close()
		if err != nil {
			return err
		}
		d.file(in.name, data)
	}
	if d.json {
		if err := d.printJSON(map[string]any{"events": d.events, "tested": d.tested, "dropped": d.dropped, "failed": d.failed}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(d.out, "Notifications tested: %d (%d dropped)\n", d.tested, d.dropped)
	}
	if d.failed > 0 {
		return silentError{ExitPartial}
	}
	return nil
}

func (d *distill) prepare() error {
	if len(d.definitions) == 0 {
		if d.catchAll {
			return usagef("--catch-all is for --definitions; the configuration says catch_all_notifications")
		}
		cfg, err := d.load()
		if err != nil {
			return err
		}
		if d.distiller = cfg.Distiller; d.distiller == nil {
			return configError{errors.New(cfg.File + ": distiller_config is missing; name event definitions with -d")}
		}
		return nil
	}
	var sources []distiller.Source
	for _, name := range d.definitions {
		if set, ok := strings.CutPrefix(name, "builtin:"); ok {
			builtin, err := distiller.Builtin(set)
			if err != nil {
				return usagef("-d %s: %w", name, err)
			}
			sources = append(sources, builtin...)
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return configError{err}
		}
		sources = append(sources, distiller.Source{File: name, Data: data})
	}
	definitions, err := distiller.LoadSources(d.host.TraitPlugins, sources...)
	if err != nil {
		return configError{err}
	}
	made, err := distiller.New(distiller.Config{Definitions: definitions, CatchAll: d.catchAll, Now: time.Now})
	if err != nil {
		return configError{err}
	}
	d.distiller = made
	return nil
}

// maxDistilled bounds what is read into memory of a file.
const maxDistilled = 256 << 20

// file takes a file for one JSON text or, if it is none, for one on each line.
func (d *distill) file(name string, data []byte) {
	if json.Valid(data) {
		d.body(name, bytes.TrimSpace(data))
		return
	}
	no := 0
	for text := range bytes.Lines(data) {
		no++
		if text = bytes.TrimSpace(text); len(text) > 0 {
			d.body(fmt.Sprintf("%s:%d", name, no), text)
		}
	}
}

func (d *distill) body(at string, body []byte) {
	items, batch, err := d.distiller.Split(body)
	switch {
	case batch && err != nil:
		d.tested++
		d.fail(at, err)
	case !batch:
		d.one(at, body)
	default:
		for i, item := range items {
			d.one(fmt.Sprintf("%s[%d]", at, i), item)
		}
	}
}

func (d *distill) one(at string, body []byte) {
	d.tested++
	e, err := d.distiller.Distill(body)
	switch {
	case errors.Is(err, winchester.ErrDropped):
		d.dropped++
		if !d.json {
			fmt.Fprintf(d.out, "Dropped: %s %s (%s)\n\n", e.EventType, e.MessageID, at)
		}
	case err != nil:
		d.fail(at, err)
	case d.json:
		d.events = append(d.events, newEventJSON(&e, ""))
	default:
		_ = d.printEvent(&e)
		fmt.Fprintln(d.out)
	}
}

func (d *distill) fail(at string, err error) {
	d.failed++
	fmt.Fprintf(d.errs, "%s: %s: %s\n", d.host.Name, at, strings.ReplaceAll(err.Error(), "\n", "; "))
}
