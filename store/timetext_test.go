package store

import (
	"testing"
	"time"

	"github.com/seed71495667/winchester/internal/timetext"
)

func TestTimeColumn(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 15, 4, 5, 6000, time.UTC)
	for _, src := range []any{timetext.Format(at), []byte(timetext.Format(at)), at, at.In(time.FixedZone("elsewhere", 3600))} {
		var c timeColumn
		if err := c.Scan(src); err != nil || c.Time != at {
			t.Errorf("Scan(%v): got %v, %v", src, c.Time, err)
		}
	}
	c := timeColumn{at}
	if err := c.Scan(nil); err != nil || !c.IsZero() {
		t.Errorf("Scan(nil): got %v, %v", c.Time, err)
	}
	if err := c.Scan(5); err == nil {
		t.Error("Scan(5): no error")
	}
}
