package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/seed71495667/winchester"
)

// Claim implements winchester.Store.
func (s *Store) Claim(ctx context.Context, c winchester.Claim) ([]winchester.Stream, error) {
	if c.Pass != winchester.PassFire && c.Pass != winchester.PassExpire {
		return nil, fmt.Errorf("store: claim streams: %q is no pass", c.Pass)
	}
	if c.Limit <= 0 {
		return nil, nil
	}
	got, err := s.d.claim(ctx, s.reader(ctx), s.writer(ctx), s.t, c)
	if err != nil {
		return nil, fail(ctx, s.d, "claim streams", err)
	}
	// An UPDATE returns its rows in no order.
	slices.SortFunc(got, func(a, b claimed) int {
		if order := a.due.Compare(b.due); order != 0 {
			return order
		}
		return int(a.stream.ID - b.stream.ID)
	})
	streams := make([]winchester.Stream, len(got))
	for i := range got {
		streams[i] = got[i].stream
	}
	return streams, nil
}

// Renew implements winchester.Store.
func (s *Store) Renew(ctx context.Context, owner string, streams []int64, until time.Time) (lost []int64, err error) {
	if len(streams) == 0 {
		return nil, nil
	}
	held, err := s.d.renew(ctx, s.writer(ctx), s.t, owner, streams, until)
	if err != nil {
		return nil, fail(ctx, s.d, "renew leases", err)
	}
	still := make(map[int64]bool, len(held))
	for _, id := range held {
		still[id] = true
	}
	for _, id := range streams {
		if !still[id] {
			lost = append(lost, id)
		}
	}
	return lost, nil
}

// NextDue implements winchester.Store.
func (s *Store) NextDue(ctx context.Context) (time.Time, error) {
	var due timeColumn
	err := scanOne(s.reader(ctx).Raw(s.d.nextDue(s.t)), &due)
	return due.Time, fail(ctx, s.d, "look for the next due stream", err)
}

// Ready implements winchester.Store.
func (s *Store) Ready(ctx context.Context, pass winchester.Pass, now time.Time, limit int) (winchester.Ready, error) {
	if limit <= 0 {
		return winchester.Ready{}, nil
	}
	query := "SELECT count(*), min(fire_due) FROM (SELECT fire_due FROM " + s.t.streams + " WHERE fire_due < ? ORDER BY fire_due LIMIT ?) AS first"
	values := []any{s.d.timeValue(now), limit}
	switch pass {
	case winchester.PassFire:
	case winchester.PassExpire:
		query, values = s.d.readyToExpire(s.t, now, limit)
	default:
		return winchester.Ready{}, fmt.Errorf("store: count ready streams: %q is no pass", pass)
	}
	var ready winchester.Ready
	var oldest timeColumn
	err := scanOne(s.reader(ctx).Raw(query, values...), &ready.Streams, &oldest)
	ready.Oldest = oldest.Time
	return ready, fail(ctx, s.d, "count ready streams", err)
}

// CountStates implements winchester.Store. On PostgreSQL it reads the table: an
// index on the state would be written to with every change of a stream.
func (s *Store) CountStates(ctx context.Context) (map[winchester.State]int64, error) {
	counts := map[winchester.State]int64{}
	err := each(s.reader(ctx).Raw("SELECT state, count(*) FROM "+s.t.streams+" WHERE state IN ? GROUP BY state", notCompleted), func(row scanner) error {
		var state winchester.State
		var n int64
		err := row.Scan(&state, &n)
		counts[state] = n
		return err
	})
	if err != nil {
		return nil, fail(ctx, s.d, "count streams by state", err)
	}
	return counts, nil
}

var notCompleted = []int64{
	int64(winchester.StateActive), int64(winchester.StateFiring), int64(winchester.StateExpiring), int64(winchester.StateError),
	int64(winchester.StateExpireError), int64(winchester.StateRetryFire), int64(winchester.StateRetryExpire),
}
