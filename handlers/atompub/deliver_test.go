package atompub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/handlers/atompub"
)

// snoozed demands that a run asked to be tried again after d.
func snoozed(t *testing.T, err error, d time.Duration) {
	t.Helper()
	if !errors.Is(err, winchester.Snooze(d)) {
		t.Errorf("error is %v, want a snooze of %s", err, d)
	}
}

func expect[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	f := newFeed(t)
	r := f.run(t)
	r.params.EventTypes = []string{"*.verified", "!*.other.verified"}
	r.params.Categories = []string{"usage"}
	other := event("3", nil)
	other.EventType = "compute.other.verified"
	if err := r.commitEvents(event("1", winchester.Traits{"original_message_id": "o-1", "n": int64(5)}), other, event("2", nil)); err != nil {
		t.Fatal(err)
	}
	expect(t, "kept", f.kept(), "1 2")
	req := f.requests[0]
	expect(t, "content type", req.Header.Get("Content-Type"), "application/atom+xml")
	expect(t, "user agent", req.Header.Get("User-Agent"), "Winchester")
	expect(t, "token", len(req.Header["X-Auth-Token"]), 0)
	e := f.entries[0]
	expect(t, "title", e.Title, "compute.instance.exists.verified")
	expect(t, "categories", fmt.Sprint(e.Categories), "[{usage} {compute.instance.exists.verified} {original_message_id:o-1}]")
	expect(t, "content", e.Content.Text, `{"event_type":"compute.instance.exists.verified","message_id":"1","n":5,"original_message_id":"o-1","timestamp":"2026-03-01T12:00:00Z"}`)
	if err := r.commit("2"); err != nil { // which answers 409
		t.Errorf("delivered already: %v", err)
	}
	if err := r.commit(); err != nil {
		t.Errorf("nothing to publish: %v", err)
	}
}

