use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use nova_errors::ServiceError;
use nova_models::{CallContext, RequestId, headers};
use tokio::time::Instant;
use tonic::body::Body;

use super::buffered_body::BufferedBody;
use super::timeout;
use crate::Attempt;
use crate::context_headers::{insert_token, insert_trace, visible};

static SOURCE: HeaderName = HeaderName::from_static(headers::SOURCE);
static REQUEST_ID: HeaderName = HeaderName::from_static(headers::REQUEST_ID);

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
    map.insert(&SOURCE, visible(&SOURCE, source)?);
    if !map.contains_key(&REQUEST_ID) {
        let id = visible(&REQUEST_ID, &RequestId::new())?;
        map.insert(&REQUEST_ID, id);
    }
    if let Some(trace) = &context.trace
        && !map.contains_key(headers::TRACEPARENT)
    {
        insert_trace(map, trace)?;
    }
    if let Some(token) = &context.token
        && !map.contains_key(AUTHORIZATION)
    {
        insert_token(map, token)?;
    }
    Ok(())
}
