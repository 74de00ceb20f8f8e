// Package testgolden reads what tests share of the recordings of the original
// that are handlers' cases.
package testgolden

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
)

// Value is a value as the recordings write it.
type Value struct {
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
}

// Decode returns the value in the Go type that a trait of its type has; null, lists
// and maps too, and a json.Number for an integer that is too large.
func (v Value) Decode() (any, error) {
	var err error
	into := func(p any) { err = json.Unmarshal(v.Value, p) }
	switch v.Type {
	case "none":
		return nil, nil
	case "string", "uuid":
		var s string
		into(&s)
		return s, err
	case "int":
		var n json.Number
		into(&n)
		if i, err := n.Int64(); err == nil {
			return i, nil
		}
		return n, err
	case "float":
		var f float64
		into(&f)
		return f, err
	case "bool":
		var b bool
		into(&b)
		return b, err
	case "datetime":
		var s string
		if into(&s); err != nil {
			return nil, err
		}
		return time.Parse(time.RFC3339Nano, s)
	case "list":
		var items []Value
		into(&items)
		out := make([]any, len(items))
		for i, item := range items {
			if out[i], err = item.Decode(); err != nil {
				return nil, err
			}
		}
		return out, err
	case "map":
		var items map[string]Value
		into(&items)
		out := map[string]any{}
		for name, item := range items {
			if out[name], err = item.Decode(); err != nil {
				return nil, err
			}
		}
		return out, err
	}
	return nil, fmt.Errorf("typed value of unknown type %q", v.Type)
}

// Event takes a flat event of the original apart.
func Event(t *testing.T, flat map[string]Value) winchester.Event {
	t.Helper()
	e := winchester.Event{Traits: winchester.Traits{}}
	for name, v := range flat {
		value, err := v.Decode()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		switch name {
		case "message_id":
			e.MessageID, _ = value.(string)
		case "event_type":
			e.EventType, _ = value.(string)
		case "timestamp":
			e.Timestamp, _ = value.(time.Time)
		default:
			e.Traits[name] = value
		}
	}
	return e
}

// Cases reads a case from each line of a file. A set of recordings that
// WINCHESTER_GOLDEN names need not have the file.
func Cases[T any](t *testing.T, path string) []T {
	t.Helper()
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && os.Getenv("WINCHESTER_GOLDEN") != "" {
		t.Skipf("no recordings in %s", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<24)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var c T
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatalf("%s:%d: %v", path, n, err)
		}
		cases = append(cases, c)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatalf("%s is empty", path)
	}
	return cases
}
