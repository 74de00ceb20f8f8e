package check

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// load reads everything that the run has left.
func (c *checker) load(ctx context.Context, db Querier) error {
	c.events, c.byID, c.streams = map[int64]*event{}, map[string]*event{}, map[int64]*stream{}
	c.bookings, c.effects = map[int64][]booking{}, map[int64]map[string]int{}
	return errors.Join(c.loadEvents(ctx, db), c.loadStreams(ctx, db), c.loadMembers(ctx, db), c.loadEffects(ctx, db))
}

func (c *checker) loadEvents(ctx context.Context, db Querier) error {
	return each(ctx, db, "SELECT id, message_id, event_type, timestamp, traits FROM chaos.winchester_events ORDER BY id", func(rows *sql.Rows) error {
		e := &event{}
		var traits string
		if err := rows.Scan(&e.id, &e.ID, &e.Type, &e.Time, &traits); err != nil {
			return err
		}
		e.Time = e.Time.UTC()
		var err error
		if e.Traits, err = parseTraits(traits); err != nil {
			return fmt.Errorf("event %d: %w", e.id, err)
		}
		if before := c.byID[e.ID]; before != nil {
			c.violate(Stored, "an event is stored twice: %s\n  and %s", before, e)
		}
		c.events[e.id], c.byID[e.ID] = e, e
		return nil
	})
}

func (c *checker) loadStreams(ctx context.Context, db Querier) error {
	return each(ctx, db, `SELECT id, name, stream_key,
	CASE open_key WHEN encode(substr(sha256(convert_to(stream_key, 'UTF8')), 1, 16), 'hex')::uuid THEN stream_key ELSE open_key::text END, distinguishing_traits, state, state_serial_no,
	first_event, last_event, fire_timestamp, expire_timestamp, fire_due IS NOT NULL OR expire_due IS NOT NULL, owner, last_error
	FROM chaos.winchester_streams ORDER BY id`, func(rows *sql.Rows) error {
		s := &stream{}
		var traits string
		var first, last, fire, expires sql.NullTime
		err := rows.Scan(&s.id, &s.name, &s.key, &s.open, &traits, &s.state, &s.serial, &first, &last, &fire, &expires, &s.due, &s.owner, &s.lastError)
		if err != nil {
			return err
		}
		s.first, s.last, s.fire, s.expires = orZero(first), orZero(last), orZero(fire), orZero(expires)
		if s.traits, err = parseTraits(traits); err != nil {
			return fmt.Errorf("stream %d: %w", s.id, err)
		}
		c.streams[s.id] = s
		c.inOrder = append(c.inOrder, s)
		byState := c.summary.Streams[s.name]
		if byState == nil {
			byState = map[string]int{}
			c.summary.Streams[s.name] = byState
		}
		byState[s.stateName()]++
		return nil
	})
}

func (c *checker) loadMembers(ctx context.Context, db Querier) error {
	err := each(ctx, db, "SELECT stream_id, event_id FROM chaos.winchester_stream_events", func(rows *sql.Rows) error {
		var streamID, eventID int64
		if err := rows.Scan(&streamID, &eventID); err != nil {
			return err
		}
		c.summary.Memberships++
		s, e := c.streams[streamID], c.events[eventID]
		if s == nil || e == nil {
			c.violate(Filed, "event %d is in stream %d, of which one does not exist: %v, %v", eventID, streamID, e, s)
			return nil
		}
		s.members = append(s.members, e)
		e.streams = append(e.streams, s)
		return nil
	})
	for _, s := range c.inOrder {
		slices.SortFunc(s.members, func(a, b *event) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.id, b.id)) })
	}
	return err
}

func (c *checker) loadEffects(ctx context.Context, db Querier) error {
	err := each(ctx, db, "SELECT stream_id, pass, idempotency_key, claimed_at, attempt, members FROM chaos.ledger", func(rows *sql.Rows) error {
		var id int64
		var b booking
		var members string
		if err := rows.Scan(&id, &b.pass, &b.key, &b.claimed, &b.attempt, &members); err != nil {
			return err
		}
		b.members = strings.Split(members, "\n")
		c.bookings[id] = append(c.bookings[id], b)
		c.summary.Bookings++
		c.summary.Attempts += b.attempt
		return nil
	})
	return errors.Join(err, each(ctx, db, "SELECT stream_id, idempotency_key, count(*) FROM chaos.outside GROUP BY 1, 2", func(rows *sql.Rows) error {
		var id int64
		var key string
		var times int
		if err := rows.Scan(&id, &key, &times); err != nil {
			return err
		}
		if c.effects[id] == nil {
			c.effects[id] = map[string]int{}
		}
		c.effects[id][key] = times
		c.summary.Effects += times
		return nil
	}))
}

func each(ctx context.Context, db Querier, query string, f func(*sql.Rows) error) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// parseTraits reads a JSON object in which a number is a float64 if it is
// written with a point or an exponent, and else an int64.
func parseTraits(text string) (map[string]any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var traits map[string]any
	if err := d.Decode(&traits); err != nil {
		return nil, fmt.Errorf("traits %q: %w", text, err)
	}
	for name, value := range traits {
		number, ok := value.(json.Number)
		if !ok {
			continue
		}
		var err error
		if strings.ContainsAny(number.String(), ".eE") {
			traits[name], err = number.Float64()
		} else {
			traits[name], err = number.Int64()
		}
		if err != nil {
			return nil, fmt.Errorf("trait %q: %w", name, err)
		}
	}
	return traits, nil
}

func orZero(t sql.NullTime) time.Time {
	if !t.Valid {
		return time.Time{}
	}
	return t.Time.UTC()
}
