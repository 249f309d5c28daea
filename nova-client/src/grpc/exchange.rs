use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use nova_errors::ServiceError;
use nova_models::Deadline;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};
use tower_service::Service;

use super::answer;
use super::outgoing::Outgoing;
use crate::Attempt;

/// Sends one attempt and holds its answer until its status is known.
#[derive(Clone)]
pub(super) struct Exchange<S> {
    channel: S,
    max_body: usize,
}

impl<S> Exchange<S> {
    pub(super) fn new(channel: S, max_body: usize) -> Self {
        Self { channel, max_body }
    }
}

impl<S, B> Service<Attempt<Arc<Outgoing>>> for Exchange<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = ServiceError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, ServiceError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        // A channel becomes ready by connecting, which is part of the attempt and of its time-out.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, attempt: Attempt<Arc<Outgoing>>) -> Self::Future {
        let channel = self.channel.clone();
        let max_body = self.max_body;
        Box::pin(async move {
            let request = attempt.request().request(&attempt);
            let outcome = match send(channel, request).await {
                Ok(response) => answer::read(response, max_body).await,
                Err(error) => Err(error),
            };
            outcome.map_err(|error| timed_out_at(attempt.deadline(), error))
        })
    }
}

/// Sends a request when the channel is ready.
pub(super) async fn send<S, B>(
    mut channel: S,
    request: Request<Body>,
) -> Result<Response<B>, ServiceError>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let fault = |error: S::Error| ServiceError::from(Status::from_error(error.into()));
    poll_fn(|cx| channel.poll_ready(cx)).await.map_err(fault)?;
    channel.call(request).await.map_err(fault)
}

/// A timer on the way or at the server may strike before the one here, and all that it says is `CANCELLED`.
fn timed_out_at(deadline: Deadline, error: ServiceError) -> ServiceError {
    let cancelled = |status: &Status| status.code() == Code::Cancelled;
    let is_cancelled = error.find_source::<Status>().is_some_and(cancelled);
    if is_cancelled && deadline.is_over(Instant::now().into_std()) {
        return ServiceError::Timeout("wait for the answer".into())
            .with_origin(error.origin())
            .with_source(error);
    }
    error
}
