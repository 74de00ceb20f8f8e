package cmd

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
)

// input is a file of JSON, or standard input.
type input struct {
	*bufio.Reader
	name  string // for people
	close func() error
}

// open opens a file; "-" is standard input. What is text, but not as it is meant to
// be, is refused with a word on what to do; a byte order mark is skipped. Reading
// ends with ctx.
func (o *options) open(ctx context.Context, name string) (*input, error) {
	in := &input{name: name, close: func() error { return nil }}
	from := o.in
	if name == "-" {
		in.name = "(standard input)"
	} else {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		if info, err := f.Stat(); err == nil && info.IsDir() {
			_ = f.Close()
			return nil, usagef("%s is a directory", name)
		}
		from, in.close = f, f.Close
	}
	in.Reader = bufio.NewReaderSize(&reader{ctx: ctx, from: from}, 1<<16)
	head, _ := in.Peek(3)
	var err error
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		err = fmt.Errorf("%s is compressed: expected JSON, as of zcat %[1]s | %s -", in.name, o.path())
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		err = fmt.Errorf("%s is in UTF-16: expected UTF-8, as iconv -f UTF-16 -t UTF-8 makes it", in.name)
	case bytes.Equal(head, []byte("\xef\xbb\xbf")):
		_, err = in.Discard(3)
	}
	if err != nil {
		_ = in.close()
		return nil, err
	}
	return in, nil
}

// all reads the whole of it, up to a limit.
func (in *input) all(limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = usagef("%s has more than %d MB; give it in parts", in.name, limit>>20)
	}
	return data, err
}
