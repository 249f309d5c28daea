use nova_errors::{ServiceError, Violation};
use serde::{Deserialize, Serialize};

use crate::page::{check_limit, default_limit};

/// Where to go on in a list that is read by cursor: `?cursor=b3Blbg&limit=50`.
///
/// A cursor is the word of the service, which alone knows what it means; a caller gets it as
/// [`next_cursor`](crate::PagedResponse::next_cursor) and hands it back. Other than a page, it neither skips nor repeats items when
/// the list changes in between. An empty one counts as none.
///
/// ```
/// use nova_models::CursorRequest;
///
/// let first = CursorRequest::new(None, 50)?;
/// assert_eq!(first.cursor(), None);
/// let next = CursorRequest::new(Some("b3Blbg".to_owned()), 50)?;
/// assert_eq!(next.cursor(), Some("b3Blbg"));
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawCursorRequest")]
#[cfg_attr(
    feature = "utoipa",
    derive(utoipa::IntoParams),
    into_params(parameter_in = Query)
)]
pub struct CursorRequest {
    /// Where the page begins, as the page before it said; the first page without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "utoipa", param(max_length = 512))]
    cursor: Option<String>,
    /// The most items on the page.
    #[cfg_attr(
        feature = "utoipa",
        param(default = 20, minimum = 1, maximum = 100, required = false)
    )]
    limit: u32,
}

#[derive(Deserialize)]
struct RawCursorRequest {
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default = "default_limit")]
    limit: u32,
}

impl CursorRequest {
    /// The longest cursor, in bytes.
    pub const MAX_CURSOR: usize = 512;

    /// `limit` items, 1 to [`PageRequest::MAX_LIMIT`](crate::PageRequest::MAX_LIMIT), from `cursor` on.
    ///
    /// # Errors
    ///
    /// `Validation`, naming the field that is out of its bounds.
    pub fn new(cursor: Option<String>, limit: u32) -> Result<Self, ServiceError> {
        check_limit(limit)?;
        let cursor = cursor.filter(|cursor| !cursor.is_empty());
        if let Some(len) = cursor.as_ref().map(String::len)
            && len > Self::MAX_CURSOR
        {
            let expected = format!("expected at most {} bytes, got {len}", Self::MAX_CURSOR);
            return Err(ServiceError::Validation(
                Violation::new("cursor", expected).into(),
            ));
        }
        Ok(Self { cursor, limit })
    }

    /// Where the page begins; `None` for the first one.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// The most items on the page.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.limit
    }
}

impl Default for CursorRequest {
    fn default() -> Self {
        Self {
            cursor: None,
            limit: default_limit(),
        }
    }
}

impl TryFrom<RawCursorRequest> for CursorRequest {
    type Error = ServiceError;

    fn try_from(raw: RawCursorRequest) -> Result<Self, ServiceError> {
        Self::new(raw.cursor, raw.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_and_name_their_field() {
        let long = Some("a".repeat(513));
        let cases = [
            (None, 0, "limit"),
            (None, 101, "limit"),
            (long, 1, "cursor"),
        ];
        for (cursor, limit, field) in cases {
            let error = CursorRequest::new(cursor, limit).unwrap_err();
            assert_eq!(error.violations()[0].field, field);
        }
        assert!(serde_json::from_str::<CursorRequest>(r#"{"limit":101}"#).is_err());
    }

    #[test]
    fn the_first_page_has_no_cursor() {
        for json in ["{}", r#"{"cursor":""}"#, r#"{"cursor":null}"#] {
            let request: CursorRequest = serde_json::from_str(json).unwrap();
            assert_eq!(request, CursorRequest::default(), "{json}");
        }
    }
}
