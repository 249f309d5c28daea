use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use nova_errors::{Effect, ServiceError, Violation};
use nova_models::{CallContext, RequestId, headers};
use tokio::time::Instant;
use tonic::body::Body;

use super::buffered_body::BufferedBody;
use super::timeout;
use crate::Attempt;

/// A unary request ready to be sent: what is the same over all attempts.
#[derive(Debug)]
pub(super) struct Outgoing {
    parts: Parts,
    body: BufferedBody,
}

impl Outgoing {
    pub(super) fn new(parts: Parts, body: BufferedBody) -> Self {
        Self { parts, body }
    }

    /// The request of one attempt; the body is shared, not copied.
    pub(super) fn request<R>(&self, attempt: &Attempt<R>) -> Request<Body> {
        let mut parts = self.parts.clone();
        let left = attempt.deadline().left(Instant::now().into_std());
        parts
            .headers
            .insert(timeout::GRPC_TIMEOUT, timeout::header_value(left));
        parts
            .headers
            .insert(headers::ATTEMPT, HeaderValue::from(attempt.number()));
        Request::from_parts(parts, Body::new(self.body.clone()))
    }
}

/// Adds what goes with every call. What the caller has set stays.
pub(super) fn complete(
    map: &mut HeaderMap,
    source: &str,
    context: &CallContext,
) -> Result<(), ServiceError> {
    map.insert(headers::SOURCE, visible(headers::SOURCE, source)?);
    if !map.contains_key(headers::REQUEST_ID) {
        let id = visible(headers::REQUEST_ID, &RequestId::new())?;
        map.insert(headers::REQUEST_ID, id);
    }
    if let Some(trace) = &context.trace
        && !map.contains_key(headers::TRACEPARENT)
    {
        let traceparent = visible(headers::TRACEPARENT, trace.traceparent())?;
        map.insert(headers::TRACEPARENT, traceparent);
        if let Some(state) = trace.tracestate() {
            let name = HeaderName::from_static(headers::TRACESTATE);
            map.insert(name, visible(headers::TRACESTATE, state)?);
        }
    }
    if let Some(token) = &context.token
        && !map.contains_key(AUTHORIZATION)
    {
        let mut value = visible("authorization", &format!("Bearer {}", token.expose()))?;
        value.set_sensitive(true);
        map.insert(AUTHORIZATION, value);
    }
    Ok(())
}

/// A header value; the error names the header and never repeats the value, which may be a secret.
fn visible(name: &'static str, value: &str) -> Result<HeaderValue, ServiceError> {
    HeaderValue::from_str(value).map_err(|error| {
        let violation = Violation::new(name, "expected visible ASCII characters");
        ServiceError::Validation(violation.into())
            .with_effect(Effect::None)
            .with_source(error)
    })
}
