package distiller_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/distiller"
)

// deviation is a way in which this implementation differs from the original on
// purpose; docs/deviations.md has the table. A rule is given one difference
// that compare found.
type deviation struct {
	id      string
	excuses func(fault string, want recorded, got outcome) bool
}

var deviations = []deviation{
	{"distiller-text-of-values", textOfValues},
	{"distiller-large-integers", largeIntegers},
	{"distiller-text-unicode", textUnicode},
	{"distiller-numeric-message-id", numericMessageID},
	{"distiller-empty-event-type", emptyEventType},
	{"definitions-unknown-keys", unknownKeys},
}

// textOfValues: the text of what is no text is JSON here, and was Python 2's
// there: True, [u'a'], and floats of 12 digits.
func textOfValues(fault string, want recorded, got outcome) bool {
	name, ok := traitOf(fault)
	if !ok {
		return false
	}
	var theirs string
	ours, isText := got.event.Traits[name].(string)
	if w := want.Event[name]; w.Type != "text" || json.Unmarshal(w.Value, &theirs) != nil || !isText || theirs == "" || ours == "" {
		return false
	}
	switch {
	case theirs == "True" || theirs == "False":
		return ours == strings.ToLower(theirs)
	case theirs[0] == '[' || theirs[0] == '{':
		return ours[0] == theirs[0] && sameLetters(ours, theirs)
	}
	f, err := strconv.ParseFloat(ours, 64)
	if err != nil {
		return false
	}
	short := strconv.FormatFloat(f, 'g', 12, 64)
	shortened, err := strconv.ParseFloat(short, 64)
	if err != nil {
		return false
	}
	recorded, err := strconv.ParseFloat(theirs, 64)
	return err == nil && recorded == shortened
}

// sameLetters tells whether a JSON text and a Python 2 one may be of the same
// value: they have the same letters and digits, in whatever order.
func sameLetters(json, python string) bool {
	if strings.Contains(json+python, `\`) {
		return true // escapes differ too much
	}
	python = strings.NewReplacer("u'", "'", `u"`, `"`, "True", "true", "False", "false", "None", "null").Replace(python)
	letters := func(s string) string {
		out := []rune{}
		for _, c := range s {
			if unicode.IsLetter(c) || unicode.IsDigit(c) {
				out = append(out, c)
			}
		}
		slices.Sort(out)
		return string(out)
	}
	return letters(json) == letters(python)
}

// largeIntegers: an int trait beyond 64 bits refuses the notification.
func largeIntegers(fault string, want recorded, got outcome) bool {
	var e *distiller.Error
	if !strings.HasPrefix(fault, "error: recorded none") || !errors.As(got.err, &e) || !errors.Is(got.err, distiller.ErrTrait) {
		return false
	}
	w := want.Event[e.Trait]
	n, ok := new(big.Int).SetString(string(w.Value), 10)
	return w.Type == "int" && ok && !n.IsInt64()
}

// textUnicode: text that is not ASCII was an error of Python 2.
func textUnicode(fault string, want recorded, got outcome) bool {
	return strings.HasPrefix(fault, "error:") && want.Error == "UnicodeEncodeError" && got.err == nil
}

// numericMessageID: a message id that is a number becomes its text.
func numericMessageID(fault string, want recorded, got outcome) bool {
	n, ok := want.MessageID.(json.Number)
	return ok && strings.HasPrefix(fault, "message_id:") && n.String() == got.event.MessageID
}

// emptyEventType: an event needs a type; an empty one was stored as such.
func emptyEventType(fault string, want recorded, got outcome) bool {
	return strings.HasPrefix(fault, "error: recorded none") && want.EventType == "" && errors.Is(got.err, winchester.ErrInvalidEvent)
}

// unknownKeys: a key that means nothing is an error.
func unknownKeys(fault string, _ recorded, got outcome) bool {
	return strings.HasPrefix(fault, "definition: recorded ok=true") && strings.Contains(fmt.Sprint(got.err), "unknown key")
}

func traitOf(fault string) (string, bool) {
	rest, ok := strings.CutPrefix(fault, "trait ")
	name, _, _ := strings.Cut(rest, ":")
	return name, ok
}