// TestRefused: an entry that the server will never take keeps back no other,
// and is not passed over in silence.
func TestRefused(t *testing.T) {
	t.Parallel()
	f := newFeed(t)
	f.misbehaves(func(w http.ResponseWriter, r *http.Request, n int) bool {
		if n == 2 {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, "bad\n entry by %s with %s", key, r.Header.Get("X-Auth-Token"))
		}
		return n == 2
	})
	r := f.authenticated(t)
	r.params.ContentFormat = atompub.FormatCUF
	err := r.commitEvents(event("1", nil), event("2", nil), event("3", winchester.Traits{"rax_options": "many"}), event("4", winchester.Traits{"launched_at": "soon"}), event("5", nil))
	expect(t, "kept", f.kept(), "1 5")
	want := strings.Join([]string{
		"3 of 5 entries were refused for good, the others are delivered: " +
			`compute.instance.exists.verified event 2: the server says 400 Bad Request: "bad entry by xxxxx with xxxxx"`,
		`compute.instance.exists.verified event 3: cannot be written as cuf_xml: trait rax_options: expected an integer, found "many"`,
		`compute.instance.exists.verified event 4: cannot be written as cuf_xml: trait launched_at: expected a time, found "soon"`,
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// TestPatience: which answers lead to which wait, and that the entry is
// delivered in the end.
func TestPatience(t *testing.T) {
	t.Parallel()
	reset := func(w http.ResponseWriter, beginning string) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		fmt.Fprint(conn, beginning)
		_ = conn.(*net.TCPConn).SetLinger(0) // RST, not FIN
		_ = conn.Close()
	}
	status := func(code int, header ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter)
		wait   time.Duration
		text   string
	}{
		"503":                       {status(503), 30 * time.Second, "the server says 503 Service Unavailable"},
		"500":                       {status(500), 30 * time.Second, "500"},
		"404":                       {status(404), 30 * time.Second, "404"},
		"413":                       {status(413), 30 * time.Second, "413"},
		"422 that says why":         {func(w http.ResponseWriter) { http.Error(w, "no title", http.StatusUnprocessableEntity) }, 30 * time.Second, `the server says 422 Unprocessable Entity: "no title"`},
		"401 without credentials":   {status(401), 30 * time.Second, "401 Unauthorized"},
		"Retry-After":               {status(503, "Retry-After", "90"), 90 * time.Second, "503"},
		"Retry-After of 429":        {status(429, "Retry-After", "7200"), 2 * time.Hour, "429"},
		"Retry-After is a time":     {status(503, "Date", "Sun, 01 Mar 2026 12:00:00 GMT", "Retry-After", "Sun, 01 Mar 2026 12:05:00 GMT"), 5 * time.Minute, "503"},
		"Retry-After has passed":    {status(503, "Date", "Sun, 01 Mar 2026 12:00:00 GMT", "Retry-After", "Sun, 01 Mar 2026 11:05:00 GMT"), 30 * time.Second, "503"},
		"Retry-After is short":      {status(503, "Retry-After", "1"), 30 * time.Second, "503"},
		"Retry-After is for ever":   {status(503, "Retry-After", "1e300"), 24 * time.Hour, "503"},
		"Retry-After is nonsense":   {status(503, "Retry-After", "-5 parsecs"), 30 * time.Second, "503"},
		"reset before the answer":   {func(w http.ResponseWriter) { reset(w, "") }, 30 * time.Second, ""},
		"reset within the header":   {func(w http.ResponseWriter) { reset(w, "HTTP/1.1 201 Created\r\nContent-Le") }, 30 * time.Second, ""},
		"broken off after the head": {func(w http.ResponseWriter) { reset(w, "HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n<entry") }, 30 * time.Second, ""},
		"not HTTP":                  {func(w http.ResponseWriter) { reset(w, "SSH-2.0-OpenSSH_9.2\r\n") }, 30 * time.Second, "malformed HTTP"},
		"301":                       {status(301, "Location", "/elsewhere"), 30 * time.Second, "301 Moved Permanently, to /elsewhere"},
		"303":                       {status(303, "Location", "/feed"), 30 * time.Second, "303"},
		"302 to a secret":           {status(302, "Location", "https://u:p@elsewhere/x?token=p"), 30 * time.Second, "302 Found, to https://elsewhere/x;"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFeed(t)
			f.misbehaves(func(w http.ResponseWriter, _ *http.Request, n int) bool {
				if n == 1 {
					c.answer(w)
				}
				return n == 1
			})
			r := f.run(t)
			err := r.commit("1")
			snoozed(t, err, c.wait)
			if !strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), f.URL+"/feed: ") {
				t.Errorf("error is %v, want %q", err, c.text)
			}
			r.clock().Advance(c.wait)
			r.env.Snoozes++
			if err := r.commit("1"); err != nil || f.kept() != "1" {
				t.Errorf("afterwards: %v, kept %q", err, f.kept())
			}
		})
	}
}

// TestWaitsGrow: by an interval each time, up to the most.
func TestWaitsGrow(t *testing.T) {
	t.Parallel()
	f := newFeed(t)
	f.misbehaves(func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.WriteHeader(http.StatusInternalServerError)
		return true
	})
	r := f.run(t)
	r.params.WaitInterval, r.params.MaxWait = 20*time.Second, 50*time.Second
	for _, want := range []time.Duration{20 * time.Second, 40 * time.Second, 50 * time.Second, 50 * time.Second} {
		snoozed(t, r.commit("1"), want)
		r.env.Snoozes++
	}
}

