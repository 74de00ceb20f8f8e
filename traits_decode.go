package winchester

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/seed71495667/winchester/internal/timetext"
	"github.com/seed71495667/winchester/timex"
)

// ParseTraits reads the typed form that Traits.AppendJSON writes. Empty traits
// are nil.
func ParseTraits(text string) (Traits, error) {
	var p TraitsParser
	return p.Parse(text)
}

// TraitsParser is ParseTraits for many texts, of which those that follow each
// other have much in common, as the events of one stream do: what is the same in
// the same place as in the text before is taken over, and costs a comparison.
// Its zero value is ready; it is for one goroutine.
//
// Reading events is most of the work of running pipelines, and reading their
// traits half of that. The canonical form is simple enough to be read by hand,
// and its texts are parts of one string that need no copies. What is not
// canonical, because somebody else has written it, takes the way of a JSON
// decoder.
type TraitsParser struct {
	before []trait // of the last text, in its order
	// same has the traits of before. A map is copied in a third of the time that
	// it takes to put as many traits into a new one. It is nil as long as the texts
	// do not have the same names.
	same Traits
}

// trait is one of a text.
type trait struct {
	text  string // as it stands there: "name":value
	name  string
	value any
}

// Parse reads one text.
func (p *TraitsParser) Parse(text string) (Traits, error) {
	if text == "{}" {
		return nil, nil
	}
	if t, ok := p.canonical(text); ok {
		return t, nil
	}
	return decodeJSON(text)
}

// decodeJSON reads the typed form in any spelling.
func decodeJSON(text string) (Traits, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var raw map[string]json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return nil, fmt.Errorf("traits: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("traits: something follows the object")
	}
	if len(raw) == 0 {
		return nil, nil
	}
	t := make(Traits, len(raw))
	for name, value := range raw {
		var compact bytes.Buffer
		if err := json.Compact(&compact, value); err != nil {
			return nil, fmt.Errorf("traits: %w", err)
		}
		// The comma stands for what follows a value inside an object.
		v, rest, ok := cutValue(strings.Replace(compact.String(), "E", "e", 1) + ",")
		if compact.Bytes()[0] == '"' {
			v, rest, ok = cutString(compact.String() + ",")
		}
		if !ok || rest != "," {
			return nil, fmt.Errorf("%w: trait %q: %s is not the stored form of a trait", ErrInvalidTraitType, name, value)
		}
		t[name] = v
	}
	return t, nil
}

// canonical reads the canonical form; ok tells whether it was that.
func (p *TraitsParser) canonical(text string) (t Traits, ok bool) {
	n, otherNames, ok := p.read(text)
	if !ok {
		*p = TraitsParser{before: p.before[:0]}
		return nil, false
	}
	otherNames = otherNames || n != len(p.before)
	p.before = p.before[:n]
	if p.same != nil && !otherNames {
		return maps.Clone(p.same), true
	}
	t = make(Traits, n)
	for i := range p.before {
		t[p.before[i].name] = p.before[i].value
	}
	p.same = nil
	if !otherNames && len(t) == n {
		p.same = maps.Clone(t)
	}
	return t, true
}

// read reads the n traits of the canonical form into before, and into same.
func (p *TraitsParser) read(text string) (n int, otherNames, ok bool) {
	rest, ok := strings.CutPrefix(text, "{")
	if !ok {
		return 0, false, false
	}
	if p.before == nil {
		p.before = make([]trait, 0, strings.Count(rest, `":`))
	}
	for ; ; n++ {
		if n == len(p.before) {
			p.before = append(p.before, trait{})
		}
		b := &p.before[n]
		if n := len(b.text); n == 0 || n >= len(rest) || rest[:n] != b.text || rest[n] != ',' && rest[n] != '}' {
			name := b.name
			if *b, ok = cutTrait(rest); !ok {
				return n, false, false
			}
			otherNames = otherNames || b.name != name
			if p.same != nil && !otherNames {
				p.same[name] = b.value
			}
		}
		switch rest = rest[len(b.text):]; {
		case rest == "}":
			return n + 1, otherNames, true
		case rest == "" || rest[0] != ',':
			return n, false, false
		}
		rest = rest[1:]
	}
}

// cutTrait takes a trait off the front.
func cutTrait(s string) (t trait, ok bool) {
	var rest string
	if t.name, rest, ok = cutString(s); !ok {
		return t, false
	}
	if rest, ok = strings.CutPrefix(rest, ":"); !ok {
		return t, false
	}
	if t.value, rest, ok = cutValue(rest); !ok {
		return t, false
	}
	t.text = s[:len(s)-len(rest)]
	return t, true
}

// cutString takes a string off the front.
func cutString(s string) (value, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", s, false
	}
	end := strings.IndexByte(s[1:], '"') + 1
	if end == 0 {
		return "", s, false
	}
	if strings.IndexByte(s[1:end], '\\') < 0 {
		return s[1:end], s[end+1:], true
	}
	for end = 1; end < len(s) && s[end] != '"'; end++ {
		if s[end] == '\\' {
			end++
		}
	}
	if end >= len(s) {
		return "", s, false
	}
	value, ok = unquote(s[:end+1])
	return value, s[end+1:], ok
}

func unquote(s string) (value string, ok bool) {
	err := json.Unmarshal([]byte(s), &value)
	return value, err == nil
}

// cutValue takes a value off the front.
func cutValue(s string) (value any, rest string, ok bool) {
	if s == "" {
		return nil, s, false
	}
	switch s[0] {
	case '"':
		text, rest, ok := cutString(s)
		return text, rest, ok
	case '{':
		return cutTagged(s)
	}
	end := strings.IndexAny(s, ",}")
	if end < 0 {
		return nil, s, false
	}
	word, rest := s[:end], s[end:]
	switch word {
	case "true":
		return true, rest, true
	case "false":
		return false, rest, true
	case "null":
		return nil, rest, true
	}
	if strings.ContainsAny(word, ".e") {
		f, err := strconv.ParseFloat(word, 64)
		return f, rest, err == nil
	}
	n, err := strconv.ParseInt(word, 10, 64)
	return n, rest, err == nil
}

// cutTagged takes a value off the front that JSON has no type for.
func cutTagged(s string) (value any, rest string, ok bool) {
	if rest, ok = strings.CutPrefix(s, `{"$time":"`); ok {
		var at time.Time
		at, rest, ok = cutTime(rest)
		value = at
	} else if rest, ok = strings.CutPrefix(s, `{"$range":["`); ok {
		var r timex.Range
		if r.Begin, rest, ok = cutTime(rest); !ok {
			return nil, s, false
		}
		if rest, ok = strings.CutPrefix(rest, `","`); !ok {
			return nil, s, false
		}
		r.End, rest, ok = cutTime(rest)
		value = r
		if ok {
			rest, ok = strings.CutPrefix(rest, `"]}`)
			return value, rest, ok
		}
	} else if rest, ok = strings.CutPrefix(s, `{"$float":"`); ok {
		end := strings.IndexByte(rest, '"')
		if end < 0 {
			return nil, s, false
		}
		f, err := strconv.ParseFloat(rest[:end], 64)
		value, rest, ok = f, rest[end:], err == nil
	}
	if ok {
		rest, ok = strings.CutPrefix(rest, `"}`)
	}
	return value, rest, ok
}

// cutTime takes a time of fixed width off the front.
func cutTime(s string) (at time.Time, rest string, ok bool) {
	if len(s) < timetext.Len {
		return at, s, false
	}
	at, err := timetext.Parse(s[:timetext.Len])
	return at, s[timetext.Len:], err == nil
}
