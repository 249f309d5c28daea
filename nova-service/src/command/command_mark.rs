use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use axum::extract::Request;
use nova_models::RequestId;

/// What the inside tells [`ServiceLayer`](crate::ServiceLayer) of a request: that it is a command, so that failures are answered as an envelope, the id
/// in its envelope, and whether the handler had it.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommandMark(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_command: AtomicBool,
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

    /// From here on the command may take effect: an extractor has given its body to the handler.
    pub(crate) fn hand_over(&self) {
        self.0.handed_over.store(true, Ordering::Relaxed);
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
