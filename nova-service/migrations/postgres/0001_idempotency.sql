-- What the commands came to, by the digest of subject, target, endpoint and idempotency key.
CREATE TABLE idempotency_answers (
    key         bytea       NOT NULL PRIMARY KEY,
    fingerprint bytea       NOT NULL,
    answer      text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL
);
CREATE INDEX idempotency_answers_expiry ON idempotency_answers (expires_at);
