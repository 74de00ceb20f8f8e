package store

import (
	"context"
	"sync"
	"time"

	"gorm.io/gorm"
)

// announceEvery bounds how often one process announces. A database may let only
// one transaction that announces commit at a time (PostgreSQL does), and a
// process that is woken looks for all work there is.
const announceEvery = 5 * time.Millisecond

// announcer tells other processes of streams that are due. The first
// announcement goes out in the transaction that it is about; those that come
// within announceEvery after it are sent together, once their transactions are
// durable. Should the process die in between, polling finds the streams.
type announcer struct {
	send func(ctx context.Context, due time.Time) error

	mu     sync.Mutex
	last   time.Time // when the last one was sent
	due    time.Time // the earliest of those that wait; zero if none does
	timer  *time.Timer
	closed bool
	sends  sync.WaitGroup
}

func newAnnouncer(s *Store) *announcer {
	return &announcer{send: func(ctx context.Context, due time.Time) error {
		return s.d.announce(ctx, s.writer(ctx).Statement.ConnPool, s.t, due)
	}}
}

// now tells whether an announcement may be sent right away.
func (a *announcer) now() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if now.Sub(a.last) < announceEvery {
		return false
	}
	a.last = now
	return true
}

// later sends an announcement together with others.
func (a *announcer) later(due time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || due.IsZero() {
		return
	}
	if !a.due.IsZero() {
		if due.Before(a.due) {
			a.due = due
		}
		return // the timer runs already
	}
	a.due = due
	a.sends.Add(1)
	a.timer = time.AfterFunc(announceEvery-time.Since(a.last), a.flush)
}

func (a *announcer) flush() {
	defer a.sends.Done()
	a.mu.Lock()
	due := a.due
	a.due, a.last = time.Time{}, time.Now()
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = a.send(ctx, due) // polling makes up for it
}

// close sends what waits, and waits for what is being sent.
func (a *announcer) close() {
	a.mu.Lock()
	a.closed = true
	waiting := a.timer != nil && a.timer.Stop()
	a.mu.Unlock()
	if waiting {
		a.flush()
	}
	a.sends.Wait()
}

// announcement is what one transaction has to announce.
type announcement struct {
	due  time.Time // the earliest; zero for none
	sent bool
}

func (n *announcement) add(due time.Time) {
	if n.due.IsZero() || due.Before(n.due) {
		n.due = due
	}
}

// Announce implements winchester.Tx. In a transaction of our own the message is
// sent at its end, if at all; we hear nothing of the end of the host's.
func (tx *transaction) Announce(ctx context.Context, due time.Time) error {
	switch {
	case !tx.s.d.announces():
		return nil
	case tx.announcement == nil:
		return fail(ctx, tx.s.d, "announce a stream", tx.s.d.announce(ctx, tx.conn, tx.s.t, due))
	}
	tx.announcement.add(due)
	return nil
}

// announceIn sends the announcement in its transaction, unless others were sent
// just now.
func (s *Store) announceIn(ctx context.Context, db *gorm.DB, n *announcement) error {
	if n.due.IsZero() || !s.announcer.now() {
		return nil
	}
	n.sent = true
	return s.d.announce(ctx, db.Statement.ConnPool, s.t, n.due)
}

// Listen implements winchester.Store.
func (s *Store) Listen(ctx context.Context, wake func(due time.Time)) error {
	return s.d.listen(ctx, s.reader(ctx), s.t, s.log, wake)
}
