package winchester

import "errors"

// Errors that callers match with errors.Is. The text around them names the
// event, trigger or stream in question.
var (
	// ErrInvalidEvent: the event lacks a required field or has a trait that
	// cannot be stored. Nothing was stored; sending it again cannot help.
	ErrInvalidEvent = errors.New("invalid event")
	// ErrInvalidTraitType: a trait's Go type is none of those that Traits lists.
	ErrInvalidTraitType = errors.New("invalid trait type")
	// ErrDropped: a notification was refused on purpose: no event definition
	// applies to it. Nothing was stored.
	ErrDropped = errors.New("dropped")
	// ErrDefinition: a trigger or pipeline definition is wrong. The text lists
	// every fault found.
	ErrDefinition = errors.New("invalid definition")
	// ErrTriggerExists: a trigger of that name is in use; it stays as it is.
	ErrTriggerExists = errors.New("trigger exists")
	// ErrUnknownTrigger: there is no trigger of that name.
	ErrUnknownTrigger = errors.New("unknown trigger")
	// ErrUnknownPipeline: a trigger names a pipeline that is not configured.
	ErrUnknownPipeline = errors.New("unknown pipeline")
	// ErrUnknownHandler: a pipeline names a handler that is not registered.
	ErrUnknownHandler = errors.New("unknown handler")
	// ErrNoSuchEvent: no event with that message id is stored.
	ErrNoSuchEvent = errors.New("no such event")
	// ErrNoSuchStream: no stream with that id is stored.
	ErrNoSuchStream = errors.New("no such stream")
	// ErrInvalidQuery: a query cannot be understood; the text says why.
	ErrInvalidQuery = errors.New("invalid query")
	// ErrLocked: the stream is no longer as the caller read it; someone else
	// changed its state first. Read it again and decide anew.
	ErrLocked = errors.New("stream was changed by someone else")
	// ErrConflict: two transactions met; the one that gets this error has had
	// no effect and may be run again as it is. Stores return it; the engine
	// retries and only passes it on when retrying does not end.
	ErrConflict = errors.New("transaction conflict")
	// ErrUnavailable: the database cannot be reached, or the connection to it was
	// lost. In the latter case a write may have taken effect; repeating it is
	// harmless.
	ErrUnavailable = errors.New("database unavailable")
	// ErrReplay: events are being replayed in the database, and whoever was to use
	// it goes by another clock.
	ErrReplay = errors.New("events are being replayed in this database")
	// ErrStopped: the engine is stopping or has stopped.
	ErrStopped = errors.New("engine stopped")
	// ErrNoDistiller: AddNotification was called on an engine that was
	// configured without a Distiller.
	ErrNoDistiller = errors.New("no distiller configured")
)
