//go:build unix

package chaos

import (
	"errors"
	"io/fs"
	"os"
	"strings"
)

// tally counts in a file, a line each time, so that counts outlive the process.
// It counts for the summary only.
type tally struct{ file *os.File }

func openTally(path string) (*tally, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	return &tally{file}, err
}

func (t *tally) count(what string) { _, _ = t.file.WriteString(what + "\n") }

// readTally adds what a file counts to the counts.
func readTally(path string, counts map[string]int) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		counts[strings.TrimSpace(line)]++
	}
	return err
}
