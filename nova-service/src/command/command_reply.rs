use axum::response::{IntoResponse, Response};
use nova_models::{CommandResponse, RequestId};
use serde::Serialize;

use crate::Json;

/// The answer of a command that succeeded: an envelope with the request's id. See
/// [`Command::reply`](crate::Command::reply).
#[derive(Debug, Clone)]
pub struct CommandReply<T>(CommandResponse<T>);

impl<T> CommandReply<T> {
    pub(super) fn new(request_id: RequestId, data: T) -> Self {
        Self(CommandResponse::ok(request_id, data))
    }

    /// The envelope.
    #[must_use]
    pub fn envelope(&self) -> &CommandResponse<T> {
        &self.0
    }
}

impl<T: Serialize> IntoResponse for CommandReply<T> {
    fn into_response(self) -> Response {
        Json(self.0).into_response()
    }
}
