// Package usage verifies OpenStack usage records, as StackTach did: it holds
// each compute.instance.exists notification, from which a customer is billed,
// against what else was heard of that instance in the audit period. The
// versioned notifications of today's Nova, instance.exists and so on, are
// verified by the same rules.
//
// The handler expects streams of one instance and one audit period, fired by
// the exists record. For each record it adds one event to the stream's:
// compute.instance.exists.verified or compute.instance.exists.failed, with the
// reason as one of the codes U0 to U8; perhaps preceded by
// compute.instance.exists.warnings. These are stored, and offered to the
// triggers, when the stream completes.
//
// blocks.go says how a stream is cut into records and what belongs to them,
// checks.go what is verified, events.go what comes out, ids.go why a repeated
// run makes no duplicates.
//
// The package imports only the root package; other handlers, stores and the
// distiller are not known here.
package usage

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/seed71495667/winchester"
)

// Name is the name under which Register makes the handler known.
const Name = "usage"

// Params are the parameters of the handler in a pipeline definition.
type Params struct {
	// CoreFields are the traits that must be the same in an exists record and
	// in the last operation before it. Default: DefaultCoreFields(), for
	// versioned records VersionedCoreFields().
	CoreFields []string `json:"core_fields"`
	// ExistsTypes are the types of the events to verify, OperationTypes of those
	// that change what an instance is, and DeleteTypes of those that say that it
	// is gone; names, not patterns. Default: those of Nova, unversioned and
	// versioned.
	ExistsTypes    []string `json:"exists_types"`
	OperationTypes []string `json:"operation_types"`
	DeleteTypes    []string `json:"delete_types"`
}

// DefaultCoreFields returns the traits that StackTach compared.
func DefaultCoreFields() []string {
	return []string{"launched_at", "instance_flavor_id", "tenant_id", "os_architecture", "os_version", "os_distro"}
}

// VersionedCoreFields returns those of DefaultCoreFields that Nova's versioned
// notifications, of event type instance.exists and so on, can have. They say
// nothing of the properties of images, but for the architecture.
func VersionedCoreFields() []string {
	return []string{"launched_at", "instance_flavor_id", "tenant_id", "os_architecture"}
}

// Validate reports all faults of the parameters together, as
// winchester.Faults. An empty list of core fields is refused: it would pass for
// a verification and compare nothing.
func (p Params) Validate() error {
	var faults winchester.Faults
	fault := func(field, format string, args ...any) {
		faults = append(faults, winchester.Fault{Field: field, Message: fmt.Sprintf(format, args...)})
	}
	at := func(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }
	if p.CoreFields != nil && len(p.CoreFields) == 0 {
		fault("core_fields", "is empty: leave it out for the default")
	}
	for i, field := range p.CoreFields {
		switch {
		case field == "":
			fault(at("core_fields", i), "is empty")
		case field == "message_id" || field == "event_type" || field == "timestamp":
			fault(at("core_fields", i), "%s differs between any two events", field)
		case slices.Index(p.CoreFields, field) < i:
			fault(at("core_fields", i), "%s is listed twice", field)
		}
	}
	if p.ExistsTypes != nil && len(p.ExistsTypes) == 0 {
		fault("exists_types", "is empty: leave it out for the default")
	}
	seen := map[string]string{}
	for _, list := range []struct {
		name            string
		types, defaults []string
	}{
		{"exists_types", p.ExistsTypes, existsTypes},
		{"operation_types", p.OperationTypes, operationTypes},
		{"delete_types", p.DeleteTypes, deleteTypes},
	} {
		if list.types == nil {
			list.types = list.defaults
		}
		for i, t := range list.types {
			switch other, taken := seen[t]; {
			case t == "":
				fault(at(list.name, i), "is empty")
			case strings.ContainsAny(t, "*?[!"):
				fault(at(list.name, i), "expected the name of an event type, found the pattern %q", t)
			case taken && other == list.name:
				fault(at(list.name, i), "%s is listed twice", t)
			case taken:
				fault(at(list.name, i), "%s is in %s as well", t, other)
			}
			seen[t] = list.name
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// Register makes the handler known to r as "usage". It returns an error if
// that name is taken.
func Register(r *winchester.Registry) error {
	return winchester.Register(r, Name, func(p Params) (winchester.Handler, error) { return New(p), nil })
}

// Handler verifies the usage records of a stream. The zero value is ready to
// use. It keeps nothing between calls, so that a host may embed it and call
// HandleEvents from its own with other Params for other streams.
type Handler struct {
	winchester.HandlerDefaults
	Params
}

var _ winchester.Handler = (*Handler)(nil)

// New returns a Handler with the given parameters.
func New(p Params) *Handler { return &Handler{Params: p} }

// kinds returns what event types mean to this handler.
func (h *Handler) kinds() kinds {
	if h.ExistsTypes == nil && h.OperationTypes == nil && h.DeleteTypes == nil {
		return defaultKinds
	}
	or := func(types, defaults []string) []string {
		if types == nil {
			return defaults
		}
		return types
	}
	return kindsOf(or(h.ExistsTypes, existsTypes), or(h.OperationTypes, operationTypes), or(h.DeleteTypes, deleteTypes))
}

// coreFields returns the fields to compare for a record.
func (h *Handler) coreFields(record winchester.Event) []string {
	switch {
	case h.CoreFields != nil:
		return h.CoreFields
	case isVersioned(record):
		return VersionedCoreFields()
	}
	return DefaultCoreFields()
}

// maxWarnings bounds how many warnings of earlier records a warnings event
// repeats, so that the work for a stream stays proportional to its length.
const maxWarnings = 100

// HandleEvents returns the events as they are, followed by the verdicts on the
// records among them in the order of the records. It has no side effects, and
// the same stream gives the same ids however often it is run. Data that cannot
// be judged, such as a text where a time belongs, fails the verification of
// its record; the returned error is always nil.
func (h *Handler) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	m := maker{env}
	var made []winchester.Event
	var warnings []string
	blocks, rest := h.kinds().cut(events)
	for _, b := range blocks {
		warning, f := check(b, h.coreFields(b.record()))
		if warning != "" {
			warnings = append(warnings, warning)
			warnings = warnings[max(0, len(warnings)-maxWarnings):]
		}
		// As in the original, a record repeats the warnings of those before it.
		if len(warnings) > 0 {
			made = append(made, m.warnings(b, warnings))
		}
		made = append(made, m.verdict(b, f))
	}
	if rest != nil {
		made = append(made, m.noExists(*rest))
	}
	return slices.Concat(events, made), nil
}
