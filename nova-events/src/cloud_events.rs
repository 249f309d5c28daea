use bytes::Bytes;
use nova_errors::ServiceError;
use nova_models::ServiceName;
use uuid::Uuid;

use crate::field::refused;
use crate::{EventRecord, record_header as header};

/// The version of CloudEvents that is written.
const SPEC_VERSION: &str = "1.0";

/// What the content type of a CloudEvent in structured or batched mode begins with.
const STRUCTURED: &[u8] = b"application/cloudevents";

impl EventRecord {
    /// Adds the headers of the [CloudEvents](https://cloudevents.io) 1.0 binding for Kafka, in binary mode, beside those
    /// that are there: `ce_specversion`, `ce_id`, `ce_source`, `ce_type`, `ce_time` and `content-type`.
    ///
    /// `source` stands in where the record does not say who produced it. A record that is no event, or has the
    /// headers already, stays as it is.
    ///
    /// ```
    /// use nova_events::{EventRecord, NewEvent};
    /// use nova_events::social::FollowCreated;
    /// use uuid::Uuid;
    ///
    /// let event = NewEvent::new(&FollowCreated {
    ///     follower_id: Uuid::from_u128(1),
    ///     followee_id: Uuid::from_u128(2),
    ///     created_at: "2025-10-28T00:00:00Z".parse()?,
    /// })?;
    /// let record = EventRecord::from_event(&event, None, "nova.social.events".parse()?)
    ///     .with_cloud_events(&"user-service".parse()?);
    /// assert_eq!(record.header("ce_type"), record.header("event_type"));
    /// assert_eq!(record.header("ce_source"), Some("user-service".as_bytes()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_cloud_events(self, source: &ServiceName) -> Self {
        let copy = |name| self.header(name).map(Bytes::copy_from_slice);
        let (Some(id), Some(event_type)) = (copy(header::EVENT_ID), copy(header::EVENT_TYPE))
        else {
            return self;
        };
        if self.header(header::CE_ID).is_some() {
            return self;
        }
        let time = copy(header::CREATED_AT);
        let source = copy(header::SOURCE)
            .unwrap_or_else(|| Bytes::copy_from_slice(source.as_str().as_bytes()));
        let typed = self.header(header::CONTENT_TYPE).is_some();
        let record = self
            .with_header(header::CE_SPECVERSION, SPEC_VERSION)
            .with_header(header::CE_ID, id)
            .with_header(header::CE_SOURCE, source)
            .with_header(header::CE_TYPE, event_type);
        let record = match time {
            Some(time) => record.with_header(header::CE_TIME, time),
            None => record,
        };
        if typed {
            record
        } else {
            record.with_header(header::CONTENT_TYPE, "application/json")
        }
    }
}

/// Refuses what has the headers of CloudEvents and cannot be read.
pub(crate) fn check(record: &EventRecord) -> Result<(), ServiceError> {
    let structured = record
        .header(header::CONTENT_TYPE)
        .is_some_and(|content_type| content_type.starts_with(STRUCTURED));
    if structured {
        let message = "expected a CloudEvent in binary mode, got structured mode";
        return Err(refused(header::CONTENT_TYPE, message));
    }
    match record.header(header::CE_SPECVERSION) {
        Some(version) if !version.starts_with(b"1.") => {
            Err(refused(header::CE_SPECVERSION, "expected 1.x"))
        }
        _ => Ok(()),
    }
}

/// The deduplication key of a CloudEvent. Its id need not be a UUID: it is unique with its source, so that one is made
/// of the two.
pub(crate) fn event_id(id: &str, source: Option<&str>) -> Result<Uuid, ServiceError> {
    if id.is_empty() {
        return Err(refused(header::CE_ID, "expected an id, got an empty one"));
    }
    Ok(id.parse().unwrap_or_else(|_| {
        let name = format!("{}/{id}", source.unwrap_or_default());
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
    }))
}
