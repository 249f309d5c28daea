//! The headers that a call takes from its [`CallContext`](nova_models::CallContext), over HTTP and over gRPC.

use http::HeaderValue;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use nova_errors::{Effect, ServiceError, Violation};
use nova_models::{AccessToken, TraceContext, headers};

// Parsed when this is compiled; a map that is given a text parses it at each insert.
static TRACEPARENT: HeaderName = HeaderName::from_static(headers::TRACEPARENT);
static TRACESTATE: HeaderName = HeaderName::from_static(headers::TRACESTATE);

/// Adds the trace as it is.
pub(crate) fn insert_trace(map: &mut HeaderMap, trace: &TraceContext) -> Result<(), ServiceError> {
    map.insert(&TRACEPARENT, visible(&TRACEPARENT, trace.traceparent())?);
    if let Some(state) = trace.tracestate() {
        map.insert(&TRACESTATE, visible(&TRACESTATE, state)?);
    }
    Ok(())
}

/// Adds the token, as one that shows nowhere.
pub(crate) fn insert_token(map: &mut HeaderMap, token: &AccessToken) -> Result<(), ServiceError> {
    let mut value = visible(&AUTHORIZATION, &format!("Bearer {}", token.expose()))?;
    value.set_sensitive(true);
    map.insert(AUTHORIZATION, value);
    Ok(())
}

/// A header value; the error names the header and never repeats the value, which may be a secret.
pub(crate) fn visible(name: &HeaderName, value: &str) -> Result<HeaderValue, ServiceError> {
    HeaderValue::from_str(value).map_err(|error| invisible(name).with_source(error))
}

pub(crate) fn invisible(name: &HeaderName) -> ServiceError {
    let violation = Violation::new(name.as_str(), "expected visible ASCII characters");
    ServiceError::Validation(violation.into()).with_effect(Effect::None)
}
