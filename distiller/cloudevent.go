package distiller

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/seed71495667/winchester"
)

// cloudEvent reads a CloudEvent in JSON
// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md).
// Its attributes, those of extensions too, and its data are where field paths
// expect them: at the top.
func (d *Distiller) cloudEvent(s *state) *Error {
	p := parts{s: s}
	s.format = formatCloudEvent
	if v := p.required(placeSpecVersion, "specversion"); v != nil && string(v) != "1.0" {
		p.faultf("specversion %q is not supported, only 1.0 is", shorten(string(v)))
	}
	if p.faults != nil { // another version has other attributes
		return p.err()
	}
	if eventType := p.required(placeType, "type"); eventType != nil {
		s.kind = d.kindOf(s, eventType)
	}
	id, source := p.required(placeID, "id"), p.required(placeSource, "source")
	if bytes.ContainsAny(source, " \t\r\n") {
		p.faultf("source: expected a URI reference, found %q with white space in it", shorten(string(source)))
	} else if id != nil && source != nil {
		s.id = cloudEventID(source, id)
	}
	p.optional(placeTime, "time")
	p.optional(placeSubject, "subject")
	p.optional(placeDataSchema, "dataschema")
	contentType := mediaType(string(p.optional(placeContentType, "datacontenttype")))
	if data := p.base64(); data != nil && len(p.faults) == 0 && isJSON(contentType) {
		if err := d.unfold(s, data); err != nil {
			p.faultf("data_base64, which is %s: %w", shorten(contentType), err)
		}
	}
	p.time(placeTime, "time")
	return p.err()
}

// cloudEventID is the message id of a CloudEvent, which is identified by its
// source and id together: both with a space between them, which no source has;
// or, if that is too long for a message id, its SHA-256, which has no space.
func cloudEventID(source, id []byte) string {
	if len(source)+1+len(id) <= winchester.MaxMessageID {
		return string(source) + " " + string(id)
	}
	h := sha256.New()
	h.Write(source)
	h.Write([]byte{' '})
	h.Write(id)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// base64 gives the data of an event that came in base64, decoded.
func (p *parts) base64() []byte {
	s := p.s
	v := s.slots[placeDataBase64]
	if v == 0 || s.isNull(v) {
		return nil
	}
	if data := s.slots[placeData]; data != 0 && !s.isNull(data) {
		p.faultf("it has both data and data_base64")
		return nil
	}
	if s.form(v) != formText {
		p.faultf("data_base64: expected a text, found %s", s.describe(v))
		return nil
	}
	out, err := base64.StdEncoding.AppendDecode([]byte{}, s.bytes(v))
	if err != nil {
		p.faultf("data_base64: %w", err)
		return nil
	}
	return out
}

// unfold puts data that was in base64, and is JSON, where it would be without:
// so that the same paths lead into it.
func (d *Distiller) unfold(s *state, data []byte) error {
	to := &s.inner
	if s.document == to {
		to = &s.outer
	}
	b := s.scratch[:0]
	b = append(b, '{')
	for key, value := range s.members(root) {
		if name := s.bytes(key); string(name) != "data" && string(name) != "data_base64" {
			b = append(s.appendValue(b, key), ':')
			b = append(s.appendValue(b, value), ',')
		}
	}
	b = append(append(b, `"data":`...), data...)
	b = append(b, '}')
	s.scratch = b
	if err := to.scan(data); err != nil { // alone, lest it be more than one value
		return err
	}
	if err := to.scan(b); err != nil {
		return err
	}
	s.document, s.slots = to, d.outline.locate(to, s.slots)
	return nil
}

// mediaType is a content type without its parameters.
func mediaType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

func isJSON(mediaType string) bool {
	_, sub, _ := strings.Cut(mediaType, "/")
	return sub == "json" || strings.HasSuffix(sub, "+json")
}
