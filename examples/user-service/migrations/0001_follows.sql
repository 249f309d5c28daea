-- The row of a user is also the lock of the edges around him.
CREATE TABLE user_profiles (
    user_id UUID PRIMARY KEY,
    username TEXT NOT NULL,
    display_name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    -- When he last followed or unfollowed somebody.
    followed_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ
);

CREATE TABLE follows (
    follower_id UUID NOT NULL,
    followee_id UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (follower_id, followee_id)
);

CREATE INDEX follows_by_followee ON follows (followee_id, created_at DESC);
CREATE INDEX follows_by_follower ON follows (follower_id, created_at DESC);
