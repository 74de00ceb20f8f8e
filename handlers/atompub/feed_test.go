package atompub_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/handlers/atompub"
)

// feed is an AtomPub server, and with its path /tokens an identity service.
// It keeps each entry once, and answers 409 to a second one of the same id.
type feed struct {
	*httptest.Server
	// authenticate may answer instead of the identity service.
	authenticate func(w http.ResponseWriter, n int) bool

	mu        sync.Mutex
	misbehave misbehaviour
	t         testing.TB
	requests  []*http.Request
	posts     int      // of entries
	asked     int      // for tokens
	token     string   // that is good; "" for no authentication
	entries   []posted // kept
	ids       map[string]bool
}

// misbehaviour may answer instead of the feed, and then returns true. n counts
// the POSTs of entries from 1.
type misbehaviour func(w http.ResponseWriter, r *http.Request, n int) bool

// misbehaves has the feed behave like m from now on; as usual, for nil.
func (f *feed) misbehaves(m misbehaviour) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.misbehave = m
}

// posted is an Atom entry as any consumer would read it.
type posted struct {
	XMLName    xml.Name `xml:"http://www.w3.org/2005/Atom entry"`
	ID         string   `xml:"http://www.w3.org/2005/Atom id"`
	Title      string   `xml:"http://www.w3.org/2005/Atom title"`
	Categories []struct {
		Term string `xml:"term,attr"`
	} `xml:"http://www.w3.org/2005/Atom category"`
	Content struct {
		Type  string `xml:"type,attr"`
		Text  string `xml:",chardata"`
		Usage *struct {
			Name    string `xml:"resourceName,attr"`
			Product struct {
				Flavor string `xml:"flavorName,attr"`
			} `xml:"http://docs.rackspace.com/event/nova product"`
		} `xml:"http://docs.rackspace.com/core/event event"`
	} `xml:"http://www.w3.org/2005/Atom content"`
}

func newFeed(t testing.TB) *feed {
	t.Helper()
	f := &feed{t: t, ids: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /feed", f.post)
	mux.HandleFunc("POST /tokens", f.ask)
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

func (f *feed) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	f.mu.Lock()
	f.posts++
	n, token, misbehave := f.posts, f.token, f.misbehave
	f.requests = append(f.requests, r)
	f.mu.Unlock()
	if misbehave != nil && misbehave(w, r, n) {
		return
	}
	var e posted
	if err == nil {
		err = xml.Unmarshal(body, &e)
	}
	switch f.mu.Lock(); {
	case err != nil:
		f.t.Errorf("not an entry: %v\n%s", err, body)
		w.WriteHeader(http.StatusBadRequest)
	case token != "" && r.Header.Get("X-Auth-Token") != f.token:
		w.WriteHeader(http.StatusUnauthorized)
	case f.ids[e.ID]:
		w.WriteHeader(http.StatusConflict)
	default:
		f.ids[e.ID] = true
		f.entries = append(f.entries, e)
		w.WriteHeader(http.StatusCreated)
	}
	f.mu.Unlock()
}

const user, key = "stacktach", "k3y-that-nobody-may-see"

func (f *feed) ask(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Auth struct {
			Credentials struct{ Username, APIKey string } `json:"RAX-KSKEY:apiKeyCredentials"`
		}
	}
	err := json.NewDecoder(r.Body).Decode(&body)
	f.mu.Lock()
	f.asked++
	n := f.asked
	f.mu.Unlock()
	if f.authenticate != nil && f.authenticate(w, n) {
		return
	}
	if c := body.Auth.Credentials; err != nil || c.Username != user || c.APIKey != key || r.Header.Get("Accept") != "application/json" {
		f.t.Errorf("not a request for a token: %v, %+v", err, body)
		w.WriteHeader(http.StatusForbidden)
		return
	}
	f.mu.Lock()
	f.token = fmt.Sprintf("t0ken-that-nobody-may-see-%d", n)
	fmt.Fprintf(w, `{"access": {"serviceCatalog": [], "token": {"expires": "2026-01-01T00:00:00Z", "id": %q}}}`, f.token)
	f.mu.Unlock()
}

// revoke makes the token that is good bad.
func (f *feed) revoke() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.token = "another"
}

func (f *feed) counts() (posts, asked, kept int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.posts, f.asked, len(f.entries)
}

// ids of the entries kept, without what all of them begin with.
func (f *feed) kept() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	ids := make([]string, len(f.entries))
	for i, e := range f.entries {
		ids[i] = strings.TrimPrefix(e.ID, "urn:uuid:")
	}
	return strings.Join(ids, " ")
}

// run is one run of the handler over a stream.
type run struct {
	t      testing.TB
	params atompub.Params
	opts   []atompub.Option
	env    winchester.Env
}

func (f *feed) run(t testing.TB) run {
	return run{t: t, params: atompub.Params{URL: f.URL + "/feed"}, env: winchester.Env{
		StreamID: 7, IdempotencyKey: t.Name(), Attempt: 1, Clock: winchester.NewManualClock(noon), Logger: slog.New(slog.DiscardHandler),
	}}
}

func (f *feed) authenticated(t testing.TB) run {
	r := f.run(t)
	r.params.AuthServer, r.params.AuthUser, r.params.AuthKey = f.URL+"/tokens", user, key
	return r
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// commit publishes events of these ids.
func (r run) commit(ids ...string) error {
	r.t.Helper()
	events := make([]winchester.Event, len(ids))
	for i, id := range ids {
		events[i] = event(id, nil)
	}
	return r.commitEvents(events...)
}

func (r run) commitEvents(events ...winchester.Event) error {
	r.t.Helper()
	h, err := atompub.New(r.params, r.opts...)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := h.HandleEvents(r.t.Context(), events, &r.env); err != nil {
		r.t.Fatal(err)
	}
	return h.Commit(r.t.Context())
}

func event(id string, traits winchester.Traits) winchester.Event {
	return winchester.Event{MessageID: id, EventType: "compute.instance.exists.verified", Timestamp: noon, Traits: traits}
}

func (r run) clock() *winchester.ManualClock { return r.env.Clock.(*winchester.ManualClock) }
