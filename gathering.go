package winchester

import (
	"sync"
	"time"
)

// gathering is where runs that are done wait to be settled together. Unlike a
// channel it wakes the one who takes them once or twice a batch, and not for
// each run.
type gathering struct {
	mu     sync.Mutex
	runs   []*run
	closed bool
	signal chan struct{} // has a token when there may be something new to take
}

func newGathering() *gathering { return &gathering{signal: make(chan struct{}, 1)} }

// add puts a run in; enough is the number of runs that are not worth waiting any
// longer for more.
func (g *gathering) add(r *run, enough int) {
	g.mu.Lock()
	g.runs = append(g.runs, r)
	n := len(g.runs)
	g.mu.Unlock()
	if n == 1 || n >= enough {
		g.wake()
	}
}

// close tells that no more will come.
func (g *gathering) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.wake()
}

func (g *gathering) wake() {
	select {
	case g.signal <- struct{}{}:
	default:
	}
}

// take waits for a first run and then, for as long as patience lasts, until
// there are enough of them. It returns at most limit; none if there are no more
// and will be none. It is for one goroutine.
func (g *gathering) take(enough func() int, limit int, patience time.Duration) []*run {
	n, closed := g.len()
	for n == 0 && !closed {
		<-g.signal
		n, closed = g.len()
	}
	if n < enough() && !closed {
		timer := time.NewTimer(patience) // the machine's time, whatever clock the engine goes by
		defer timer.Stop()
		for waiting := true; waiting && n < enough() && !closed; {
			select {
			case <-g.signal:
				n, closed = g.len()
			case <-timer.C:
				waiting = false
			}
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	n = min(len(g.runs), limit)
	taken := g.runs[:n:n]
	if g.runs = g.runs[n:]; len(g.runs) == 0 {
		g.runs = nil
	}
	return taken
}

func (g *gathering) len() (n int, closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.runs), g.closed
}
