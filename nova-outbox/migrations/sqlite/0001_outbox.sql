-- AUTOINCREMENT: without it SQLite hands the number of a deleted last row out again.
CREATE TABLE outbox_events (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    id             TEXT    NOT NULL,
    bucket         INTEGER NOT NULL CHECK (bucket BETWEEN 0 AND 63),
    aggregate_type TEXT    NOT NULL,
    aggregate_id   TEXT    NOT NULL,
    event_type     TEXT    NOT NULL,
    payload        BLOB    NOT NULL,
    schema_version INTEGER NOT NULL,
    source         TEXT,
    correlation_id TEXT,
    causation_id   TEXT,
    traceparent    TEXT,
    tracestate     TEXT,
    created_at     TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
CREATE UNIQUE INDEX outbox_events_order ON outbox_events (bucket, seq);

-- Times of leases, holds and schedules are milliseconds since 1970.
CREATE TABLE outbox_retries (
    bucket         INTEGER NOT NULL,
    aggregate_type TEXT    NOT NULL,
    aggregate_id   TEXT    NOT NULL,
    seq            INTEGER NOT NULL,
    attempts       INTEGER NOT NULL,
    hold_until     INTEGER NOT NULL,
    last_error     TEXT    NOT NULL,
    updated_at     TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (bucket, aggregate_type, aggregate_id)
) STRICT;
CREATE INDEX outbox_retries_due ON outbox_retries (hold_until);

CREATE TABLE outbox_dead (
    seq            INTEGER NOT NULL,
    id             TEXT    NOT NULL,
    bucket         INTEGER NOT NULL,
    aggregate_type TEXT    NOT NULL,
    aggregate_id   TEXT    NOT NULL,
    event_type     TEXT    NOT NULL,
    payload        BLOB    NOT NULL,
    schema_version INTEGER NOT NULL,
    source         TEXT,
    correlation_id TEXT,
    causation_id   TEXT,
    traceparent    TEXT,
    tracestate     TEXT,
    created_at     TEXT    NOT NULL,
    attempts       INTEGER NOT NULL,
    error_code     TEXT    NOT NULL,
    error_message  TEXT    NOT NULL,
    died_at        TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (bucket, seq)
) STRICT;

-- What waits for its time. It is moved to outbox_events when it is due, and takes its place in the order then.
CREATE TABLE outbox_scheduled (
    place          INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket         INTEGER NOT NULL CHECK (bucket BETWEEN 0 AND 63),
    due_at         INTEGER NOT NULL,
    id             TEXT    NOT NULL,
    aggregate_type TEXT    NOT NULL,
    aggregate_id   TEXT    NOT NULL,
    event_type     TEXT    NOT NULL,
    payload        BLOB    NOT NULL,
    schema_version INTEGER NOT NULL,
    source         TEXT,
    correlation_id TEXT,
    causation_id   TEXT,
    traceparent    TEXT,
    tracestate     TEXT,
    created_at     TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
CREATE INDEX outbox_scheduled_due ON outbox_scheduled (bucket, due_at, place);
CREATE INDEX outbox_scheduled_id ON outbox_scheduled (id);

CREATE TABLE outbox_relays (
    relay      TEXT    NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE outbox_leases (
    bucket     INTEGER NOT NULL PRIMARY KEY,
    owner      TEXT,
    epoch      INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER
) STRICT;
INSERT INTO outbox_leases (bucket)
WITH RECURSIVE buckets (bucket) AS (SELECT 0 UNION ALL SELECT bucket + 1 FROM buckets WHERE bucket < 63)
SELECT bucket FROM buckets;
