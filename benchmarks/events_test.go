package benchmarks

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"log/slog"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
)

var (
	quiet = slog.New(slog.DiscardHandler)
	noon  = time.Now().UTC().Truncate(time.Second)
	seed  = maphash.MakeSeed()
)

// scatter maps numbers to numbers in no order, differently in every run.
func scatter(n int) uint64 {
	return maphash.Bytes(seed, binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// newEvent makes event number n, of 15 traits, for a stream. Message ids are in
// no order, as random UUIDs are not.
func newEvent(n, stream int) winchester.Event {
	traits := winchester.Traits{"instance_id": instance(stream)}
	for j := range 9 {
		traits[fmt.Sprintf("trait_%02d", j)] = fmt.Sprintf("some value %d of %d", j, n%1000)
	}
	for j := 9; j < 12; j++ {
		traits[fmt.Sprintf("trait_%02d", j)] = int64(n * j)
	}
	traits["trait_12"], traits["trait_13"] = float64(n)*0.25, noon.Add(time.Duration(n)*time.Second)
	id := scatter(n)
	return winchester.Event{
		MessageID: fmt.Sprintf("%08x-%04x-4b0b-9a55-%012d", id>>32, id&0xffff, n), EventType: fmt.Sprintf("compute.instance.type%d", n%20),
		Timestamp: noon.Add(time.Duration(n) * time.Millisecond), Traits: traits,
	}
}

func instance(stream int) string { return fmt.Sprintf("%08x-1111-4111-8111-%012x", stream, stream) }

// source hands out events that were not handed out before, each for one of a
// number of streams, by chance.
type source struct{ next, streams int }

func (s *source) batch(size int) []winchester.Event {
	events := make([]winchester.Event, size)
	for i := range events {
		events[i] = newEvent(s.next, int(scatter(-1-s.next)%uint64(s.streams)))
		s.next++
	}
	return events
}

func (s *source) batches(n, size int) [][]winchester.Event {
	out := make([][]winchester.Event, n)
	for i := range out {
		out[i] = s.batch(size)
	}
	return out
}

const (
	triggerName  = "instances"
	pipelineName = "pass"
)

// triggers are ten, of which the last one matches the events. Its streams do not
// fire; with ready they do at once.
func triggers(ready bool) []winchester.TriggerDefinition {
	var out []winchester.TriggerDefinition
	for i := range 9 {
		out = append(out, winchester.TriggerDefinition{
			Name: fmt.Sprintf("other_%d", i), DistinguishedBy: winchester.By("tenant_id"), Expiration: "$last + 1h",
			MatchCriteria: []winchester.Criterion{{EventTypes: []string{fmt.Sprintf("other.service%d.*", i)}}},
			FireCriteria:  []winchester.Criterion{{EventTypes: []string{fmt.Sprintf("other.service%d.end", i)}}},
			FirePipeline:  pipelineName, ExpirePipeline: pipelineName,
		})
	}
	fire := []winchester.Criterion{{EventTypes: []string{"compute.instance.exists"}}}
	if ready {
		fire = []winchester.Criterion{}
	}
	return append(out, winchester.TriggerDefinition{
		Name: triggerName, Expiration: "$last + 2d", FirePipeline: pipelineName, ExpirePipeline: pipelineName,
		DistinguishedBy: winchester.By("instance_id"),
		MatchCriteria:   []winchester.Criterion{{EventTypes: []string{"compute.instance.*", "!compute.instance.create.*"}}},
		FireCriteria:    fire,
	})
}

func newEngine(b *testing.B, c winchester.Config) *winchester.Engine {
	b.Helper()
	engine, err := winchester.New(engineConfig(c))
	if err != nil {
		b.Fatal(err)
	}
	return engine
}

// engineConfig fills in what all engines have here: one pipeline of one handler.
func engineConfig(c winchester.Config) winchester.Config {
	c.Logger, c.StatisticsPeriod = quiet, -1
	if c.Handlers == nil {
		c.Handlers = winchester.NewRegistry()
		winchester.MustRegister(c.Handlers, pipelineName, func(winchester.NoParams) (winchester.Handler, error) { return noop{}, nil })
	}
	c.Pipelines = []winchester.PipelineDefinition{{Name: pipelineName, Handlers: []winchester.HandlerSpec{{Name: pipelineName}}}}
	return c
}

// noop is a handler that does nothing.
type noop struct{ winchester.HandlerDefaults }

func (noop) HandleEvents(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
	return events, nil
}
