package yamlx

import (
	"strconv"
	"strings"

	"github.com/seed71495667/winchester/internal/suggest"
)

// Text expects text. What reads as a number or a boolean must be in quotes to
// be text, as it would otherwise be something else to other readers of YAML.
func (v Value) Text() string {
	if !v.Exists() {
		return ""
	}
	text, ok := v.node.text()
	if !ok {
		v.expectedText("text")
	}
	return text
}

func (v Value) expectedText(what string) {
	if v.node.Kind == Scalar {
		v.Faultf("expected %s, found %s; put it in quotes if text is meant", what, v.node.describe())
		return
	}
	v.expected(what)
}

// Texts expects text or a list of texts. It returns nil only if the value is
// absent or neither; an empty list is not nil.
func (v Value) Texts() []string {
	switch {
	case !v.Exists():
		return nil
	case v.node.Kind == List:
		out := make([]string, 0, len(v.node.Items))
		for _, item := range v.Items() {
			if item.node.Kind == Null {
				item.expected("text")
				continue
			}
			out = append(out, item.Text())
		}
		return out
	}
	text, ok := v.node.text()
	if !ok {
		v.expectedText("text or a list of texts")
		return nil
	}
	return []string{text}
}

// OneOf expects one of the given words.
func (v Value) OneOf(words ...string) string {
	text := v.Text()
	if _, isText := v.textValue(); !isText {
		return ""
	}
	for _, w := range words {
		if w == text {
			return text
		}
	}
	v.Faultf("expected one of %s, found %q%s", strings.Join(words, ", "), shorten(text), suggest.DidYouMean(text, words))
	return ""
}

func (v Value) textValue() (string, bool) {
	if !v.Exists() {
		return "", false
	}
	text, ok := v.node.text()
	return text, ok
}

// Int expects an integer.
func (v Value) Int() int64 {
	if !v.Exists() {
		return 0
	}
	n, ok := v.node.Value.(int64)
	if !ok {
		v.expected("an integer")
	}
	return n
}

// IntBetween expects an integer from low to high, both included.
func (v Value) IntBetween(low, high int64) int64 {
	n := v.Int()
	if v.Exists() && (n < low || n > high) {
		if _, ok := v.node.Value.(int64); ok {
			v.Faultf("expected an integer from %d to %d, found %d", low, high, n)
		}
		return 0
	}
	return n
}

// Float expects a number; an integer is one, and so is 1e3.
func (v Value) Float() float64 {
	if !v.Exists() {
		return 0
	}
	switch n := v.node.Value.(type) {
	case float64:
		return n
	case int64:
		return float64(n)
	case string:
		if f, err := strconv.ParseFloat(n, 64); err == nil && !v.node.Quoted && n[0] <= '9' {
			return f
		}
	}
	v.expected("a number")
	return 0
}

// Bool expects a boolean: true, false, or yes, no, on, off without quotes, as
// old files write it.
func (v Value) Bool() bool {
	if !v.Exists() {
		return false
	}
	switch b := v.node.Value.(type) {
	case bool:
		return b
	case string:
		if out, ok := legacyBools[b]; ok && !v.node.Quoted {
			return out
		}
	}
	v.expected("true or false")
	return false
}

// Any takes whatever is there, as plain Go values (see Node.Any).
func (v Value) Any() any {
	if !v.Exists() {
		return nil
	}
	return v.node.Any()
}
