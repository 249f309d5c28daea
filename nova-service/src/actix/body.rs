use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures::future::LocalBoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use http_body_util::StreamBody;
use hyper::body::Frame;
use nova_errors::{Effect, ServiceError};

use crate::command::CommandMark;
use crate::header_view::HeaderView;
use crate::patient_body::PatientBody;
use crate::{BodyLimit, RawBody};

impl FromRequest for RawBody {
    type Error = ServiceError;
    type Future = LocalBoxFuture<'static, Result<Self, ServiceError>>;

    /// # Errors
    ///
    /// `PayloadTooLarge` for a body over the limit, `Validation` for one that breaks off. The effect is none: no handler ran.
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let mark = mark_of(request);
        let body = read_body(request, payload);
        Box::pin(async move {
            let body = body
                .await
                .map_err(|error| error.with_effect(Effect::None))?;
            mark.hand_over();
            Ok(Self(body))
        })
    }
}

/// The mark that the layer put into the request; a new one, that nobody reads, where there is no layer.
pub(super) fn mark_of(request: &HttpRequest) -> CommandMark {
    let extensions = request.extensions();
    extensions.get::<CommandMark>().cloned().unwrap_or_default()
}

/// The whole body, within the limit of the route or else of the layer.
pub(super) fn read_body(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<Bytes, ServiceError>> + use<> {
    let limit = request
        .app_data::<BodyLimit>()
        .or(request.extensions().get())
        .copied()
        .unwrap_or_default();
    let announced = request
        .headers()
        .text(header::CONTENT_LENGTH.as_str())
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let mark = mark_of(request);
    let body = StreamBody::new(payload.take().map_ok(Frame::data));
    let body = PatientBody::new(body);
    async move {
        // actix-web has told a client that waits for the word to go on, before it called anybody.
        let read = limit.read(body, announced, false).await;
        mark.take_back();
        read
    }
}

/// The body of a command: whoever reads it has the command.
pub(super) fn watched(mut payload: Payload, mark: CommandMark) -> Payload {
    let stream = stream::poll_fn(move |cx| {
        mark.hand_over();
        payload.poll_next_unpin(cx)
    });
    Payload::Stream {
        payload: stream.boxed_local(),
    }
}
