use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use nova_errors::{Effect, GrpcCode, Origin, ServiceError};
use nova_models::{CallContext, Deadline, Idempotency, RequestId, ServiceName, headers};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tonic::Status;
use tonic::body::Body;
use tonic::transport::Channel;
use tower_layer::Layer;
use tower_service::Service;
use tracing::field::display;
use tracing::{Instrument, Span};

use super::GrpcChannelBuilder;
use super::answer;
use super::buffered_body::{BufferedBody, Unbuffered};
use super::call_record::CallRecord;
use super::exchange::{self, Exchange};
use super::methods::Methods;
use super::outgoing::{self, Outgoing};
use super::timeout;
use crate::attempt_timeout::AttemptTimeoutLayer;
use crate::bulkhead::Bulkhead;
use crate::circuit_breaker::{BreakerState, Circuit, CircuitBreakerService};
use crate::retry::{Account, RetryFuture, RetryLayer};
use crate::{Call, deadline};

/// A gRPC channel whose unary calls go through the policies: see the [module](super).
///
/// It is a `tower` service as generated clients take it, over tonic's `Channel` or any other service of that kind. Make one for each
/// server and clone it: clones share the connection, the budget, the circuit and the permits.
pub struct GrpcChannel<S = Channel> {
    channel: S,
    policies: Arc<Policies>,
}

/// What all clones share.
pub(super) struct Policies {
    pub(super) source: ServiceName,
    pub(super) deadline: Duration,
    pub(super) retry: RetryLayer,
    pub(super) account: Arc<Account>,
    pub(super) circuit: Option<Arc<Circuit>>,
    pub(super) permits: Option<Arc<Semaphore>>,
    pub(super) idempotent: Methods,
    pub(super) streaming: Methods,
    /// Of a request and of an answer, frame included.
    pub(super) max_body: usize,
}

/// A call over a [`GrpcChannel`].
pub type GrpcFuture = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

impl GrpcChannel {
    /// Begins a channel for the calls of the service `source`.
    pub fn builder(source: &str) -> GrpcChannelBuilder {
        GrpcChannelBuilder::new(source)
    }
}

impl<S> GrpcChannel<S> {
    pub(super) fn new(channel: S, policies: Policies) -> Self {
        Self {
            channel,
            policies: Arc::new(policies),
        }
    }

    /// What the circuit does with the next call; `None` without a breaker.
    #[must_use]
    pub fn breaker_state(&self) -> Option<BreakerState> {
        let circuit = self.policies.circuit.as_ref();
        circuit.map(|circuit| circuit.state())
    }

    /// The retries that are left in the budget, in parts of one too; `None` without a budget.
    #[must_use]
    pub fn retries_available(&self) -> Option<f64> {
        self.policies.account.level(Instant::now())
    }
}

impl<S, B> Service<Request<Body>> for GrpcChannel<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Status;
    type Future = GrpcFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // Each attempt waits for the channel by itself, within its deadline.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> GrpcFuture {
        let context = CallContext::current().unwrap_or_default();
        let channel = self.clone();
        Box::pin(async move {
            let outcome = channel.run(request, &context).await;
            outcome.map_err(into_status)
        })
    }
}

impl<S, B> GrpcChannel<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    async fn run(
        self,
        mut request: Request<Body>,
        context: &CallContext,
    ) -> Result<Response<Body>, ServiceError> {
        let policies = &self.policies;
        outgoing::complete(request.headers_mut(), policies.source.as_str(), context)?;
        if policies.streaming.contain(request.uri().path()) {
            return pass(self.channel, request, context).await;
        }
        let span = span(&request, context);
        let call = CallRecord::start(request.uri().path());
        let outcome = self.unary(request, context).instrument(span.clone()).await;
        call.finish(&outcome);
        record(&span, &outcome);
        outcome
    }

    async fn unary(
        self,
        request: Request<Body>,
        context: &CallContext,
    ) -> Result<Response<Body>, ServiceError> {
        let policies = &self.policies;
        let call = policies.prepare(request, context).await?;
        let timely = AttemptTimeoutLayer.layer(Exchange::new(self.channel, policies.max_body));
        let guarded = CircuitBreakerService::new(timely, policies.circuit.clone());
        let bounded = Bulkhead::new(guarded, policies.permits.clone());
        RetryFuture::new(bounded, policies.retry.clone(), call).await
    }
}

