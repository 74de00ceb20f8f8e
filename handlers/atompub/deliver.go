package atompub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed71495667/winchester"
)

// refusal is why an entry will never be delivered.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

// failure is why an entry was not delivered this time.
type failure struct {
	text string
	// ofServer: nothing that has to do with the entry, so that others need not
	// try until the server has recovered.
	ofServer bool
	// after is how long the server asks to be left alone; 0 if it does not say.
	after time.Duration
}

func (f *failure) Error() string { return f.text }

// publish delivers one event. An error is a *refusal, wraps winchester.Snooze,
// or is that of ctx.
func (h *Handler) publish(ctx context.Context, e winchester.Event) error {
	body, err := h.params.entryOf(e)
	if err != nil {
		return &refusal{err.Error()}
	}
	if h.params.ContentFormat == FormatCUF && status(e.Traits) == unknownStatus {
		h.log().WarnContext(ctx, "Unknown status of an instance", "message_id", e.MessageID,
			"state", plain(e.Traits["state"]), "state_description", plain(e.Traits["state_description"]))
	}
	sum := sha256.Sum256(body)
	if h.server.delivered.has(h.env.IdempotencyKey, sum) {
		return nil
	}
	pace := pace{h.params.WaitInterval, h.params.MaxWait}
	if wait := h.server.gate.enter(h.clock().Now(), pace); wait > 0 {
		h.log().DebugContext(ctx, "The server has failed; it is left alone for a while", "url", place(h.params.URL), "wait", wait)
		return fmt.Errorf("%s has failed others: %w", place(h.params.URL), winchester.Snooze(wait))
	}
	status, closed, err := h.try(ctx, body, pace)
	if err == nil {
		h.server.delivered.add(h.env.IdempotencyKey, sum)
		h.log().DebugContext(ctx, fmt.Sprintf("Sent %s event. Status %d", e.EventType, status), "message_id", e.MessageID)
		return nil
	}
	f := (*failure)(nil)
	if !errors.As(err, &f) {
		return err
	}
	wait := max(pace.wait(h.env.Snoozes+1), f.after, closed)
	h.log().WarnContext(ctx, "Atom entry not delivered; it will be tried again", "message_id", e.MessageID,
		"event_type", e.EventType, "url", place(h.params.URL), "wait", wait, "err", f)
	return fmt.Errorf("%s: %w: %w", place(h.params.URL), f, winchester.Snooze(wait))
}

// try delivers an entry and leaves the gate, also should the host's client
// panic. closed is how long the gate is.
func (h *Handler) try(ctx context.Context, entry []byte, p pace) (status int, closed time.Duration, err error) {
	err = errors.New("the client panicked")
	defer func() { closed = h.server.gate.leave(h.clock().Now(), p, err) }()
	status, err = h.deliver(ctx, entry)
	return status, 0, err
}

// deliver POSTs an entry, with a new token if the server no longer takes the one
// that is kept, and returns the status that says that the server has it.
func (h *Handler) deliver(ctx context.Context, entry []byte) (int, error) {
	var token string
	for first := true; ; first = false {
		header := http.Header{"Content-Type": {"application/atom+xml"}}
		if h.tokens != nil {
			var err error
			if token, err = h.token(ctx, token); err != nil {
				return 0, err
			}
			header.Set("X-Auth-Token", token)
		}
		a, err := post(ctx, h.client, h.params.HTTPTimeout, request{
			url: h.params.URL, body: entry, maxAnswer: maxAnswer, header: header, secrets: []string{token, string(h.params.AuthKey)},
		})
		switch {
		case err != nil:
			return 0, err
		case a.status == http.StatusUnauthorized && h.tokens != nil && first:
			h.log().InfoContext(ctx, "Auth expired, reauthorizing...", "url", place(h.params.URL))
		case a.status/100 == 2 || a.status == http.StatusConflict: // the latter: it has this entry
			return a.status, nil
		case a.status == http.StatusBadRequest:
			return 0, &refusal{"the server says 400 Bad Request" + a.excerpt()}
		default:
			f := a.failure("the server")
			if !f.ofServer {
				f.text += a.excerpt()
			}
			return 0, f
		}
	}
}

