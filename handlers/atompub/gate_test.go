package atompub

import (
	"testing"
	"time"
)

// TestGateWhoseClockGoesBack: whoever finds out whether the server is back is
// done with it when the request is over, whatever a host's clock says by then;
// else everyone would stay away for ever.
func TestGateWhoseClockGoesBack(t *testing.T) {
	t.Parallel()
	var g gate
	p, now := pace{time.Second, time.Minute}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	failed := &failure{text: "away", ofServer: true}
	g.enter(now, p)
	g.leave(now, p, failed) // closed for a second
	if wait := g.enter(now.Add(time.Second), p); wait != 0 {
		t.Fatalf("closed for %s", wait)
	}
	g.leave(now.Add(999*time.Millisecond), p, failed)
	if wait := g.enter(now.Add(time.Hour), p); wait != 0 {
		t.Fatalf("closed for another %s, an hour later", wait)
	}
}