// TestNoWorkerIsHeld: once a server has kept one request waiting, the other
// streams do not try, until one of them finds that it is back.
func TestNoWorkerIsHeld(t *testing.T) {
	t.Parallel()
	f := newFeed(t)
	var release sync.WaitGroup
	release.Add(1)
	t.Cleanup(release.Done)
	f.misbehaves(func(http.ResponseWriter, *http.Request, int) bool { release.Wait(); return true })
	r := f.run(t)
	r.params.HTTPTimeout = 50 * time.Millisecond
	err := r.commit("1")
	snoozed(t, err, 30*time.Second)
	if err.Error() != f.URL+"/feed: no answer within 50ms: snoozed for 30s" { // the URL once
		t.Error(err)
	}
	r.clock().Advance(10 * time.Second)
	for range 100 {
		snoozed(t, r.commit("2"), 20*time.Second)
	}
	posts, _, _ := f.counts()
	expect(t, "posts", posts, 1)

	r.clock().Advance(20 * time.Second)
	snoozed(t, r.commit("2"), time.Minute) // the second failure in a row: for this stream's first, its own wait is 30s
	snoozed(t, r.commit("3"), time.Minute)
	posts, _, _ = f.counts()
	expect(t, "posts", posts, 2)

	// It is back. Only one may find out.
	asking, answered := make(chan struct{}), make(chan struct{})
	f.misbehaves(func(http.ResponseWriter, *http.Request, int) bool { close(asking); <-answered; return false })
	r.params.HTTPTimeout = time.Minute
	r.clock().Advance(time.Minute)
	done := make(chan error)
	go func() { done <- r.commit("4") }()
	<-asking
	snoozed(t, r.commit("5"), 30*time.Second)
	f.misbehaves(nil)
	close(answered)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := r.commit("5", "1", "2", "3"); err != nil {
		t.Error(err)
	}
	expect(t, "kept", f.kept(), "4 5 1 2 3")
}

// TestOnePoisonedEntry: an error that may be about the entry holds up its own
// stream alone.
func TestOnePoisonedEntry(t *testing.T) {
	t.Parallel()
	f := newFeed(t)
	f.misbehaves(func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
		return n == 1
	})
	r := f.run(t)
	snoozed(t, r.commit("1"), 30*time.Second)
	if err := r.commit("2"); err != nil {
		t.Error(err)
	}
}

// TestPartialDelivery: what is delivered of a stream is not sent again, and
// where that has been forgotten it is not kept twice.
func TestPartialDelivery(t *testing.T) {
	t.Parallel()
	f := newFeed(t)
	f.misbehaves(func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n == 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return n == 3
	})
	r := f.run(t)
	snoozed(t, r.commit("1", "2", "3", "4"), 30*time.Second)
	r.clock().Advance(30 * time.Second)
	if err := r.commit("1", "2", "3", "4"); err != nil {
		t.Fatal(err)
	}
	posts, _, _ := f.counts()
	expect(t, "posts", posts, 3+2)
	if err := r.commit("1", "2", "3", "4"); err != nil { // the worker died at that moment
		t.Fatal(err)
	}
	posts, _, _ = f.counts()
	expect(t, "posts", posts, 3+2+4)
	expect(t, "kept", f.kept(), "1 2 3 4")
}

// TestCancelledRun: it ends at once, and says nothing of the server.
func TestCancelledRun(t *testing.T) {
	t.Parallel()
	f := newFeed(t)
	asked, release := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(release) })
	f.misbehaves(func(_ http.ResponseWriter, _ *http.Request, n int) bool {
		if n == 1 {
			close(asked)
			<-release
		}
		return n == 1
	})
	r := f.run(t)
	h, err := atompub.New(r.params)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	if _, err := h.HandleEvents(ctx, []winchester.Event{event("1", nil)}, &r.env); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	go func() { <-asked; cancel(stop) }()
	if err := h.Commit(ctx); !errors.Is(err, stop) {
		t.Errorf("error is %v", err)
	}
	if err := r.commit("2"); err != nil { // the gate is open
		t.Error(err)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	f, thief := newFeed(t), newFeed(t)
	var to string
	f.misbehaves(func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n%2 == 1 {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
		return n%2 == 1
	})
	r := f.authenticated(t)
	to = "/feed?again"
	if err := r.commit("1"); err != nil {
		t.Fatal(err)
	}
	expect(t, "kept", f.kept(), "1")
	to = thief.URL + "/feed"
	err := r.commit("2")
	snoozed(t, err, 30*time.Second)
	if err == nil || !strings.Contains(err.Error(), "307 Temporary Redirect, to "+to) {
		t.Error(err)
	}
	stolen, _, _ := thief.counts()
	expect(t, "requests elsewhere", stolen, 0)
}

