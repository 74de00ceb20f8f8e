package store

import (
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
)

// Migration is one step of the schema, which can be taken back.
type Migration struct {
	Version int    // counted from 1
	Name    string // what it does, in a word or two
	up      string
	down    string
}

func (m Migration) String() string { return fmt.Sprintf("%04d_%s", m.Version, m.Name) }

// Numbered, embedded SQL files; see docs/decisions/0005-migrations.md.
var migrationFile = regexp.MustCompile(`^([0-9]{4})_([a-z0-9_]+)\.(up|down)\.sql$`)

// readMigrations reads the files of a dialect with the prefix filled in. They
// are part of the program, so an error here is a mistake of ours.
func readMigrations(files fs.FS, t tables) ([]Migration, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, err
	}
	byVersion := map[int]*Migration{}
	for _, entry := range entries {
		parts := migrationFile.FindStringSubmatch(entry.Name())
		if parts == nil {
			return nil, fmt.Errorf("store: migration file %s: expected NNNN_name.up.sql or NNNN_name.down.sql", entry.Name())
		}
		text, err := fs.ReadFile(files, entry.Name())
		if err != nil {
			return nil, err
		}
		version, _ := strconv.Atoi(parts[1])
		m := byVersion[version]
		if m == nil {
			m = &Migration{Version: version, Name: parts[2]}
			byVersion[version] = m
		}
		sql := strings.NewReplacer("{{prefix}}", t.prefix, "{{tables}}", t.qualified).Replace(string(text))
		if parts[3] == "up" {
			m.up = sql
		} else {
			m.down = sql
		}
	}
	all := make([]Migration, 0, len(byVersion))
	for version := 1; version <= len(byVersion); version++ {
		m := byVersion[version]
		if m == nil || m.up == "" || m.down == "" {
			return nil, fmt.Errorf("store: migration %d is missing, or one of its two files is", version)
		}
		all = append(all, *m)
	}
	return all, nil
}

// change is a migration in one direction.
type change struct {
	Migration
	back bool
}

// next returns the first step on the way from one version to another.
func next(all []Migration, from, to int) (change, bool) {
	switch {
	case from < to && from < len(all):
		return change{all[from], false}, true
	case from > to && from <= len(all):
		return change{all[from-1], true}, true
	}
	return change{}, false
}

// lands is the version after the step.
func (c change) lands() int {
	if c.back {
		return c.Version - 1
	}
	return c.Version
}

func (c change) sql() string {
	if c.back {
		return c.down
	}
	return c.up
}

// statements cuts a file into its statements, each of which ends with a
// semicolon at the end of a line: a connection with prepared statements would
// run the first one only.
func statements(sql string) []string {
	var out []string
	for _, one := range strings.SplitAfter(sql, ";\n") {
		if one = strings.TrimSpace(one); one != "" {
			out = append(out, one)
		}
	}
	return out
}

// bookkeeping records the step in the table of applied migrations.
func (c change) bookkeeping(t tables) string {
	if c.back {
		return fmt.Sprintf("DELETE FROM %s WHERE version = %d", t.migrations, c.Version)
	}
	return fmt.Sprintf("INSERT INTO %s (version, name) VALUES (%d, '%s')", t.migrations, c.Version, c.Name)
}

// script is the SQL from one version to another, each step a transaction.
func script(d dialect, t tables, all []Migration, from, to int) (string, error) {
	if min(from, to) < 0 || max(from, to) > len(all) {
		return "", fmt.Errorf("store: there is no migration from version %d to %d; versions are 0 to %d", from, to, len(all))
	}
	var b strings.Builder
	if from == 0 && to > 0 {
		for _, sql := range d.createMigrations(t) {
			b.WriteString(sql + ";\n\n")
		}
	}
	for {
		step, ok := next(all, from, to)
		if !ok {
			return b.String(), nil
		}
		direction := "up"
		if step.back {
			direction = "down"
		}
		fmt.Fprintf(&b, "-- %s: %s\nBEGIN;\n\n%s\n%s;\n\nCOMMIT;\n\n", step.Migration, direction, step.sql(), step.bookkeeping(t))
		from = step.lands()
	}
}

// migrationsOf reads the migrations for the kind of database that a URL names.
func migrationsOf(url string, o Options) (dialect, tables, []Migration, error) {
	l, err := parseURL(url, &o)
	if err != nil {
		return nil, tables{}, nil, err
	}
	if o, err = o.withDefaults(); err != nil {
		return nil, tables{}, nil, err
	}
	d, t := dialects[l.kind], newTables(o)
	all, err := readMigrations(d.migrations(), t)
	return d, t, all, err
}

// MigrationSQL returns the SQL that takes a database of the URL's kind from one
// version of the schema to another, up or down, without connecting to it. 0 is
// the empty database; to is -1 for the latest version.
func MigrationSQL(url string, o Options, from, to int) (string, error) {
	d, t, all, err := migrationsOf(url, o)
	if err != nil {
		return "", err
	}
	if to == -1 {
		to = len(all)
	}
	return script(d, t, all, from, to)
}

// StampSQL returns the SQL that records that a database of the URL's kind is at a
// version of the schema, without connecting to it: what Migrator.Stamp does.
func StampSQL(url string, o Options, version int) (string, error) {
	d, t, all, err := migrationsOf(url, o)
	if err != nil {
		return "", err
	}
	if version < 0 || version > len(all) {
		return "", fmt.Errorf("store: there is no schema version %d; versions are 0 to %d", version, len(all))
	}
	var b strings.Builder
	for _, sql := range d.createMigrations(t) {
		b.WriteString(sql + ";\n\n")
	}
	b.WriteString("BEGIN;\n\n")
	for _, sql := range stampStatements(t, all[:version]) {
		b.WriteString(sql + ";\n")
	}
	b.WriteString("\nCOMMIT;\n")
	return b.String(), nil
}

// stampStatements record that these migrations have been applied, and no others.
func stampStatements(t tables, applied []Migration) []string {
	out := []string{"DELETE FROM " + t.migrations}
	for _, one := range applied {
		out = append(out, change{Migration: one}.bookkeeping(t))
	}
	return out
}

// Migrations lists the migrations of a database of the URL's kind, oldest first,
// without connecting to it.
func Migrations(url string, o Options) ([]Migration, error) {
	l, err := parseURL(url, &o)
	if err != nil {
		return nil, err
	}
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	return readMigrations(dialects[l.kind].migrations(), newTables(o))
}
