package cmd

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/timex"
)

// listing are the flags that lists have in common.
type listing struct {
	limit  int
	mark   string
	traits []string
	watch  time.Duration
}

func (l *listing) filterFlags(f *pflag.FlagSet, traits string) {
	f.StringArrayVar(&l.traits, "traits", nil, traits+": `NAME=VALUE`, several with ; between or by repeating; a number, true, false, a time\n"+
		`or BEGIN/END is taken for what it looks like, anything else or what is in "double quotes" for text`)
}

func (l *listing) pageFlags(c *cobra.Command) {
	l.rowFlags(c, 200, "print at most so many, 0 for all", "go on behind a row whose mark this is; + alone, or in front, for oldest first")
	l.watchFlag(c)
}

func (l *listing) rowFlags(c *cobra.Command, limit int, ofLimit, ofMark string) {
	c.Flags().IntVar(&l.limit, "limit", limit, ofLimit)
	c.Flags().StringVar(&l.mark, "mark", "", ofMark)
}

func (l *listing) watchFlag(c *cobra.Command) {
	c.Flags().DurationVarP(&l.watch, "watch", "w", 0, "print again and again, with so much time between")
	c.Flags().Lookup("watch").NoOptDefVal = "2s"
}

func (l *listing) valid() error {
	if l.limit < 0 {
		return usagef("--limit %d is negative", l.limit)
	}
	if l.watch < 0 {
		return usagef("--watch %s is negative", l.watch)
	}
	if _, err := winchester.ParseMark(l.mark); err != nil {
		return usagef("--mark: %w", err)
	}
	return nil
}

// timeFlag is a flag whose value is a time, or a time expression over now.
type timeFlag struct {
	text string
	at   time.Time
}

func (t *timeFlag) String() string { return t.text }
func (t *timeFlag) Type() string   { return "time" }
func (t *timeFlag) Set(text string) (err error) {
	t.text = text
	t.at, err = parseTime(text, time.Now())
	return err
}

// parseTime reads a time, as it is mostly written, or a time expression in which
// $timestamp is now.
func parseTime(text string, now time.Time) (time.Time, error) {
	if t, ok := readTime(text); ok {
		return t, nil
	}
	if text == "now" {
		return now.UTC(), nil
	}
	expr, err := timex.Parse(text)
	if err == nil {
		err = expr.CheckVariables("timestamp")
	}
	if err == nil {
		var v timex.Value
		if v, err = expr.Eval(timex.Map{"timestamp": now}); err == nil {
			return v.Begin, nil
		}
	}
	if strings.ContainsAny(text, "$+@(") {
		return time.Time{}, err
	}
	return time.Time{}, fmt.Errorf(`expected a time such as 2026-05-01, "2026-05-01 12:30", 2026-05-01T12:30:00Z or an expression such as "$timestamp - 1h"`)
}

// readTime reads a time; one without a zone is in UTC.
func readTime(text string) (time.Time, bool) {
	for _, layout := range []string{
		time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02",
	} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// parseTraits reads NAME=VALUE;NAME=VALUE. NAME:VALUE, as the original's client
// had it, means the same.
func parseTraits(args []string) (winchester.Traits, error) {
	out := winchester.Traits{}
	for _, arg := range args {
		if strings.TrimSpace(arg) == "" {
			return nil, usagef("--traits is empty: expected NAME=VALUE")
		}
		for _, one := range splitTraits(arg) {
			i := strings.IndexAny(one, "=:")
			if i <= 0 {
				return nil, usagef("--traits %q: expected NAME=VALUE", one)
			}
			name, value := strings.TrimSpace(one[:i]), strings.TrimSpace(one[i+1:])
			if _, twice := out[name]; twice {
				return nil, usagef("--traits: %q is given twice", name)
			}
			out[name] = parseTrait(value)
		}
	}
	return out, nil
}

// splitTraits cuts at semicolons that are not in quotes.
func splitTraits(s string) (out []string) {
	quoted, escaped, from := false, false, 0
	for i, r := range s {
		switch {
		case escaped:
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		case r == ';' && !quoted:
			out, from = append(out, s[from:i]), i+1
		}
	}
	out = append(out, s[from:])
	kept := out[:0]
	for _, one := range out {
		if strings.TrimSpace(one) != "" {
			kept = append(kept, one)
		}
	}
	return kept
}

// parseTrait takes a value for what it looks like.
func parseTrait(text string) any {
	if unquoted, err := strconv.Unquote(text); err == nil && text[0] == '"' {
		return unquoted
	}
	switch text {
	case "true":
		return true
	case "false":
		return false
	case "null":
		return nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && strings.ContainsAny(text, ".eE") && !strings.ContainsAny(text, "xX_") {
		return f
	}
	if t, ok := readTime(text); ok {
		return t
	}
	if begin, end, ok := strings.Cut(text, "/"); ok {
		b, ok1 := readTime(begin)
		e, ok2 := readTime(end)
		if ok1 && ok2 {
			return timex.NewRange(b, e)
		}
	}
	return text
}

// traitHint says, when nothing was found, what may be the reason: types count.
func (o *options) traitHint(found int, traits winchester.Traits) {
	if found > 0 || o.json || o.watching {
		return
	}
	for name, value := range traits {
		if _, isText := value.(string); !isText {
			fmt.Fprintf(o.errs, "%s: nothing has %s=%s as a %s; if it is text, write '%s=%q'\n", o.host.Name, name, showTrait(value), kindOf(value), name, showTrait(value))
		}
	}
}

func kindOf(value any) string {
	switch value.(type) {
	case int64:
		return "number without a fraction"
	case float64:
		return "number with a fraction"
	case time.Time:
		return "time"
	case timex.Range:
		return "time range"
	}
	return "value of its own"
}
