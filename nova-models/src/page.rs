use nova_errors::{ServiceError, Violation};
use serde::{Deserialize, Serialize};

use crate::CursorRequest;

/// Which page of a list is asked for: `?page=2&limit=50`.
///
/// ```
/// use nova_models::PageRequest;
///
/// let page = PageRequest::new(2, 50)?;
/// assert_eq!(page.offset(), 50);
/// assert!(PageRequest::new(1, 101).is_err());
/// # Ok::<(), nova_errors::ServiceError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawPageRequest")]
#[cfg_attr(
    feature = "utoipa",
    derive(utoipa::IntoParams),
    into_params(parameter_in = Query)
)]
pub struct PageRequest {
    /// The page, from 1.
    #[cfg_attr(feature = "utoipa", param(default = 1, minimum = 1, required = false))]
    page: u32,
    /// The most items on the page.
    #[cfg_attr(
        feature = "utoipa",
        param(default = 20, minimum = 1, maximum = 100, required = false)
    )]
    limit: u32,
}

#[derive(Deserialize)]
struct RawPageRequest {
    #[serde(default = "first_page")]
    page: u32,
    #[serde(default = "default_limit")]
    limit: u32,
}

const fn first_page() -> u32 {
    1
}

pub(crate) const fn default_limit() -> u32 {
    PageRequest::DEFAULT_LIMIT
}

impl PageRequest {
    /// The most items on a page.
    pub const MAX_LIMIT: u32 = 100;
    /// The items on a page where nobody says.
    pub const DEFAULT_LIMIT: u32 = 20;

    /// Page `page`, from 1, of `limit` items, 1 to 100.
    ///
    /// # Errors
    ///
    /// `Validation`, naming the field that is out of its bounds.
    pub fn new(page: u32, limit: u32) -> Result<Self, ServiceError> {
        if page == 0 {
            let violation = Violation::new("page", "expected 1 or more, got 0");
            return Err(ServiceError::Validation(violation.into()));
        }
        check_limit(limit)?;
        Ok(Self { page, limit })
    }

    /// The page, from 1.
    #[must_use]
    pub const fn page(&self) -> u32 {
        self.page
    }

    /// The most items on the page.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// The items before the page.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        (self.page as u64 - 1) * self.limit as u64
    }
}

pub(crate) fn check_limit(limit: u32) -> Result<(), ServiceError> {
    if (1..=PageRequest::MAX_LIMIT).contains(&limit) {
        return Ok(());
    }
    let violation = Violation::new("limit", format!("expected 1 to 100, got {limit}"));
    Err(ServiceError::Validation(violation.into()))
}

impl Default for PageRequest {
    fn default() -> Self {
        Self {
            page: first_page(),
            limit: default_limit(),
        }
    }
}

impl TryFrom<RawPageRequest> for PageRequest {
    type Error = ServiceError;

    fn try_from(raw: RawPageRequest) -> Result<Self, ServiceError> {
        Self::new(raw.page, raw.limit)
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schemars",
    derive(schemars::JsonSchema),
    schemars(rename = "PagedResponse_{T}")
)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct PagedResponse<T> {
    /// The items of the page.
    pub items: Vec<T>,
    /// The items of the whole list.
    pub total: u64,
    /// The page, from 1; always 1 where the list is read by cursor.
    pub page: u32,
    /// The most items on a page.
    pub limit: u32,
    /// Whether there is a further page.
    pub has_more: bool,
    /// Where the next page begins, for lists that are read by cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> PagedResponse<T> {
    /// The page that `request` asked for, out of a list of `total`.
    pub fn new(items: Vec<T>, total: u64, request: PageRequest) -> Self {
        let end = request.offset().saturating_add(items.len() as u64);
        Self {
            items,
            total,
            page: request.page,
            limit: request.limit,
            has_more: end < total,
            next_cursor: None,
        }
    }

    /// The page that `request` asked for, out of a list of `total` that is read by cursor.
    ///
    /// `rows` are the items from the cursor on, and *one more* than [`limit`](CursorRequest::limit) where there is one: that one
    /// tells that there is a further page, and is left out. `cursor` makes the cursor of the next page from the last
    /// item of this one.
    ///
    /// ```
    /// use nova_models::{CursorRequest, PagedResponse};
    ///
    /// let request = CursorRequest::new(None, 2)?;
    /// let page = PagedResponse::by_cursor(vec![7, 8, 9], 5, &request, |last| format!("after-{last}"));
    /// assert_eq!(page.items, [7, 8]);
    /// assert_eq!(page.next_cursor.as_deref(), Some("after-8"));
    /// # Ok::<(), nova_errors::ServiceError>(())
    /// ```
    pub fn by_cursor(
        mut rows: Vec<T>,
        total: u64,
        request: &CursorRequest,
        cursor: impl FnOnce(&T) -> String,
    ) -> Self {
        let limit = request.limit() as usize;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| has_more).map(cursor);
        Self {
            items: rows,
            total,
            page: first_page(),
            limit: request.limit(),
            has_more,
            next_cursor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_the_fields_of_the_wire_contract() {
        let page = PagedResponse::new(vec!["c", "d"], 5, PageRequest::new(2, 2).unwrap());
        insta::assert_json_snapshot!(page, @r#"
        {
          "items": [
            "c",
            "d"
          ],
          "total": 5,
          "page": 2,
          "limit": 2,
          "has_more": true
        }
        "#);
    }

    #[test]
    fn the_last_page_by_cursor_has_no_further_one() {
        let request = CursorRequest::new(Some("after-c".to_owned()), 2).unwrap();
        let full = PagedResponse::by_cursor(vec!["d", "e"], 5, &request, |_| unreachable!());
        assert!(!full.has_more);
        assert_eq!(full.next_cursor, None);
        let empty = PagedResponse::by_cursor(Vec::<&str>::new(), 5, &request, |_| unreachable!());
        assert!(!empty.has_more);
    }

    #[test]
    fn a_page_by_cursor_says_where_the_next_one_begins() {
        let request = CursorRequest::new(None, 2).unwrap();
        let page = PagedResponse::by_cursor(vec!["a", "b", "c"], 5, &request, |last| {
            format!("after-{last}")
        });
        insta::assert_snapshot!(serde_json::to_string(&page).unwrap(), @r#"{"items":["a","b"],"total":5,"page":1,"limit":2,"has_more":true,"next_cursor":"after-b"}"#);
    }

    #[test]
    fn bounds_hold_for_what_is_read_too() {
        for json in [r#"{"page":0}"#, r#"{"limit":0}"#, r#"{"limit":101}"#] {
            assert!(serde_json::from_str::<PageRequest>(json).is_err(), "{json}");
        }
        let default: PageRequest = serde_json::from_str("{}").unwrap();
        assert_eq!(default, PageRequest::default());
    }

    #[test]
    fn the_last_page_has_no_more() {
        let request = PageRequest::new(3, 2).unwrap();
        assert!(!PagedResponse::new(vec!["e"], 5, request).has_more);
    }
}
