//! Calls that succeed at the first attempt, from a bare service to the whole client, with nothing on the way that takes
//! time of its own.
//!
//! Each function prepares a contender, and the contender makes one call.

use std::fmt;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use nova_client::attempt_timeout::{AttemptTimeout, AttemptTimeoutLayer};
use nova_client::balance::BalanceLayer;
use nova_client::bulkhead::BulkheadLayer;
use nova_client::circuit_breaker::{CircuitBreaker, CircuitBreakerLayer};
use nova_client::retry::{RetryBudget, RetryLayer};
use nova_client::{Attempt, Call, ServiceClient};
use nova_errors::{RetryPolicy, ServiceError};
use nova_models::{Command, CommandRequest, CommandResponse, Deadline, headers};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceBuilder, service_fn};

use crate::fake_transport::FakeTransport;
use crate::post::Post;

/// Who calls.
pub const SOURCE: &str = "user-service";

/// Makes one call.
pub struct Contender(Box<dyn FnMut()>);

impl Contender {
    fn new(call: impl FnMut() + 'static) -> Self {
        Self(Box::new(call))
    }

    /// Makes one call.
    pub fn call(&mut self) {
        (self.0)();
    }
}

impl fmt::Debug for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contender")
    }
}

type SharedRequest = Arc<Request<Bytes>>;

/// A service that answers at once. The request is cheap to clone, as the client's own are.
///
/// # Panics
///
/// Never: there is an answer.
#[must_use]
pub fn bare() -> Contender {
    let request = request_of_layers();
    let mut service = service_fn(|request: SharedRequest| answer(&request));
    Contender::new(move || {
        let answer = at_once(async {
            ready_at_once(&mut service).await;
            service.call(Arc::clone(&request)).await
        });
        black_box(answer.expect("an answer"));
    })
}

/// The same below the layers that a client has by default: retry with a budget, endpoint choice with its breaker, attempt time-out.
///
/// # Panics
///
/// Never: the settings are the defaults.
#[must_use]
pub fn layered() -> Contender {
    through(ServiceBuilder::new().layer(retry()).layer(balance()))
}

/// The same with a bulkhead too.
///
/// # Panics
///
/// Never: the settings are the defaults.
#[must_use]
pub fn layered_with_limit() -> Contender {
    let bulkhead = BulkheadLayer::new(256).expect("in range");
    through(
        ServiceBuilder::new()
            .layer(retry())
            .layer(bulkhead)
            .layer(balance()),
    )
}

fn retry() -> RetryLayer {
    let retry = RetryLayer::new(RetryPolicy::standard());
    retry.budget(RetryBudget::standard()).expect("the defaults")
}

fn balance() -> BalanceLayer<&'static str> {
    BalanceLayer::new(["http://peer"], CircuitBreaker::standard()).expect("the defaults")
}

fn through<L>(layers: ServiceBuilder<L>) -> Contender
where
    L: Layer<AttemptTimeout<Answers>>,
    L::Service: Service<Call<SharedRequest>, Response = Response<Bytes>, Error = ServiceError>,
    L::Service: 'static,
{
    let request = request_of_layers();
    let mut service = layers.layer(AttemptTimeoutLayer).service(Answers);
    // The caller's, as one is that a request brought along.
    let deadline = Deadline::after(Instant::now().into_std(), Deadline::MAX);
    Contender::new(move || {
        let call = Call::new(Arc::clone(&request), deadline).idempotent(true);
        let answer = at_once(async {
            ready_at_once(&mut service).await;
            service.call(call).await
        });
        black_box(answer.expect("an answer"));
    })
}

/// The service below the layers.
#[derive(Clone)]
struct Answers;

impl Service<Attempt<SharedRequest, &'static str>> for Answers {
    type Response = Response<Bytes>;
    type Error = ServiceError;
    type Future = Ready<Result<Response<Bytes>, ServiceError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, attempt: Attempt<SharedRequest, &'static str>) -> Self::Future {
        answer(attempt.request())
    }
}

