package store

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]location{
		"sqlite:///winchester.db":               {kind: "sqlite", file: "winchester.db"},
		"sqlite:///data/winchester.db":          {kind: "sqlite", file: "data/winchester.db"},
		"sqlite:////var/lib/winchester.db":      {kind: "sqlite", file: "/var/lib/winchester.db"},
		"sqlite+pysqlite:////var/winchester.db": {kind: "sqlite", file: "/var/winchester.db"},
		"sqlite://":                             {kind: "sqlite"},
		"sqlite:///":                            {kind: "sqlite"},
		"sqlite:///:memory:":                    {kind: "sqlite"},
		"sqlite://winchester.db":                {kind: "sqlite", file: "winchester.db"},
		"sqlite:///a%20b.db":                    {kind: "sqlite", file: "a%20b.db"},
		"SQLite:///x.db":                        {kind: "sqlite", file: "x.db"},
		"winchester.db":                         {kind: "sqlite", file: "winchester.db"},
		"/var/lib/winchester.db":                {kind: "sqlite", file: "/var/lib/winchester.db"},
		`C:\data\winchester.db`:                 {kind: "sqlite", file: `C:\data\winchester.db`},
		":memory:":                              {kind: "sqlite"},
		"file:winchester.db":                    {kind: "sqlite", file: "winchester.db"},
		"file:/var/a%20b.db?cache=private":      {kind: "sqlite", file: "/var/a b.db", query: "cache=private"},
		"file:///var/winchester.db":             {kind: "sqlite", file: "/var/winchester.db"},
		"file://localhost/var/winchester.db":    {kind: "sqlite", file: "/var/winchester.db"},
		"file::memory:?cache=shared":            {kind: "sqlite"},
		"file:x?mode=memory":                    {kind: "sqlite"},
	} {
		if got, err := parseURL(url, &Options{}); err != nil || got != want {
			t.Errorf("parseURL(%q): got %+v, %v; want %+v", url, got, err, want)
		}
	}
}

func TestParseURLParameters(t *testing.T) {
	t.Parallel()
	o := Options{Synchronous: SyncOff}
	if _, err := parseURL("sqlite:///x.db?synchronous=NORMAL&busy_timeout=250ms", &o); err != nil {
		t.Fatal(err)
	}
	if o.Synchronous != SyncNormal || o.BusyTimeout != 250*time.Millisecond {
		t.Fatalf("options are %+v", o)
	}
	for _, url := range []string{
		"sqlite:///x.db?journal=off", "sqlite:///x.db?busy_timeout=5", "sqlite:///x.db?busy_timeout=-5s", "sqlite:///x.db?%zz", "", "file:", "file://server/x.db",
	} {
		if l, err := parseURL(url, &Options{}); err == nil {
			t.Errorf("parseURL(%q) is %+v; want an error", url, l)
		}
	}
}

func TestUnsupportedDatabases(t *testing.T) {
	t.Parallel()
	for url, word := range map[string]string{
		"mysql://me:s3cret@db/w":                   "MySQL",
		"mysql+pymysql://me:s3cret@db/w":           "MySQL",
		"mysql+mysqldb://me:s3:cr@s3cret@db/w":     "MySQL",
		"mariadb://me@db/w?password=s3cret":        "MySQL",
		"oracle://me:s3cret@db/w":                  "oracle",
		"host=db user=me password=s3cret dbname=w": "DSN",
		"me:s3cret@tcp(db:3306)/w":                 "DSN",
	} {
		_, err := parseURL(url, &Options{})
		if !errors.Is(err, ErrUnsupportedDatabase) || !strings.Contains(err.Error(), word) || !strings.Contains(err.Error(), "SQLite") {
			t.Errorf("parseURL(%q): error %v", url, err)
		}
		if checked := CheckURL(url); checked == nil || checked.Error() != err.Error() {
			t.Errorf("CheckURL(%q): error %v", url, checked)
		}
		if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "s3:cr") {
			t.Errorf("the error has the password: %v", err)
		}
	}
}

func TestPostgresURLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://me:s3cret@db/winchester?sslmode=disable", "postgresql://me:s3cret@db/w",
		"postgresql+psycopg2://me:s3cret@db/w", "postgres:///w?host=/run/postgresql", "POSTGRES://db",
	} {
		l, err := parseURL(url, &Options{})
		if err != nil || l.kind != postgresName || !strings.HasPrefix(l.url, "postgres://") {
			t.Errorf("parseURL(%q) is %+v, error %v", url, l, err)
		}
	}
	for _, url := range []string{
		"postgres://me:s3cret@db:port/w", "postgres://me:s3cret%zz@db/w", "postgres://me:s3 cret@[::1/w", "postgres://me:s3cret@db/w?sslmode=often",
		"postgres://me@db/w?password=s3cret&sslmode=x", "postgres://me:s3/cret@db:x/w",
	} {
		_, err := parseURL(url, &Options{})
		if err == nil {
			t.Errorf("parseURL(%q): no error", url)
		} else if strings.Contains(err.Error(), "s3") {
			t.Errorf("the error has the password: %v", err)
		}
		t.Log(err)
	}
}

// TestConnectErrorsHaveNoPassword: nobody listens on port 1.
func TestConnectErrorsHaveNoPassword(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), "postgres://me:s3cret@127.0.0.1:1/w?connect_timeout=5", Options{})
	if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("error: %v", err)
	}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	if err := CheckURL("sqlite:////no/such/directory/w.db?synchronous=normal"); err != nil {
		t.Error(err)
	}
	if err := CheckURL("sqlite:///w.db?synchronous=sometimes"); err == nil {
		t.Error("no error for a setting that does not exist")
	}
}

func TestSQLiteDSNEscapesThePath(t *testing.T) {
	t.Parallel()
	o, err := Options{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	dsn := sqliteDSN(location{kind: sqliteName, file: "/tmp/50%?#.db"}, o, false)
	if !strings.HasPrefix(dsn, "file:/tmp/50%25%3f%23.db?") || !strings.Contains(dsn, "_synchronous=full") || !strings.Contains(dsn, "_txlock=immediate") {
		t.Errorf("DSN is %s", dsn)
	}
}
