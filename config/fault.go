package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/yamlx"
	"github.com/seed71495667/winchester/store"
)

// Fault is one thing that is wrong with a file, and where.
type Fault struct {
	File         string
	Line, Column int    // from 1; 0 where the fault is the file's as a whole
	Path         string // from the top of the file, say "[3].match_criteria[0].number"; "" is the top
	Message      string
}

// Error gives the fault on one line: "triggers.yaml:12:5: [0].expiration: message".
func (f Fault) Error() string { return yamlx.Fault(f).Error() }

// Faults is everything that is wrong with the files that were read, file by
// file and in the order of the lines. It matches winchester.ErrDefinition. No
// password is in it.
type Faults []Fault

// Error lists the faults, a line each.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Is tells that Faults are a winchester.ErrDefinition.
func (f Faults) Is(target error) bool { return target == winchester.ErrDefinition }

// Warning tells of something in a file that is accepted and has no effect, or
// another one than it had in the original.
type Warning Fault

// String gives the warning on one line, as Fault.Error does.
func (w Warning) String() string { return Fault(w).Error() }

// collect adds what a decoder or the distiller has found to faults.
func (f *Faults) collect(file string, err error) {
	var found yamlx.Faults
	switch {
	case err == nil:
	case errors.As(err, &found):
		for _, fault := range found {
			fault.Message = redact(strings.ReplaceAll(fault.Message, "\n", "; "))
			*f = append(*f, Fault(fault))
		}
	default:
		*f = append(*f, Fault{File: file, Message: redact(err.Error())})
	}
}

// userInfo is the password of a URL in a message, perhaps one that was cut
// short.
var userInfo = regexp.MustCompile(`(://[^\s:/@"']*:)[^\s/"']*(@|\.\.\.)`)

// redact takes the passwords out of URLs. Messages quote what a file says in
// the wrong place, and that may be a database URL.
func redact(message string) string {
	return userInfo.ReplaceAllString(message, "${1}xxxxx${2}")
}

// Secret is text that is not shown: however it is printed, logged or encoded,
// a password in a URL is replaced, and text that is no URL is left out
// altogether. string(s) is the text itself.
type Secret string

// String returns the text without what is secret in it.
func (s Secret) String() string {
	switch {
	case s == "":
		return ""
	case !strings.Contains(string(s), "://"):
		return "xxxxx"
	}
	return store.RedactURL(string(s))
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// MarshalText is String, for log/slog, encoding/json and others.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
