package distiller

// eventBridge reads an event of Amazon EventBridge. Its detail-type is its
// event type, and its id, which is unique by itself, its message id.
// (https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html)
func (d *Distiller) eventBridge(s *state) *Error {
	p := parts{s: s}
	s.format = formatEventBridge
	if detailType := p.required(placeDetailType, "detail-type"); detailType != nil {
		s.kind = d.kindOf(s, detailType)
	}
	s.id = string(p.required(placeID, "id"))
	p.required(placeSource, "source")
	p.optional(placeTime, "time")
	p.time(placeTime, "time")
	return p.err()
}
