package yamlx

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with a file, and where.
type Fault struct {
	File         string
	Line, Column int    // from 1; 0 where the fault is the file's as a whole
	Path         string // from the top of the file, say "[3].traits.vcpus.type"; "" is the top
	Message      string
}

// Error gives the fault on one line: "file.yaml:12:5: [0].traits: message".
func (f Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	if f.Path != "" {
		b.WriteString(f.Path)
		b.WriteString(": ")
	}
	b.WriteString(f.Message)
	return b.String()
}

// Faults are all the faults found in a file, by position. As an error it is
// one fault a line.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].Error()
	}
	return strings.Join(lines, "\n")
}

// maxFaults is how many faults are listed: enough to mend a file by, and too
// few for a hostile one to turn into megabytes of text.
const maxFaults = 100

// report collects faults up to the limit.
type report struct {
	file   string
	faults Faults
	missed int
}

// full tells whether further faults would only be counted, so that costly
// messages need not be made.
func (r *report) full() bool {
	if len(r.faults) < maxFaults {
		return false
	}
	r.missed++
	return true
}

func (r *report) add(line, column int, path, message string) {
	r.faults = append(r.faults, Fault{r.file, line, column, path, message})
}

func (r *report) err() error {
	if len(r.faults) == 0 {
		return nil
	}
	out := slices.Clone(r.faults)
	slices.SortStableFunc(out, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if r.missed > 0 {
		out = append(out, Fault{File: r.file, Message: fmt.Sprintf("%d further faults are not listed", r.missed)})
	}
	return out
}

// path is the way from the top of the file to a value, as a list that grows
// downwards and is only spelt out when there is a fault to report.
type path struct {
	up    *path
	key   string // "" in a list
	index int
}

func (p *path) String() string {
	var parts []*path
	for ; p != nil; p = p.up {
		parts = append(parts, p)
	}
	var b strings.Builder
	for _, p := range slices.Backward(parts) {
		switch {
		case p.index >= 0:
			fmt.Fprintf(&b, "[%d]", p.index)
		case plainKey(p.key):
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(p.key)
		default:
			fmt.Fprintf(&b, "[%q]", shorten(p.key))
		}
	}
	return b.String()
}

func plainKey(s string) bool {
	for _, c := range s {
		if c != '_' && c != '-' && c != '$' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return s != "" && len(s) <= maxShown
}

const maxShown = 60

// shorten keeps a stranger's text from filling a message.
func shorten(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown-3], "") + "..."
}
