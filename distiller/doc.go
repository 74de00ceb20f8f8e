// Package distiller turns notifications, the large nested JSON documents that
// OpenStack and other services send, into events: flat, typed, and with only
// what triggers and handlers need. What is taken from which notification is
// told by event definitions in YAML; docs/event-definitions.md is their manual.
//
//	definitions, err := distiller.LoadFile("event_definitions.yaml", nil)
//	…
//	d, err := distiller.New(distiller.Config{Definitions: definitions})
//	…
//	event, err := d.Distill(body)
//
// A Distiller is a winchester.Distiller, so that an engine that has one takes
// notifications as well as events. It works alone just as well, and with a
// Condenser of one's own it makes anything, not only events.
//
// Formats are told apart by what is in a document, in this order: an array is a
// batch, which Split takes apart; the envelope of oslo.messaging (oslo.version
// 2.x) is taken off; specversion is of a CloudEvent, event_type and message_id
// are of a notification of OpenStack, typeURI is of a CADF event, and detail-type
// of an event of Amazon EventBridge. CloudEvents in binary mode have their
// attributes beside them: see Distiller.CloudEvent.
//
// Notifications of OpenStack have the request's context in flat _context_ keys,
// as over RabbitMQ, or nested in _context, as over Kafka. Field paths need not
// know which: both _context_request_id and _context.request_id find it in
// either. Nor need they know of versioned objects: payload.uuid finds what is in
// payload.'nova_object.data'.uuid.
//
// Definitions for OpenStack's services come with the package: see Builtin.
//
// # Situation and error
//
// Every error of Distill and its siblings, of Split and of CloudEvent is an
// *Error, and matches:
//
//	no definition applies                          | winchester.ErrDropped
//	not JSON, too large, too deep, not an object   | ErrMalformed
//	what a format requires missing, or no text     | ErrMalformed
//	an unreadable time, envelope, header or batch  | ErrMalformed
//	nothing that looks like any of the formats     | ErrUnknownFormat
//	a trait that cannot be converted or reached    | ErrTrait
//	an event without traits, type or message id    | winchester.ErrInvalidEvent
//
// All but the first also match winchester.ErrInvalidEvent: sending the same
// notification again cannot help. What is wrong with definitions matches
// winchester.ErrDefinition.
//
// # Law of dependencies
//
// This package knows the root package and internal/..., and nothing above or
// beside it.
package distiller
