use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName};
use http::{HeaderValue, Method, Request};
use nova_errors::{Effect, ServiceError, Violation};
use nova_models::{AccessToken, EndpointName, RequestId, ServiceName, TraceContext, headers};

use crate::peer::Peer;
use crate::{Attempt, idempotency_key};

/// A command ready to be sent: what is the same over all attempts, made once.
#[derive(Debug)]
pub(crate) struct Outgoing {
    target: ServiceName,
    endpoint: EndpointName,
    headers: HeaderMap,
    body: Bytes,
    request_id: RequestId,
}

/// What an [`Outgoing`] is made of.
pub(crate) struct OutgoingParts<'a> {
    pub(crate) target: ServiceName,
    pub(crate) endpoint: EndpointName,
    pub(crate) body: Bytes,
    pub(crate) request_id: RequestId,
    pub(crate) idempotency_key: Option<&'a str>,
    pub(crate) source: &'a HeaderValue,
    pub(crate) trace: Option<&'a TraceContext>,
    pub(crate) token: Option<&'a AccessToken>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// The headers of every request.
const FIXED: usize = 10;

impl Outgoing {
    pub(crate) fn new(parts: OutgoingParts<'_>) -> Result<Self, ServiceError> {
        let json = HeaderValue::from_static("application/json");
        let (id, key) = id_and_key(&parts.request_id)?;
        let key = match parts.idempotency_key {
            Some(key) => idempotency_key::header_value(key)?,
            None => key,
        };
        let mut map = HeaderMap::with_capacity(FIXED + parts.headers.len());
        map.insert(CONTENT_TYPE, json.clone());
        map.insert(ACCEPT, json);
        map.insert(headers::REQUEST_ID, id);
        map.insert(headers::IDEMPOTENCY_KEY, key);
        map.insert(headers::SOURCE, parts.source.clone());
        if let Some(trace) = parts.trace {
            let traceparent = visible(headers::TRACEPARENT, trace.traceparent())?;
            map.insert(headers::TRACEPARENT, traceparent);
            if let Some(state) = trace.tracestate() {
                map.insert(headers::TRACESTATE, visible(headers::TRACESTATE, state)?);
            }
        }
        if let Some(token) = parts.token {
            let mut value = visible("authorization", &format!("Bearer {}", token.expose()))?;
            value.set_sensitive(true);
            map.insert(AUTHORIZATION, value);
        }
        // Their places are kept, so that an attempt's copy of the map need not grow.
        map.insert(headers::DEADLINE_MS, HeaderValue::from_static("0"));
        map.insert(headers::ATTEMPT, HeaderValue::from_static("1"));
        for (name, value) in parts.headers {
            map.insert(name, value);
        }
        Ok(Self {
            target: parts.target,
            endpoint: parts.endpoint,
            headers: map,
            body: parts.body,
            request_id: parts.request_id,
        })
    }

    pub(crate) fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    /// The request of one attempt; the body is shared, not copied.
    pub(crate) fn request<R>(
        &self,
        attempt: &Attempt<R, Arc<Peer>>,
    ) -> Result<Request<Bytes>, ServiceError> {
        let peer = attempt.endpoint();
        let uri = peer.command_uri(&self.target, &self.endpoint)?;
        // Rounded down: the peer must not count on time that is not there.
        let left = attempt.deadline().left(attempt.started().into_std());
        let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let mut map = self.headers.clone();
        map.insert(headers::DEADLINE_MS, HeaderValue::from(left));
        if attempt.number() > 1 {
            map.insert(headers::ATTEMPT, HeaderValue::from(attempt.number()));
        }

        let mut request = Request::new(self.body.clone());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = map;
        Ok(request)
    }
}

/// The request's id, and as it is when it serves as the idempotency key: two views of the same bytes.
fn id_and_key(id: &RequestId) -> Result<(HeaderValue, HeaderValue), ServiceError> {
    // The grammar of ids has nothing to escape.
    let mut quoted = BytesMut::with_capacity(id.len() + 2);
    quoted.put_u8(b'"');
    quoted.put_slice(id.as_bytes());
    quoted.put_u8(b'"');
    let quoted = quoted.freeze();
    let value = |bytes| {
        HeaderValue::from_maybe_shared(bytes)
            .map_err(|error| invisible(headers::REQUEST_ID).with_source(error))
    };
    Ok((value(quoted.slice(1..=id.len()))?, value(quoted)?))
}

/// A header value; the error names the header and never repeats the value, which may be a secret.
fn visible(name: &'static str, value: &str) -> Result<HeaderValue, ServiceError> {
    HeaderValue::from_str(value).map_err(|error| invisible(name).with_source(error))
}

fn invisible(name: &str) -> ServiceError {
    let violation = Violation::new(name, "expected visible ASCII characters");
    ServiceError::Validation(violation.into()).with_effect(Effect::None)
}
