package config

import (
	"slices"
	"strings"

	"github.com/seed71495667/winchester/internal/yamlx"
)

// Item describes one key of winchester.yaml.
type Item struct {
	// Key is the name, with that of its section: "database.url".
	Key string
	// Type says what is expected: "text", "duration", "file" and so on.
	Type string
	// Default is what holds if the key is left out, "" for nothing.
	Default  string
	Required bool
	// Ignored: the key is accepted, with a warning, and has no effect.
	Ignored bool
	Help    string
}

// The types of values.
const (
	typeText       = "text"
	typeTexts      = "text or list"
	typeFile       = "file"
	typeFiles      = "file or list"
	typeNames      = "map of names"
	typeBool       = "true or false"
	typeInt        = "integer"
	typeFloat      = "number"
	typeDuration   = "duration"
	typeExpression = "time expression"
)

// Describe lists all keys of winchester.yaml, section by section.
func Describe() []Item {
	out := make([]Item, len(settings))
	for i, s := range settings {
		out[i] = s.Item
	}
	return out
}

// readSettings reads winchester.yaml by the table of its keys.
func (l *loader) readSettings() {
	var keys, sections []string
	inSection := map[string][]string{}
	for _, s := range settings {
		section, key, nested := strings.Cut(s.Key, ".")
		if !nested {
			keys = append(keys, s.Key)
			continue
		}
		if !slices.Contains(sections, section) {
			sections = append(sections, section)
		}
		inSection[section] = append(inSection[section], key)
	}
	top := l.main.top.Map(append(keys, sections...)...)
	parts := map[string]yamlx.Fields{}
	for _, section := range sections {
		v := top.Get(section)
		switch {
		case !v.Exists():
		case v.Node().Kind != yamlx.Map:
			// What is there instead may be a database URL.
			v.Faultf("expected a map of %s", strings.Join(inSection[section], ", "))
		case section == "retry":
			l.cfg.Retry = readRetry(v)
		default:
			parts[section] = v.Map(inSection[section]...)
		}
	}
	for _, s := range settings {
		section, key, nested := strings.Cut(s.Key, ".")
		v := top.Get(section)
		if nested {
			v = parts[section].Get(key)
		}
		switch {
		case v.Exists() && s.read != nil:
			l.values[s.Key] = v
			s.read(l, v)
		case s.Required && !v.Exists() && !l.given[s.Key]:
			l.reportMissing(top, section, s.Key)
		}
	}
}

// reportMissing reports a required key where it would have to stand.
func (l *loader) reportMissing(top yamlx.Fields, section, key string) {
	switch v := top.Get(section); {
	case !l.main.readable() || l.main.top.Exists() && l.main.top.Node().Kind != yamlx.Map: // reported
	case !v.Exists():
		l.main.top.Faultf("the required setting %s is missing", key)
	case v.Node().Kind == yamlx.Map:
		v.Faultf("the required setting %s is missing", key)
	}
}
