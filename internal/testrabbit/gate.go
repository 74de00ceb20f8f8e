package testrabbit

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Gate stands in front of the broker, and can be shut.
type Gate struct {
	listener net.Listener
	to       string

	mu       sync.Mutex
	shut     bool
	stalled  chan struct{} // not nil while nothing gets through
	conns    []net.Conn
	accepted int
	limits   []int64
}

// NewGate opens a gate, or skips the test.
func NewGate(t testing.TB) *Gate {
	t.Helper()
	u, err := url.Parse(URL(t))
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &Gate{listener: l, to: u.Host}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			g.let(in, &wg)
		}
	})
	t.Cleanup(func() {
		g.Stall(false)
		g.Close(true)
		l.Close()
		wg.Wait()
	})
	return g
}

// let lets a connection through, or not.
func (g *Gate) let(in net.Conn, wg *sync.WaitGroup) {
	g.mu.Lock()
	defer g.mu.Unlock()
	out, err := net.Dial("tcp", g.to)
	if err != nil || g.shut {
		in.Close()
		if err == nil {
			out.Close()
		}
		return
	}
	g.accepted++
	g.conns = append(g.conns, in, out)
	var from io.Reader = in
	if len(g.limits) > 0 {
		from, g.limits = io.LimitReader(in, g.limits[0]), g.limits[1:]
	}
	wg.Go(func() { g.carry(out, from); out.Close(); in.Close() })
	wg.Go(func() { g.carry(in, out); in.Close() })
}

func (g *Gate) carry(to io.Writer, from io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		g.mu.Lock()
		stalled := g.stalled
		g.mu.Unlock()
		if stalled != nil {
			<-stalled
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// URL is that of the broker behind the gate.
func (g *Gate) URL() string { return "amqp://guest:guest@" + g.listener.Addr().String() + "/" }

// Accepted tells how many connections were let through.
func (g *Gate) Accepted() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.accepted
}

// Limit cuts the next connections off after so many bytes each.
func (g *Gate) Limit(bytes ...int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limits = bytes
}

// Close cuts all connections off, and lets none in while it is shut.
func (g *Gate) Close(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	for _, c := range g.conns {
		c.Close()
	}
	g.conns = nil
}

// Stall holds everything up, as a network does that loses all packets. What comes
// in the meantime goes on afterwards.
func (g *Gate) Stall(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if on == (g.stalled != nil) {
		return
	}
	if on {
		g.stalled = make(chan struct{})
		return
	}
	close(g.stalled)
	g.stalled = nil
}
