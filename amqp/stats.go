package amqp

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Stats are counts since the Consumer was made, of all queues together.
type Stats struct {
	Received    int64 // deliveries
	Redelivered int64 // deliveries that the broker had made before, as far as it knows
	Batches     int64 // transactions that were tried
	Retries     int64 // batches that had to be tried again

	Stored       int64 // events that were new
	Duplicates   int64 // events that were stored before
	Dropped      int64 // notifications that no event definition applies to
	Filtered     int64 // notifications left out by their event type
	DeadLettered int64 // notifications put away as dead letters
	Acknowledged int64 // deliveries

	Connections int64 // that were made to the broker
	Connected   bool  // right now
	// LastError is the last thing that went wrong with the broker, a queue or the
	// database, "" if nothing has, and LastErrorAt when it did.
	LastError   string
	LastErrorAt time.Time
}

type counters struct {
	received, redelivered, batches, retries            atomic.Int64
	stored, duplicates, dropped, filtered, dead, acked atomic.Int64
	lastError                                          atomic.Pointer[lastError]
}

type lastError struct {
	text string
	at   time.Time
}

func (c *counters) note(err error) { c.lastError.Store(&lastError{err.Error(), time.Now().UTC()}) }

// Stats tells what has happened so far.
func (c *Consumer) Stats() Stats {
	n := &c.counters
	s := Stats{
		Received: n.received.Load(), Redelivered: n.redelivered.Load(), Batches: n.batches.Load(), Retries: n.retries.Load(),
		Stored: n.stored.Load(), Duplicates: n.duplicates.Load(), Dropped: n.dropped.Load(), Filtered: n.filtered.Load(),
		DeadLettered: n.dead.Load(), Acknowledged: n.acked.Load(),
	}
	if e := n.lastError.Load(); e != nil {
		s.LastError, s.LastErrorAt = e.text, e.at
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Connections = c.connections
	if c.broker != nil {
		s.Connections += c.broker.Dials()
		s.Connected = c.broker.Connected()
	}
	return s
}

// logStatistics logs, once a period, what has happened since the last line. The
// end of the line is what Yagi logged.
func (c *Consumer) logStatistics(ctx context.Context) {
	if c.cfg.StatisticsPeriod < 0 {
		return
	}
	ticker := time.NewTicker(c.cfg.StatisticsPeriod)
	defer ticker.Stop()
	last, at := c.Stats(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now, then := c.Stats(), time.Now()
		if n := now.Acknowledged - last.Acknowledged; n > 0 {
			c.log.Info(fmt.Sprintf("Consumed %d messages: %d stored, %d duplicates, %d dropped, %d filtered, %d dead letters. Messages per second: %.1f",
				n, now.Stored-last.Stored, now.Duplicates-last.Duplicates, now.Dropped-last.Dropped, now.Filtered-last.Filtered,
				now.DeadLettered-last.DeadLettered, float64(n)/then.Sub(at).Seconds()))
		}
		last, at = now, then
	}
}
