-- What the commands came to, by the digest of subject, target, endpoint and idempotency key.
-- Times are milliseconds since 1970, UTC.
CREATE TABLE idempotency_answers (
    key         BLOB    NOT NULL PRIMARY KEY,
    fingerprint BLOB    NOT NULL,
    answer      TEXT    NOT NULL,
    created_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)),
    expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_answers_expiry ON idempotency_answers (expires_at);
