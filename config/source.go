package config

import (
	"cmp"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/seed71495667/winchester/internal/suggest"
	"github.com/seed71495667/winchester/internal/yamlx"
)

// source is a file while it is being decoded. All that is found wrong with it,
// by itself and later in the light of other files, gathers in its decoder.
type source struct {
	file     string
	dec      *yamlx.Decoder
	top      yamlx.Value
	warnings []Warning
}

// newSource parses a file. Without lookup, ${...} stays as it is.
func newSource(file string, data []byte, lookup func(string) (string, bool)) *source {
	s := &source{file: file, dec: yamlx.NewDecoder(file)}
	s.top = s.dec.Parse(data)
	if lookup != nil {
		s.top = s.top.Expand(expandEnv(lookup))
	}
	return s
}

// readable tells whether the file is YAML at all. One that is not has been
// reported, and what it lacks must not be reported on top.
func (s *source) readable() bool { return s.top.Node() != nil }

func (s *source) warn(v yamlx.Value, message string) {
	n := v.Node()
	s.warnings = append(s.warnings, Warning{File: s.file, Line: n.Line, Column: n.Column, Path: v.Path(), Message: message})
}

// didYouMean is suggest.DidYouMean, but for where it would cost too much: a
// hostile file has many names, and many faults.
func (s *source) didYouMean(name string, candidates []string) string {
	if s.dec.Count() >= 20 || len(candidates) > 1000 {
		return ""
	}
	return suggest.DidYouMean(name, candidates)
}

// sortedWarnings returns the warnings in the order of the lines.
func (s *source) sortedWarnings() []Warning {
	slices.SortStableFunc(s.warnings, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return s.warnings
}

// finished is the result of reading a file: definitions or faults, never both.
func finished[T any](s *source, definitions []T) ([]T, error) {
	if faults := s.faults(); len(faults) > 0 {
		return nil, faults
	}
	return definitions, nil
}

func (s *source) faults() Faults {
	var out Faults
	out.collect(s.file, s.dec.Err())
	return out
}

// missing tells whether a key is there and has nothing behind it. In a trigger
// that is a line that someone did not finish.
func missing(v yamlx.Value) bool { return v.Node() != nil && !v.Exists() }

var errNotRegular = errors.New("not a regular file")

// readFile reads a file, but not more of it than the parser would take.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // to read a pipe could last for ever
		return nil, &os.PathError{Op: "read", Path: path, Err: errNotRegular}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, yamlx.MaxSize+1))
}
