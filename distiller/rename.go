package distiller

import (
	"errors"
	"fmt"
	"strings"
)

// rename gives the events of a definition another type than their
// notifications have. The zero value leaves types as they are.
type rename struct {
	prefix, suffix string // what stands around the * of event_type
	to             string
}

// newRename takes the patterns of a definition and what it renames them to. A *
// in the one is what the * of the other matches.
func newRename(patterns []string, to string) (rename, error) {
	switch n := strings.Count(to, "*"); {
	case to == "":
		return rename{}, errors.New("expected an event type, found nothing")
	case n > 1:
		return rename{}, fmt.Errorf("expected an event type with one * at most, found %q", shorten(to))
	case n == 0:
		return rename{to: to}, nil
	}
	if len(patterns) == 1 {
		prefix, suffix, ok := strings.Cut(patterns[0], "*")
		if ok && !strings.HasPrefix(prefix, "!") && !strings.ContainsAny(prefix+suffix, "*?[") {
			return rename{prefix, suffix, to}, nil
		}
	}
	return rename{}, fmt.Errorf("the * in %q stands for what the * in event_type matches: that must be one pattern, with one * and no other wildcard", shorten(to))
}

func (r rename) apply(eventType string) string {
	if r.to == "" {
		return eventType
	}
	before, after, ok := strings.Cut(r.to, "*")
	if !ok {
		return r.to
	}
	return before + eventType[len(r.prefix):len(eventType)-len(r.suffix)] + after
}
