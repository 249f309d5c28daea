use std::convert::Infallible;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderValue, Request, header};
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use nova_errors::ServiceError;
use nova_models::headers;
use tonic::Status;
use tonic::transport::server::TcpConnectInfo;
use tower::Service;

use super::GrpcLayer;
use super::body::CallBody;
use super::call::Call;
use crate::service_layer::run;

/// A service within a [`GrpcLayer`].
#[derive(Debug, Clone)]
pub struct LayeredGrpc<S> {
    inner: S,
    layer: GrpcLayer,
}

impl<S> LayeredGrpc<S> {
    pub(super) fn new(inner: S, layer: GrpcLayer) -> Self {
        Self { inner, layer }
    }
}

impl<S, B> Service<Request<B>> for LayeredGrpc<S>
where
    S: Service<Request<B>, Error = Infallible> + Clone + Send + 'static,
    S::Response: IntoResponse,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone may not be ready; the one that was asked is.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move { Ok(serve(inner, request, &layer).await) })
    }
}

async fn serve<S, B>(mut inner: S, mut request: Request<B>, layer: &GrpcLayer) -> Response
where
    S: Service<Request<B>, Error = Infallible>,
    S::Response: IntoResponse,
{
    let (mut call, understood) = Call::begin(layer, request.uri().path(), request.headers());
    tell_peer(&mut request);
    let outcome = match understood {
        // Called inside, so that a panic of `call` itself is caught and the context is there for it too.
        Ok(()) => {
            run(call.context.clone(), &call.span, async {
                let Ok(response) = inner.call(request).await;
                response.into_response()
            })
            .await
        }
        Err(refused) => Err(refused),
    };
    let request_id = HeaderValue::from_str(&call.request_id);
    let mut response = match outcome {
        Ok(response) => conclude(response, call),
        Err(error) => call.fail(&error).into_http(),
    };
    if let Ok(id) = request_id {
        response.headers_mut().insert(headers::REQUEST_ID, id);
    }
    response
}

/// The answer of a layer becomes a status; that of a handler is watched to its end.
fn conclude(mut response: Response, mut call: Call) -> Response {
    if let Some(error) = response.extensions_mut().remove::<ServiceError>() {
        let status: Response = call.fail(&error).into_http();
        return with_headers_of(status, response.headers());
    }
    if response.headers().contains_key(Status::GRPC_STATUS) {
        let status = response.extensions_mut().remove::<Status>();
        call.finish(response.headers_mut(), status.as_ref());
        return response;
    }
    response.map(|body| Body::new(CallBody::new(body, call)))
}

/// Keeps what the layer said beside its body, such as `RateLimit`.
fn with_headers_of(mut status: Response, said: &HeaderMap) -> Response {
    for (name, value) in said {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            status.headers_mut().append(name, value.clone());
        }
    }
    status
}

/// Makes `tonic::Request::remote_addr` work as under tonic's own server.
fn tell_peer<B>(request: &mut Request<B>) {
    let peer: Option<&ConnectInfo<SocketAddr>> = request.extensions().get();
    if let Some(ConnectInfo(peer)) = peer.copied() {
        request.extensions_mut().insert(TcpConnectInfo {
            local_addr: None,
            remote_addr: Some(peer),
        });
    }
}
