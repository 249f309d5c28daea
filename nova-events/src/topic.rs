use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use nova_errors::ServiceError;

use crate::field::{check_name, invalid, is_name_byte};

/// The name of a topic: 1 to 245 characters of `[A-Za-z0-9._-]`, which leaves room for `.dlq`.
/// Cheap to clone.
///
/// ```
/// use nova_events::{Topic, TopicPrefix};
///
/// let topic = TopicPrefix::default().topic_for("content")?;
/// assert_eq!(topic.as_str(), "nova.content.events");
/// assert_eq!(topic.dead_letter().as_str(), "nova.content.events.dlq");
/// assert!("no spaces".parse::<Topic>().is_err());
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

impl Topic {
    /// The longest name, in characters.
    pub const MAX_LEN: usize = 245;

    /// What the name of a dead-letter topic ends with.
    pub const DEAD_LETTER_SUFFIX: &'static str = ".dlq";

    /// Checks a name.
    ///
    /// # Errors
    ///
    /// `Validation` where the name is not of the grammar above, or is `.` or `..`.
    pub fn new(name: &str) -> Result<Self, ServiceError> {
        let valid = (1..=Self::MAX_LEN).contains(&name.len())
            && name.bytes().all(is_name_byte)
            && name.bytes().any(|c| c != b'.');
        if valid {
            return Ok(Self(name.into()));
        }
        Err(invalid(
            "topic",
            "1 to 245 characters of [A-Za-z0-9._-], not dots alone",
            name,
        ))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where this topic's dead letters go: `{topic}.dlq`.
    #[must_use]
    pub fn dead_letter(&self) -> Self {
        Self(format!("{}{}", self.0, Self::DEAD_LETTER_SUFFIX).into())
    }

    #[cfg(feature = "kafka")]
    pub(crate) fn label(&self) -> metrics::SharedString {
        metrics::SharedString::from_shared(self.0.clone())
    }

    /// Whether this is a topic of the platform's first generation, whose records carry no headers.
    #[must_use]
    pub fn is_older(&self) -> bool {
        OLDER_TOPICS.contains(&self.as_str())
    }
}

const OLDER_TOPICS: [&str; 5] = [
    "message_persisted",
    "message_deleted",
    "streaming.events",
    "analytics.events",
    "notifications.events",
];

impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Deref for Topic {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Topic {
    type Err = ServiceError;

    fn from_str(name: &str) -> Result<Self, ServiceError> {
        Self::new(name)
    }
}

impl From<Topic> for String {
    fn from(topic: Topic) -> Self {
        topic.as_str().to_owned()
    }
}

impl From<&Topic> for String {
    fn from(topic: &Topic) -> Self {
        topic.as_str().to_owned()
    }
}

/// What the platform's topics begin with: `nova` unless an installation says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TopicPrefix(Arc<str>);

impl TopicPrefix {
    /// The longest prefix, in characters.
    pub const MAX_LEN: usize = 100;

    /// Checks a prefix: 1 to 100 characters of `[A-Za-z0-9._-]`.
    ///
    /// # Errors
    ///
    /// `Validation` where it is not of that grammar.
    pub fn new(prefix: &str) -> Result<Self, ServiceError> {
        let valid = (1..=Self::MAX_LEN).contains(&prefix.len()) && prefix.bytes().all(is_name_byte);
        if valid {
            return Ok(Self(prefix.into()));
        }
        Err(invalid(
            "topic_prefix",
            "1 to 100 characters of [A-Za-z0-9._-]",
            prefix,
        ))
    }

    /// The topic of an aggregate type: `{prefix}.{aggregate_type}.events`.
    ///
    /// # Errors
    ///
    /// `Validation` where `aggregate_type` is not 1 to 128 characters of `[A-Za-z0-9._-]`.
    pub fn topic_for(&self, aggregate_type: &str) -> Result<Topic, ServiceError> {
        check_name("aggregate_type", aggregate_type)?;
        Topic::new(&format!("{}.{aggregate_type}.events", self.0))
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TopicPrefix {
    fn default() -> Self {
        Self("nova".into())
    }
}

impl fmt::Display for TopicPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TopicPrefix {
    type Err = ServiceError;

    fn from_str(prefix: &str) -> Result<Self, ServiceError> {
        Self::new(prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_broker_would_refuse_is_refused_here() {
        for name in [
            "",
            ".",
            "..",
            "a b",
            "a/b",
            "ä",
            "a\0",
            "^a",
            &"a".repeat(246),
        ] {
            assert!(Topic::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_longest_prefix_and_aggregate_type_still_make_a_topic() {
        let prefix = TopicPrefix::new(&"p".repeat(TopicPrefix::MAX_LEN)).unwrap();
        let topic = prefix.topic_for(&"a".repeat(128)).unwrap();
        assert!(topic.dead_letter().len() <= 249);
    }
}
