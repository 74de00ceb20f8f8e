package atompub

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/seed71495667/winchester"
)

// entry is an Atom entry (https://www.rfc-editor.org/rfc/rfc4287) with the
// prefix, the order and the gaps of the original's: it has neither author nor
// time, which the server adds.
//
// All XML here is written by encoding/xml from these types, so that no value
// can end an element or begin one. Characters that XML 1.0 cannot carry
// (controls other than tab, line feed and carriage return, U+FFFE, U+FFFF, bytes
// that are no UTF-8) come out as U+FFFD, the replacement character.
type entry struct {
	XMLName    xml.Name   `xml:"atom:entry"`
	Namespace  string     `xml:"xmlns:atom,attr"`
	ID         string     `xml:"atom:id"`
	Categories []category `xml:"atom:category"`
	Title      title      `xml:"atom:title"`
	Content    content    `xml:"atom:content"`
}

type category struct {
	Term string `xml:"term,attr"`
}

type title struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

type content struct {
	Type string    `xml:"type,attr"`
	JSON string    `xml:",chardata"`
	CUF  *cufEvent // nil where the content is JSON
}

// entryOf returns the entry for an event. An error means that the event cannot
// be shown in the format.
func (p Params) entryOf(e winchester.Event) ([]byte, error) {
	term := e.EventType
	var c content
	var err error
	if p.ContentFormat == FormatCUF {
		term += ".cuf"
		c.Type = "application/xml"
		c.CUF, err = cufOf(e, p.ExtraInfo)
	} else {
		c.Type = "application/json"
		c.JSON, err = jsonOf(e)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot be written as %s: %w", p.ContentFormat, err)
	}
	out := entry{
		Namespace: "http://www.w3.org/2005/Atom", ID: "urn:uuid:" + idText(e.MessageID),
		Title: title{Type: "text", Text: p.Title}, Content: c,
	}
	if p.Title == "" {
		out.Title.Text = term
	}
	for _, name := range p.Categories {
		out.Categories = append(out.Categories, category{name})
	}
	out.Categories = append(out.Categories, category{term})
	if original := e.Traits["original_message_id"]; original != nil {
		out.Categories = append(out.Categories, category{"original_message_id:" + plain(original)})
	}
	return xml.Marshal(out)
}

// idText is a message id as the rest of a URN. What URNs have no room for is
// percent-encoded, and the percent sign with it, so that no two ids become one:
// the second would be taken for delivered.
func idText(id string) string {
	var b strings.Builder
	for i := range len(id) {
		c := id[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~!$&'()*+,;=:@/", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// plain writes a value into an attribute, as the original's templates did.
func plain(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case float64: // 12 digits
		return pointed(strconv.FormatFloat(v, 'g', 12, 64))
	case json.Number:
		return v.String()
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprint(v)
}

// floatText writes a float with all its digits, as Python's repr does: with an
// exponent where it is far from 1, and always so that it is seen to be a float.
func floatText(f float64) string {
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		format = 'e'
	}
	return pointed(strconv.FormatFloat(f, format, -1, 64))
}

func pointed(number string) string {
	if strings.Trim(number, "-0123456789") == "" {
		number += ".0"
	}
	return number
}
