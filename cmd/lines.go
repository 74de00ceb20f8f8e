package cmd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// lineFault is a line that cannot be an event.
type lineFault struct{ error }

func (f lineFault) Unwrap() error { return f.error }

// eachLine calls f for each line of a file that is not blank, and read for what
// was read of the file; the file "-" is standard input. A line that is too long
// comes with a fault.
func (o *options) eachLine(ctx context.Context, name string, read func(n int64), f func(file string, no int, text []byte, fault error) error) error {
	r, err := o.open(ctx, name)
	if err != nil {
		return err
	}
	defer func() { _ = r.close() }() // it was only read
	name = r.name
	for no := 1; ; no++ {
		body, n, err := readLine(r.Reader)
		if ctx.Err() != nil {
			return interruptedBefore(name, no)
		}
		read(n)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if text := bytes.TrimSpace(body); len(text) > 0 {
			var fault error
			if n > maxLine {
				fault = lineFault{fmt.Errorf("the line has %d bytes, at most %d are allowed", n, maxLine)}
			}
			if err := f(name, no, text, fault); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
	}
}

// readLine reads a line of any length, and keeps what may be kept of it.
func readLine(r *bufio.Reader) (body []byte, read int64, err error) {
	for {
		part, err := r.ReadSlice('\n')
		read += int64(len(part))
		if read <= maxLine {
			body = append(body, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return body, read, err
		}
	}
}
