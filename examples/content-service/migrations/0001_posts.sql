CREATE TABLE posts (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL,
    caption TEXT NOT NULL,
    media_type TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX posts_by_user ON posts (user_id, created_at DESC);

-- A row to lock: a new post and the deletion of its author must see each other.
CREATE TABLE post_authors (
    user_id UUID PRIMARY KEY,
    deleted_at TIMESTAMPTZ
);
