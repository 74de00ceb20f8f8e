// Package atompub publishes events as entries of an Atom feed, as StackTach
// did with verified usage: each selected event is POSTed to an AtomPub server
// (https://www.rfc-editor.org/rfc/rfc5023) such as Atom Hopper, as JSON or as a
// usage event of Rackspace's Cloud Usage Format (CUF).
//
//	verify_usage:
//	  - usage
//	  - name: atompub
//	    params:
//	      url: https://atom.example.com/nova/events
//	      event_types: compute.instance.exists.verified
//	      content_format: cuf_xml
//
// docs/handlers.md lists the parameters.
//
// Delivery is at least once. An entry's id is made of the event's message id
// alone, so a server that is sent it again answers 409, which counts as
// delivered. What cannot be delivered now is tried again later, without holding
// a worker; what the server will never take fails the stream. Nothing is logged
// away.
//
// params.go says what can be configured, entry.go, cuf.go and json.go what an
// entry looks like, deliver.go what the server's answers mean, backoff.go when
// to try again, token.go how the token that it may ask for is got.
//
// The package imports only the root package; other handlers, stores and the
// distiller are not known here.
package atompub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/internal/glob"
)

// Name is the name under which Register makes the handler known.
const Name = "atompub"

// Option changes how handlers talk to servers.
type Option func(*options)

type options struct{ client *http.Client }

// WithClient has c make the requests: for certificates, proxies and the like.
// Its CheckRedirect is not used; see docs/handlers.md for which redirects are
// followed. Without this option all handlers share a client with the settings
// of http.DefaultTransport.
func WithClient(c *http.Client) Option { return func(o *options) { o.client = c } }

// defaultClient keeps more idle connections to one host than package http
// would: there is one host, and many workers.
var defaultClient = sync.OnceValue(func() *http.Client {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		transport = t.Clone()
	}
	transport.MaxIdleConnsPerHost = 32
	return &http.Client{Transport: transport}
})

// Register makes the handler known to r as "atompub". It returns an error if
// that name is taken.
func Register(r *winchester.Registry, opts ...Option) error {
	client := clientOf(opts)
	return winchester.Register(r, Name, func(p Params) (winchester.Handler, error) { return newHandler(p, client), nil })
}

// clientOf returns the client to use, a copy with our policy of redirects.
func clientOf(opts []Option) *http.Client {
	var o options
	for _, option := range opts {
		option(&o)
	}
	client := *cmp.Or(o.client, defaultClient())
	client.CheckRedirect = followSameOrigin
	return &client
}

// Handler publishes the events of one stream. It is used for one run, by one
// goroutine; what runs share (tokens, and when to leave a server alone) is
// kept by the process.
type Handler struct {
	params Params
	types  glob.Set
	client *http.Client
	server *server
	tokens *tokens // nil where no authentication is asked for

	env    *winchester.Env
	events []winchester.Event // to publish
}

var _ winchester.Handler = (*Handler)(nil)

// New returns a Handler, or an error that lists all faults of the parameters.
func New(p Params, opts ...Option) (*Handler, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return newHandler(p, clientOf(opts)), nil
}

func newHandler(p Params, client *http.Client) *Handler {
	p = p.withDefaults()
	h := &Handler{params: p, types: glob.NewSet(p.EventTypes), client: client, server: serverAt(p.URL)}
	if p.AuthServer != "" {
		h.tokens = tokensOf(credentials{p.AuthServer, p.AuthUser, p.AuthKey})
	}
	return h
}

// HandleEvents selects the events to publish: all that it is given, those of
// handlers before it included, whose type the event_types match. It returns
// the events as they are.
func (h *Handler) HandleEvents(ctx context.Context, events []winchester.Event, env *winchester.Env) ([]winchester.Event, error) {
	h.env = env
	for _, e := range events {
		if h.types.Match(e.EventType) {
			h.events = append(h.events, e)
		}
	}
	h.log().DebugContext(ctx, fmt.Sprintf("Matched %d events.", len(h.events)))
	return events, nil
}

// Commit publishes the selected events, in their order. An entry that the
// server refuses for good does not keep back those after it; once all others
// are delivered, the error names the refused ones and says, by Cancel, that
// trying again cannot help. Where the server cannot be reached or asks for
// patience, the error wraps winchester.Snooze.
func (h *Handler) Commit(ctx context.Context) error {
	var refused []error
	for _, e := range h.events {
		err := h.publish(ctx, e)
		if r := (*refusal)(nil); errors.As(err, &r) {
			h.log().ErrorContext(ctx, "Atom entry refused for good", "message_id", e.MessageID, "event_type", e.EventType, "err", r)
			refused = append(refused, fmt.Errorf("%s event %s: %w", e.EventType, e.MessageID, r))
			continue
		}
		if err != nil {
			return err
		}
	}
	if len(h.events) > 0 {
		h.server.delivered.forget(h.env.IdempotencyKey)
	}
	if len(refused) == 0 {
		return nil
	}
	// The first one is on that line, which is the one that histories keep.
	return winchester.Cancel(fmt.Errorf("%d of %d entries were refused for good, the others are delivered: %w",
		len(refused), len(h.events), errors.Join(refused...)))
}

// Rollback does nothing: nothing is acquired before Commit.
func (h *Handler) Rollback(context.Context) error { return nil }

func (h *Handler) log() *slog.Logger {
	if h.env == nil || h.env.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return h.env.Logger
}

func (h *Handler) clock() winchester.Clock {
	if h.env.Clock == nil { // a host's test, with an Env of its own
		return winchester.SystemClock{}
	}
	return h.env.Clock
}
