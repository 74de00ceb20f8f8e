package cmd

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed71495667/winchester/timex"
)

func newTimex(o *options) *cobra.Command {
	var vars []string
	c := &cobra.Command{
		Use:   "timex EXPRESSION",
		Short: "Evaluate a time expression",
		Long: `Evaluate a time expression, as it stands in expiration or distinguished_by. A time is
printed as one line, a range as its begin, which belongs to it, and its end, which
does not. $timestamp is now unless --var says otherwise.`,
		Example: `  winchester timex 'day + 6h'
  winchester timex '$last + 1h' --var last=2026-05-01T12:00:00Z`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			expr, err := timex.Parse(args[0])
			if err != nil {
				return usageError{err}
			}
			values := timex.Map{timex.DefaultVariable: time.Now()}
			for _, v := range vars {
				name, text, ok := strings.Cut(v, "=")
				if name = strings.TrimPrefix(name, "$"); !ok || name == "" {
					return usagef("--var %q: expected NAME=TIME", v)
				}
				at, err := parseTime(text, time.Now())
				if err != nil {
					return usagef("--var %s: %w", name, err)
				}
				values[name] = at
			}
			value, err := expr.Eval(values)
			if err != nil {
				return usageError{err}
			}
			return o.printTimex(value)
		},
	}
	c.Flags().StringArrayVar(&vars, "var", nil, "the value of a variable: `NAME=TIME`; may be repeated")
	return c
}

func (o *options) printTimex(v timex.Value) error {
	switch {
	case o.json && v.IsRange():
		return o.printJSON(map[string]time.Time{"begin": v.Begin, "end": v.End})
	case o.json:
		return o.printJSON(map[string]time.Time{"timestamp": v.Begin})
	case v.IsRange():
		fmt.Fprintf(o.out, "begin   %s\nend     %s\nlength  %s\n", showTime(v.Begin), showTime(v.End), v.Duration())
		return nil
	}
	_, err := fmt.Fprintln(o.out, showTime(v.Begin))
	return err
}
