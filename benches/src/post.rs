//! The payload of every benchmark of calls: 1 KiB of JSON, there and back.

use nova_models::{Command, Idempotency};
use serde::{Deserialize, Serialize};

/// A command, and its own reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// A number.
    pub post_id: u64,
    /// A short string.
    pub author: String,
    /// Some strings.
    pub tags: Vec<String>,
    /// A long string.
    pub caption: String,
}

impl Post {
    /// The length of [`Post::sample`] as JSON, in bytes.
    pub const JSON_LEN: usize = 1024;

    /// The post that is sent.
    #[must_use]
    pub fn sample() -> Self {
        let mut post = Self {
            post_id: 42,
            author: "0192d5a4-7c1e-7bb0-9f3c-2d8a61c4e5f7".to_owned(),
            tags: ["rust", "services", "retries"].map(str::to_owned).into(),
            caption: String::new(),
        };
        let rest = Self::JSON_LEN - serde_json::to_vec(&post).map_or(0, |json| json.len());
        post.caption = "A call between services comes first. "
            .chars()
            .cycle()
            .take(rest)
            .collect();
        post
    }
}

impl Command for Post {
    type Reply = Self;
    const TARGET: &'static str = "content-service";
    const ENDPOINT: &'static str = "posts/echo";
    const IDEMPOTENCY: Idempotency = Idempotency::Safe;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_one_kibibyte() {
        let json = serde_json::to_vec(&Post::sample()).unwrap();
        assert_eq!(json.len(), Post::JSON_LEN);
    }
}
