package store

import (
	"context"
	"time"

	"github.com/seed71495667/winchester"
)

// ReplayTime implements winchester.Store.
func (s *Store) ReplayTime(ctx context.Context) (time.Time, error) {
	var at timeColumn
	err := scanOne(s.reader(ctx).Raw("SELECT max(stands_at) FROM "+s.t.clock), &at)
	return at.Time, fail(ctx, s.d, "read the replay clock", err)
}

// AdvanceReplay implements winchester.Store.
func (s *Store) AdvanceReplay(ctx context.Context, to time.Time) (time.Time, error) {
	var at timeColumn
	err := scanOne(s.writer(ctx).Raw("INSERT INTO "+s.t.clock+" AS clock (id, stands_at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET "+
		"stands_at = CASE WHEN excluded.stands_at > clock.stands_at THEN excluded.stands_at ELSE clock.stands_at END "+
		"RETURNING stands_at", s.d.timeValue(to)), &at)
	return at.Time, fail(ctx, s.d, "move the replay clock", err)
}

// EndReplay implements winchester.Store.
func (s *Store) EndReplay(ctx context.Context) error {
	return fail(ctx, s.d, "end the replay", s.writer(ctx).Exec("DELETE FROM "+s.t.clock).Error)
}

// LastDue returns the latest time at which any active stream is due; zero if there
// is none. It reads all streams: it is for the end of a replay.
func (s *Store) LastDue(ctx context.Context) (time.Time, error) {
	var fire, expire timeColumn
	err := scanOne(s.reader(ctx).Raw("SELECT max(fire_timestamp), max(expire_timestamp) FROM "+s.t.streams+" WHERE state = 1"), &fire, &expire)
	return laterOf(fire.Time, expire.Time), fail(ctx, s.d, "look for the last due stream", err)
}

// heldNow is what leases go by.
func heldNow(c winchester.Claim) time.Time {
	if c.HeldNow.IsZero() {
		return c.Now
	}
	return c.HeldNow
}

func laterOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
