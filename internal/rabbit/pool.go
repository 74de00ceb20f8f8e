package rabbit

import (
	"sync"
	"time"
)

// Pool shares publishers between those that publish to the same broker as the
// same user. The zero value is ready; its methods are safe for concurrent use.
// A connection that nobody has used for a minute is closed.
type Pool struct {
	mu      sync.Mutex
	entries map[string]*pooled
}

type pooled struct {
	publisher *Publisher
	users     int
	closing   bool // when the last user is through
	timer     *time.Timer
}

// Get returns the publisher for a key, making it the first time, and a function
// to call when done with it.
func (p *Pool) Get(key string, create func() (*Publisher, error)) (*Publisher, func(), error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entries[key]
	if e == nil {
		publisher, err := create()
		if err != nil {
			return nil, nil, err
		}
		e = &pooled{publisher: publisher}
		if p.entries == nil {
			p.entries = map[string]*pooled{}
		}
		p.entries[key] = e
	}
	e.users++
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
	return e.publisher, func() { p.release(key, e) }, nil
}

func (p *Pool) release(key string, e *pooled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.users--; e.users > 0 {
		return
	}
	if e.closing {
		e.publisher.Close()
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(Idle, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if e.timer == timer && p.entries[key] == e { // nobody has come since
			delete(p.entries, key)
			e.publisher.Close()
		}
	})
	e.timer = timer
}

// Close closes the connections that nobody uses, and those in use as soon as
// nobody does any more. The pool can be used again.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, e := range p.entries {
		delete(p.entries, key)
		if e.timer != nil {
			e.timer.Stop()
		}
		if e.closing = true; e.users == 0 {
			e.publisher.Close()
		}
	}
}
