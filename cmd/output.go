package cmd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/timex"
)

// printJSON writes a value for programs.
func (o *options) printJSON(v any) error {
	text, err := o.encode(v, "")
	if err != nil {
		return err
	}
	_, err = o.out.Write(append(text, '\n'))
	return err
}

// table is rows of text for people, under a heading.
type table struct{ w *tabwriter.Writer }

func (o *options) table(heading ...string) table {
	t := table{tabwriter.NewWriter(o.out, 0, 8, 2, ' ', 0)}
	t.row(heading...)
	return t
}

// row writes what a stranger may have written, so nothing that a terminal takes for a
// command, or that turns the direction of writing.
func (t table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return ' '
			}
			return r
		}, c)
	}
	fmt.Fprintln(t.w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
}

func (t table) flush() error { return t.w.Flush() }

// showTime writes a time in UTC, with all six digits of a fraction or none, so
// that columns line up.
func showTime(t time.Time) string {
	switch {
	case t.IsZero():
		return "-"
	case t.Nanosecond() == 0:
		return t.UTC().Format(time.RFC3339)
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z07:00")
}

// maxCell is how many bytes of traits a row of a list has; show has them all.
const maxCell = 1000

// showTraits writes traits in one line, by name.
func showTraits(traits winchester.Traits) string {
	parts := make([]string, 0, len(traits))
	for name, value := range traits {
		parts = append(parts, name+"="+showTrait(value))
	}
	slices.Sort(parts)
	text := strings.Join(parts, " ")
	if len(text) > maxCell {
		text = strings.ToValidUTF8(text[:maxCell], "") + "..."
	}
	return text
}

// showTrait writes a value as --traits reads it.
func showTrait(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case time.Time:
		return showTime(v)
	case timex.Range:
		return showTime(v.Begin) + "/" + showTime(v.End)
	case string:
		if parsed, ok := parseTrait(v).(string); ok && parsed == v && v != "" && !strings.ContainsFunc(v, awkward) {
			return v
		}
		return fmt.Sprintf("%q", v)
	case float64:
		b, _ := winchester.AppendTraitJSON(nil, v)
		return string(bytes.Trim(b, `"`))
	}
	return fmt.Sprint(value)
}

// awkward tells of a character that text with it has to be in quotes.
func awkward(r rune) bool {
	return r == ';' || r == '"' || unicode.IsSpace(r) || !unicode.IsPrint(r)
}

// plainTraits are traits as programs like them: times are RFC 3339 text.
func plainTraits(traits winchester.Traits) map[string]any {
	out := make(map[string]any, len(traits))
	for name, value := range traits {
		switch v := value.(type) {
		case timex.Range:
			out[name] = map[string]any{"begin": v.Begin, "end": v.End}
		case float64:
			if b, err := json.Marshal(v); err == nil {
				out[name] = json.RawMessage(b)
			} else { // NaN, which JSON has not
				out[name] = fmt.Sprint(v)
			}
		default:
			out[name] = v
		}
	}
	return out
}

// timeOrNil leaves a time that there is not out of JSON.
func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// output is standard output. Whoever writes need not look whether that went well:
// the first error is kept, and ends the command in failure.
type output struct {
	*bufio.Writer
	to  io.Writer
	err error
}

func newOutput(to io.Writer) *output {
	out := &output{to: to}
	out.Writer = bufio.NewWriterSize(writerFunc(func(p []byte) (int, error) {
		n, err := to.Write(p)
		if err != nil && out.err == nil {
			out.err = fmt.Errorf("standard output cannot be written: %w", err)
		}
		return n, err
	}), 1<<16)
	return out
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// flush writes what has gathered, and returns what went wrong at any time.
func (out *output) flush() error {
	_ = out.Flush()
	return out.err
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// watch calls show once or, with --watch, again and again until it is
// interrupted. On a terminal each takes the place of the one before.
func (o *options) watch(ctx context.Context, every time.Duration, show func(context.Context) error) error {
	if every == 0 {
		return show(ctx)
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	o.watching = true
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if isTerminal(o.out.to) && !o.json {
			_, _ = io.WriteString(o.out, "\x1b[H\x1b[2J")
		}
		if err := errors.Join(show(ctx), o.out.flush()); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
