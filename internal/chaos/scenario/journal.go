package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
)

// Journal is where a feeder writes down what it was told about its deliveries.
// It outlives the feeder: every line is on disk before the feeder goes on.
type Journal struct {
	mu   sync.Mutex
	file *os.File
}

// Ack is what a feeder was told about a delivery.
type Ack struct {
	Event   int
	Outcome string  // "stored", "duplicate" or "failed"
	Streams []int64 // those that a stored event joined
	Reason  string  // why it failed
}

// History is what a journal says.
type History struct {
	Begun int // how many windows
	Acks  []Ack
}

// OpenJournal opens a journal to go on with, and returns what it says. The last
// words of a feeder that was killed while it wrote are cut off.
func OpenJournal(path string) (*Journal, History, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, History{}, err
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	h, err := parseJournal(string(whole))
	if err != nil {
		return nil, h, fmt.Errorf("%s: %w", path, err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, h, err
	}
	return &Journal{file: file}, h, file.Truncate(int64(len(whole)))
}

// ReadJournal returns what the journal of a feeder says that has ended.
func ReadJournal(path string) (History, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return History{}, err
	}
	h, err := parseJournal(string(text[:bytes.LastIndexByte(text, '\n')+1]))
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return h, err
}

// Begin notes that the feeder begins with a window.
func (j *Journal) Begin(window int) error { return j.write(fmt.Sprintf("begin %d\n", window)) }

// Acknowledge notes what the feeder was told.
func (j *Journal) Acknowledge(acks ...Ack) error {
	var b strings.Builder
	for _, a := range acks {
		fmt.Fprintf(&b, "%s %d", a.Outcome, a.Event)
		for _, id := range a.Streams {
			fmt.Fprintf(&b, " %d", id)
		}
		if a.Reason != "" {
			fmt.Fprintf(&b, " %q", a.Reason)
		}
		b.WriteByte('\n')
	}
	return j.write(b.String())
}

// Close closes the journal.
func (j *Journal) Close() error { return j.file.Close() }

func (j *Journal) write(lines string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.WriteString(lines); err != nil {
		return err
	}
	return j.file.Sync()
}

func parseJournal(text string) (h History, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		verb, rest, _ := strings.Cut(line, " ")
		number, more, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			return h, fmt.Errorf("journal line %q: %w", line, err)
		}
		switch verb {
		case "begin":
			h.Begun = max(h.Begun, n+1)
		case "stored":
			a := Ack{Event: n, Outcome: verb}
			for _, field := range strings.Fields(more) {
				id, err := strconv.ParseInt(field, 10, 64)
				if err != nil {
					return h, fmt.Errorf("journal line %q: %w", line, err)
				}
				a.Streams = append(a.Streams, id)
			}
			h.Acks = append(h.Acks, a)
		default:
			h.Acks = append(h.Acks, Ack{Event: n, Outcome: verb, Reason: more})
		}
	}
	return h, nil
}
