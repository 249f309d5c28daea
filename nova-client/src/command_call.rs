use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nova_errors::{Effect, ServiceError, Violation};
use nova_models::{
    CallContext, CommandRequest, Deadline, EndpointName, Idempotency, RequestId, ServiceName,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::Instrument;

use crate::exchange::{Outgoing, OutgoingParts};
use crate::service_client::{Inner, ServiceClient};
use crate::{Call, deadline, stack};

/// One call with settings of its own: see [`ServiceClient::command`].
///
/// ```no_run
/// use std::time::Duration;
/// use nova_client::ServiceClient;
///
/// # async fn example(client: ServiceClient) -> Result<(), nova_errors::ServiceError> {
/// let command = serde_json::json!({ "user_id": 7, "cents": 1200 });
/// let receipt: String = client
///     .command("billing-service", "charges/create", &command)
///     .idempotency_key("order-7")
///     .deadline(Duration::from_secs(3))
///     .send()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a call does nothing until it is sent"]
pub struct CommandCall<'a, C> {
    client: &'a ServiceClient,
    target: &'a str,
    endpoint: &'a str,
    command: C,
    idempotency: Idempotency,
    idempotency_key: Option<Cow<'static, str>>,
    deadline: Option<Duration>,
    request_id: Option<RequestId>,
}

impl<'a, C: Serialize> CommandCall<'a, C> {
    pub(crate) fn new(
        client: &'a ServiceClient,
        target: &'a str,
        endpoint: &'a str,
        command: C,
    ) -> Self {
        Self {
            client,
            target,
            endpoint,
            command,
            idempotency: Idempotency::Unsafe,
            idempotency_key: None,
            deadline: None,
            request_id: None,
        }
    }

    /// Says that doing it again has the effect of doing it once, so that it is tried again also where it may have taken
    /// effect.
    pub fn idempotent(self) -> Self {
        self.idempotency(Idempotency::Safe)
    }

    /// Says what makes two commands the same command: 1 to 255 printable ASCII characters. The call counts as idempotent, so
    /// the target must do it once per key; without a key of its own a call sends its request id.
    pub fn idempotency_key(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Sets the idempotency as a value. With a key the call counts as idempotent anyway.
    pub fn idempotency(mut self, idempotency: Idempotency) -> Self {
        self.idempotency = idempotency;
        self
    }

    /// Sets what the call may take in all, instead of the client's setting. An inherited deadline that is earlier holds.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets the request id, for a call that is made again later under the same one; else it is a new one.
    pub fn request_id(mut self, id: RequestId) -> Self {
        self.request_id = Some(id);
        self
    }

    /// Sends the command and waits for the reply.
    ///
    /// # Errors
    ///
    /// See [`ServiceClient::call`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime whose clock is enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the call up: the connection is closed or the stream reset. Whether the command took effect is then
    /// unknown.
    pub async fn send<R: DeserializeOwned>(self) -> Result<R, ServiceError> {
        let inner = Arc::clone(self.client.inner()?);
        let context = CallContext::current().unwrap_or_default();
        let request_id = self.request_id.clone().unwrap_or_else(RequestId::new);
        let span = tracing::info_span!(
            "call",
            otel.kind = "client",
            peer.service = self.target,
            nova.endpoint = self.endpoint,
            request_id = request_id.as_str(),
            correlation_id = context.request_id.as_ref().map(RequestId::as_str),
            http.request.resend_count = tracing::field::Empty,
            error.r#type = tracing::field::Empty,
        );
        let target = ServiceName::new(self.target.to_owned())
            .map_err(|error| error.with_effect(Effect::None))?;
        let call = self.prepare(&inner, &context, &target, request_id)?;
        let outcome = stack::run(&inner, &target, call)
            .instrument(span.clone())
            .await;
        if let Err(error) = &outcome {
            span.record("error.type", error.code());
        }
        outcome
    }

    fn prepare(
        self,
        client: &Inner,
        context: &CallContext,
        target: &ServiceName,
        request_id: RequestId,
    ) -> Result<Call<Arc<Outgoing>>, ServiceError> {
        let endpoint = EndpointName::new(self.endpoint.to_owned())
            .map_err(|error| error.with_effect(Effect::None))?;
        let deadline = self.overall_deadline(client, context)?;
        let idempotent = self.idempotency.is_idempotent() || self.idempotency_key.is_some();
        let outgoing = Outgoing::new(OutgoingParts {
            uri: client.endpoints.uri(target, &endpoint)?,
            idempotency_key: self.idempotency_key.as_deref(),
            source: client.source.as_str(),
            trace: context.trace.as_ref(),
            token: context.token.as_ref(),
            request_id: request_id.clone(),
            body: envelope(&CommandRequest {
                request_id,
                source_service: client.source.to_string(),
                target_service: target.to_string(),
                command: self.command,
                timestamp: client.clock.now().into(),
            })?,
        })?;
        Ok(Call::new(Arc::new(outgoing), deadline).idempotent(idempotent))
    }

    fn overall_deadline(
        &self,
        client: &Inner,
        context: &CallContext,
    ) -> Result<Deadline, ServiceError> {
        let own = self.deadline.unwrap_or(client.deadline);
        if own.is_zero() {
            let violation = Violation::new("deadline", "expected more than zero");
            return Err(ServiceError::Validation(violation.into()).with_effect(Effect::None));
        }
        Ok(deadline::overall(own, context, Instant::now().into_std()))
    }
}

fn envelope<C: Serialize>(request: &CommandRequest<C>) -> Result<Bytes, ServiceError> {
    match serde_json::to_vec(request) {
        Ok(json) => Ok(Bytes::from(json)),
        Err(error) => Err(ServiceError::Validation("write the command as JSON".into())
            .with_effect(Effect::None)
            .with_source(error)),
    }
}

impl<C> fmt::Debug for CommandCall<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandCall")
            .field("target", &self.target)
            .field("endpoint", &self.endpoint)
            .field("idempotency", &self.idempotency)
            .field("idempotency_key", &self.idempotency_key)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