func (h *Handler) token(ctx context.Context, refused string) (string, error) {
	return h.tokens.get(ctx, refused, func(ctx context.Context) (string, error) {
		return h.tokens.ask(ctx, h.client, h.params.HTTPTimeout)
	})
}

// maxAnswer bounds what is read of an answer to an entry; servers may repeat it.
const maxAnswer = 64 << 10

type request struct {
	url       string
	header    http.Header
	body      []byte
	maxAnswer int64
	secrets   []string // not to be repeated, should the server do so
}

type answer struct {
	status  int
	header  http.Header
	body    []byte
	secrets []string
}

// hide takes secrets out of a text.
func hide(text string, secrets []string) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "xxxxx")
		}
	}
	return text
}

// excerpt is the beginning of what the server says, if it says anything.
func (a *answer) excerpt() string {
	said := hide(strings.ToValidUTF8(string(a.body), "\uFFFD"), a.secrets)
	said = strings.Join(strings.Fields(said), " ")
	if r := []rune(said); len(r) > 300 {
		said = string(r[:300]) + "…"
	}
	if said == "" {
		return ""
	}
	return ": " + strconv.Quote(said)
}

// post sends a request and reads the whole answer, or as much as matters. An
// answer that breaks off is none: a repeated entry does no harm, a lost one
// does. Errors are failures, or that of ctx.
func post(ctx context.Context, client *http.Client, timeout time.Duration, r request) (*answer, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	a, err := r.do(limited, client)
	switch {
	case err == nil:
		return a, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case limited.Err() != nil:
		return nil, &failure{text: fmt.Sprintf("no answer within %s", timeout), ofServer: true}
	}
	if withURL := (*url.Error)(nil); errors.As(err, &withURL) {
		err = withURL.Err // the URL may hold a secret
	}
	return nil, &failure{text: hide(err.Error(), r.secrets), ofServer: true}
}

func (r request) do(ctx context.Context, client *http.Client) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	req.Header = r.header
	req.Header.Set("User-Agent", "Winchester")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, r.maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("the answer, with status %d, broke off: %w", resp.StatusCode, err)
	}
	return &answer{resp.StatusCode, resp.Header, body, r.secrets}, nil
}

// serverTrouble are the statuses that say nothing of the entry. Redirects are
// among them, and all that comes with a Retry-After.
var serverTrouble = []int{
	http.StatusUnauthorized, http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusTooManyRequests,
	http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

func (a *answer) failure(who string) *failure {
	f := &failure{
		text:     fmt.Sprintf("%s says %d %s", who, a.status, http.StatusText(a.status)),
		ofServer: a.status/100 == 3 || slices.Contains(serverTrouble, a.status),
		after:    a.retryAfter(),
	}
	if to := a.header.Get("Location"); a.status/100 == 3 && to != "" {
		f.text += ", to " + place(to) + "; only 307 and 308 to the same host are followed"
	}
	f.ofServer = f.ofServer || f.after > 0
	return f
}

// maxRetryAfter bounds what a server can ask for.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads the header of that name: seconds, or a time, taken against
// the server's own clock where it tells it.
func (a *answer) retryAfter() time.Duration {
	text := strings.TrimSpace(a.header.Get("Retry-After"))
	if n, err := strconv.ParseFloat(text, 64); err == nil && n >= 0 {
		return time.Duration(min(n, maxRetryAfter.Seconds()) * float64(time.Second))
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

// followSameOrigin follows redirects that repeat the request at the same
// server. Any other would lose the entry, as a POST turns into a GET, or hand
// our token to someone else.
func followSameOrigin(req *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > 5 || req.Method != first.Method || req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

// place is a URL without what may be secret in it.
func place(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "a malformed URL"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
