package winchester

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed71495667/winchester/internal/suggest"
)

// Handler is one step of a pipeline: the place where a host's own code runs.
//
// A fresh instance is made for every run of a pipeline over a stream and is
// used by one goroutine at a time, so a handler may keep what it needs in its
// fields. It is thrown away afterwards. The calls come in this order:
//
//  1. HandleEvents of every handler in turn, each given what the one before
//     returned. It must have no side effects: the run may still fail, and will
//     then be repeated with a new instance.
//  2. If all succeeded, Commit of every handler in turn. This is where the
//     outside world hears of it. Commit may be repeated (at least once), with
//     the same Env.IdempotencyKey; a handler whose Commit has succeeded is not
//     committed again by a later attempt.
//  3. If the run fails, Rollback of every handler that has not committed, also
//     of those that were never reached. (Not if one of the handlers could not
//     be made: then nothing has been called at all.)
//
// The context ends when the engine must stop or when the stream's lease is
// lost to another worker; a handler should return soon after. If the run is traced
// (see docs/metrics.md), the context has the span of the call.
//
// Errors steer what happens next: a plain error means that the stream is tried
// again by the retry policy, Cancel(err) that it is not, Snooze(d) that it is
// tried again after d without counting as an attempt. A panic counts as a plain
// error.
//
// Embed HandlerDefaults and write only what you need. What a handler may do
// beyond this is an interface of its own, such as TxHandler.
type Handler interface {
	// HandleEvents gets the events of the stream, sorted by time, and returns
	// what the next handler is to see. Leaving an event out hides it from the
	// handlers that follow; it stays stored. What the last handler returns with a
	// new message id is stored when the stream completes, in the same transaction,
	// and is offered to all triggers. Neither the slice nor the events' traits may be
	// changed in place; return a new slice instead.
	HandleEvents(ctx context.Context, events []Event, env *Env) ([]Event, error)
	// Commit makes the handler's effect visible.
	Commit(ctx context.Context) error
	// Rollback releases what HandleEvents acquired. Errors are logged and
	// counted, and otherwise ignored.
	Rollback(ctx context.Context) error
}

// TxHandler is a Handler with an effect in the engine's own database.
// CommitTx runs inside the transaction that completes the stream: what it
// writes there happens exactly once, however often the pipeline had to be run.
// An error undoes the whole transaction and fails the run. CommitTx comes
// after every handler's Commit.
//
// Transactions can meet, and the results of several streams share one as long
// as that goes well; so CommitTx may be called several times on one instance,
// of which the last that succeeds counts. It must not keep what an earlier call
// has left behind: an id that the database gave out, say. It must be quick, since
// others wait for the same transaction, and it must not call the engine.
type TxHandler interface {
	Handler
	CommitTx(ctx context.Context, tx Tx) error
}

// HandlerDefaults gives a Handler a Commit and a Rollback that do nothing.
type HandlerDefaults struct{}

// Commit does nothing.
func (HandlerDefaults) Commit(context.Context) error { return nil }

// Rollback does nothing.
func (HandlerDefaults) Rollback(context.Context) error { return nil }

// Pass tells why a pipeline runs.
type Pass string

// The two reasons.
const (
	PassFire   Pass = "fire"   // the fire criteria were met
	PassExpire Pass = "expire" // the stream's time was up
)

// Env is what the handlers of one pipeline run share.
type Env struct {
	StreamID   int64  // the stream's id
	StreamName string // the name of its trigger
	Pipeline   string // the name of the pipeline
	Pass       Pass   // whether it fires or expires
	Attempt    int    // 1 for the first try
	// Snoozes is how many runs of the stream before this one did not count as
	// attempts: those that ended with Snooze, or that a stopping engine gave back.
	// A handler that waits longer each time goes by it. Once the stream has been
	// reset, the runs before that are among them.
	Snoozes int
	// IdempotencyKey is the same for every attempt at this stream and differs
	// between streams: hand it to the outside world with a side effect.
	IdempotencyKey string
	// DistinguishingTraits are the values that all events of the stream share.
	DistinguishingTraits Traits
	// Events are the stream's own, sorted by time: what the first handler is given.
	// They must not be changed.
	Events []Event
	// Now is the time at which the stream was claimed, by the engine's clock.
	Now time.Time
	// Clock is the engine's, for what must be timed while the run goes on; in a
	// replay it is ReplayConfig.Machine, for such things do not go by the events.
	Clock Clock
	// Logger is the engine's, with the keys trigger, stream_id and pipeline set.
	Logger *slog.Logger
	// Values is scratch space between the handlers of the run.
	Values map[string]any
}

// New returns those of the events that are not the stream's own: what handlers
// have made, and what is stored when the stream completes.
func (e *Env) New(events []Event) []Event {
	if n := len(events); n == 0 || n == len(e.Events) && &events[0] == &e.Events[0] {
		return nil // most pipelines make none
	}
	own := make(map[string]bool, len(e.Events))
	for i := range e.Events {
		own[e.Events[i].MessageID] = true
	}
	var made []Event
	for i := range events {
		if !own[events[i].MessageID] {
			made = append(made, events[i])
		}
	}
	return made
}

