-- The feed's own copy of what others own, kept from their events. Events may come late or out of
-- order: a column is NULL until its event was here, and has the time of the event beside it.
CREATE TABLE feed_posts (
    post_id UUID PRIMARY KEY,
    user_id UUID NOT NULL,
    caption TEXT,
    caption_at TIMESTAMPTZ,
    media_type TEXT,
    status TEXT,
    status_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ,
    deleted_at TIMESTAMPTZ
);

CREATE INDEX feed_posts_by_user ON feed_posts (user_id, created_at DESC);

-- What is no longer followed stays, so that a late copy of the follow can be told from a new one.
CREATE TABLE feed_follows (
    followee_id UUID NOT NULL,
    follower_id UUID NOT NULL,
    following BOOLEAN NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (followee_id, follower_id)
);

CREATE INDEX feed_follows_by_follower ON feed_follows (follower_id);

-- A row to lock: a new post and a new follow of one author must see each other, and both the
-- author's deletion.
CREATE TABLE feed_users (
    user_id UUID PRIMARY KEY,
    deleted_at TIMESTAMPTZ
);

CREATE TABLE feed_entries (
    user_id UUID NOT NULL,
    post_id UUID NOT NULL REFERENCES feed_posts (post_id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, post_id)
);

CREATE INDEX feed_entries_by_time ON feed_entries (user_id, created_at DESC, post_id DESC);
CREATE INDEX feed_entries_by_post ON feed_entries (post_id);
