package distiller

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// scan reads JSON, strictly as RFC 8259 has it, and notes in the tape where
// everything is. Checking and indexing are one pass, so that each byte is
// looked at once and nothing is looked at that no path leads to: most of a
// notification is never needed.
func (d *document) scan(text []byte) error {
	d.text, d.decoded, d.tape, d.high = text, d.decoded[:0], d.tape[:0], 0
	d.add(formNull, 0, 0) // so that 0 is no value
	at, err := d.value(skip(text, 0), 1)
	if err == nil {
		if at = skip(text, at); at < len(text) {
			err = d.unexpected(at, "the end")
		}
	}
	// UTF-8 comes first among the faults, and costs nothing where all is ASCII.
	if (err != nil || d.high&highBits != 0) && !utf8.Valid(text) {
		return errUTF8
	}
	if err != nil {
		return notJSON(err)
	}
	return nil
}

func notJSON(err error) error { return fmt.Errorf("it is not JSON: %w", err) }

// unexpected is the error for the byte there. Bytes are counted from 1.
func (d *document) unexpected(at int, expected string) error {
	found := "the end"
	if at < len(d.text) {
		r, _ := utf8.DecodeRune(d.text[at:])
		found = fmt.Sprintf("%q", r)
	}
	return fmt.Errorf("at byte %d: expected %s, found %s", at+1, expected, found)
}

func skip(b []byte, at int) int {
	for at < len(b) && b[at] <= ' ' && (b[at] == ' ' || b[at] == '\n' || b[at] == '\t' || b[at] == '\r') {
		at++
	}
	return at
}

// value reads what begins at a byte that is no white space, appends it to the
// tape, and returns where it ends. Each of its helpers does the same.
func (d *document) value(at, depth int) (int, error) {
	if depth > MaxDepth {
		return 0, fmt.Errorf("at byte %d: it is nested deeper than %d levels", at+1, MaxDepth)
	}
	b := d.text
	if at < len(b) {
		switch b[at] {
		case '"':
			return d.quoted(at + 1)
		case '{':
			return d.object(at+1, depth)
		case '[':
			return d.list(at+1, depth)
		case 't':
			return d.literal(at, "true", formTrue)
		case 'f':
			return d.literal(at, "false", formFalse)
		case 'n':
			return d.literal(at, "null", formNull)
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			return d.number(at)
		}
	}
	return 0, d.unexpected(at, "a value")
}

func (d *document) object(at, depth int) (int, error) {
	b, self, n := d.text, len(d.tape), 0
	d.add(formObject, at, 0)
	at = skip(b, at)
	if at < len(b) && b[at] == '}' {
		d.close(self, 0)
		return at + 1, nil
	}
	for {
		if at >= len(b) || b[at] != '"' {
			return 0, d.unexpected(at, "a key in quotes")
		}
		var err error
		if at, err = d.quoted(at + 1); err != nil {
			return 0, err
		}
		if at = skip(b, at); at >= len(b) || b[at] != ':' {
			return 0, d.unexpected(at, "a colon")
		}
		if at, err = d.value(skip(b, at+1), depth+1); err != nil {
			return 0, err
		}
		n++
		at = skip(b, at)
		if at < len(b) && b[at] == ',' {
			at = skip(b, at+1)
			continue
		}
		if at < len(b) && b[at] == '}' {
			d.close(self, n)
			return at + 1, nil
		}
		return 0, d.unexpected(at, "a comma or }")
	}
}

func (d *document) list(at, depth int) (int, error) {
	b, self, n := d.text, len(d.tape), 0
	d.add(formList, at, 0)
	at = skip(b, at)
	if at < len(b) && b[at] == ']' {
		d.close(self, 0)
		return at + 1, nil
	}
	for {
		var err error
		if at, err = d.value(at, depth+1); err != nil {
			return 0, err
		}
		n++
		at = skip(b, at)
		if at < len(b) && b[at] == ',' {
			at = skip(b, at+1)
			continue
		}
		if at < len(b) && b[at] == ']' {
			d.close(self, n)
			return at + 1, nil
		}
		return 0, d.unexpected(at, "a comma or ]")
	}
}

func (d *document) literal(at int, word string, f form) (int, error) {
	end := at + len(word)
	if end > len(d.text) || string(d.text[at:end]) != word {
		return 0, d.unexpected(at, "a value")
	}
	d.add(f, at, end)
	return end, nil
}

