package amqp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
	"unicode/utf8"
)

// deadFile appends dead letters to a file.
type deadFile struct {
	mu sync.Mutex
	f  *os.File
}

// deadLine is a line of the file.
type deadLine struct {
	Time       time.Time      `json:"time"`
	Reason     string         `json:"reason"`
	Queue      string         `json:"queue"`
	Exchange   string         `json:"exchange"`
	RoutingKey string         `json:"routing_key"`
	MessageID  string         `json:"message_id,omitempty"`
	Type       string         `json:"content_type,omitempty"`
	Headers    map[string]any `json:"headers,omitempty"`
	Body       *string        `json:"body,omitempty"`        // if it is UTF-8
	BodyBase64 []byte         `json:"body_base64,omitempty"` // if not
}

func openDeadFile(path string) (*deadFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	d := &deadFile{f: f}
	if err := d.endLine(); err != nil {
		f.Close()
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	return d, nil
}

// endLine ends the last line, if whoever wrote it did not come to it.
func (d *deadFile) endLine() error {
	end, err := d.f.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := d.f.ReadAt(last, end-1); err != nil {
		return err
	}
	if last[0] != '\n' {
		_, err = d.f.WriteString("\n")
	}
	return err
}

func (d *deadFile) String() string { return "file " + d.f.Name() }

func (d *deadFile) close() { _ = d.f.Close() } // every line is on disk already

func (d *deadFile) put(_ context.Context, letters []letter) error {
	var lines bytes.Buffer
	for _, l := range letters {
		line, err := json.Marshal(l.line())
		if err != nil {
			// Headers have types that JSON lacks, such as NaN; the body matters more.
			plain := l.line()
			plain.Headers = map[string]any{"unreadable": fmt.Sprintf("%v", l.Headers)}
			if line, err = json.Marshal(plain); err != nil {
				return err
			}
		}
		lines.Write(append(line, '\n'))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.f.Write(lines.Bytes()); err != nil {
		_ = d.endLine()
		return err
	}
	return d.f.Sync()
}

func (l letter) line() deadLine {
	line := deadLine{
		Time: l.at, Reason: reason(l.reason), Queue: l.queue, Exchange: l.Exchange, RoutingKey: l.RoutingKey,
		MessageID: l.MessageId, Type: l.ContentType, Headers: l.Headers,
	}
	if utf8.Valid(l.body) {
		text := string(l.body)
		line.Body = &text
	} else {
		line.BodyBase64 = l.body
	}
	return line
}
