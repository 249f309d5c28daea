mod command_mark;
mod command_path;
mod command_reply;
mod command_router;
mod endpoint_claims;
mod envelope;
mod idempotency_key;
mod reached;
mod typed_handler;
mod unknown_command;
mod watched_body;

use std::ops::Deref;

use axum::extract::{FromRequest, Request};
use nova_errors::{Effect, ServiceError};
use nova_models::{CommandRequest, RequestId};
use serde::de::DeserializeOwned;

use crate::body_limit::read_body;

pub(crate) use command_mark::CommandMark;
pub(crate) use command_path::{COMMAND_ROUTE, command_path};
pub use command_reply::CommandReply;
pub use command_router::CommandRouter;
pub(crate) use endpoint_claims::EndpointClaims;
pub(crate) use envelope::{Envelope, peek_request_id};
pub use idempotency_key::IdempotencyKey;
pub(crate) use typed_handler::answer;
pub(crate) use unknown_command::{no_such_route, refuse};
pub(crate) use watched_body::WatchedBody;

/// A command out of its envelope, as the last argument of an axum handler; with the feature `actix` also of one of actix-web. It
/// derefs to `T`.
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
    let envelope = Envelope::expect(mark, request.headers(), request.uri().path())?;
    let body = read_body(request).await?;
    envelope.open(&body)
}
