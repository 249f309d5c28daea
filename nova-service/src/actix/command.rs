use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder};
use futures::future::LocalBoxFuture;
use nova_errors::{Effect, ServiceError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::body::{mark_of, read_body};
use crate::command::Envelope;
use crate::{Command, CommandReply, Json};

impl<T: DeserializeOwned + 'static> FromRequest for Command<T> {
    type Error = ServiceError;
    type Future = LocalBoxFuture<'static, Result<Self, ServiceError>>;

    /// # Errors
    ///
    /// `Validation` where the content type is another, the envelope or the command in it is malformed, or envelope, headers and path disagree;
    /// `PayloadTooLarge` for a body over the [`BodyLimit`](crate::BodyLimit). The effect is none: no handler ran.
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let envelope = Envelope::expect(mark_of(request), request.headers(), request.uri().path());
        let body = read_body(request, payload);
        let command = async move { envelope?.open(&body.await?) };
        Box::pin(async move {
            command
                .await
                .map_err(|error: ServiceError| error.with_effect(Effect::None))
        })
    }
}

impl<T: Serialize> Responder for CommandReply<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        Json(self.envelope()).respond_to(request)
    }
}
