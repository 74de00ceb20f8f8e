package amqp_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/amqp"
	"github.com/seed71495667/winchester/internal/testrabbit"
)

// fullDisk is a Sink whose database refuses every write, with an error that no
// one has a name for. What needs no write goes well.
type fullDisk struct{ full func() bool }

func (f fullDisk) AddNotifications(_ context.Context, bodies [][]byte) ([]winchester.Result, error) {
	results := make([]winchester.Result, len(bodies))
	for i, b := range bodies {
		switch {
		case strings.HasPrefix(string(b), "dropped"):
			results[i] = winchester.Result{Outcome: winchester.OutcomeDropped, Err: winchester.ErrDropped}
		case strings.HasPrefix(string(b), "[dropped"):
			results[i] = winchester.Result{Outcome: winchester.OutcomeBatch, Items: []winchester.Result{{Outcome: winchester.OutcomeDropped}}}
		case f.full():
			return nil, errors.New("no space left on device")
		default:
			results[i] = winchester.Result{Outcome: winchester.OutcomeStored}
		}
	}
	return results, nil
}

// TestDiskFull: that a notification was dropped says nothing of the database, and
// does not make dead letters of those that it refuses.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	for _, unwritten := range []string{"dropped", "[dropped]"} {
		b := testrabbit.Open(t)
		q := b.Name("queue")
		b.Queue(q)
		freed := make(chan struct{})
		full := func() bool {
			select {
			case <-freed:
				return false
			default:
				return true
			}
		}
		b.Publish("", q, "good 1", unwritten, "good 2")
		c, stop := start(t, amqp.Config{Sink: fullDisk{full}, BatchWait: 50 * time.Millisecond, DeadLetters: amqp.DeadLetters{Exchange: b.Name("dead")}, Queues: []amqp.Queue{{Name: q}}})
		testrabbit.WaitFor(t, "something to happen", func() bool { s := c.Stats(); return s.Retries > 0 || s.Acknowledged > 0 })
		close(freed)
		waitAcknowledged(t, c, 3)
		stop()
		if s := c.Stats(); s.DeadLettered != 0 || s.Stored != 2 || s.Dropped != 1 {
			t.Errorf("with %s: %+v", unwritten, s)
		}
	}
}

// TestNothingInABatch: an empty batch is no notification at all, and no poison.
func TestNothingInABatch(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q := b.Name("queue")
	b.Queue(q)
	b.Publish("", q, "[]", notification("good", "x"))
	c, stop := start(t, amqp.Config{Sink: newEngine(t), DeadLetters: amqp.DeadLetters{Exchange: b.Name("dead")}, Queues: []amqp.Queue{{Name: q}}})
	waitAcknowledged(t, c, 2)
	stop()
	if s := c.Stats(); s.DeadLettered != 0 || s.Stored != 1 {
		t.Errorf("%+v", s)
	}
}

// TestAloneAndRefused: a message that the database refuses holds the queue up for
// as long as it is alone, and no longer.
func TestAloneAndRefused(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q := b.Name("queue")
	b.Queue(q)
	s := &sink{before: func(_ int, bodies [][]byte) error {
		for _, b := range bodies {
			if string(b) == "poison" {
				return errors.New("character has no equivalent in encoding LATIN1")
			}
		}
		return nil
	}}
	b.Publish("", q, "poison")
	c, stop := start(t, amqp.Config{Sink: s, DeadLetters: amqp.DeadLetters{Exchange: b.Name("dead")}, Queues: []amqp.Queue{{Name: q}}})
	testrabbit.WaitFor(t, "it to be tried", func() bool { return c.Stats().Retries > 1 })
	b.Publish("", q, "good 1", "good 2")
	testrabbit.WaitFor(t, "the others, or many more vain tries", func() bool { st := c.Stats(); return st.Acknowledged == 3 || st.Retries > 15 })
	stop()
	if st := c.Stats(); st.DeadLettered != 1 || st.Stored != 2 {
		t.Errorf("%+v", st)
	}
}

// TestDiskFillsUp: a database that begins to refuse everything in the middle of a
// batch is not taken for one that refuses these messages.
func TestDiskFillsUp(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q := b.Name("queue")
	b.Queue(q)
	b.Publish("", q, "good 1", "good 2", "good 3", "good 4")
	calls := 0
	s := &sink{before: func(_ int, bodies [][]byte) error {
		if calls++; len(bodies) > 1 && calls < 8 || calls > 2 && calls < 8 {
			return errors.New("permission denied for table events")
		}
		return nil
	}}
	c, stop := start(t, amqp.Config{Sink: s, BatchWait: 50 * time.Millisecond, DeadLetters: amqp.DeadLetters{Exchange: b.Name("dead")}, Queues: []amqp.Queue{{Name: q}}})
	waitAcknowledged(t, c, 4)
	stop()
	if st := c.Stats(); st.DeadLettered != 0 || st.Stored != 4 {
		t.Errorf("%+v", st)
	}
}
