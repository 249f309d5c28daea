use std::convert::Infallible;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use nova_errors::{Chain, Effect, ErrorDetail, ErrorKind, ServiceError};
use tower::Service;

use super::layer::Settings;
use super::outcome;
use super::received::{Received, key_is_missing};
use super::{Claim, CommandClaim, CommandKey, Fingerprint};
use crate::command::CommandMark;
use crate::panic::Panic;

/// A service within an [`IdempotencyLayer`](crate::IdempotencyLayer).
#[derive(Clone)]
pub struct IdempotencyService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> IdempotencyService<S> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S> Service<Request> for IdempotencyService<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The clone may not be ready; the one that was asked is.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        if request.method() != Method::POST {
            return Box::pin(inner.call(request));
        }
        let settings = self.settings.clone();
        Box::pin(async move {
            let answer = once(inner, request, &settings).await;
            Ok(answer.unwrap_or_else(IntoResponse::into_response))
        })
    }
}

/// Does the command in `request` once.
pub(crate) async fn once<S>(
    mut inner: S,
    request: Request,
    settings: &Settings,
) -> Result<Response, ServiceError>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    let Received {
        request,
        mark,
        request_id,
        has_subject,
        key,
        fingerprint,
    } = Received::read(request).await.map_err(refused)?;
    if settings.requires_subject && !has_subject {
        return Err(refused(
            ServiceError::Authentication(ErrorDetail::default()),
        ));
    }
    let claim = match key {
        None if settings.requires_key => return Err(refused(key_is_missing())),
        None => {
            count("unkeyed");
            settings.store.without_key().await.map_err(refused)?
        }
        Some(key) => match claim(settings, &key, &fingerprint).await? {
            Claim::Acquired(claim) => {
                count("new");
                Some(claim)
            }
            Claim::Answered(answer) => {
                count("replayed");
                return answer.replay(request_id);
            }
            Claim::Mismatch => {
                count("mismatch");
                let used = "the idempotency key was used with another command";
                return Err(refused(ServiceError::IdempotencyMismatch(used.into())));
            }
            Claim::InFlight { retry_after } => {
                count("in_flight");
                let busy = "a command with this idempotency key is in flight";
                let error = ServiceError::Aborted(busy.into()).with_retry_after(retry_after);
                return Err(refused(error));
            }
        },
    };
    match claim {
        Some(claim) => run(inner, request, &mark, claim, settings).await,
        None => inner.call(request).await.map_err(|never| match never {}),
    }
}

async fn claim(
    settings: &Settings,
    key: &CommandKey,
    fingerprint: &Fingerprint,
) -> Result<Claim, ServiceError> {
    settings
        .store
        .claim(key, fingerprint)
        .await
        .map_err(|error| {
            count("store_failed");
            // What cannot be read is there because the command was done.
            if error.kind() == ErrorKind::DataLoss {
                return error.with_effect(Effect::Unknown);
            }
            refused(error)
        })
}

fn count(outcome: &'static str) {
    metrics::counter!("nova_idempotent_commands_total", "outcome" => outcome).increment(1);
}

/// No handler has run.
fn refused(error: ServiceError) -> ServiceError {
    error.with_effect(Effect::None)
}

async fn run<S>(
    mut inner: S,
    mut request: Request,
    mark: &CommandMark,
    mut claim: Box<dyn CommandClaim>,
    settings: &Settings,
) -> Result<Response, ServiceError>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    claim.attach(request.extensions_mut());
    let answered = {
        // Called inside, so that a panic of `call` itself is caught too.
        let mut handler = pin!(Panic::catch(async { inner.call(request).await }));
        tokio::select! {
            answered = handler.as_mut() => answered,
            // Nothing keeps the claim any more, and what is begun goes on.
            () = claim.hold() => handler.await,
        }
    };
    let response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(panic) => ServiceError::Internal("handler panicked".into())
            .with_source(panic)
            .into_response(),
    };
    let (answer, response) =
        outcome::read(response, mark.is_handed_over(), settings.max_answer).await;
    let is_atomic = claim.is_atomic();
    let Some(answer) = answer else {
        if let Err(error) = claim.release().await {
            tracing::warn!(error = %Chain(&error), "a claim was not given back, and runs out by itself");
        }
        return Ok(response);
    };
    match claim.confirm(&answer, settings.retention).await {
        Err(error) if is_atomic => return Err(error),
        Err(error) => {
            metrics::counter!("nova_idempotency_unconfirmed_total").increment(1);
            tracing::warn!(error = %Chain(&error), "the answer of a command was not kept, and it may run again");
        }
        Ok(()) => {}
    }
    Ok(response)
}

impl<S> fmt::Debug for IdempotencyService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyService").finish_non_exhaustive()
    }
}
