use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use nova_errors::{ServiceError, Violation};
use uuid::Uuid;

use crate::FeedEntry;

/// Where a page ends: the time and the id of its last post. As text it is opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) post_id: Uuid,
}

impl Cursor {
    /// Before everything: the last second whose year has four digits, so that it sorts as text too.
    pub(crate) const START: Self = Self {
        created_at: match DateTime::from_timestamp(253_402_300_799, 0) {
            Some(time) => time,
            None => DateTime::<Utc>::MAX_UTC,
        },
        post_id: Uuid::max(),
    };
}

impl From<&FeedEntry> for Cursor {
    fn from(entry: &FeedEntry) -> Self {
        Self {
            created_at: entry.created_at,
            post_id: entry.post_id,
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}",
            self.created_at.timestamp_micros(),
            self.post_id.simple()
        )
    }
}

impl FromStr for Cursor {
    type Err = ServiceError;

    fn from_str(text: &str) -> Result<Self, ServiceError> {
        let parse = || {
            let (micros, id) = text.split_once('.')?;
            Some(Self {
                created_at: DateTime::from_timestamp_micros(micros.parse().ok()?)?,
                post_id: id.parse().ok()?,
            })
        };
        parse().ok_or_else(|| {
            let violation = Violation::new("cursor", "expected the next_cursor of an earlier page");
            ServiceError::Validation(violation.into())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text_and_nothing_else_is_one() {
        let cursor = Cursor {
            created_at: DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(),
            post_id: Uuid::from_u128(7),
        };
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        for text in ["", ".", "1.", ".7", "x.y", "99999999999999999999.7"] {
            assert!(text.parse::<Cursor>().is_err(), "{text:?}");
        }
    }
}
