//! A transport that answers by a script, for what needs the paused clock.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use nova_client::{ServiceClient, ServiceClientBuilder};
use nova_errors::ServiceError;
use tokio::time::Instant;
use tower::Service;

/// What becomes of a request.
pub(crate) enum Step {
    /// It is answered; `{id}` in the body stands for the request's id.
    Answer(Response<String>),
    /// It fails on the way.
    Fail(ServiceError),
    /// It is never answered.
    Silence,
}

/// A request that was sent, and when.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) request: Request<Bytes>,
    pub(crate) at: Instant,
}

#[derive(Clone, Default)]
pub(crate) struct FakeTransport {
    script: Arc<Mutex<VecDeque<Step>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl FakeTransport {
    pub(crate) fn new(script: impl IntoIterator<Item = Step>) -> Self {
        Self {
            script: Arc::new(Mutex::new(script.into_iter().collect())),
            sent: Arc::default(),
        }
    }

    pub(crate) fn client(&self) -> ServiceClient {
        self.builder().build().unwrap()
    }

    pub(crate) fn builder(&self) -> ServiceClientBuilder {
        ServiceClient::builder("user-service")
            .base_url("http://peer")
            .transport(self.clone())
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }
}

impl Sent {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name)?.to_str().ok()
    }

    pub(crate) fn deadline_ms(&self) -> u64 {
        self.header("x-nova-deadline-ms").unwrap().parse().unwrap()
    }
}

/// The answer of a success with `data`.
pub(crate) fn success(data: &str) -> Step {
    answer(200, &[], &crate::scripted_server::envelope(data))
}

/// The answer of a failure with the envelope's `error`.
pub(crate) fn failure(status: u16, error: &str) -> Step {
    let body = format!(
        r#"{{"request_id":"{{id}}","success":false,"data":null,"error":{error},"timestamp":"2025-10-28T00:00:00Z"}}"#
    );
    answer(status, &[], &body)
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Step {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    Step::Answer(response.body(body.to_owned()).unwrap())
}

/// A connection that was refused.
pub(crate) fn refused() -> Step {
    Step::Fail(
        ServiceError::ServiceUnavailable("connect".into()).with_effect(nova_errors::Effect::None),
    )
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);

impl Service<Request<Bytes>> for FakeTransport {
    type Response = Response<Bytes>;
    type Error = ServiceError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, ServiceError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let id = request.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        self.sent.lock().unwrap().push(Sent {
            request,
            at: Instant::now(),
        });
        let step = self.script.lock().unwrap().pop_front();
        Box::pin(async move {
            match step {
                Some(Step::Answer(response)) => {
                    Ok(response.map(|body| Bytes::from(body.replace("{id}", &id))))
                }
                Some(Step::Fail(error)) => Err(error),
                Some(Step::Silence) => std::future::pending().await,
                None => panic!("the script is over"),
            }
        })
    }
}
