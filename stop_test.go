package winchester_test

import (
	"context"
	"testing"
	"time"

	"github.com/seed71495667/winchester"
)

// TestStopGivesBackAtOnce: what was claimed and not begun is there for others as
// soon as the engine is stopped, however long the runs that were begun take.
func TestStopGivesBackAtOnce(t *testing.T) {
	t.Parallel()
	const workers, streams = 2, 40
	entered, leave := make(chan struct{}, streams), make(chan struct{})
	s := &script{handle: func(_ context.Context, events []winchester.Event, _ *winchester.Env) ([]winchester.Event, error) {
		entered <- struct{}{}
		<-leave
		return events, nil
	}}
	r := newRig(t, specs("s"), scripts(map[string]*script{"s": s}), func(c *winchester.Config) { c.Workers = workers })
	for i := range streams {
		r.add("paid", i)
	}
	r.clock.Advance(time.Second)
	held := func() int {
		found, err := r.store.FindStreams(t.Context(), winchester.StreamQuery{State: winchester.StateFiring})
		must(t, err)
		return len(found)
	}
	must(t, r.Start(t.Context()))
	for range workers {
		<-entered
	}
	waitFor(t, func() bool { return held() > workers }) // more are claimed than are run
	stopped := make(chan error)
	go func() { stopped <- r.Stop(context.Background()) }()
	defer func() { must(t, <-stopped) }()
	defer close(leave)
	deadline := time.Now().Add(10 * time.Second)
	for held() > workers {
		if time.Now().After(deadline) {
			t.Fatalf("%d streams are held, of which %d are run", held(), workers)
		}
	}
}