// TestSecrets: whatever goes wrong, neither errors nor logs show a secret.
func TestSecrets(t *testing.T) {
	t.Parallel()
	f := newFeed(t)
	f.misbehaves(func(w http.ResponseWriter, r *http.Request, n int) bool {
		switch n {
		case 2: // a gateway's page that shows the request
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, r.Header, key)
		case 3:
			w.Header().Set("Location", "https://"+key+"@h/"+"?"+r.Header.Get("X-Auth-Token"))
			w.WriteHeader(http.StatusFound)
		case 4:
			conn, _, _ := w.(http.Hijacker).Hijack()
			fmt.Fprintf(conn, "%s %s\r\n\r\n", r.Header.Get("X-Auth-Token"), key)
			_ = conn.Close()
		case 5:
			f.revoke()
			return false
		}
		return n > 1
	})
	f.authenticate = func(w http.ResponseWriter, n int) bool {
		if n == 2 {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, key)
		}
		return n == 2
	}
	r := f.authenticated(t)
	r.params.URL = strings.Replace(r.params.URL, "http://", "http://basic:p4ss-that-nobody-may-see@", 1) + "?token=another-that-nobody-may-see"
	var log bytes.Buffer
	r.env.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var all []string
	for i := range 5 {
		if err := r.commit(fmt.Sprint(i)); err != nil {
			all = append(all, err.Error())
		}
		r.clock().Advance(time.Hour)
	}
	expect(t, "errors", len(all), 4)
	r.env.Logger.Info("params", "params", r.params.AuthKey)
	all = append(all, log.String(), fmt.Sprintf("%v %+v %#v %s %q", r.params.AuthKey, r.params.AuthKey, r.params.AuthKey, r.params.AuthKey, r.params.AuthKey))
	for _, text := range all {
		if strings.Contains(text, "nobody-may-see") {
			t.Errorf("shows a secret: %s", text)
		}
	}
	if !strings.Contains(log.String(), `"message_id":"1"`) {
		t.Errorf("the log does not say which event was refused: %s", &log)
	}
}

// TestInjectedClient: a host's client makes all requests, and is left as it was.
func TestInjectedClient(t *testing.T) {
	t.Parallel()
	f := newFeed(t)
	var urls []string
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		urls = append(urls, r.URL.Path)
		return http.DefaultTransport.RoundTrip(r)
	})}
	r := f.authenticated(t)
	r.opts = []atompub.Option{atompub.WithClient(client)}
	if err := r.commit("1"); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(urls, []string{"/tokens", "/feed"}) || client.CheckRedirect != nil {
		t.Errorf("requests %q, CheckRedirect set: %t", urls, client.CheckRedirect != nil)
	}
}

// TestTLS: a server is who its certificate says; whom to believe is the
// client's affair.
func TestTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that fails
	server.StartTLS()
	t.Cleanup(server.Close)
	r := newFeed(t).run(t)
	r.params.URL = server.URL
	err := r.commit("1")
	snoozed(t, err, 30*time.Second)
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
	r.clock().Advance(30 * time.Second)
	r.opts = []atompub.Option{atompub.WithClient(server.Client())}
	if err := r.commit("1"); err != nil {
		t.Error(err)
	}
}

// TestPanickingClient: whoever panics while it finds out whether the server is
// back leaves that to others.
func TestPanickingClient(t *testing.T) {
	t.Parallel()
	f := newFeed(t)
	f.misbehaves(func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return n == 1
	})
	r := f.run(t)
	snoozed(t, r.commit("1"), 30*time.Second)
	r.clock().Advance(30 * time.Second)
	broken := r
	broken.opts = []atompub.Option{atompub.WithClient(&http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { panic("ouch") })})}
	func() {
		defer func() { expect(t, "panic", fmt.Sprint(recover()), "ouch") }()
		_ = broken.commit("1")
	}()
	if err := r.commit("1"); err != nil {
		t.Error(err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
