use std::time::Duration;

use nova_errors::{ServiceError, Violation};
use uuid::Uuid;

use crate::Bucket;

/// Which events: those that match all that is set. One that sets nothing matches every event.
///
/// ```
/// use std::time::Duration;
/// use nova_outbox::EventFilter;
///
/// let filter = EventFilter::new()
///     .event_type("content.post.created")
///     .older_than(Duration::from_secs(3600));
/// assert!(!filter.is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    pub(super) ids: Vec<Uuid>,
    pub(super) aggregate_type: Option<String>,
    pub(super) aggregate_id: Option<String>,
    pub(super) event_type: Option<String>,
    pub(super) older_than: Option<Duration>,
}

impl EventFilter {
    /// How many ids a filter can name.
    pub const MAX_IDS: usize = 10_000;

    /// Every event.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only the events with these ids, at most [`MAX_IDS`](Self::MAX_IDS); no ids set nothing.
    #[must_use]
    pub fn ids(mut self, ids: impl IntoIterator<Item = Uuid>) -> Self {
        self.ids = ids.into_iter().collect();
        self
    }

    /// Only events of aggregates of this type.
    #[must_use]
    pub fn aggregate_type(mut self, aggregate_type: impl Into<String>) -> Self {
        self.aggregate_type = Some(aggregate_type.into());
        self
    }

    /// Only events of aggregates with this id. With the type one bucket is looked at, else all 64.
    #[must_use]
    pub fn aggregate_id(mut self, aggregate_id: impl Into<String>) -> Self {
        self.aggregate_id = Some(aggregate_id.into());
        self
    }

    /// Only events of this type.
    #[must_use]
    pub fn event_type(mut self, event_type: impl Into<String>) -> Self {
        self.event_type = Some(event_type.into());
        self
    }

    /// Only what is there for longer than `age`, by the database's clock: since it was enqueued or scheduled, or, for a dead letter, since
    /// it died.
    #[must_use]
    pub fn older_than(mut self, age: Duration) -> Self {
        self.older_than = Some(age);
        self
    }

    /// Whether it sets nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn check(&self) -> Result<(), ServiceError> {
        let texts = [
            ("aggregate_type", &self.aggregate_type),
            ("aggregate_id", &self.aggregate_id),
            ("event_type", &self.event_type),
        ];
        for (field, text) in texts {
            if text.as_ref().is_some_and(|text| text.contains('\0')) {
                return Err(invalid(field, "expected no NUL".to_owned()));
            }
        }
        if self.ids.len() > Self::MAX_IDS {
            let expected = format!("expected at most {}, got {}", Self::MAX_IDS, self.ids.len());
            return Err(invalid("ids", expected));
        }
        Ok(())
    }

    /// The buckets in which such events can be.
    pub(super) fn buckets(&self) -> Vec<i16> {
        match (&self.aggregate_type, &self.aggregate_id) {
            (Some(kind), Some(id)) => vec![Bucket::of(kind, id).number()],
            _ => Bucket::all().map(Bucket::number).collect(),
        }
    }

    /// The ids, where some are set.
    pub(super) fn chosen_ids(&self) -> Option<&[Uuid]> {
        (!self.ids.is_empty()).then_some(&*self.ids)
    }

    pub(super) fn min_age(&self) -> Option<f64> {
        self.older_than.map(|age| age.as_secs_f64())
    }
}

fn invalid(field: &str, expected: String) -> ServiceError {
    ServiceError::Validation(Violation::new(field, expected).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_aggregate_is_looked_for_in_its_bucket_alone() {
        let filter = EventFilter::new().aggregate_type("content");
        assert_eq!(filter.buckets().len(), 64);
        let bucket = Bucket::of("content", "a").number();
        assert_eq!(filter.aggregate_id("a").buckets(), [bucket]);
    }

    #[test]
    fn what_no_database_could_look_for_is_refused() {
        let field = |filter: EventFilter| filter.check().unwrap_err().violations()[0].field.clone();
        assert_eq!(field(EventFilter::new().event_type("a\0")), "event_type");
        let ids = (0..=EventFilter::MAX_IDS).map(|_| Uuid::nil());
        assert_eq!(field(EventFilter::new().ids(ids)), "ids");
    }
}
