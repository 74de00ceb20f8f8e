package distiller

import "bytes"

// cadfEvent is the type of an audit event of CADF, the Cloud Auditing Data
// Federation of the DMTF (https://www.dmtf.org/standards/cadf, DSP0262 1.0).
const cadfEvent = "http://schemas.dmtf.org/cloud/audit/1.0/event"

// cadfSchemas is what the types of all its versions begin with.
const cadfSchemas = "http://schemas.dmtf.org/cloud/audit/"

func (d *document) isCADF(typeURI ref) bool {
	return typeURI != 0 && d.form(typeURI) == formText && string(d.bytes(typeURI)) == cadfEvent
}

func (s *state) looksCADF() bool {
	v := s.slots[placeTypeURI]
	return v != 0 && s.form(v) == formText && bytes.HasPrefix(s.bytes(v), []byte(cadfSchemas))
}

// cadf reads a CADF event that came alone. Its event type is made of its
// action. For field paths it is its own payload, so that one definition serves
// it and the notifications that have such an event for their payload.
func (d *Distiller) cadf(s *state) *Error {
	p := parts{s: s}
	s.format = formatCADF
	if v := s.slots[placeTypeURI]; !s.isCADF(v) {
		return malformedf("typeURI %q is not supported, only %s is", shorten(string(s.bytes(v))), cadfEvent)
	}
	if action := p.required(placeAction, "action"); action != nil {
		s.scratch = append(append(s.scratch[:0], "cadf."...), action...)
		s.kind = d.kindOf(s, s.scratch)
	}
	s.id = string(p.required(placeID, "id"))
	p.required(placeEventTime, "eventTime")
	p.optional(placeCADFEventType, "eventType")
	p.optional(placeOutcome, "outcome")
	p.time(placeEventTime, "eventTime")
	d.outline.locatePayload(s.document, root, s.slots)
	return p.err()
}
