use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName};
use http::{HeaderValue, Method, Request, Uri};
use nova_errors::{Effect, ServiceError, Violation};
use nova_models::{AccessToken, RequestId, TraceContext, headers};
use tokio::time::Instant;

use crate::{Attempt, idempotency_key};

/// A command ready to be sent: what is the same over all attempts, made once.
#[derive(Debug)]
pub(crate) struct Outgoing {
    uri: Uri,
    fixed: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    request_id: RequestId,
}

/// What an [`Outgoing`] is made of.
pub(crate) struct OutgoingParts<'a> {
    pub(crate) uri: Uri,
    pub(crate) body: Bytes,
    pub(crate) request_id: RequestId,
    pub(crate) idempotency_key: Option<&'a str>,
    pub(crate) source: &'a str,
    pub(crate) trace: Option<&'a TraceContext>,
    pub(crate) token: Option<&'a AccessToken>,
}

impl Outgoing {
    pub(crate) fn new(parts: OutgoingParts<'_>) -> Result<Self, ServiceError> {
        let json = HeaderValue::from_static("application/json");
        let key = parts.idempotency_key.unwrap_or(&parts.request_id);
        let mut fixed = Vec::with_capacity(8);
        fixed.push((CONTENT_TYPE, json.clone()));
        fixed.push((ACCEPT, json));
        let mut push = |name: &'static str, value| {
            fixed.push((HeaderName::from_static(name), value));
        };
        push(
            headers::REQUEST_ID,
            visible(headers::REQUEST_ID, &parts.request_id)?,
        );
        push(
            headers::IDEMPOTENCY_KEY,
            idempotency_key::header_value(key)?,
        );
        push(headers::SOURCE, visible(headers::SOURCE, parts.source)?);
        if let Some(trace) = parts.trace {
            let traceparent = visible(headers::TRACEPARENT, trace.traceparent())?;
            push(headers::TRACEPARENT, traceparent);
            if let Some(state) = trace.tracestate() {
                push(headers::TRACESTATE, visible(headers::TRACESTATE, state)?);
            }
        }
        if let Some(token) = parts.token {
            let mut value = visible("authorization", &format!("Bearer {}", token.expose()))?;
            value.set_sensitive(true);
            fixed.push((AUTHORIZATION, value));
        }
        Ok(Self {
            uri: parts.uri,
            fixed,
            body: parts.body,
            request_id: parts.request_id,
        })
    }

    pub(crate) fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    /// The request of one attempt; the body is shared, not copied.
    pub(crate) fn request<R>(&self, attempt: &Attempt<R>) -> Request<Bytes> {
        // Rounded down: the peer must not count on time that is not there.
        let left = attempt.deadline().left(Instant::now().into_std());
        let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let mut map = HeaderMap::with_capacity(self.fixed.len() + 2);
        for (name, value) in &self.fixed {
            map.insert(name, value.clone());
        }
        map.insert(headers::DEADLINE_MS, HeaderValue::from(left));
        map.insert(headers::ATTEMPT, HeaderValue::from(attempt.number()));

        let mut request = Request::new(self.body.clone());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = map;
        request
    }
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
