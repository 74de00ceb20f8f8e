// Package usage verifies OpenStack usage records, as StackTach did: it holds
// each compute.instance.exists notification, from which a customer is billed,
// against what else was heard of that instance in the audit period.
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
	"errors"
	"fmt"
	"slices"

	"github.com/seed71495667/winchester"
)

// Name is the name under which Register makes the handler known.
const Name = "usage"

// Params are the parameters of the handler in a pipeline definition.
type Params struct {
	// CoreFields are the traits that must be the same in an exists record and
	// in the last operation before it. Default: DefaultCoreFields().
	CoreFields []string `json:"core_fields"`
}

// DefaultCoreFields returns the traits that StackTach compared.
func DefaultCoreFields() []string {
	return []string{"launched_at", "instance_flavor_id", "tenant_id", "os_architecture", "os_version", "os_distro"}
}

// Validate reports all faults of the parameters together. An empty list is
// refused: it would pass for a verification and compare nothing.
func (p Params) Validate() error {
	var faults []error
	if p.CoreFields != nil && len(p.CoreFields) == 0 {
		faults = append(faults, errors.New("core_fields is empty: leave it out for the default"))
	}
	for i, field := range p.CoreFields {
		switch {
		case field == "":
			faults = append(faults, fmt.Errorf("core_fields[%d] is empty", i))
		case field == "message_id" || field == "event_type" || field == "timestamp":
			faults = append(faults, fmt.Errorf("core_fields[%d]: %s differs between any two events", i, field))
		case slices.Index(p.CoreFields, field) < i:
			faults = append(faults, fmt.Errorf("core_fields[%d]: %s is listed twice", i, field))
		}
	}
	return errors.Join(faults...)
}

// Register makes the handler known to r as "usage". It returns an error if
// that name is taken.
func Register(r *winchester.Registry) error {
	return winchester.Register(r, Name, func(p Params) (winchester.Handler, error) { return New(p), nil })
}

// Handler verifies the usage records of a stream. The zero value is ready to
// use. It keeps nothing between calls, so that a host may embed it and call
// HandleEvents from its own with other CoreFields for other streams.
type Handler struct {
	winchester.HandlerDefaults
	// CoreFields: see Params. Default: DefaultCoreFields().
	CoreFields []string
}

var _ winchester.Handler = (*Handler)(nil)

// New returns a Handler with the given parameters.
func New(p Params) *Handler { return &Handler{CoreFields: p.CoreFields} }

// maxWarnings bounds how many warnings of earlier records a warnings event
// repeats, so that the work for a stream stays proportional to its length.
const maxWarnings = 100

// HandleEvents returns the events as they are, followed by the verdicts on the
// records among them in the order of the records. It has no side effects, and
// the same stream gives the same ids however often it is run. Data that cannot
// be judged, such as a text where a time belongs, fails the verification of
// its record; the returned error is always nil.
func (h *Handler) HandleEvents(_ context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	fields := h.CoreFields
	if fields == nil {
		fields = DefaultCoreFields()
	}
	m := maker{env}
	var made []winchester.Event
	var warnings []string
	blocks, rest := cut(events)
	for _, b := range blocks {
		warning, f := check(b, fields)
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
