package atompub

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/duration"
	"github.com/seed71495667/winchester/internal/suggest"
)

// Formats of an entry's content.
const (
	FormatJSON = "json"    // the event as a JSON object
	FormatCUF  = "cuf_xml" // a usage event of Rackspace's Cloud Usage Format
)

// Params are the parameters of the handler in a pipeline definition. The names
// are the original's. Durations are a number of seconds there, or text such as
// "90s"; a list of one may be given without being a list.
type Params struct {
	// URL is where entries are POSTed to. http or https. Required.
	URL string `json:"url"`
	// EventTypes are shell globs of the types to publish; those that begin with
	// "!" exclude. Default: all.
	EventTypes []string `json:"event_types"`
	// ExtraInfo overrides and adds to the event's traits in CUF: data_center and
	// region, which no event has, and any other that CUF shows.
	ExtraInfo map[string]any `json:"extra_info"`
	// ContentFormat is FormatJSON or FormatCUF. Default FormatJSON.
	ContentFormat string `json:"content_format"`
	// Title is the title of each entry. Default: the event's type.
	Title string `json:"title"`
	// Categories come before those that each entry has of itself: its type and,
	// for verified usage, original_message_id.
	Categories []string `json:"categories"`
	// AuthUser and AuthKey are exchanged for a token at AuthServer, the URL for
	// tokens of an identity service v2 that takes RAX-KSKEY:apiKeyCredentials.
	// All three, or none. Default: no authentication.
	AuthUser   string `json:"auth_user"`
	AuthKey    Secret `json:"auth_key"`
	AuthServer string `json:"auth_server"`
	// WaitInterval is how much longer the wait grows with each failure. Default
	// 30s, at most a day.
	WaitInterval time.Duration `json:"wait_interval"`
	// MaxWait is the longest wait, unless the server asks for a longer one.
	// Default 10m, at most a day.
	MaxWait time.Duration `json:"max_wait"`
	// HTTPTimeout is how long one request may take. Default 2m, at most an hour.
	HTTPTimeout time.Duration `json:"http_timeout"`
}

func (p Params) withDefaults() Params {
	if len(p.EventTypes) == 0 {
		p.EventTypes = nil // which stands for all, where an empty list would stand for none
	}
	p.ContentFormat = cmp.Or(p.ContentFormat, FormatJSON)
	p.WaitInterval = cmp.Or(p.WaitInterval, 30*time.Second)
	p.MaxWait = cmp.Or(p.MaxWait, 10*time.Minute)
	p.HTTPTimeout = cmp.Or(p.HTTPTimeout, 2*time.Minute)
	return p
}

// Secret is text that is not shown: as soon as it is printed, logged or
// marshalled it is "xxxxx".
type Secret string

// String does not return the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "xxxxx"
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return fmt.Sprintf("atompub.Secret(%q)", s.String()) }

// MarshalText is String, for log/slog, encoding/json and others.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Validate reports all faults of the parameters together, as
// winchester.Faults. No fault repeats what may hold a secret.
func (p Params) Validate() error {
	if faults := p.faults(); len(faults) > 0 {
		return faults
	}
	return nil
}

func (p Params) faults() (faults winchester.Faults) {
	fault := func(field, format string, args ...any) {
		faults = append(faults, winchester.Fault{Field: field, Message: fmt.Sprintf(format, args...)})
	}
	switch {
	case p.URL == "":
		fault("url", "is missing: expected the http or https URL of the feed")
	case !isWebURL(p.URL):
		fault("url", "expected an http or https URL with a host")
	}
	switch given := p.AuthUser != "" || p.AuthKey != ""; {
	case p.AuthServer == "" && given:
		fault("auth_server", "is missing: auth_user and auth_key are for it")
	case p.AuthServer == "":
	case !isWebURL(p.AuthServer):
		fault("auth_server", "expected an http or https URL with a host")
	}
	if p.AuthServer != "" && p.AuthUser == "" {
		fault("auth_user", "is missing: auth_server needs it")
	}
	if p.AuthServer != "" && p.AuthKey == "" {
		fault("auth_key", "is missing: auth_server needs it")
	}
	formats := []string{FormatJSON, FormatCUF}
	if f := p.ContentFormat; f != "" && !slices.Contains(formats, f) {
		fault("content_format", "%q is neither %q nor %q%s", f, FormatJSON, FormatCUF, suggest.DidYouMean(f, formats))
	}
	for i, pattern := range p.EventTypes {
		if pattern == "" || pattern == "!" {
			fault(fmt.Sprintf("event_types[%d]", i), "%q matches no event", pattern)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.ExtraInfo)) {
		// Any other name is ignored, as it was by the original.
		if hint := suggest.DidYouMean(name, cufNames); hint != "" && !slices.Contains(computedNames, name) {
			fault("extra_info."+name, "nothing shows it%s", hint)
		}
	}
	for _, d := range []struct {
		field       string
		value, most time.Duration
	}{
		{"wait_interval", p.WaitInterval, 24 * time.Hour}, {"max_wait", p.MaxWait, 24 * time.Hour}, {"http_timeout", p.HTTPTimeout, time.Hour},
	} {
		if d.value < 0 || d.value > d.most {
			fault(d.field, "%s is out of range: more than 0 and at most %s are possible", d.value, d.most)
		}
	}
	return faults
}

func isWebURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

// UnmarshalJSON reads the parameters as a pipeline definition has them. What is
// wrong with them is reported all together, as winchester.Faults.
func (p *Params) UnmarshalJSON(data []byte) error {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(data, &given); err != nil {
		return err
	}
	readers := map[string]func(json.RawMessage) error{
		"url": text(&p.URL), "event_types": list(&p.EventTypes), "extra_info": info(&p.ExtraInfo),
		"content_format": text(&p.ContentFormat), "title": text(&p.Title), "categories": list(&p.Categories),
		"auth_user": text(&p.AuthUser), "auth_key": text(&p.AuthKey), "auth_server": text(&p.AuthServer),
		"wait_interval": seconds(&p.WaitInterval), "max_wait": seconds(&p.MaxWait), "http_timeout": seconds(&p.HTTPTimeout),
	}
	known := slices.Sorted(maps.Keys(readers))
	var faults winchester.Faults
	unreadable := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		var err error
		if read, ok := readers[name]; !ok {
			err = fmt.Errorf("there is no such parameter%s", suggest.DidYouMean(name, known))
		} else if value := given[name]; string(value) != "null" { // which stands for the default, as in the original
			err = read(value)
		}
		if err != nil {
			unreadable[name] = true
			faults = append(faults, winchester.Fault{Field: name, Message: err.Error(), Err: err})
		}
	}
	if len(faults) == 0 {
		return nil // what else may be wrong is found by Validate
	}
	for _, f := range p.faults() {
		if !unreadable[f.Field] {
			faults = append(faults, f)
		}
	}
	return faults
}

func text[T ~string](to *T) func(json.RawMessage) error {
	return func(value json.RawMessage) error {
		var s string
		if json.Unmarshal(value, &s) != nil {
			return fmt.Errorf("expected text, found %s", kind(value))
		}
		*to = T(s)
		return nil
	}
}

// list reads a list of texts, or one text. The empty text is an empty list, as
// in the original.
func list(to *[]string) func(json.RawMessage) error {
	return func(value json.RawMessage) error {
		var s string
		if json.Unmarshal(value, &s) == nil {
			if *to = nil; s != "" {
				*to = []string{s}
			}
			return nil
		}
		if json.Unmarshal(value, to) != nil {
			*to = nil
			if value[0] == '[' {
				return errors.New("expected a list of texts, found one with something else in it")
			}
			return fmt.Errorf("expected a list of texts, or a text, found %s", kind(value))
		}
		return nil
	}
}

func info(to *map[string]any) func(json.RawMessage) error {
	return func(value json.RawMessage) error {
		dec := json.NewDecoder(bytes.NewReader(value))
		dec.UseNumber()
		if *to = nil; dec.Decode(to) != nil {
			return fmt.Errorf("expected a map, found %s", kind(value))
		}
		return nil
	}
}

func seconds(to *time.Duration) func(json.RawMessage) error {
	return func(value json.RawMessage) error {
		var s string
		var n float64
		var err error
		*to = 0
		switch {
		case json.Unmarshal(value, &n) == nil:
			*to, err = duration.FromSeconds(n)
		case json.Unmarshal(value, &s) == nil:
			*to, err = duration.Parse(s)
		default:
			return fmt.Errorf(`expected a duration, a number of seconds or text such as "90s", found %s`, kind(value))
		}
		if err == nil && *to == 0 {
			err = errors.New("expected more than no time at all")
		}
		return err
	}
}

// kind names the kind of a JSON value without repeating it.
func kind(value json.RawMessage) string {
	switch value[0] {
	case '"':
		return "text"
	case '{':
		return "a map"
	case '[':
		return "a list"
	case 't', 'f':
		return "a boolean"
	}
	return "a number"
}
