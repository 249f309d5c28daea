use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use nova_errors::{Effect, RetryPolicy, ServiceError};
use nova_models::{CallContext, Deadline, EndpointName, Idempotency, RequestId, ServiceName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::Instrument;

use crate::exchange::{Envelope, Outgoing, OutgoingParts};
use crate::interceptor::changeable;
use crate::retry::RetryLayer;
use crate::service_client::{Inner, ServiceClient};
use crate::settings::{check_attempt_timeout, check_deadline, invalid};
use crate::targets::Target;
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
pub struct CommandBuilder<'a, C> {
    client: &'a ServiceClient,
    target: &'a str,
    endpoint: &'a str,
    command: C,
    idempotency: Idempotency,
    idempotency_key: Option<Cow<'static, str>>,
    deadline: Option<Duration>,
    retry: Option<RetryPolicy>,
    attempt_timeout: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
    request_id: Option<RequestId>,
    fault: Option<ServiceError>,
}

impl<'a, C: Serialize> CommandBuilder<'a, C> {
    /// The most headers that a call can set: 32.
    pub const MAX_HEADERS: usize = 32;

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
            retry: None,
            attempt_timeout: None,
            headers: Vec::new(),
            request_id: None,
            fault: None,
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

    /// Sets what the call may take in all, up to 24 hours, instead of the client's setting. An inherited deadline that is earlier holds.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets when this call is tried again, instead of the client's policy. The budget of the target holds all the same.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Sets what one attempt may take where the call is idempotent, instead of the client's setting.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// Sets a header of this call, at most [`MAX_HEADERS`](Self::MAX_HEADERS); it takes the place of one that the client would send, such as
    /// `authorization`. The ones that say which call this is, or how HTTP carries it, are not to be had: see
    /// [`OutboundRequest`](crate::OutboundRequest). A malformed one shows at [`send`](Self::send), as `Validation`.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match header(name, value) {
            Ok(header) if self.headers.len() < Self::MAX_HEADERS => self.headers.push(header),
            Ok(_) => self.note(invalid("headers", "expected at most 32")),
            Err(fault) => self.note(fault),
        }
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
        let client = self.client.inner()?;
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
            otel.status_code = tracing::field::Empty,
            error.r#type = tracing::field::Empty,
        );
        let outcome = match self.prepare(client, &context, request_id) {
            Ok((target, retry, call)) => {
                let call = stack::run(client, target, retry, call.by_ref());
                call.instrument(span.clone()).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &outcome {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", error.code());
        }
        outcome
    }

    fn retry_layer(&self, client: &Inner) -> Result<RetryLayer, ServiceError> {
        let mut layer = client.retry.clone();
        if let Some(policy) = self.retry {
            policy.validate().map_err(without_effect)?;
            layer = layer.policy(policy);
        }
        match self.attempt_timeout {
            Some(timeout) => {
                check_attempt_timeout(timeout)?;
                Ok(layer.attempt_timeout(timeout.min(Deadline::MAX)))
            }
            None => Ok(layer),
        }
    }

    fn prepare<'c>(
        self,
        client: &'c Inner,
        context: &CallContext,
        request_id: RequestId,
    ) -> Result<(&'c Target, RetryLayer, Call<Outgoing<'c>>), ServiceError> {
        let name = ServiceName::new(self.target.to_owned()).map_err(without_effect)?;
        let target = client.targets.get(&name)?;
        let retry = self.retry_layer(client)?;
        let deadline = self.overall_deadline(client, context)?;
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let endpoint = EndpointName::new(self.endpoint.to_owned()).map_err(without_effect)?;
        let idempotent = self.idempotency.is_idempotent() || self.idempotency_key.is_some();
        let envelope = Envelope {
            request_id: request_id.as_str(),
            source_service: client.source.as_str(),
            target_service: name.as_str(),
            command: self.command,
            timestamp: client.clock.now().into(),
        };
        let parts = OutgoingParts {
            body: envelope.to_json()?,
            target: name,
            endpoint,
            request_id,
            idempotency_key: self.idempotency_key.as_deref(),
            trace: context.trace.as_ref(),
            token: context.token.as_ref(),
            headers: self.headers,
        };
        let outgoing = Outgoing::new(&client.headers, parts)?;
        let call = Call::new(outgoing, deadline).idempotent(idempotent);
        Ok((target, retry, call))
    }

    fn overall_deadline(
        &self,
        client: &Inner,
        context: &CallContext,
    ) -> Result<Deadline, ServiceError> {
        let own = self.deadline.unwrap_or(client.deadline);
        check_deadline(own)?;
        Ok(deadline::overall(own, context, Instant::now().into_std()))
    }

    /// The first fault is the one to report.
    fn note(&mut self, fault: ServiceError) {
        self.fault.get_or_insert(fault);
    }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), ServiceError> {
    let name = HeaderName::try_from(name)
        .map_err(|error| invalid("header", "expected the name of a header").with_source(error))?;
    changeable(&name)?;
    // The value may be a secret, which the error does not repeat.
    let mut value = HeaderValue::try_from(value).map_err(|error| {
        invalid(name.as_str(), "expected visible ASCII characters").with_source(error)
    })?;
    value.set_sensitive(name == AUTHORIZATION);
    Ok((name, value))
}

fn without_effect(error: ServiceError) -> ServiceError {
    error.with_effect(Effect::None)
}

impl<C> fmt::Debug for CommandBuilder<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandBuilder")
            .field("target", &self.target)
            .field("endpoint", &self.endpoint)
            .field("idempotency", &self.idempotency)
            .field("idempotency_key", &self.idempotency_key)
            .field("deadline", &self.deadline)
            .field("retry", &self.retry)
            .field("attempt_timeout", &self.attempt_timeout)
            .finish_non_exhaustive()
    }
}