func (d *document) number(at int) (int, error) {
	b, end := d.text, at
	if b[end] == '-' {
		end++
	}
	if end < len(b) && b[end] == '0' {
		end++
	} else {
		from := end
		if end = digits(b, end); end == from {
			return 0, d.unexpected(end, "a digit")
		}
	}
	if end < len(b) && b[end] == '.' {
		from := end + 1
		if end = digits(b, from); end == from {
			return 0, d.unexpected(end, "a digit")
		}
	}
	if end < len(b) && (b[end] == 'e' || b[end] == 'E') {
		from := end + 1
		if from < len(b) && (b[from] == '+' || b[from] == '-') {
			from++
		}
		if end = digits(b, from); end == from {
			return 0, d.unexpected(end, "a digit")
		}
	}
	d.add(formNumber, at, end)
	return end, nil
}

func digits(b []byte, at int) int {
	for at < len(b) && isDigit(b[at]) {
		at++
	}
	return at
}

// quoted reads a key or a text, from behind its opening quote.
func (d *document) quoted(at int) (int, error) {
	end, high := plain(d.text, at)
	d.high |= high
	if end < len(d.text) && d.text[end] == '"' {
		d.add(formText, at, end)
		return end + 1, nil
	}
	return d.escaped(at, end)
}

// escaped reads a text with escapes, the first of them at end. What they mean
// is written out at once, so that nobody else needs to know of them.
func (d *document) escaped(at, end int) (int, error) {
	b, out, start := d.text, d.decoded, len(d.decoded)
	for end+1 < len(b) && b[end] == '\\' {
		out = append(out, b[at:end]...)
		at = end + 2
		c := escapes[b[end+1]]
		switch c {
		case 0:
			return 0, d.unexpected(end+1, "an escape that JSON has")
		case 'u':
			r, ok := hex4(b, at)
			if !ok {
				return 0, d.unexpected(end, "an escape with four hexadecimal digits")
			}
			at += 4
			if utf16.IsSurrogate(r) {
				// Half a pair stands for no character: AppendRune makes it U+FFFD.
				if low, ok := surrogate(b, at); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
					r = utf16.DecodeRune(r, low)
					at += len(`\uffff`)
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
		var high uint64
		end, high = plain(b, at)
		d.high |= high
	}
	switch {
	case end >= len(b):
		return 0, d.unexpected(end, "a closing quote")
	case b[end] == '\\':
		return 0, d.unexpected(end+1, "an escape")
	case b[end] != '"':
		return 0, d.unexpected(end, "an escape for a control character")
	}
	out = append(out, b[at:end]...)
	d.decoded = out
	d.add(formText|decoded, start, len(d.decoded))
	return end + 1, nil
}

// escapes are the bytes that may follow a backslash, and what they stand for; u
// stands for itself.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'u': 'u'}

func surrogate(b []byte, at int) (rune, bool) {
	if at+1 >= len(b) || b[at] != '\\' || b[at+1] != 'u' {
		return 0, false
	}
	return hex4(b, at+2)
}

func hex4(b []byte, at int) (r rune, ok bool) {
	if len(b)-at < 4 {
		return 0, false
	}
	for _, c := range b[at : at+4] {
		switch {
		case isDigit(c):
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

const (
	eachByte = 0x0101010101010101
	highBits = 0x80 * eachByte
)

// plain returns where in a text the first byte stands that is a quote, a
// backslash or a control character, and has its highest bits set in high
// if any byte on the way, or soon behind it, is not ASCII.
//
// It looks at eight bytes at a time: x-0x01 with x's own high bit taken away
// has its high bit set where x is zero, and perhaps wrongly so in bytes behind
// the first such one, which is the only one of interest.
func plain(b []byte, at int) (end int, high uint64) {
	for at+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[at : at+8])
		quote, backslash := w^('"'*eachByte), w^('\\'*eachByte)
		hits := (w - ' '*eachByte) &^ w
		hits |= (quote - eachByte) &^ quote
		hits |= (backslash - eachByte) &^ backslash
		high |= w
		if hits &= highBits; hits != 0 {
			return at + bits.TrailingZeros64(hits)>>3, high
		}
		at += 8
	}
	for at < len(b) && b[at] != '"' && b[at] != '\\' && b[at] >= ' ' {
		high |= uint64(b[at])
		at++
	}
	return at, high
}
