use std::time::Duration;

use nova_errors::{
    Effect, ErrorKind, FailedAttempt, RetryDecision, RetryOn, RetryPolicy, ServiceError,
};
use nova_models::{CallContext, TraceContext, headers};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use crate::proto::auth_service_client::AuthServiceClient;

/// Calls of the service with a deadline. All of them only read, so that a lost connection is tried again.
#[derive(Debug, Clone)]
pub(crate) struct Unary {
    client: AuthServiceClient<Channel>,
    timeout: Duration,
}

impl Unary {
    pub(crate) fn new(client: AuthServiceClient<Channel>, timeout: Duration) -> Self {
        Self { client, timeout }
    }

    /// When a call that is made now must be over: the caller's deadline counts where it is earlier.
    pub(crate) fn deadline(&self) -> Instant {
        let own = Instant::now() + self.timeout;
        CallContext::current()
            .and_then(|context| context.deadline)
            .map_or(own, |callers| own.min(Instant::from_std(callers.instant())))
    }

    /// Sends `message` until it is answered, at most until `deadline`.
    pub(crate) async fn call<Q, R>(
        &self,
        deadline: Instant,
        message: Q,
        send: impl AsyncFn(AuthServiceClient<Channel>, Request<Q>) -> Result<Response<R>, Status>,
    ) -> Result<R, ServiceError>
    where
        Q: Clone,
    {
        const POLICY: RetryPolicy = RetryPolicy::standard();
        let policy = POLICY.retry_on(RetryOn::kinds([ErrorKind::ServiceUnavailable]));
        let context = CallContext::current();
        let mut attempts = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(finish(timed_out(), attempts));
            }
            attempts += 1;
            let mut request = Request::new(message.clone());
            request.set_timeout(left);
            if let Some(context) = &context {
                hand_on(context, &mut request);
            }
            let error = match timeout_at(deadline, send(self.client.clone(), request)).await {
                Ok(Ok(response)) => return Ok(response.into_inner()),
                // The service's timer, or a proxy's, may strike before the one here.
                Ok(Err(status))
                    if status.code() == Code::Cancelled && Instant::now() >= deadline =>
                {
                    return Err(finish(timed_out(), attempts));
                }
                Ok(Err(status)) => ServiceError::from(status),
                Err(_) => return Err(finish(timed_out(), attempts)),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let failed = FailedAttempt::number(attempts)
                .idempotent(true)
                .time_left(left);
            match policy.decide(&error, failed, fastrand::u64(..)) {
                RetryDecision::RetryAfter(wait) => sleep(wait).await,
                RetryDecision::Stop(_) => return Err(finish(error, attempts)),
            }
        }
    }
}

/// What was tried again here is not for callers to try again: layers of services would multiply.
fn finish(error: ServiceError, attempts: u32) -> ServiceError {
    let error = error.with_attempts(attempts);
    if attempts > 1 {
        error.with_retries_spent()
    } else {
        error
    }
}

/// The deadline of a call is over. What it asked for changed nothing.
pub(crate) fn timed_out() -> ServiceError {
    ServiceError::Timeout("call of the auth service".into()).with_effect(Effect::None)
}

fn hand_on<Q>(context: &CallContext, request: &mut Request<Q>) {
    let trace = context.trace.as_ref();
    let values = [
        (headers::REQUEST_ID, context.request_id.as_deref()),
        (headers::TRACEPARENT, trace.map(TraceContext::traceparent)),
        (
            headers::TRACESTATE,
            trace.and_then(TraceContext::tracestate),
        ),
    ];
    for (name, value) in values {
        if let Some(value) = value.and_then(|value| AsciiMetadataValue::try_from(value).ok()) {
            request.metadata_mut().insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_cancelled_at_its_deadline_has_timed_out() {
        let channel = Channel::from_static("http://127.0.0.1:1").connect_lazy();
        let unary = Unary::new(AuthServiceClient::new(channel), Duration::from_secs(1));
        let deadline = unary.deadline();
        let cancelled_at = async |at: Instant| {
            let send = async |_, _: Request<()>| {
                tokio::time::sleep_until(at).await;
                Err::<Response<()>, _>(Status::cancelled("stream closed"))
            };
            unary.call(deadline, (), send).await.unwrap_err().kind()
        };
        let early = deadline - Duration::from_millis(500);
        assert_eq!(cancelled_at(early).await, ErrorKind::Cancelled);
        assert_eq!(cancelled_at(deadline).await, ErrorKind::Timeout);
    }
}
