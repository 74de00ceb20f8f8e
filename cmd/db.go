package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed71495667/winchester/store"
)

// migration does what the db commands have in common.
type migration struct {
	*options
	sql      bool
	yes      bool
	headOnly bool
	revRange string
}

func newDB(o *options) *cobra.Command {
	m := &migration{options: o}
	upgrade := &cobra.Command{
		Use:   "upgrade [VERSION]",
		Short: "Bring the schema up to date, or up to a version",
		Long: `Bring the schema up to date, or up to a version: a number, a migration's name,
head for the latest, or +1 for one more. Any number of processes may do so at once.

With --sql the statements are printed, not run. They begin at the version that the
database is at; FROM:TO says which to begin at, and then no database is needed.`,
		Example: `  winchester db upgrade
  winchester db upgrade +1
  winchester db upgrade --database sqlite:///winchester.db
  winchester db upgrade --sql 0:head --database postgres://db/app > schema.sql`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return m.move(c.Context(), first(args, "head"), true)
		},
	}
	downgrade := &cobra.Command{
		Use:   "downgrade [VERSION]",
		Short: "Take the last migration back, or all above a version",
		Long: `Take the last migration back, or all above a version: a number, a migration's name,
-1 for one less, or base for the empty database. To take the first one back deletes
all events and streams, and asks for --yes.

With --sql the statements are printed, not run: see db upgrade.`,
		Example: `  winchester db downgrade -1
  winchester db downgrade --sql
  winchester db downgrade base --yes`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return m.move(c.Context(), first(args, "-1"), false)
		},
	}
	downgrade.Flags().BoolVar(&m.yes, "yes", false, "delete all events and streams, if that is what it comes to")
	for _, c := range []*cobra.Command{upgrade, downgrade} {
		c.ValidArgsFunction = cobra.FixedCompletions([]cobra.Completion{"head", "base", "+1", "-1"}, cobra.ShellCompDirectiveNoFileComp)
	}
	current := &cobra.Command{
		Use:     "current",
		Short:   "Print the version that the database is at",
		Example: "  winchester db current",
		Args:    noArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return m.current(c.Context()) },
	}
	current.Flags().BoolVar(&m.headOnly, "head-only", false, "print the version, and whether it is the latest, and no more")
	history := &cobra.Command{
		Use:   "history",
		Short: "List the migrations, and which have been applied",
		Example: `  winchester db history
  winchester db history -r base:1`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return m.history(c.Context()) },
	}
	history.Flags().StringVarP(&m.revRange, "rev-range", "r", "", "only these, as `FROM:TO`")
	stamp := &cobra.Command{
		Use:   "stamp VERSION",
		Short: "Record a version without running anything",
		Long: `Record that the database is at a version, without running anything: for a schema
that was made by other means. What upgrade --sql prints does so itself.

With --sql the statements are printed, not run; no database is needed.`,
		Example: `  winchester db stamp head
  winchester db stamp --sql head --database postgres://db/app`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if m.sql {
				return m.printStamp(args[0])
			}
			return m.with(c.Context(), func(ctx context.Context, g *store.Migrator) error {
				version, err := m.version(g.Migrations(), args[0], 0)
				if err == nil {
					err = g.Stamp(ctx, version)
				}
				if err == nil {
					err = m.printAt(ctx, g)
				}
				return err
			})
		},
	}
	for _, c := range []*cobra.Command{upgrade, downgrade, stamp} {
		c.Flags().BoolVar(&m.sql, "sql", false, "print the statements instead of running them")
	}
	return group("db", "Create, change and inspect the database's schema", upgrade, downgrade, current, history, stamp)
}

func first(args []string, otherwise string) string {
	if len(args) == 0 {
		return otherwise
	}
	return args[0]
}

func (m *migration) with(ctx context.Context, do func(context.Context, *store.Migrator) error) error {
	cfg, err := m.settings()
	if err != nil {
		return err
	}
	g, err := store.OpenMigratorWith(ctx, m.host.OpenDatabase, string(cfg.Database.URL), cfg.StoreOptions())
	if err != nil {
		return fmt.Errorf("open the database %s: %w", cfg.Database.URL, err)
	}
	return errors.Join(do(ctx, g), g.Close())
}

