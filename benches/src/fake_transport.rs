//! A transport without a network: it answers at once, with a post in the envelope of a success.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use nova_errors::ServiceError;
use nova_models::{CommandResponse, RequestId, headers};
use tower::Service;

use crate::post::Post;

/// See the [module](self). Cloning one is cheap.
#[derive(Debug, Clone)]
pub struct FakeTransport {
    before_id: Arc<[u8]>,
    after_id: Arc<[u8]>,
}

impl FakeTransport {
    /// A transport whose answers hold [`Post::sample`].
    ///
    /// # Errors
    ///
    /// `Internal` where the answer cannot be written.
    pub fn new() -> Result<Self, ServiceError> {
        let id = RequestId::new();
        let internal = || ServiceError::Internal("write the answer".into());
        let answer = CommandResponse::ok(id.clone(), Post::sample());
        let answer =
            serde_json::to_string(&answer).map_err(|error| internal().with_source(error))?;
        let (before, after) = answer.split_once(id.as_str()).ok_or_else(internal)?;
        Ok(Self {
            before_id: before.as_bytes().into(),
            after_id: after.as_bytes().into(),
        })
    }

    /// The answer to a request: it bears the id of the header.
    #[must_use]
    pub fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let id = request.headers().get(headers::REQUEST_ID);
        let id = id.map_or(&[][..], |id| id.as_bytes());
        let body = [&self.before_id, id, &self.after_id].concat();
        Response::new(body.into())
    }
}

impl Service<Request<Bytes>> for FakeTransport {
    type Response = Response<Bytes>;
    type Error = ServiceError;
    type Future = Ready<Result<Response<Bytes>, ServiceError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        ready(Ok(self.answer(&request)))
    }
}
