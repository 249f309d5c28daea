use std::time::Duration;

use nova_client::circuit_breaker::CircuitBreaker;
use nova_client::grpc::GrpcChannel;
use nova_errors::{Effect, ErrorKind, RetryOn, RetryPolicy, ServiceError};
use nova_models::{CallContext, Deadline, headers};
use tokio::time::Instant;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::proto::auth_service_client::AuthServiceClient;

/// Calls of the service with a deadline. All of them only read, so that a lost connection is tried again.
#[derive(Debug, Clone)]
pub(crate) struct Unary {
    client: AuthServiceClient<GrpcChannel>,
    timeout: Duration,
}

impl Unary {
    /// Who calls, for the service's log.
    const SOURCE: &str = "nova-auth-client";

    pub(crate) fn new(channel: Channel, timeout: Duration) -> Result<Self, ServiceError> {
        let timeout = timeout.min(Deadline::MAX);
        let policy = RetryPolicy::standard();
        // While it is open nobody gets in. What it spares the service is bounded already, by the budget and by the coalescing of calls.
        let breaker = CircuitBreaker::standard().open_for(Duration::from_secs(1));
        let channel = GrpcChannel::builder(Self::SOURCE)
            .deadline(timeout)
            .attempt_timeout(timeout)
            .retry(policy.retry_on(RetryOn::kinds([ErrorKind::ServiceUnavailable])))
            .circuit_breaker(breaker)
            .idempotent_methods(["/nova.auth.v1.AuthService/*"])
            .build(channel)?;
        Ok(Self {
            client: AuthServiceClient::new(channel),
            timeout,
        })
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
        send: impl AsyncFnOnce(
            AuthServiceClient<GrpcChannel>,
            Request<Q>,
        ) -> Result<Response<R>, Status>,
    ) -> Result<R, ServiceError> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(timed_out());
        }
        let mut request = Request::new(message);
        request.set_timeout(left);
        let mut context = CallContext::current().unwrap_or_default();
        if let Some(id) = &context.request_id
            && let Ok(id) = AsciiMetadataValue::try_from(id.as_str())
        {
            request.metadata_mut().insert(headers::REQUEST_ID, id);
        }
        // A call may be made for others as well: neither the deadline nor the token of the first is theirs.
        context.deadline = None;
        context.token = None;
        match context.scope(send(self.client.clone(), request)).await {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(match ServiceError::from(status) {
                error @ ServiceError::Timeout(_) => error.with_effect(Effect::None),
                error => error,
            }),
        }
    }
}

/// The deadline of a call is over. What it asked for changed nothing.
pub(crate) fn timed_out() -> ServiceError {
    ServiceError::Timeout("call of the auth service".into()).with_effect(Effect::None)
}
