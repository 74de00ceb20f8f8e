package store

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const supported = `supported are PostgreSQL: "postgres://user:password@host:5432/database", and SQLite: ` +
	`"sqlite:///relative/file.db", "sqlite:////absolute/file.db", "sqlite://" (in memory), "file:..." or a plain path`

// CheckURL returns the error that Open would return for a URL that it does not
// understand or for a database that it does not support. It opens nothing.
func CheckURL(url string) error {
	o := Options{}
	if _, err := parseURL(url, &o); err != nil {
		return err
	}
	_, err := o.withDefaults()
	return err
}

// location is a database URL, understood.
type location struct {
	kind  string // the dialect's name
	url   string // PostgreSQL: as the driver takes it
	file  string // SQLite: the path, "" in memory
	query string // SQLite: parameters of a file: URL, handed on as they are
}

// parseURL understands a database URL and applies its parameters to o. No error
// of it contains a password.
//
// The sqlite: forms are SQLAlchemy's, which the original was configured with:
// three slashes and a relative path, four for an absolute one, nothing or
// :memory: for a database in memory. sqlite://file.db, which SQLAlchemy
// refuses, is taken for the relative path that it looks like. As there, the
// path is taken as it stands: %20 is no blank.
func parseURL(text string, o *Options) (location, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return parsePath(text)
	}
	database, _, _ := strings.Cut(scheme, "+") // "mysql+pymysql": the driver does not matter
	switch strings.ToLower(database) {
	case "sqlite", "sqlite3":
		return parseSQLiteURL(rest, o)
	case "file":
		return parsePath(text)
	case "postgres", "postgresql":
		return parsePostgresURL(rest)
	case "mysql", "mariadb":
		return location{}, fmt.Errorf("store: %w: MySQL and MariaDB (%s) are not supported yet; %s", ErrUnsupportedDatabase, RedactURL(text), supported)
	}
	return location{}, fmt.Errorf("store: %w: %s; %s", ErrUnsupportedDatabase, RedactURL(text), supported)
}

// parsePostgresURL takes a URL as libpq does, with its parameters and those of
// the driver; SQLAlchemy's "postgresql+psycopg2:" is the same. Whether the server
// can be reached is seen when it is opened.
func parsePostgresURL(rest string) (location, error) {
	l := location{kind: postgresName, url: "postgres://" + rest}
	if _, err := pgx.ParseConfig(l.url); err != nil {
		return location{}, fmt.Errorf("store: the database URL %s: %w", RedactURL(l.url), parseFault(err))
	}
	return l, nil
}

func parseSQLiteURL(rest string, o *Options) (location, error) {
	path, query, _ := strings.Cut(rest, "?")
	path = strings.TrimPrefix(path, "/") // what is left is absolute if it still begins with one
	if path == ":memory:" {
		path = ""
	}
	params, err := url.ParseQuery(query)
	if err != nil {
		return location{}, errors.New("store: the parameters of the database URL are not well escaped")
	}
	for name := range params {
		switch value := params.Get(name); name {
		case "synchronous":
			o.Synchronous = Synchronous(strings.ToLower(value))
		case "busy_timeout":
			if o.BusyTimeout, err = time.ParseDuration(value); err != nil || o.BusyTimeout <= 0 {
				return location{}, fmt.Errorf("store: busy_timeout %q in the database URL is not a duration such as 5s", value)
			}
		default:
			return location{}, fmt.Errorf("store: unknown parameter %q in the database URL: expected synchronous or busy_timeout", name)
		}
	}
	return location{kind: sqliteName, file: path}, nil
}

// parsePath takes a plain path, or a file: URL in SQLite's own sense.
func parsePath(text string) (location, error) {
	if foreignDSN(text) {
		return location{}, fmt.Errorf("store: %w: this looks like the DSN of a database server; %s", ErrUnsupportedDatabase, supported)
	}
	l := location{kind: sqliteName, file: text}
	if rest, ok := strings.CutPrefix(text, "file:"); ok {
		l.file, l.query, _ = strings.Cut(rest, "?")
		var err error
		if l.file, err = url.PathUnescape(l.file); err != nil {
			return location{}, fmt.Errorf("store: the path of the database URL is not well escaped: %w", err)
		}
		if host, path, ok := strings.Cut(strings.TrimPrefix(l.file, "//"), "/"); ok && strings.HasPrefix(l.file, "//") {
			if host != "" && host != "localhost" {
				return location{}, fmt.Errorf("store: a file: URL cannot name the host %q", host)
			}
			l.file = "/" + path
		}
	}
	if l.file == ":memory:" || strings.Contains(l.query, "mode=memory") {
		return location{kind: sqliteName}, nil
	}
	if l.file == "" {
		return location{}, errors.New(`store: the database URL is empty; for a database in memory write "sqlite://"`)
	}
	return l, nil
}

// foreignDSN tells whether the text is what drivers of PostgreSQL and MySQL
// accept instead of a URL. It must not become a file name: it has a password.
func foreignDSN(text string) bool {
	for _, mark := range []string{"host=", "dbname=", "password=", "@tcp(", "@unix("} {
		if strings.Contains(text, mark) {
			return true
		}
	}
	// "postgres:/user:password@host", a slash short of a URL
	user, _, at := strings.Cut(text, "@")
	return at && strings.Contains(user, ":")
}

// RedactURL returns a database URL without its password and its parameters,
// fit for errors and logs. What has no scheme is a path, and stays as it is.
func RedactURL(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text // a path
	}
	end := strings.IndexByte(rest, '?') // some drivers take the password as a parameter
	if end >= 0 && (strings.Contains(rest[:end], "@") || !strings.Contains(rest, "@")) {
		rest = rest[:end] // else the question mark is in the password
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, _, hasPassword := strings.Cut(rest[:at], ":")
		if hasPassword {
			user += ":xxxxx"
		}
		rest = user + rest[at:]
	}
	return scheme + "://" + rest
}
