package atompub

import (
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

// server is what the handlers of one process know of the server at one URL.
type server struct {
	gate      gate
	delivered deliveries
}

// servers has the *server of every URL in the process.
var servers sync.Map

func serverAt(url string) *server {
	s, _ := servers.LoadOrStore(url, &server{})
	return s.(*server) //nolint:forcetypeassert // nothing else is stored there
}

// pace is how long to wait after failures: longer by an interval each time, up
// to the most.
type pace struct{ interval, most time.Duration }

func (p pace) wait(failures int) time.Duration {
	if failures <= 0 || time.Duration(failures) > p.most/p.interval {
		return p.most
	}
	return min(time.Duration(failures)*p.interval, p.most)
}

// gate keeps a server that has failed from being asked by everyone: a server
// that does not answer would hold every worker for as long as a request may
// take. It closes for a while at each failure; once the time is up, one may try
// while the others stay away, until one succeeds. A stream's own wait
// grows by how often the stream was snoozed, whichever process has it.
type gate struct {
	mu       sync.Mutex
	failures int       // in a row
	until    time.Time // closed until then
	trying   bool      // someone finds out whether the server is back
}

// enter returns 0 to whoever may ask the server, and must then leave. To others
// it returns how long to stay away.
func (g *gate) enter(now time.Time, p pace) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.failures == 0:
		return 0
	case now.Before(g.until):
		return g.until.Sub(now)
	case g.trying:
		return p.wait(1)
	}
	g.trying = true
	return 0
}

// leave takes note of how asking went, and returns how long the gate is closed.
func (g *gate) leave(now time.Time, p pace, err error) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	f, r := (*failure)(nil), (*refusal)(nil)
	switch {
	case errors.As(err, &f) && f.ofServer:
		if g.failures == 0 || !now.Before(g.until) { // and not one of several that asked together
			g.failures++
			g.until = now.Add(max(p.wait(g.failures), f.after))
		}
		g.trying = false // it is whoever tried, unless the gate is closed and nobody does
	case err == nil, errors.As(err, &f), errors.As(err, &r):
		g.failures, g.until, g.trying = 0, time.Time{}, false // it answers
	default: // whoever asked has left, and knows nothing
		g.trying = false
	}
	return max(g.until.Sub(now), 0)
}

// deliveries remembers what has been delivered of streams that are not done
// yet, so that a stream with an entry that fails does not send all the others
// each time. It is only a saving: who has forgotten sends again, and is told
// 409.
type deliveries struct {
	mu sync.Mutex
	of map[string]map[[sha256.Size]byte]bool // by the stream's idempotency key
}

// maxRemembered bounds the streams that are remembered.
const maxRemembered = 10_000

func (d *deliveries) has(stream string, entry [sha256.Size]byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.of[stream][entry]
}

func (d *deliveries) add(stream string, entry [sha256.Size]byte) {
	if stream == "" { // a host's test, with an Env of its own
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of == nil || len(d.of) >= maxRemembered && d.of[stream] == nil {
		d.of = map[string]map[[sha256.Size]byte]bool{}
	}
	if d.of[stream] == nil {
		d.of[stream] = map[[sha256.Size]byte]bool{}
	}
	d.of[stream][entry] = true
}

func (d *deliveries) forget(stream string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.of, stream)
}
