package atompub_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestStormOf401: the token expires under 32 goroutines; one of them gets a new
// one, for all.
func TestStormOf401(t *testing.T) {
	t.Parallel()
	const n = 32
	f := newFeed(t)
	if err := f.authenticated(t).commit("first"); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		f.revoke()
		_, before, _ := f.counts()
		var all sync.WaitGroup // have been told 401, so that none can profit from another one's token by being late
		all.Add(n)
		f.mu.Lock()
		start := f.posts
		f.mu.Unlock()
		f.misbehaves(func(w http.ResponseWriter, _ *http.Request, i int) bool {
			if i > start+n {
				return false
			}
			all.Done()
			all.Wait()
			w.WriteHeader(http.StatusUnauthorized)
			return true
		})
		errs := make(chan error)
		for i := range n {
			r := f.authenticated(t)
			r.env.IdempotencyKey = fmt.Sprint(t.Name(), i)
			go func() { errs <- r.commit(fmt.Sprintf("%d-%d", round, i)) }()
		}
		for range n {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		_, after, kept := f.counts()
		expect(t, "requests for tokens", after-before, 1)
		expect(t, "kept", kept, 1+(round+1)*n)
	}
}

// TestUselessTokens: a server that takes no token is not asked in a circle.
func TestUselessTokens(t *testing.T) {
	t.Parallel()
	f := newFeed(t)
	f.misbehaves(func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	r := f.authenticated(t)
	snoozed(t, r.commit("1"), 30*time.Second)
	posts, asked, _ := f.counts()
	expect(t, "posts", posts, 2)
	expect(t, "requests for tokens", asked, 2)
}

// TestNoToken: whatever is wrong with the identity service, the stream waits,
// and the service is asked once for all that need it.
func TestNoToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter)
		wait   time.Duration
		text   string
	}{
		"401": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) }, 30 * time.Second, "/tokens says 401 Unauthorized"},
		"403": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }, 30 * time.Second, "/tokens says 403 Forbidden"},
		"Retry-After": {func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}, 10 * time.Minute, "413"},
		"not JSON":          {func(w http.ResponseWriter) { fmt.Fprint(w, "<html>welcome") }, 30 * time.Second, "gave no token in access.token.id"},
		"no token":          {func(w http.ResponseWriter) { fmt.Fprint(w, `{"access": {}}`) }, 30 * time.Second, "gave no token"},
		"a token to inject": {func(w http.ResponseWriter) { fmt.Fprint(w, `{"access": {"token": {"id": "x\r\nX-Admin: 1"}}}`) }, 30 * time.Second, "gave no token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFeed(t)
			f.authenticate = func(w http.ResponseWriter, n int) bool {
				if n == 1 {
					c.answer(w)
				}
				return n == 1
			}
			r := f.authenticated(t)
			err := r.commit("1")
			snoozed(t, err, c.wait)
			if err == nil || !strings.Contains(err.Error(), "authentication: "+f.URL) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error is %v, want %q", err, c.text)
			}
			snoozed(t, r.commit("2"), c.wait)
			posts, asked, _ := f.counts()
			expect(t, "posts", posts, 0)
			expect(t, "requests for tokens", asked, 1)
			r.clock().Advance(c.wait)
			if err := r.commit("1"); err != nil {
				t.Error(err)
			}
			expect(t, "kept", f.kept(), "1")
		})
	}
}
