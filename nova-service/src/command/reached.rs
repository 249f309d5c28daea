use std::task::{Context, Poll};

use axum::extract::Request;
use tower::{Layer, Service};

use super::CommandMark;

/// The innermost layer of an endpoint: tells the [`CommandMark`] that the request has passed all others.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReachedLayer;

#[derive(Debug, Clone)]
pub(super) struct Reached<S>(S);

impl<S> Layer<S> for ReachedLayer {
    type Service = Reached<S>;

    fn layer(&self, inner: S) -> Reached<S> {
        Reached(inner)
    }
}

impl<S: Service<Request>> Service<Request> for Reached<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> S::Future {
        CommandMark::of(&request).set_at_handler();
        self.0.call(request)
    }
}
