CREATE TABLE users (
    id UUID PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE sessions (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX sessions_by_user ON sessions (user_id, expires_at);

-- A token is spent when another one names it as its parent: rows are only ever inserted and deleted.
CREATE TABLE refresh_tokens (
    id UUID PRIMARY KEY,
    session_id UUID NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    parent_id UUID UNIQUE,
    token_hash BYTEA NOT NULL UNIQUE,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);

CREATE TABLE signing_keys (
    kid TEXT PRIMARY KEY,
    pkcs8 BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- One row: its lock makes the order of revocations the order of their commits.
CREATE TABLE revocation_head (
    id SMALLINT PRIMARY KEY,
    seq BIGINT NOT NULL
);

INSERT INTO revocation_head (id, seq) VALUES (1, 0);

-- Either a session or a user. Forgotten when no access token can be that old.
CREATE TABLE revocations (
    seq BIGINT PRIMARY KEY,
    session_id UUID,
    user_id UUID,
    revoked_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX revocations_by_age ON revocations (revoked_at);
