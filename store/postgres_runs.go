package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"gorm.io/gorm"

	"github.com/seed71495667/winchester"
)

// streamArrays are the columns of streams that change, as arrays.
type streamArrays struct {
	ids, serials, filings                                 []int64
	states, attempts                                      []int32
	openKeys                                              []pgtype.UUID
	first, last, fire, expire, fireDue, expireDue, failed []*time.Time
	owners, committed, errors, progress                   []string
}

func columnsOf(n int, stream func(i int) *winchester.Stream) (*streamArrays, error) {
	c := &streamArrays{
		ids: make([]int64, n), serials: make([]int64, n), filings: make([]int64, n), states: make([]int32, n), attempts: make([]int32, n),
		openKeys: make([]pgtype.UUID, n), owners: make([]string, n), committed: make([]string, n), errors: make([]string, n),
		progress: make([]string, n),
	}
	times := make([]*time.Time, 7*n)
	for i, column := range []*[]*time.Time{&c.first, &c.last, &c.fire, &c.expire, &c.fireDue, &c.expireDue, &c.failed} {
		*column = times[i*n : (i+1)*n]
	}
	for i := range n {
		s := stream(i)
		fireDue, expireDue := s.Schedule()
		c.ids[i], c.serials[i], c.filings[i], c.states[i], c.attempts[i] = s.ID, s.StateSerialNo, s.FilingNo, int32(s.State), int32(s.Attempt)
		c.openKeys[i], c.owners[i], c.committed[i], c.errors[i] = openKeyOf(s), s.Owner, s.Committed, s.LastError
		c.first[i], c.last[i], c.fire[i], c.expire[i] = timeOrNull(s.FirstEvent), timeOrNull(s.LastEvent), timeOrNull(s.FireTimestamp), timeOrNull(s.ExpireTimestamp)
		c.fireDue[i], c.expireDue[i], c.failed[i] = timeOrNull(fireDue), timeOrNull(expireDue), timeOrNull(s.LastErrorAt)
		var err error
		if c.progress[i], err = encodeProgress(s.Progress); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// changeStreams locks the streams, in the order of their ids, before it looks
// at their serial numbers: nothing is changed unless all of it can be. Streams
// that are all to be deleted, as those that have completed are by default, go in
// one statement.
func (d postgresDialect) changeStreams(ctx context.Context, conn gorm.ConnPool, t tables, changes []winchester.StreamChange) error {
	n := len(changes)
	if n == 0 {
		return nil
	}
	before := make(map[int64]int64, n)
	ids, serials := make([]int64, n), make([]int64, n)
	var kept []*winchester.Stream
	var purged []int64
	for i := range changes {
		c := &changes[i]
		ids[i], serials[i] = c.Stream.ID, c.SerialBefore
		if _, twice := before[ids[i]]; twice {
			return fmt.Errorf("%w: stream %d is to be changed twice", winchester.ErrLocked, ids[i])
		}
		before[ids[i]] = c.SerialBefore
		if c.Purge {
			purged = append(purged, ids[i])
		} else {
			kept = append(kept, &c.Stream)
		}
	}
	const lock = " WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE"
	if len(kept) == 0 {
		var gone int
		err := eachOf(ctx, conn, func(row scanner) error { return row.Scan(&gone) }, "WITH held AS MATERIALIZED (SELECT id, state_serial_no FROM "+t.streams+lock+
			"), fit AS MATERIALIZED (SELECT id FROM held JOIN unnest($1::bigint[], $2::bigint[]) AS c (id, state_serial_no) USING (id, state_serial_no)), "+
			"gone AS (DELETE FROM "+t.streams+" WHERE id = ANY(ARRAY(SELECT id FROM fit)) AND (SELECT count(*) FROM fit) = $3 RETURNING id), "+
			"left_over AS (DELETE FROM "+t.members+" WHERE stream_id = ANY(ARRAY(SELECT id FROM gone))) SELECT count(*) FROM gone", ids, serials, n)
		if err == nil && gone != n {
			err = fmt.Errorf("%w: of %d streams some no longer have their serial number", winchester.ErrLocked, n)
		}
		return err
	}
	err := eachOf(ctx, conn, func(row scanner) error {
		var id, serial int64
		err := row.Scan(&id, &serial)
		if before[id] == serial {
			delete(before, id)
		}
		return err
	}, "SELECT id, state_serial_no FROM "+t.streams+lock, ids)
	if err != nil {
		return err
	}
	for id, serial := range before {
		return fmt.Errorf("%w: stream %d no longer has serial number %d", winchester.ErrLocked, id, serial)
	}
	if err := d.updateStates(ctx, conn, t, kept); err != nil || len(purged) == 0 {
		return err
	}
	_, err = execOf(ctx, conn, "WITH gone AS (DELETE FROM "+t.streams+" WHERE id = ANY($1::bigint[])) DELETE FROM "+
		t.members+" WHERE stream_id = ANY($1::bigint[])", purged)
	return err
}

func (postgresDialect) updateStates(ctx context.Context, conn gorm.ConnPool, t tables, streams []*winchester.Stream) error {
	if len(streams) == 0 {
		return nil
	}
	c, err := columnsOf(len(streams), func(i int) *winchester.Stream { return streams[i] })
	if err != nil {
		return err
	}
	values := []any{
		c.ids, c.states, c.serials, c.openKeys, c.first, c.last, c.fire, c.expire, c.fireDue, c.expireDue,
		c.owners, c.attempts, c.committed, c.errors, c.failed, c.progress,
	}
	// The statement has the history if one has been written to.
	set, array, column := "", "", ""
	if haveAttempts(len(streams), func(i int) *winchester.Stream { return streams[i] }) {
		set, array, column = ", attempts = c.attempts", ", $17::text[]", ", attempts"
		values = append(values, historiesOf(streams))
	}
	_, err = execOf(ctx, conn, "UPDATE "+t.streams+` AS s SET state = c.state, state_serial_no = c.serial, open_key = c.open_key,
	first_event = c.first_event, last_event = c.last_event, fire_timestamp = c.fire_timestamp, expire_timestamp = c.expire_timestamp,
	fire_due = c.fire_due, expire_due = c.expire_due, owner = c.owner, attempt = c.attempt, committed = c.committed,
	last_error = c.last_error, last_error_at = c.last_error_at, progress = c.progress`+set+`
	FROM unnest($1::bigint[], $2::int[], $3::bigint[], $4::uuid[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[],
	$9::timestamptz[], $10::timestamptz[], $11::text[], $12::int[], $13::text[], $14::text[], $15::timestamptz[], $16::text[]`+array+`)
	AS c (id, state, serial, open_key, first_event, last_event, fire_timestamp, expire_timestamp, fire_due, expire_due,
	owner, attempt, committed, last_error, last_error_at, progress`+column+`)
	WHERE s.id = c.id`, values...)
	return err
}

// historiesOf are the histories of streams, as an array.
func historiesOf(streams []*winchester.Stream) []string {
	out := make([]string, len(streams))
	for i, s := range streams {
		out[i] = winchester.EncodeAttempts(s.Attempts)
	}
	return out
}

// claim skips the streams that others are busy with, so that workers neither
// wait for each other nor lose races. It notes whose lease was lost.
func (d postgresDialect) claim(_ context.Context, _, write *gorm.DB, t tables, c winchester.Claim) ([]claimed, error) {
	due, other, state := "fire_due", "expire_due", winchester.StateFiring
	condition := "fire_due < $1"
	if c.Pass == winchester.PassExpire {
		if some, err := anyExpired(write, t, laterOf(c.Now, c.HeldNow)); err != nil || !some {
			return nil, err
		}
		if err := d.putOff(write, t, c.Now, c.Limit); err != nil {
			return nil, err
		}
		due, other, state = other, due, winchester.StateExpiring
		condition = "expire_due < $1 AND (fire_due IS NULL OR fire_due >= $1) AND NOT " + expiresLater // what can fire does
	}
	values := []any{c.Now, c.Limit, int64(state), c.Owner, c.LeaseUntil, maxAttemptsText, string(c.Pass), winchester.AttemptLost, heldNow(c)}
	if !c.HeldNow.IsZero() {
		active := "fire_due < $1 AND (expire_timestamp IS NULL OR fire_due <= expire_timestamp)"
		if c.Pass == winchester.PassExpire {
			active = "expire_timestamp < $1 AND (fire_due IS NULL OR expire_timestamp < fire_due)"
		}
		condition = due + " < $10 AND CASE state WHEN 1 THEN " + active + " ELSE " + due + " < $9 END"
		values = append(values, laterOf(c.Now, c.HeldNow))
	}
	out := make([]claimed, 0, c.Limit)
	streams := newClaimedReader()
	err := eachOn(write, func(row scanner) error {
		one, err := streams.read(row)
		out = append(out, one)
		return err
	}, "UPDATE "+t.streams+" SET state_serial_no = state_serial_no + CASE state WHEN $3 THEN 2 ELSE 1 END, "+
		"attempts = CASE WHEN state = $3 AND octet_length(attempts) < $6 THEN attempts || json_build_object('number', attempt, 'pass', $7::text, "+
		"'worker', left(owner, 100), 'ended', "+utcText(due)+", 'outcome', $8::text, 'retry_at', "+utcText("$9::timestamptz")+")::text || E'\\n' ELSE attempts END, "+
		"state = $3, open_key = NULL, owner = $4, claimed_due = "+due+", "+due+" = $5, "+other+" = NULL, attempt = attempt + 1 "+
		"WHERE id = ANY(ARRAY(SELECT id FROM "+t.streams+" WHERE "+condition+" ORDER BY "+due+", id LIMIT $2 FOR UPDATE SKIP LOCKED)) "+
		"RETURNING "+claimedColumns, values...)
	return out, err
}

// anyExpired tells whether any stream seems to have expired. Most of the time none
// has, and this needs no plan made anew, as what follows does.
func anyExpired(write *gorm.DB, t tables, now time.Time) (bool, error) {
	var first timeColumn
	err := eachOn(write, func(row scanner) error { return row.Scan(&first) },
		"SELECT min(expire_due) FROM "+t.streams+" WHERE expire_due IS NOT NULL")
	return !first.IsZero() && first.Before(now), err
}

// utcText is a time as JSON has it.
func utcText(time string) string {
	return "to_char(" + time + " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
}

// expiresLater holds for active streams that have been put off since their
// expire_due was written, and still have time at $1.
const expiresLater = "(state = 1 AND expire_timestamp >= $1)"

// putOffLeast is how many streams are looked at, at the least, to be put off.
const putOffLeast = 100

// putOff writes the expiry of streams as their expire_due that seem to have
// expired and have not. Each stream is put off once an expiration, and not once
// an event. It looks at those in front only, until as many as are to be claimed
// have expired indeed: what is behind them has time, and may be all of a long
// backlog.
func (postgresDialect) putOff(write *gorm.DB, t tables, now time.Time, limit int) error {
	for {
		put := 0
		err := eachOn(write, func(scanner) error { put++; return nil }, "UPDATE "+t.streams+" SET expire_due = expire_timestamp "+
			"WHERE id = ANY(ARRAY(SELECT id FROM "+t.streams+" WHERE id = ANY(ARRAY(SELECT id FROM ("+
			"SELECT id, state, expire_timestamp FROM "+t.streams+" WHERE expire_due < $1 ORDER BY expire_due, id LIMIT $2) AS first WHERE "+expiresLater+
			")) AND expire_due < $1 AND "+expiresLater+" FOR UPDATE SKIP LOCKED)) RETURNING id", now, max(limit, putOffLeast))
		if err != nil || put == 0 {
			return err
		}
	}
}

// nextDue looks at the first expirations: some may have been put off meanwhile. If
// all have been, until after what it has not looked at, that is the answer.
func (postgresDialect) nextDue(t tables) string {
	return "SELECT least((SELECT min(fire_due) FROM " + t.streams + " WHERE fire_due IS NOT NULL), " +
		"(SELECT CASE count(*) WHEN 100 THEN least(min(due), max(expire_due)) ELSE min(due) END FROM (" +
		"SELECT expire_due, CASE state WHEN 1 THEN greatest(expire_due, expire_timestamp) ELSE expire_due END AS due " +
		"FROM " + t.streams + " WHERE expire_due IS NOT NULL ORDER BY expire_due, id LIMIT 100) AS first))"
}

// readyToExpire leaves out what only seems to have expired, as a claim does.
func (d postgresDialect) readyToExpire(t tables, now time.Time, limit int) (string, []any) {
	at := d.timeValue(now)
	return "SELECT count(*), min(CASE state WHEN 1 THEN greatest(expire_due, expire_timestamp) ELSE expire_due END) FROM (" +
		"SELECT state, fire_due, expire_due, expire_timestamp FROM " + t.streams + " WHERE expire_due < ? ORDER BY expire_due, id LIMIT ?) AS first " +
		"WHERE (fire_due IS NULL OR fire_due >= ?) AND NOT (state = 1 AND expire_timestamp >= ?)", []any{at, limit, at, at}
}

// renew passes over the streams that a transaction is just settling: it must
// not wait, and their leases matter no more. They are still held.
func (postgresDialect) renew(_ context.Context, write *gorm.DB, t tables, owner string, streams []int64, until time.Time) (held []int64, err error) {
	return idsOf(write.Raw("WITH held AS MATERIALIZED (SELECT id FROM "+t.streams+" WHERE id = ANY(?) AND owner = ? AND state IN (?, ?)), "+
		"free AS MATERIALIZED (SELECT id FROM "+t.streams+" WHERE id IN (SELECT id FROM held) AND owner = ? AND state IN (?, ?) FOR UPDATE SKIP LOCKED), "+
		"renewed AS (UPDATE "+t.streams+" SET fire_due = CASE state WHEN ? THEN ?::timestamptz END, expire_due = CASE state WHEN ? THEN ?::timestamptz END "+
		"WHERE id IN (SELECT id FROM free)) SELECT id FROM held",
		&streams, owner, int64(winchester.StateFiring), int64(winchester.StateExpiring),
		owner, int64(winchester.StateFiring), int64(winchester.StateExpiring),
		int64(winchester.StateFiring), until, int64(winchester.StateExpiring), until))
}