type cancelError struct{ err error }

func (e cancelError) Error() string { return e.err.Error() }
func (e cancelError) Unwrap() error { return e.err }

// Cancel wraps err to say that trying again cannot help: the stream goes to
// error (or expire_error) at once, until someone resets it.
func Cancel(err error) error {
	if err == nil {
		err = errors.New("cancelled by the handler")
	}
	return cancelError{err}
}

type snoozeError struct{ after time.Duration }

func (e snoozeError) Error() string { return "snoozed for " + e.after.String() }

// Snooze is an error that asks for the stream to be tried again after d. It
// does not count as an attempt.
func Snooze(d time.Duration) error { return snoozeError{max(d, 0)} }

// HandlerFactory makes one handler instance for one pipeline run.
type HandlerFactory func() (Handler, error)

// Registry knows the handlers that pipelines can name. It is safe for
// concurrent use. Handlers are registered before the engine is made. The zero
// value knows none.
type Registry struct {
	mu      sync.RWMutex
	entries map[string]func(params map[string]any) (HandlerFactory, error)
}

// NewRegistry returns a registry that knows the ready-made "logger".
func NewRegistry() *Registry {
	r := &Registry{}
	MustRegister(r, LoggingHandlerName, NewLoggingHandler)
	return r
}

// NoParams is the parameter type of a handler that takes none.
type NoParams struct{}

// Register makes a handler known under a name. P is a struct of its
// parameters, filled from a pipeline definition by the rules of encoding/json;
// a parameter that P does not have is an error. If *P has a method
// Validate() error, it is called once, when the pipeline is configured.
//
// create is called for each pipeline run, possibly from several goroutines at
// once, with the same parameters: maps and slices in them are shared. An error
// from it fails the run, and counts as an attempt.
//
// Register returns an error if the name is empty or taken.
func Register[P any](r *Registry, name string, create func(P) (Handler, error)) error {
	if name == "" || strings.ContainsAny(name, "\n\r") {
		return fmt.Errorf("a handler cannot be named %q", name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.entries[name]; taken {
		return fmt.Errorf("a handler named %q is registered already", name)
	}
	if r.entries == nil {
		r.entries = map[string]func(map[string]any) (HandlerFactory, error){}
	}
	r.entries[name] = func(params map[string]any) (HandlerFactory, error) {
		decoded, err := decodeParams[P](params)
		if err != nil {
			return nil, fmt.Errorf("handler %q: %w", name, err)
		}
		return func() (Handler, error) { return create(decoded) }, nil
	}
	return nil
}

// MustRegister is Register for program start: it panics on error.
func MustRegister[P any](r *Registry, name string, create func(P) (Handler, error)) {
	if err := Register(r, name, create); err != nil {
		panic("winchester: " + err.Error())
	}
}

// Names lists the registered handlers, sorted.
func (r *Registry) Names() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Sorted(maps.Keys(r.entries))
}

// Factory checks the parameters for the named handler and returns the factory
// that a pipeline uses. The error wraps ErrUnknownHandler if there is none of
// that name.
func (r *Registry) Factory(name string, params map[string]any) (HandlerFactory, error) {
	r.mu.RLock()
	prepare, ok := r.entries[name]
	r.mu.RUnlock()
	if !ok {
		return nil, fmt.Errorf("%w %q%s", ErrUnknownHandler, name, suggest.DidYouMean(name, r.Names()))
	}
	return prepare(params)
}

func decodeParams[P any](params map[string]any) (P, error) {
	var p P
	if len(params) > 0 {
		data, err := json.Marshal(params)
		if err != nil {
			return p, fmt.Errorf("parameters: %w", err)
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&p); err != nil {
			return p, fmt.Errorf("parameters: %w", explainParams[P](err, params))
		}
	}
	if v, ok := any(&p).(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return p, fmt.Errorf("parameters: %w", err)
		}
	}
	return p, nil
}

// explainParams says what is wrong with parameters in words that do not speak
// of JSON, which a pipeline's author may never have seen. Where it can tell
// which parameter it is, it returns Faults.
func explainParams[P any](err error, params map[string]any) error {
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		return Faults{{Field: wrong.Field, Message: fmt.Sprintf("expected %s, found %s", wrong.Type, wrong.Value)}}
	}
	t := reflect.TypeFor[P]()
	if t.Kind() != reflect.Struct || !strings.Contains(err.Error(), "unknown field") {
		return err
	}
	var known []string
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name = cmp.Or(name, f.Name); f.IsExported() && !f.Anonymous && name != "-" {
			known = append(known, name)
		}
	}
	isKnown := func(name string) bool {
		return slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) })
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if !isKnown(name) {
			return Faults{{Field: name, Message: "there is no such parameter" + suggest.DidYouMean(name, known)}}
		}
	}
	return err // in a parameter that is a struct itself
}
