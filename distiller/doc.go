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
// Notifications come bare or in the envelope of oslo.messaging (oslo.version
// 2.x), with the request's context in flat _context_ keys, as over RabbitMQ, or
// nested in _context, as over Kafka. Field paths need not know which: both
// _context_request_id and _context.request_id find it in either.
//
// # Situation and error
//
// Every error of Distill and its siblings is an *Error, and matches:
//
//	no definition applies                          | winchester.ErrDropped
//	not JSON, too large, too deep, not an object   | ErrMalformed
//	event_type or message_id missing or no text    | ErrMalformed
//	an unreadable timestamp or envelope            | ErrMalformed
//	nothing that looks like a notification         | ErrUnknownFormat
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
