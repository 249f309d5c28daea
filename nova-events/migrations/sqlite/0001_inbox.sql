-- The events that a group has handled (claim is null), or is handling by a claim; until when, in milliseconds since 1970, UTC.
CREATE TABLE inbox_events (
    consumer_group TEXT    NOT NULL,
    event_id       BLOB    NOT NULL,
    claim          BLOB,
    expires_at     INTEGER NOT NULL,
    PRIMARY KEY (consumer_group, event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX inbox_events_expiry ON inbox_events (expires_at);
