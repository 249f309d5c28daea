mod command_mark;
mod command_path;
mod command_reply;
mod command_router;
mod idempotency_key;

use std::ops::Deref;

use axum::extract::{FromRequest, Request};
use nova_errors::{Effect, ServiceError, Violation};
use nova_models::{CommandRequest, RequestId, headers};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::body_limit::read_body;
use crate::json::{expect_json, from_json, invalid};

pub(crate) use command_mark::CommandMark;
pub(crate) use command_path::{COMMAND_ROUTE, command_path};
pub use command_reply::CommandReply;
pub use command_router::CommandRouter;
pub use idempotency_key::IdempotencyKey;

/// A command out of its envelope, as the last argument of an axum handler. It derefs to `T`.
///
/// The envelope, the header `x-request-id` and the path must agree. Answer with [`reply`](Self::reply); an error of the handler is
/// answered as an envelope by [`ServiceLayer`](crate::ServiceLayer).
///
/// ```
/// use nova_errors::ServiceError;
/// use nova_service::{Command, CommandReply};
///
/// #[derive(serde::Deserialize)]
/// struct GetStreamInfo { stream_id: u64 }
///
/// #[derive(serde::Serialize)]
/// struct StreamInfo { viewers: u32 }
///
/// async fn info(command: Command<GetStreamInfo>) -> Result<CommandReply<StreamInfo>, ServiceError> {
///     if command.stream_id != 42 {
///         return Err(ServiceError::NotFound(format!("stream {}", command.stream_id).into()));
///     }
///     Ok(command.reply(StreamInfo { viewers: 3 }))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Command<T> {
    request: CommandRequest<T>,
    idempotency_key: Option<IdempotencyKey>,
}

impl<T> Command<T> {
    /// The id of the request: the envelope's, the same over all attempts of the caller.
    #[must_use]
    pub fn request_id(&self) -> &RequestId {
        &self.request.request_id
    }

    /// Who sends it, by its own word: for logs, and for nothing else.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.request.source_service
    }

    /// What makes two commands the same one, where the caller said so.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.idempotency_key.as_ref()
    }

    /// The answer of a success.
    #[must_use]
    pub fn reply<R>(&self, data: R) -> CommandReply<R> {
        CommandReply::new(self.request.request_id.clone(), data)
    }

    /// The command itself.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.request.command
    }
}

impl<T> Deref for Command<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.request.command
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Command<T> {
    type Rejection = ServiceError;

    /// # Errors
    ///
    /// `Validation` where the content type is another, the envelope or the command in it is malformed, or envelope, headers and path disagree;
    /// `PayloadTooLarge` for a body over the [`BodyLimit`](crate::BodyLimit). The effect is none: no handler ran.
    async fn from_request(request: Request, _state: &S) -> Result<Self, ServiceError> {
        read(request)
            .await
            .map_err(|error| error.with_effect(Effect::None))
    }
}

async fn read<T: DeserializeOwned>(request: Request) -> Result<Command<T>, ServiceError> {
    let mark = CommandMark::of(&request);
    mark.set();
    expect_json(request.headers())?;
    let given_id = request.headers().get(headers::REQUEST_ID).cloned();
    let idempotency_key = IdempotencyKey::from_headers(request.headers());
    let target = command_path(request.uri().path()).map(|(target, _)| target.to_owned());
    let body = read_body(request).await?;
    // Derived types also read an array of their fields, which is no envelope.
    if body.trim_ascii_start().first().is_some_and(|c| *c == b'[') {
        return Err(invalid(Violation::new("body", "expected an object")));
    }
    let request: CommandRequest<T> = from_json(&body).map_err(|violation| {
        if let Some(id) = peek_request_id(&body) {
            mark.set_request_id(id);
        }
        invalid(violation)
    })?;
    mark.set_request_id(request.request_id.clone());
    if given_id.is_some_and(|id| id.as_bytes() != request.request_id.as_bytes()) {
        return Err(invalid(Violation::new(
            headers::REQUEST_ID,
            "differs from the envelope's request_id",
        )));
    }
    if target.is_some_and(|target| target != request.target_service) {
        return Err(invalid(Violation::new(
            "target_service",
            "differs from the target in the path",
        )));
    }
    let idempotency_key = idempotency_key?;
    mark.hand_over();
    Ok(Command {
        request,
        idempotency_key,
    })
}

/// The id of an envelope whose rest may be wrong.
fn peek_request_id(body: &[u8]) -> Option<RequestId> {
    #[derive(Deserialize)]
    struct Envelope {
        request_id: RequestId,
    }
    let envelope: Envelope = serde_json::from_slice(body).ok()?;
    Some(envelope.request_id)
}
