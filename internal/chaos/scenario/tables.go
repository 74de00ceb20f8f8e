package scenario

// Schema is the PostgreSQL schema that a run has for itself.
const Schema = "chaos"

// Tables creates the tables of the handlers, beside those of the engine. None
// has a unique key, so that an effect that happens twice is seen twice.
const Tables = `
CREATE TABLE chaos.ledger (
    stream_id       bigint      NOT NULL,
    pass            text        NOT NULL,
    idempotency_key text        NOT NULL,
    claimed_at      timestamptz NOT NULL,
    attempt         integer     NOT NULL,
    members         text        NOT NULL -- the ids of the events in the order they came, a line each
);
CREATE TABLE chaos.outside (
    stream_id       bigint      NOT NULL,
    idempotency_key text        NOT NULL
)`
