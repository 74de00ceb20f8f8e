package cmd

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed71495667/winchester/config"
)

func newCheck(o *options) *cobra.Command {
	var strict bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration, as a compiler would",
		Long: `Check winchester.yaml, the files that it names, and what they say of each other:
unknown handlers and pipelines, traits that no event definition makes, criteria that
can never hold, streams that expire before they begin. No database is opened.

Errors keep the configuration from being used, and give the exit code 2. Warnings tell
of what has no effect, or hardly the one that was meant; alone they give the exit code 0,
or with --strict 2. All that can be found is found at once, and printed by file and line.`,
		Example: `  winchester check
  winchester check --config /etc/winchester/winchester.yaml --strict`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return o.check(strict) },
	}
	c.Flags().BoolVar(&strict, "strict", false, "warnings give the exit code 2 as well")
	return c
}

// finding is a fault or a warning for programs.
type finding struct {
	File     string `json:"file"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Severity string `json:"severity"`
	Path     string `json:"path,omitempty"`
	Message  string `json:"message"`
}

func (o *options) check(strict bool) error {
	report, err := config.Check(o.configFile, o.configOptions())
	if err != nil {
		return o.unreadable(err)
	}
	found := []finding{}
	note := func(severity string, f config.Fault) {
		found = append(found, finding{f.File, f.Line, f.Column, severity, f.Path, f.Message})
	}
	for _, f := range report.Faults {
		note("error", f)
	}
	for _, w := range report.Warnings {
		note("warning", config.Fault(w))
	}
	slices.SortStableFunc(found, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	faults, warnings := len(report.Faults), len(report.Warnings)
	if o.json {
		if err := o.printJSON(found); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			o.printFinding(f)
		}
		o.printChecked(report.Config, faults, warnings)
	}
	if faults > 0 || strict && warnings > 0 {
		return silentError{ExitUsage}
	}
	return nil
}

// printFinding writes what compilers write and editors read: where, what, and
// the line in question.
func (o *options) printFinding(f finding) {
	place := f.File
	if f.Line > 0 {
		place = fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
	}
	path := ""
	if f.Path != "" {
		path = f.Path + ": "
	}
	fmt.Fprintf(o.out, "%s: %s: %s%s\n", place, f.Severity, path, f.Message)
	if text, ok := o.sourceLine(f); ok {
		marker := strings.Map(func(r rune) rune {
			if r == '\t' {
				return r
			}
			return ' '
		}, string([]rune(text)[:min(f.Column-1, len([]rune(text)))]))
		fmt.Fprintf(o.out, "    %s\n    %s^\n", text, marker)
	}
}

// sourceLine is the line of the file, but not of winchester.yaml, in which
// passwords stand, and not of a file that is not there.
func (o *options) sourceLine(f finding) (string, bool) {
	if f.Line == 0 || f.File == o.configFile {
		return "", false
	}
	file, err := os.Open(f.File)
	if errors.Is(err, fs.ErrNotExist) || err != nil {
		return "", false
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for no := 1; lines.Scan(); no++ {
		if no == f.Line {
			text := strings.TrimRight(lines.Text(), " \r")
			return text, len(text) <= 200 && !strings.Contains(text, "password") && !strings.Contains(text, "://")
		}
	}
	return "", false
}

func (o *options) printChecked(cfg *config.Config, faults, warnings int) {
	switch {
	case faults+warnings > 0:
		fmt.Fprintf(o.out, "%s, %s\n", counted(faults, "error"), counted(warnings, "warning"))
	default:
		fmt.Fprintf(o.out, "%s is in order: %s, %s\n", cfg.File, counted(len(cfg.Triggers), "trigger"), counted(len(cfg.Pipelines), "pipeline"))
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