// move goes to a version, up or down.
func (m *migration) move(ctx context.Context, target string, up bool) error {
	from, to, isRange := strings.Cut(target, ":")
	switch {
	case isRange && !m.sql:
		return usagef("%q: FROM:TO is for --sql", target)
	case isRange:
		return m.printRange(from, to, up)
	}
	return m.with(ctx, func(ctx context.Context, g *store.Migrator) error {
		at, err := g.Version(ctx)
		if err != nil {
			return err
		}
		if at > len(g.Migrations()) {
			return fmt.Errorf("%w: it is at version %d, this program knows %d", store.ErrNewerSchema, at, len(g.Migrations()))
		}
		to, err := m.version(g.Migrations(), target, at)
		switch {
		case err != nil:
			return err
		case up && to < at:
			return usagef("the database is at version %d, which is above %d; use db downgrade", at, to)
		case !up && to > at:
			return usagef("the database is at version %d, which is below %d; use db upgrade", at, to)
		case m.sql:
			text, err := g.SQL(at, to)
			if err == nil {
				_, err = io.WriteString(m.out, text)
			}
			return err
		case !up && at > 0 && to == 0 && !m.yes:
			return usagef("this deletes all events and streams; if that is meant, add --yes")
		}
		if err := g.To(ctx, to); err != nil {
			return err
		}
		return m.printAt(ctx, g)
	})
}

// printRange needs no database, but its URL, for the kind.
func (m *migration) printRange(fromText, toText string, up bool) error {
	cfg, err := m.settings()
	if err != nil {
		return err
	}
	all, err := store.Migrations(string(cfg.Database.URL), cfg.StoreOptions())
	if err != nil {
		return err
	}
	from, err := m.version(all, fromText, 0)
	if err != nil {
		return err
	}
	to, err := m.version(all, toText, from)
	switch {
	case err != nil:
		return err
	case up && to < from:
		return usagef("%s:%s goes down; use db downgrade", fromText, toText)
	case !up && to > from:
		return usagef("%s:%s goes up; use db upgrade", fromText, toText)
	}
	text, err := store.MigrationSQL(string(cfg.Database.URL), cfg.StoreOptions(), from, to)
	if err == nil {
		_, err = io.WriteString(m.out, text)
	}
	return err
}

// printStamp needs no database, but its URL, for the kind.
func (m *migration) printStamp(target string) error {
	cfg, err := m.settings()
	if err != nil {
		return err
	}
	all, err := store.Migrations(string(cfg.Database.URL), cfg.StoreOptions())
	if err != nil {
		return err
	}
	version, err := m.version(all, target, 0)
	if err != nil {
		return err
	}
	text, err := store.StampSQL(string(cfg.Database.URL), cfg.StoreOptions(), version)
	if err == nil {
		_, err = io.WriteString(m.out, text)
	}
	return err
}

// version understands a version: a number, a name, head, base, or so many more
// or less than the one that the database is at.
func (m *migration) version(all []store.Migration, text string, at int) (int, error) {
	switch text {
	case "head":
		return len(all), nil
	case "base":
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err == nil && (text[0] == '+' || text[0] == '-'):
		if at+n < 0 || at+n > len(all) {
			return 0, usagef("there is no version %s from %d, which the database is at: there are 0, which is base, to %d", text, at, len(all))
		}
		return at + n, nil
	case err != nil:
		n = -1
		for _, one := range all {
			if text == one.String() || text == one.Name {
				n = one.Version
			}
		}
	}
	if n < 0 || n > len(all) {
		return 0, usagef("there is no version %q: expected base, 0 to %d, the name of a migration, or head", text, len(all))
	}
	return n, nil
}

// at is where a database stands.
type at struct {
	Version   int        `json:"version"`
	Name      string     `json:"name,omitempty"`
	Head      bool       `json:"head"`
	AppliedAt *time.Time `json:"applied_at,omitempty"`
}

