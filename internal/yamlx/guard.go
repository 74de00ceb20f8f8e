package yamlx

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// clean checks everything that can be checked before the file is taken apart,
// and returns its text. The number of tokens is estimated from the signs that
// make them: a token costs the lexer 300 bytes.
func clean(r *report, data []byte) (string, bool) {
	if len(data) > MaxSize {
		r.add(0, 0, "", fmt.Sprintf("the file has %d bytes, at most %d are allowed", len(data), MaxSize))
		return "", false
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	line, column, tokens := 1, 1, 0
	for i := 0; i < len(data); {
		c, width := rune(data[i]), 1
		if c >= utf8.RuneSelf {
			c, width = utf8.DecodeRune(data[i:])
		}
		switch {
		case c == utf8.RuneError && width == 1:
			r.add(line, column, "", fmt.Sprintf("byte 0x%02x is not valid UTF-8", data[i]))
			return "", false
		case c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f:
			r.add(line, column, "", fmt.Sprintf("control character U+%04X is not allowed", c))
			return "", false
		}
		switch c {
		case '\n', '[', ']', '{', '}', '-', '?', '#', '"', '\'', '|', '>':
			tokens++
		case ',', ':', '&', '*', '!', '%', '@', '`':
			tokens += 2
		}
		if tokens > 2*MaxTokens {
			r.add(line, column, "", tooManyTokens)
			return "", false
		}
		i += width
		if column++; c == '\n' {
			line, column = line+1, 1
		}
	}
	return string(data), true
}

var tooManyTokens = fmt.Sprintf("the file is too large: more than %d words and signs", MaxTokens)

// maxKeyWork bounds what the parser below spends on block maps, which is the
// square of their number of keys. It allows a map of about 2,000.
const maxKeyWork = 4_000_000

// block is an open block map or list: its column, and how many keys it has.
type block struct{ column, keys int }

// checkTokens finds what the parser must not see: too much of anything that it
// answers by recursion or in quadratic time, and what is not supported.
func checkTokens(r *report, tokens token.Tokens) bool {
	if len(tokens) > MaxTokens {
		p := tokens[MaxTokens].Position
		r.add(p.Line, p.Column, "", tooManyTokens)
		return false
	}
	var (
		blocks   []block
		flow     int // open brackets and braces
		prefixes int // anchors, tags and ? in a row
		keyWork  int
		started  bool // a document is open
		line     int  // of the token before
		entry    bool // the token before was - or ?
	)
	for _, tk := range tokens {
		p := tk.Position
		first := p.Line != line
		if tk.Type != token.CommentType && flow == 0 && (first || entry) {
			for len(blocks) > 0 && blocks[len(blocks)-1].column > p.Column {
				blocks = blocks[:len(blocks)-1]
			}
			if len(blocks) == 0 || blocks[len(blocks)-1].column < p.Column {
				blocks = append(blocks, block{column: p.Column})
			}
			if tk.Type != token.SequenceEntryType {
				top := &blocks[len(blocks)-1]
				keyWork += top.keys
				top.keys++
			}
		}
		line, entry = p.Line, false
		switch tk.Type {
		case token.CommentType:
			continue
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow = max(0, flow-1)
		case token.SequenceEntryType:
			entry, prefixes = true, 0
		case token.MappingValueType, token.CollectEntryType:
			prefixes = 0
		case token.MappingKeyType:
			entry = true
			prefixes++
		case token.AnchorType, token.TagType:
			prefixes++
		case token.DirectiveType:
			r.add(p.Line, p.Column, "", "a word that begins with % must be in quotes; directives are not supported")
			return false
		case token.DocumentHeaderType:
			if started {
				r.add(p.Line, p.Column, "", "a second document begins here, only one is expected")
				return false
			}
		}
		started = true
		switch {
		case flow+len(blocks)+prefixes > MaxDepth+1: // one more, as a word of its own is a block here
			r.add(p.Line, p.Column, "", fmt.Sprintf("nested deeper than %d levels", MaxDepth))
			return false
		case keyWork > maxKeyWork:
			r.add(p.Line, p.Column, "", "too many keys in one map")
			return false
		}
	}
	return true
}
