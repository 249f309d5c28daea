use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use axum::extract::Request;
use nova_errors::{Effect, ServiceError};
use nova_models::RequestId;

/// What the inside tells [`ServiceLayer`](crate::ServiceLayer) of a request: that it is a command, so that failures are answered as an envelope, the id
/// in its envelope, and how far it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommandMark(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_command: AtomicBool,
    at_handler: AtomicBool,
    handed_over: AtomicBool,
    request_id: OnceLock<RequestId>,
}

impl CommandMark {
    /// The mark that the layer put into the request; a new one, that nobody reads, where there is no layer.
    pub(crate) fn of(request: &Request) -> Self {
        let mark: Option<&Self> = request.extensions().get();
        mark.cloned().unwrap_or_default()
    }

    pub(crate) fn set(&self) {
        self.0.is_command.store(true, Ordering::Relaxed);
    }

    /// The request has passed all layers; what is left are the handler and its extractors.
    pub(crate) fn set_at_handler(&self) {
        self.0.at_handler.store(true, Ordering::Relaxed);
    }

    /// From here on the command may take effect: somebody has read its body.
    pub(crate) fn hand_over(&self) {
        self.0.handed_over.store(true, Ordering::Relaxed);
    }

    /// It was this crate that read the body, and the handler has not seen it.
    pub(crate) fn take_back(&self) {
        self.0.handed_over.store(false, Ordering::Relaxed);
    }

    /// What `error` says of the effect of the command that it is to answer.
    pub(crate) fn effect_of(&self, error: &ServiceError) -> Effect {
        // A handler can do without the command's body. Its extractors refuse what trying again does not mend.
        let may_have_run = self.is_handed_over()
            || (self.0.at_handler.load(Ordering::Relaxed) && error.is_retryable());
        // That a call inside the handler had no effect says nothing of what the handler did before.
        if may_have_run {
            Effect::Unknown
        } else {
            error.effect()
        }
    }

    pub(crate) fn is_handed_over(&self) -> bool {
        self.0.handed_over.load(Ordering::Relaxed)
    }

    /// The first id stays.
    pub(crate) fn set_request_id(&self, id: RequestId) {
        let _: Result<(), _> = self.0.request_id.set(id);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.is_command.load(Ordering::Relaxed)
    }

    pub(crate) fn request_id(&self) -> Option<&RequestId> {
        self.0.request_id.get()
    }
}
