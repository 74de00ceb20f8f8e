package amqp_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/seed71495667/winchester"
	"github.com/seed71495667/winchester/amqp"
	"github.com/seed71495667/winchester/internal/testrabbit"
)

// TestDeliveryLimit: a quorum queue counts how often a message was delivered in
// vain, connections that were lost among them, and gives it up when that is too
// often. Only its own dead-letter exchange can keep it then, as the guide says.
func TestDeliveryLimit(t *testing.T) {
	t.Parallel()
	b := testrabbit.Open(t)
	q, kept, name := b.Name("queue"), b.Name("kept"), fmt.Sprintf("winchester-limit-%d", rand.Uint32())
	b.Queue(kept)
	s := &sink{before: func(int, [][]byte) error { return winchester.ErrUnavailable }}
	c, stop := start(t, amqp.Config{Sink: s, Name: name, DeadLetters: amqp.DeadLetters{Exchange: b.Name("dead")}, Queues: []amqp.Queue{{
		Name: q, Arguments: map[string]any{
			"x-queue-type": "quorum", "x-delivery-limit": int64(2), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": kept,
		},
	}}})
	testrabbit.WaitFor(t, "the queue", func() bool { return b.Consumed(q) })
	const messages, limit = 5, 2
	b.Publish("", q, notifications("n", messages)...)
	for i := range int64(limit + 1) {
		testrabbit.WaitFor(t, "a delivery", func() bool { return c.Stats().Received > i })
		testrabbit.WaitFor(t, "the connection", func() bool { return testrabbit.CloseConnections(t, name) > 0 })
	}
	testrabbit.WaitFor(t, "the messages to be given up", func() bool { return b.Ready(kept) == messages })
	stop()
	if st := c.Stats(); st.Acknowledged != 0 || st.Stored != 0 {
		t.Errorf("%+v", st)
	}
}
