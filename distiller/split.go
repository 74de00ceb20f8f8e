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
	pieces := strings.SplitN(toText(v), s.separator, s.pieces)
	i := s.segment
	if i < 0 {
		i += len(pieces)
	}
	if i < 0 || i >= len(pieces) {
		return nil, nil
	}
	return pieces[i], nil
}
