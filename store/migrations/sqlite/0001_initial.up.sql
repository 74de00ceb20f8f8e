-- Events: what happened. traits is the canonical, typed JSON of winchester.Traits.
-- AUTOINCREMENT: an id is never given twice, so marks and references stay true.
CREATE TABLE {{prefix}}events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT    NOT NULL,
    event_type TEXT    NOT NULL,
    timestamp  TEXT    NOT NULL,
    traits     TEXT    NOT NULL
) STRICT;

CREATE UNIQUE INDEX {{prefix}}events_message_id ON {{prefix}}events (message_id);
CREATE INDEX {{prefix}}events_event_type ON {{prefix}}events (event_type);
CREATE INDEX {{prefix}}events_timestamp ON {{prefix}}events (timestamp);

-- Streams: what triggers file events into. open_key is the stream_key while the
-- stream takes events and NULL afterwards, so that the unique index allows one
-- open stream a key. fire_due and expire_due say when a worker shall claim it,
-- NULL for never; claimed_due keeps what the last claim was due for. attempts is
-- a JSON object for each attempt that is worth telling of, a line each, so that a
-- claim can add one.
CREATE TABLE {{prefix}}streams (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    name                  TEXT    NOT NULL,
    stream_key            TEXT    NOT NULL,
    open_key              TEXT,
    distinguishing_traits TEXT    NOT NULL,
    state                 INTEGER NOT NULL,
    state_serial_no       INTEGER NOT NULL,
    first_event           TEXT,
    last_event            TEXT,
    fire_timestamp        TEXT,
    expire_timestamp      TEXT,
    fire_due              TEXT,
    expire_due            TEXT,
    claimed_due           TEXT,
    owner                 TEXT    NOT NULL DEFAULT '',
    attempt               INTEGER NOT NULL DEFAULT 0,
    committed             TEXT    NOT NULL DEFAULT '',
    last_error            TEXT    NOT NULL DEFAULT '',
    last_error_at         TEXT,
    progress              TEXT    NOT NULL DEFAULT '',
    filing_no             INTEGER NOT NULL DEFAULT 0,
    attempts              TEXT    NOT NULL DEFAULT ''
) STRICT;

CREATE UNIQUE INDEX {{prefix}}streams_open_key ON {{prefix}}streams (open_key);
CREATE INDEX {{prefix}}streams_fire_due ON {{prefix}}streams (fire_due) WHERE fire_due IS NOT NULL;
CREATE INDEX {{prefix}}streams_expire_due ON {{prefix}}streams (expire_due, id, fire_due) WHERE expire_due IS NOT NULL;
CREATE INDEX {{prefix}}streams_name ON {{prefix}}streams (name);
CREATE INDEX {{prefix}}streams_state ON {{prefix}}streams (state);

-- Memberships: which events are in which streams. The primary key is the table,
-- so the events of a stream lie side by side.
CREATE TABLE {{prefix}}stream_events (
    stream_id INTEGER NOT NULL,
    event_id  INTEGER NOT NULL,
    PRIMARY KEY (stream_id, event_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX {{prefix}}stream_events_event_id ON {{prefix}}stream_events (event_id);

-- The clock of a replay, which all processes share: at most one row. It follows
-- the events that are added, and never goes back. Without a replay there is none.
CREATE TABLE {{prefix}}replay_clock (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    stands_at TEXT    NOT NULL
) STRICT;
