package distiller

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// CloudEvent puts a CloudEvent that came in binary mode, its attributes in
// headers and its data in the body, together into the JSON that Distill reads.
// A message whose content type says that it is in structured mode, or a batch,
// has that JSON for its body, which is returned as it is: Split tells which.
//
// Headers are those of HTTP (ce-id; values are percent-decoded), of Kafka
// (ce_id) or of AMQP (cloudEvents:id or cloudEvents_id), in any case; all others
// but content-type are passed over. Data of a JSON content type, or of none if
// it is JSON, becomes data, as does text (text/... and XML) in UTF-8; anything
// else becomes data_base64. Neither the headers nor the body are changed or
// kept, but the result may be the body.
//
// The error is an *Error: ErrUnknownFormat where there is no specversion among
// the headers, ErrMalformed where headers or body make no event.
func (d *Distiller) CloudEvent(headers map[string]string, body []byte) ([]byte, error) {
	if limit := min(d.maxSize, maxText); len(body) > limit {
		return nil, malformedf("it has %d bytes, at most %d are allowed", len(body), limit)
	}
	h := readHeaders(headers)
	if structured, err := h.structured(body); structured || err != nil {
		return body, err
	}
	if len(h.faults) > 0 {
		return nil, &Error{Kind: ErrMalformed, MessageID: h.attributes["id"], EventType: h.attributes["type"], Reason: errors.Join(h.faults...)}
	}
	if _, ok := h.attributes["specversion"]; !ok {
		return nil, &Error{Kind: ErrUnknownFormat, Reason: fmt.Errorf(
			"no specversion among its headers (ce-specversion, ce_specversion, cloudEvents:specversion): %s", headerNames(headers))}
	}
	out := make([]byte, 0, len(body)+64*len(headers)+64)
	out = append(out, '{')
	for _, name := range slices.Sorted(maps.Keys(h.attributes)) {
		out = append(appendQuoted(out, name), ':')
		out = append(appendQuoted(out, h.attributes[name]), ',')
	}
	out, err := d.appendData(out, mediaType(h.attributes["datacontenttype"]), body)
	if err != nil {
		return nil, &Error{Kind: ErrMalformed, MessageID: h.attributes["id"], EventType: h.attributes["type"], Reason: err}
	}
	return append(out, '}'), nil
}

// appendData appends the last member of an event, which is its data.
func (d *Distiller) appendData(out []byte, mediaType string, body []byte) ([]byte, error) {
	if len(body) == 0 {
		return append(out, `"data":null`...), nil
	}
	if mediaType == "" || isJSON(mediaType) {
		s := d.acquire()
		err := s.outer.scan(body)
		d.release(s, len(body))
		if err == nil {
			return append(append(out, `"data":`...), body...), nil
		}
		if mediaType != "" {
			return nil, fmt.Errorf("the data, which is %s: %w", shorten(mediaType), err)
		}
	}
	if isText(mediaType) && utf8.Valid(body) {
		return appendQuoted(append(out, `"data":`...), string(body)), nil
	}
	out = append(out, `"data_base64":"`...)
	return append(base64.StdEncoding.AppendEncode(out, body), '"'), nil
}

func isText(mediaType string) bool {
	return strings.HasPrefix(mediaType, "text/") || strings.HasSuffix(mediaType, "/xml") || strings.HasSuffix(mediaType, "+xml")
}

// headers are those of a message, as far as CloudEvents have them.
type headers struct {
	contentType string
	attributes  map[string]string
	faults      []error
}

// attributePrefixes are what the headers of attributes begin with.
var attributePrefixes = []string{"ce-", "ce_", "cloudevents:", "cloudevents_"}

func readHeaders(all map[string]string) *headers {
	h := &headers{attributes: map[string]string{}}
	from := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		lower, value := strings.ToLower(name), all[name]
		attribute, http := cutPrefix(lower)
		switch {
		case lower == "content-type":
			h.contentType = value
			if attribute = "datacontenttype"; value == "" {
				continue
			}
		case attribute == "":
			continue
		case attribute == "data" || attribute == "data_base64":
			h.faultf("header %s: no attribute has that name", name)
			continue
		case http:
			var err error
			if value, err = decodeHTTP(value); err != nil {
				h.faultf("header %s: %w", shorten(name), err)
			}
		}
		if other, ok := from[attribute]; ok && h.attributes[attribute] != value {
			h.faultf("the headers %s and %s say different things", shorten(other), shorten(name))
		}
		h.attributes[attribute], from[attribute] = value, name
	}
	return h
}

func (h *headers) faultf(format string, args ...any) {
	h.faults = append(h.faults, fmt.Errorf(format, args...))
}

// cutPrefix gives the name of the attribute that a header has, or "".
func cutPrefix(header string) (attribute string, http bool) {
	for _, prefix := range attributePrefixes {
		if attribute, ok := strings.CutPrefix(header, prefix); ok {
			return attribute, prefix == "ce-"
		}
	}
	return "", false
}

// structured tells whether the content type says that the body is an event, or
// a batch of events, by itself.
func (h *headers) structured(body []byte) (bool, error) {
	mediaType := mediaType(h.contentType)
	if !strings.HasPrefix(mediaType, "application/cloudevents") {
		return false, nil
	}
	at := skip(body, 0)
	isList := at < len(body) && body[at] == '['
	switch {
	case mediaType == "application/cloudevents+json" && !isList, mediaType == "application/cloudevents-batch+json" && isList:
		return true, nil
	case mediaType == "application/cloudevents+json":
		return false, malformedf("its content type is %s, and it is a list: a batch is application/cloudevents-batch+json", mediaType)
	case mediaType == "application/cloudevents-batch+json":
		return false, malformedf("its content type is %s, and it is no list", mediaType)
	}
	return false, &Error{Kind: ErrUnknownFormat, Reason: fmt.Errorf("content type %s, of these only JSON is supported", shorten(mediaType))}
}

// decodeHTTP undoes what the HTTP binding does to the value of an attribute:
// quotes, which older versions of it had, and then percent signs. A percent
// sign without two hexadecimal digits after it stands for itself.
// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#3132-http-header-values)
func decodeHTTP(value string) (string, error) {
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		value = unquoteHTTP(value[1 : n-1])
	}
	if !strings.Contains(value, "%") {
		return value, nil
	}
	out := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		if value[i] == '%' && i+2 < len(value) {
			if c, err := strconv.ParseUint(value[i+1:i+3], 16, 8); err == nil {
				out = append(out, byte(c))
				i += 2
				continue
			}
		}
		out = append(out, value[i])
	}
	if !utf8.Valid(out) {
		return value, errUTF8
	}
	return string(out), nil
}

// unquoteHTTP takes the backslashes out of a quoted text.
func unquoteHTTP(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		out = append(out, text[i])
	}
	return string(out)
}

// headerNames lists the first headers, for people to recognise a message by.
// What they say may be secret.
func headerNames(headers map[string]string) string {
	const most = 20
	names := slices.Sorted(maps.Keys(headers))
	if len(names) == 0 {
		return "there are none"
	}
	more := ""
	if n := len(names); n > most {
		names, more = names[:most], fmt.Sprintf(", and %d more", n-most)
	}
	for i, name := range names {
		names[i] = strconv.Quote(shorten(name))
	}
	return strings.Join(names, ", ") + more
}
