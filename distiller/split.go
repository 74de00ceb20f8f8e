package distiller

import (
	"errors"
	"fmt"
	"strings"
)

// split cuts a piece out of a text: the plugin "split".
type split struct {
	separator string
	segment   int // from the end if negative
	pieces    int // at most, for strings.SplitN
}

// newSplit takes separator (default "."), segment (default 0) and max_split
// (how often to split at most; by default, and if negative, always).
func newSplit(parameters map[string]any) (TraitPlugin, error) {
	if err := misspelt(parameters, "separator", "segment", "max_split"); err != nil {
		return nil, err
	}
	out := &split{separator: ".", pieces: -1}
	var faults []error
	if v, ok := parameters["separator"]; ok {
		if out.separator, ok = v.(string); !ok {
			faults = append(faults, fmt.Errorf("separator: expected a text, found %v", v))
		}
	}
	segment, err := intParameter(parameters, "segment", 0)
	faults = append(faults, err)
	limit, err := intParameter(parameters, "max_split", -1)
	faults = append(faults, err)
	out.segment = segment
	if limit >= 0 {
		out.pieces = limit + 1
	}
	return out, errors.Join(faults...)
}

func intParameter(parameters map[string]any, name string, absent int) (int, error) {
	v, ok := parameters[name]
	if !ok || v == nil {
		return absent, nil
	}
	n, ok := v.(int64)
	if !ok || n < -1<<31 || n >= 1<<31-1 {
		return 0, fmt.Errorf("%s: expected an integer, found %v", name, v)
	}
	return int(n), nil
}

func (s *split) Value(matches []Match) (any, error) {
	if len(matches) == 0 {
		return nil, nil
	}
	if s.separator == "" {
		return nil, errors.New("the separator is empty")
	}
	v, err := fromAny(matches[0].Value)
	if err != nil {
		return nil, err
	}
	rest, i := toText(v), s.segment
	if i < 0 {
		n := strings.Count(rest, s.separator) + 1
		if s.pieces >= 0 {
			n = min(n, s.pieces)
		}
		if i += n; i < 0 {
			return nil, nil
		}
	}
	for n := 0; ; n++ {
		piece, after, more := strings.Cut(rest, s.separator)
		if n+1 == s.pieces {
			piece, more = rest, false
		}
		switch {
		case n == i:
			return piece, nil
		case !more:
			return nil, nil
		}
		rest = after
	}
}