fn request_of_layers() -> SharedRequest {
    Arc::new(Request::new(Bytes::from_static(&[b'x'; 1024])))
}

fn answer(request: &SharedRequest) -> Ready<Result<Response<Bytes>, ServiceError>> {
    ready(Ok(Response::new(request.body().clone())))
}

/// What a call asks of budget and breaker alone.
///
/// # Panics
///
/// Never: the settings are the defaults, and the circuit stays closed.
#[must_use]
pub fn budget_and_breaker() -> Contender {
    let ledger = RetryBudget::standard().ledger().expect("the defaults");
    let layer = CircuitBreakerLayer::new(CircuitBreaker::standard()).expect("the defaults");
    Contender::new(move || {
        let permit = black_box(layer.circuit()).permit().expect("closed");
        permit.settle(black_box(&Ok(())));
        black_box(&ledger).deposit();
    })
}

/// A fake transport and the payload's JSON, without ids, headers and envelope.
///
/// # Panics
///
/// Never: what is written can be read.
#[must_use]
pub fn payload() -> Contender {
    #[derive(Deserialize)]
    struct Data {
        data: Post,
    }
    let post = Post::sample();
    let mut transport = FakeTransport::new().expect("an answer");
    Contender::new(move || {
        let answer = at_once(transport.call(request("r-1", &post)));
        let answer = answer.expect("an answer");
        let Data { data } = serde_json::from_slice(answer.body()).expect("a post");
        black_box(data);
    })
}

/// A fake transport and the same serde work as the client's, a new id and both envelopes included.
///
/// # Panics
///
/// Never: what is written can be read.
#[must_use]
pub fn envelope() -> Contender {
    let post = Post::sample();
    let mut transport = FakeTransport::new().expect("an answer");
    Contender::new(move || {
        let envelope = CommandRequest::new(SOURCE, Post::TARGET, &post);
        let request = request(&envelope.request_id, &envelope);
        let answer = at_once(transport.call(request)).expect("an answer");
        black_box(reply(answer.body()));
    })
}

/// A request with as few headers as it takes.
fn request(id: &str, body: &impl Serialize) -> Request<Bytes> {
    let body = serde_json::to_vec(body).expect("JSON");
    Request::post("http://peer/api/v1/content-service/posts/echo")
        .header(CONTENT_TYPE, "application/json")
        .header(headers::REQUEST_ID, id)
        .body(body.into())
        .expect("a request")
}

/// The whole client on a fake transport, with all of its policies.
///
/// # Panics
///
/// Never: the settings are valid.
#[must_use]
pub fn whole() -> Contender {
    let post = Post::sample();
    let client = ServiceClient::builder(SOURCE)
        .base_url("http://peer")
        .concurrency_limit(256)
        .transport(FakeTransport::new().expect("an answer"))
        .build()
        .expect("settings");
    Contender::new(move || {
        black_box(at_once(send(&client, &post)));
    })
}

/// Sends the post as an idempotent command.
///
/// # Panics
///
/// The call fails.
pub async fn send(client: &ServiceClient, post: &Post) -> Post {
    client
        .command(Post::TARGET, Post::ENDPOINT, post)
        .idempotent()
        .send()
        .await
        .expect("a success")
}

/// Reads the envelope of a success.
///
/// # Panics
///
/// It is none.
#[must_use]
pub fn reply(answer: &[u8]) -> Post {
    let envelope: CommandResponse<Post> = serde_json::from_slice(answer).expect("an envelope");
    envelope.into_result(200).expect("a success")
}

async fn ready_at_once<S: Service<R>, R>(service: &mut S) {
    let ready = std::future::poll_fn(|cx| service.poll_ready(cx)).await;
    assert!(ready.is_ok());
}

/// The output of a future that has nothing to wait for; a runtime would cost more than what is measured.
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the call waits for something"),
    }
}