impl Policies {
    async fn prepare(
        &self,
        request: Request<Body>,
        context: &CallContext,
    ) -> Result<Call<Arc<Outgoing>>, ServiceError> {
        let (parts, body) = request.into_parts();
        let now = Instant::now().into_std();
        let mut deadline = deadline::overall(self.deadline, context, now);
        if let Some(left) = parts
            .headers
            .get(timeout::GRPC_TIMEOUT)
            .and_then(timeout::read)
        {
            deadline = deadline.earlier(Deadline::after(now, left));
        }
        let idempotent = match parts.extensions.get::<Idempotency>() {
            Some(idempotency) => idempotency.is_idempotent(),
            None => self.idempotent.contain(parts.uri.path()),
        };
        // A stream that was not named as one may never end.
        let until = Instant::from_std(deadline.instant());
        let body = timeout_at(until, BufferedBody::collect(body, self.max_body))
            .await
            .map_err(|_| ServiceError::Timeout("the request is not at its end".into()))
            .and_then(|body| body.map_err(|fault| self.unsent(fault)))
            .map_err(|error| error.with_origin(Origin::Local).with_effect(Effect::None))?;
        let outgoing = Outgoing::new(parts, body);
        Ok(Call::new(Arc::new(outgoing), deadline).idempotent(idempotent))
    }

    fn unsent(&self, fault: Unbuffered<Status>) -> ServiceError {
        match fault {
            Unbuffered::Failed(status) => status.into(),
            Unbuffered::TooLong => ServiceError::PayloadTooLarge(
                format!("the request is over {} bytes", self.max_body).into(),
            ),
            Unbuffered::TooManyPieces => {
                ServiceError::PayloadTooLarge("the request is in too many pieces".into())
            }
        }
    }
}

/// A stream goes by all policies.
async fn pass<S, B>(
    channel: S,
    mut request: Request<Body>,
    context: &CallContext,
) -> Result<Response<Body>, ServiceError>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if context.deadline.is_some() && !request.headers().contains_key(timeout::GRPC_TIMEOUT) {
        let now = Instant::now().into_std();
        let left = deadline::overall(Deadline::MAX, context, now).left(now);
        let left = timeout::header_value(left);
        request.headers_mut().insert(timeout::GRPC_TIMEOUT, left);
    }
    let mut response = exchange::send(channel, request).await?;
    answer::status(response.headers_mut());
    Ok(response.map(|body| {
        Body::new(body.map_frame(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                answer::status(trailers);
            }
            frame
        }))
    }))
}

fn span(request: &Request<Body>, context: &CallContext) -> Span {
    let method = request.uri().path().trim_start_matches('/');
    let id = request.headers().get(headers::REQUEST_ID);
    tracing::info_span!(
        "call",
        otel.kind = "client",
        otel.name = method,
        rpc.system.name = "grpc",
        rpc.method = method,
        request_id = id.and_then(|id| id.to_str().ok()),
        correlation_id = context.request_id.as_ref().map(RequestId::as_str),
        http.request.resend_count = tracing::field::Empty,
        rpc.response.status_code = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
    )
}

fn record<T>(span: &Span, outcome: &Result<T, ServiceError>) {
    let error = outcome.as_ref().err();
    let code = error.map_or(GrpcCode::Ok, |error| error.kind().grpc_code());
    span.record("rpc.response.status_code", display(code));
    if let Some(error) = error {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", error.code());
    }
}

/// The status that is fit to be handed on; the error itself is its source.
fn into_status(error: ServiceError) -> Status {
    let mut status = Status::from(&error);
    status.set_source(Arc::new(error));
    status
}

impl<S: Clone> Clone for GrpcChannel<S> {
    fn clone(&self) -> Self {
        Self {
            channel: self.channel.clone(),
            policies: Arc::clone(&self.policies),
        }
    }
}

impl<S> fmt::Debug for GrpcChannel<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcChannel")
            .field("source", &self.policies.source.as_str())
            .field("deadline", &self.policies.deadline)
            .field("retry", &self.policies.retry)
            .finish_non_exhaustive()
    }
}
