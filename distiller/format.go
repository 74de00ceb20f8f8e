package distiller

import (
	"errors"
	"fmt"
)

// format is what a notification looks like, as far as its default traits care.
type format uint8

const (
	formatNotification format = iota // of oslo.messaging, bare or once in an envelope
	formatCADF                       // a CADF event, alone or as the payload of a notification
	formatCloudEvent
	formatEventBridge
	formats
)

// defaultTraits are in every event of a format whose definition has none of
// that name.
var defaultTraits = [formats][]struct {
	name  string
	paths []string
}{
	formatNotification: {
		{"request_id", []string{"_context_request_id"}},
		{"service", []string{"publisher_id"}},
		// The original knew the first two; services now send the third.
		{"tenant_id", []string{"payload.tenant_id", "_context_tenant", "_context_project_id"}},
	},
	formatCADF: {
		{"request_id", []string{"_context_request_id", "payload.initiator.request_id"}},
		{"service", []string{"publisher_id", "payload.observer.name", "payload.observer.typeURI"}},
		{"tenant_id", []string{"payload.initiator.project_id", "_context_tenant", "_context_project_id"}},
		{"action", []string{"payload.action"}},
		{"outcome", []string{"payload.outcome"}},
		{"initiator_id", []string{"payload.initiator.id", "payload.initiatorId"}},
		{"target_id", []string{"payload.target.id", "payload.targetId"}},
		{"target_type", []string{"payload.target.typeURI"}},
		{"observer_id", []string{"payload.observer.id", "payload.observerId"}},
	},
	formatCloudEvent: {
		{"request_id", []string{"correlationid"}},
		{"service", []string{"source"}},
		{"subject", []string{"subject"}},
	},
	formatEventBridge: {
		{"service", []string{"source"}},
		{"tenant_id", []string{"account"}},
		{"region", []string{"region"}},
	},
}

// identify tells the formats apart, and finds the event type, with its
// definition, the message id and the time. The order is part of the interface:
// a document that looks like two formats is of the first.
func (d *Distiller) identify(s *state) *Error {
	s.kind = &noKind
	switch {
	case s.slots[placeSpecVersion] != 0:
		return d.cloudEvent(s)
	case s.slots[placeEventType] != 0 || s.slots[placeMessageID] != 0:
		return d.notification(s)
	case s.looksCADF():
		return d.cadf(s)
	case s.slots[placeDetailType] != 0 && s.slots[placeDetail] != 0:
		return d.eventBridge(s)
	}
	return &Error{Kind: ErrUnknownFormat, Reason: fmt.Errorf(
		"no event_type, oslo.message, specversion, CADF typeURI or detail-type among its keys: %s", s.keys())}
}

// parts reads what every notification of a format has, and collects what is
// wrong with it.
type parts struct {
	s      *state
	faults []error
}

// required is a text that must be there; it is nil if it is not.
func (p *parts) required(place int32, name string) []byte {
	if p.s.slots[place] == 0 {
		p.faultf("%s is missing", name)
		return nil
	}
	return p.text(place, name)
}

// optional is a text that may be missing or null.
func (p *parts) optional(place int32, name string) []byte {
	if v := p.s.slots[place]; v == 0 || p.s.isNull(v) {
		return nil
	}
	return p.text(place, name)
}

func (p *parts) text(place int32, name string) []byte {
	v := p.s.slots[place]
	if p.s.form(v) != formText {
		p.faultf("%s: expected a text, found %s", name, p.s.describe(v))
		return nil
	}
	if len(p.s.bytes(v)) == 0 {
		p.faultf("%s is empty", name)
		return nil
	}
	return p.s.bytes(v)
}

// time notes where the time is, if it is there.
func (p *parts) time(place int32, name string) {
	p.s.at, p.s.atName = p.s.slots[place], name
}

func (p *parts) faultf(format string, args ...any) {
	p.faults = append(p.faults, fmt.Errorf(format, args...))
}

func (p *parts) err() *Error {
	if len(p.faults) == 0 {
		return nil
	}
	return p.s.refuse(ErrMalformed, &Error{Reason: errors.Join(p.faults...)})
}
