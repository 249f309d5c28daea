use nova_errors::ServiceError;
use nova_events::{DomainEvent, NewEvent};

/// What can be enqueued: a reference to a typed event, or a [`NewEvent`] where the metadata is set by hand or a batch mixes types.
pub trait IntoNewEvent {
    /// The event, valid and serialized.
    ///
    /// # Errors
    ///
    /// Those of [`NewEvent::new`].
    fn into_new_event(self) -> Result<NewEvent, ServiceError>;
}

impl<E: DomainEvent> IntoNewEvent for &E {
    fn into_new_event(self) -> Result<NewEvent, ServiceError> {
        NewEvent::new(self)
    }
}

impl IntoNewEvent for NewEvent {
    fn into_new_event(self) -> Result<NewEvent, ServiceError> {
        Ok(self)
    }
}
