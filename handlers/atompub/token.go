package atompub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
)

type credentials struct {
	server, user string
	key          Secret
}

// tokens gets and keeps the token for some credentials. However many handlers
// need one at the same time, one of them asks the server and the others wait
// for what it is told.
type tokens struct {
	credentials

	mu      sync.Mutex
	current string
	asking  *asking // nil unless someone is
}

type asking struct {
	done  chan struct{}
	token string
	err   error
}

// allTokens has the *tokens of all credentials in the process.
var allTokens sync.Map

func tokensOf(c credentials) *tokens {
	t, _ := allTokens.LoadOrStore(c, &tokens{credentials: c})
	return t.(*tokens) //nolint:forcetypeassert // nothing else is stored there
}

// get returns a token other than refused: the one that is kept, or a new one.
// Errors are failures, or those of ctx.
func (t *tokens) get(ctx context.Context, refused string, ask func(context.Context) (string, error)) (string, error) {
	for {
		t.mu.Lock()
		if t.current != "" && t.current != refused {
			defer t.mu.Unlock()
			return t.current, nil
		}
		a := t.asking
		if a == nil {
			a = &asking{done: make(chan struct{}), err: errors.New("nobody was told")}
			t.asking = a
			t.mu.Unlock()
			t.lead(ctx, a, ask)
			return a.token, a.err
		}
		t.mu.Unlock()
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-a.done:
		}
		if f := (*failure)(nil); a.err == nil || errors.As(a.err, &f) {
			return a.token, a.err
		}
		// Whoever asked has left before it was told: ask ourselves.
	}
}

func (t *tokens) lead(ctx context.Context, a *asking, ask func(context.Context) (string, error)) {
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if a.err == nil {
			t.current = a.token
		}
		t.asking = nil
		close(a.done)
	}()
	a.token, a.err = ask(ctx)
}

// maxToken bounds what is read of an identity service's answer; a catalog of
// services comes with the token.
const maxToken = 4 << 20

// ask exchanges the credentials for a token, as for Rackspace's identity
// service v2.
func (t *tokens) ask(ctx context.Context, client *http.Client, timeout time.Duration) (string, error) {
	type apiKey struct {
		Username string `json:"username"`
		APIKey   string `json:"apiKey"`
	}
	body, err := json.Marshal(map[string]any{"auth": map[string]any{
		"RAX-KSKEY:apiKeyCredentials": apiKey{t.user, string(t.key)},
	}})
	if err != nil {
		return "", err
	}
	a, err := post(ctx, client, timeout, request{
		url: t.server, body: body, maxAnswer: maxToken, secrets: []string{string(t.key)},
		header: http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}},
	})
	if err != nil {
		if f := (*failure)(nil); errors.As(err, &f) {
			f.text = "authentication: " + place(t.server) + ": " + f.text
		}
		return "", err
	}
	if a.status/100 != 2 {
		f := a.failure("authentication: " + place(t.server))
		f.ofServer = true
		return "", f
	}
	var answer struct {
		Access struct {
			Token struct {
				ID string `json:"id"`
			} `json:"token"`
		} `json:"access"`
	}
	token := &answer.Access.Token.ID
	if json.NewDecoder(bytes.NewReader(a.body)).Decode(&answer) != nil || *token == "" || strings.ContainsFunc(*token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", &failure{text: "authentication: " + place(t.server) + " gave no token in access.token.id", ofServer: true}
	}
	return *token, nil
}
