package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/amqp"
)

// ledger is who bills: it consumes the verdicts, knows each by its message id, and
// in the end holds them against what the generator knows. It is a sink, as an
// engine is.
type ledger struct {
	mu       sync.Mutex
	verdicts map[string]verdict // by message id
	again    int                // messages that had been delivered before
	rubbish  []string
	news     chan struct{} // has one when something has come
	ended    chan struct{} // closed when there will be no more
}

// verdict is a notification that notify has published.
type verdict struct {
	MessageID string `json:"message_id"`
	EventType string `json:"event_type"`
	Timestamp string `json:"timestamp"`
	Payload   struct {
		InstanceID string    `json:"instance_id"`
		ErrorCode  string    `json:"error_code"`
		Record     string    `json:"original_message_id"`
		StreamID   int64     `json:"stream_id"`
		From       time.Time `json:"audit_period_beginning"`
	} `json:"payload"`
}

const endOfVerdicts = "example.end"

func newLedger() *ledger {
	return &ledger{verdicts: map[string]verdict{}, news: make(chan struct{}, 1), ended: make(chan struct{})}
}

// openLedger declares the queue of the verdicts and consumes it.
func openLedger(ctx context.Context, s setting) (*ledger, *amqp.Consumer, error) {
	l := newLedger()
	c, err := amqp.New(amqp.Config{
		URL: s.rabbitmq, Sink: l, Name: s.connection() + "-ledger", Logger: s.log, DeadLetters: amqp.DeadLetters{Exchange: s.dead()},
		Queues: []amqp.Queue{{Name: s.verdicts(), Exchange: s.verdicts()}},
	})
	if err != nil {
		return nil, nil, err
	}
	if err := c.Check(ctx); err != nil {
		return nil, nil, err
	}
	return l, c, c.Start(context.WithoutCancel(ctx))
}

// AddNotifications takes verdicts down.
func (l *ledger) AddNotifications(_ context.Context, bodies [][]byte) ([]winchester.Result, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	results := make([]winchester.Result, len(bodies))
	for i, body := range bodies {
		results[i].Outcome = winchester.OutcomeStored
		var v verdict
		err := json.Unmarshal(body, &v)
		switch _, known := l.verdicts[v.MessageID]; {
		case err == nil && v.EventType == endOfVerdicts:
			close(l.ended)
		case err != nil || v.MessageID == "" || !strings.HasPrefix(v.EventType, "compute.instance.exists."):
			l.rubbish = append(l.rubbish, string(body))
		case known:
			results[i].Outcome = winchester.OutcomeDuplicate
			l.again++
		default:
			l.verdicts[v.MessageID] = v
		}
	}
	select {
	case l.news <- struct{}{}:
	default:
	}
	return results, nil
}

// count tells how many verdicts and warnings are there.
func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.verdicts)
}

// balance is what the check has found out.
type balance struct {
	right  int            // instance-days that got exactly what they must get
	counts map[string]int // verdicts by kind
	faults []string       // what is missing or too much, and where
}

// check holds the verdicts against the traffic.
func (l *ledger) check(t *traffic) balance {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := balance{counts: map[string]int{}}
	fault := func(format string, args ...any) { b.faults = append(b.faults, fmt.Sprintf(format, args...)) }
	for _, text := range l.rubbish {
		fault("no verdict: %.200s", text)
	}
	// A warning tells the stream that it belongs to, and nothing of the day. So the
	// verdicts come first.
	days := map[int64]instanceDay{}
	got := map[instanceDay][]string{}
	judged := map[string]string{} // records, and the verdicts on them
	for _, id := range slices.Sorted(maps.Keys(l.verdicts)) {
		v := l.verdicts[id]
		if v.EventType == "compute.instance.exists.warnings" {
			continue
		}
		kind, on := v.Payload.ErrorCode, instanceDay{v.Payload.InstanceID, v.Payload.From.Format(time.DateOnly)}
		if kind == "U0" {
			on.day, _, _ = strings.Cut(v.Timestamp, " ")
		} else {
			if before, twice := judged[v.Payload.Record]; twice {
				fault("%s: the record %s is judged twice, by %s and %s", on, v.Payload.Record, before, id)
			}
			judged[v.Payload.Record] = id
			if of, known := t.records[v.Payload.Record]; of != on {
				fault("%s: the verdict %s is on a record of %s (known: %t)", on, id, of, known)
			}
		}
		if v.EventType == "compute.instance.exists.verified" {
			kind = verified
		}
		got[on] = append(got[on], kind)
		days[v.Payload.StreamID] = on
	}
	for id, v := range l.verdicts {
		if v.EventType != "compute.instance.exists.warnings" {
			continue
		}
		on, ok := days[v.Payload.StreamID]
		if !ok || on.instance != v.Payload.InstanceID {
			fault("the warning %s for %s comes without a verdict", id, v.Payload.InstanceID)
		}
		got[on] = append(got[on], warning)
	}
	for id, on := range t.records {
		if judged[id] == "" {
			fault("%s: the record %s has no verdict", on, id)
		}
	}
	for _, on := range t.sortedDays() {
		missing, extra := difference(t.verdicts[on], got[on])
		if missing != nil || extra != nil {
			fault("%s: missing %v, too much %v", on, missing, extra)
			continue
		}
		b.right++
	}
	for on, verdicts := range got {
		for _, v := range verdicts {
			b.counts[v]++
		}
		if _, known := t.verdicts[on]; !known {
			fault("%s: nobody expects %v", on, verdicts)
		}
	}
	slices.Sort(b.faults)
	return b
}

// difference tells what two lists have that the other one does not have, in
// whatever order.
func difference(want, got []string) (missing, extra []string) {
	extra = slices.Clone(got)
	for _, v := range want {
		if i := slices.Index(extra, v); i >= 0 {
			extra = slices.Delete(extra, i, i+1)
		} else {
			missing = append(missing, v)
		}
	}
	if len(extra) == 0 {
		extra = nil
	}
	return missing, extra
}

// print says what came of it.
func (b balance) print(out io.Writer, t *traffic) {
	want := t.expected()
	fmt.Fprintf(out, "%-10s %8s %8s\n", "verdict", "expected", "got")
	kinds := maps.Clone(want)
	maps.Copy(kinds, b.counts)
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(out, "%-10s %8d %8d\n", kind, want[kind], b.counts[kind])
	}
	for _, f := range b.faults {
		fmt.Fprintln(out, "WRONG", f)
	}
	fmt.Fprintf(out, "%d of %d instance-days have exactly the verdicts that they must have.\n", b.right, len(t.verdicts))
}
