package config

import (
	"strings"
	"time"

	"github.com/seed71495667/winchester/internal/duration"
	"github.com/seed71495667/winchester/internal/yamlx"
)

// readDuration reads a number of seconds, as the original had it, or text such
// as "1h 30m". ok is false, and there is a fault, if it is neither.
func readDuration(v yamlx.Value) (d time.Duration, ok bool) {
	var err error
	switch n := v.Node(); value := n.Value.(type) {
	case int64:
		d, err = duration.FromSeconds(float64(value))
	case float64:
		d, err = duration.FromSeconds(value)
	case string:
		d, err = duration.Parse(value)
	default:
		v.Expected(`a duration: a number of seconds, or text such as "1h 30m"`)
		return 0, false
	}
	if err != nil {
		v.Faultf("%v", err)
	}
	return d, err == nil
}

// short keeps a stranger's text from filling a message.
func short(s string) string {
	if len(s) <= 60 {
		return s
	}
	return strings.ToValidUTF8(s[:57], "") + "..."
}
