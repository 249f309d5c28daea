-- The events that a group has handled (claim is null), or is handling by a claim; until when.
CREATE TABLE inbox_events (
    consumer_group text        NOT NULL,
    event_id       uuid        NOT NULL,
    claim          uuid,
    expires_at     timestamptz NOT NULL,
    PRIMARY KEY (consumer_group, event_id)
);
CREATE INDEX inbox_events_expiry ON inbox_events (expires_at);