func (a at) String() string {
	switch {
	case a.Name == "" && a.Version == 0:
		return "base"
	case a.Name == "":
		return fmt.Sprintf("version %d, which is newer than this program", a.Version)
	case a.Head:
		return a.Name + " (head)"
	}
	return a.Name
}

func (m *migration) at(ctx context.Context, g *store.Migrator) (at, error) {
	version, err := g.Version(ctx)
	if err != nil {
		return at{}, err
	}
	all := g.Migrations()
	out := at{Version: version, Head: version == len(all)}
	if version < 1 || version > len(all) {
		return out, nil
	}
	out.Name = all[version-1].String()
	status, err := g.Status(ctx)
	if err == nil && status[version-1].Applied {
		out.AppliedAt = &status[version-1].AppliedAt
	}
	return out, err
}

func (m *migration) printAt(ctx context.Context, g *store.Migrator) error {
	a, err := m.at(ctx, g)
	if err != nil {
		return err
	}
	if m.json {
		return m.printJSON(a)
	}
	_, err = fmt.Fprintf(m.out, "The database is at %s.\n", a)
	return err
}

func (m *migration) current(ctx context.Context) error {
	return m.with(ctx, func(ctx context.Context, g *store.Migrator) error {
		if !m.headOnly || m.json {
			return m.printAt(ctx, g)
		}
		a, err := m.at(ctx, g)
		if err == nil {
			fmt.Fprintln(m.out, a)
		}
		return err
	})
}

func (m *migration) history(ctx context.Context) error {
	return m.with(ctx, func(ctx context.Context, g *store.Migrator) error {
		all, err := g.Status(ctx)
		if err != nil {
			return err
		}
		from, to := 0, len(all)
		if m.revRange != "" {
			a, b, ok := strings.Cut(m.revRange, ":")
			if !ok {
				return usagef("--rev-range %q: expected FROM:TO", m.revRange)
			}
			if a != "" {
				if from, err = m.version(g.Migrations(), a, 0); err != nil {
					return err
				}
			}
			if b != "" {
				if to, err = m.version(g.Migrations(), b, 0); err != nil {
					return err
				}
			}
		}
		shown := []at{}
		t := m.table("VERSION", "APPLIED")
		for _, one := range all {
			if one.Version < from || one.Version > to {
				continue
			}
			row := at{Version: one.Version, Name: one.String(), Head: one.Version == len(all)}
			if one.Applied {
				row.AppliedAt = &one.AppliedAt
			}
			shown = append(shown, row)
			t.row(row.String(), showTime(one.AppliedAt))
		}
		if m.json {
			return m.printJSON(shown)
		}
		return t.flush()
	})
}

// relativeLast moves -1 and the like, which db upgrade and db downgrade take for a
// version, to where no flag is looked for.
func relativeLast(root *cobra.Command, args []string) []string {
	c, _, err := root.Find(args)
	if err != nil || c.Parent() == nil || c.Parent().Name() != "db" || c.Name() != "upgrade" && c.Name() != "downgrade" {
		return args
	}
	_ = c.InheritedFlags() // adds them to its own
	var kept, versions []string
	for i, arg := range args {
		if arg == "--" {
			return append(append(kept, args[i:]...), versions...)
		}
		if _, err := strconv.Atoi(arg); err == nil && arg[0] == '-' && (i == 0 || !takesNext(c, args[i-1])) {
			versions = append(versions, arg)
			continue
		}
		kept = append(kept, arg)
	}
	if versions == nil {
		return args
	}
	return append(append(kept, "--"), versions...)
}

// takesNext tells of a flag whose value is the next argument.
func takesNext(c *cobra.Command, arg string) bool {
	var f *pflag.Flag
	switch name, long := strings.CutPrefix(arg, "--"); {
	case long:
		f = c.Flags().Lookup(name)
	case len(arg) > 1 && arg[0] == '-':
		f = c.Flags().ShorthandLookup(arg[len(arg)-1:])
	}
	return f != nil && f.NoOptDefVal == ""
}
