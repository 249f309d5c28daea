-- The sequence must hand numbers out in order: a cache of more than one gives each session a run of its own.
CREATE TABLE outbox_events (
    seq            bigint      NOT NULL GENERATED ALWAYS AS IDENTITY (CACHE 1),
    id             uuid        NOT NULL,
    bucket         smallint    NOT NULL CHECK (bucket BETWEEN 0 AND 63),
    aggregate_type text        NOT NULL,
    aggregate_id   text        NOT NULL,
    event_type     text        NOT NULL,
    payload        bytea       NOT NULL,
    schema_version integer     NOT NULL,
    source         text,
    correlation_id text,
    causation_id   text,
    traceparent    text,
    tracestate     text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, seq)
)
-- Every row dies within seconds: clean up by number of dead rows, not by their share.
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

CREATE TABLE outbox_retries (
    bucket         smallint    NOT NULL,
    aggregate_type text        NOT NULL,
    aggregate_id   text        NOT NULL,
    seq            bigint      NOT NULL,
    attempts       integer     NOT NULL,
    hold_until     timestamptz NOT NULL,
    last_error     text        NOT NULL,
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, aggregate_type, aggregate_id)
);
CREATE INDEX outbox_retries_due ON outbox_retries (hold_until);

CREATE TABLE outbox_dead (
    seq            bigint      NOT NULL,
    id             uuid        NOT NULL,
    bucket         smallint    NOT NULL,
    aggregate_type text        NOT NULL,
    aggregate_id   text        NOT NULL,
    event_type     text        NOT NULL,
    payload        bytea       NOT NULL,
    schema_version integer     NOT NULL,
    source         text,
    correlation_id text,
    causation_id   text,
    traceparent    text,
    tracestate     text,
    created_at     timestamptz NOT NULL,
    attempts       integer     NOT NULL,
    error_code     text        NOT NULL,
    error_message  text        NOT NULL,
    died_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, seq)
);

-- What waits for its time. It is moved to outbox_events when it is due, and takes its place in the order then.
CREATE TABLE outbox_scheduled (
    bucket         smallint    NOT NULL CHECK (bucket BETWEEN 0 AND 63),
    due_at         timestamptz NOT NULL,
    place          bigint      NOT NULL GENERATED ALWAYS AS IDENTITY (CACHE 1),
    id             uuid        NOT NULL,
    aggregate_type text        NOT NULL,
    aggregate_id   text        NOT NULL,
    event_type     text        NOT NULL,
    payload        bytea       NOT NULL,
    schema_version integer     NOT NULL,
    source         text,
    correlation_id text,
    causation_id   text,
    traceparent    text,
    tracestate     text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, due_at, place)
);
CREATE INDEX outbox_scheduled_id ON outbox_scheduled (id);

CREATE TABLE outbox_relays (
    relay      uuid        NOT NULL PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

CREATE TABLE outbox_leases (
    bucket     smallint    NOT NULL PRIMARY KEY,
    owner      uuid,
    epoch      bigint      NOT NULL DEFAULT 0,
    expires_at timestamptz
);
INSERT INTO outbox_leases (bucket) SELECT generate_series(0, 63);
