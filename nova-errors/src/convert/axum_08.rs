use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::retry_after::whole_seconds;
use crate::{PROBLEM_CONTENT_TYPE, Problem, ServiceError};

/// Answers a [`Problem`] with the status of the kind, and `Retry-After` (whole seconds, rounded up) where there is one.
///
/// The error itself travels in the response's extensions, so that a layer outside can render it anew, with the request's id or in a
/// command's envelope, and log its causes.
impl IntoResponse for ServiceError {
    fn into_response(self) -> Response {
        let mut response = axum::Json(Problem::from(&self)).into_response();
        *response.status_mut() =
            StatusCode::from_u16(self.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(PROBLEM_CONTENT_TYPE),
        );
        if let Some(seconds) = self.retry_after().map(whole_seconds) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_error_answers_as_a_problem_and_travels_along() {
        let error =
            ServiceError::RateLimited("feed".into()).with_retry_after(Duration::from_millis(1001));
        let response = error.into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["content-type"], PROBLEM_CONTENT_TYPE);
        assert_eq!(response.headers()["retry-after"], "2");
        let inside = response.extensions().get::<ServiceError>();
        assert_eq!(inside.map(ServiceError::code), Some("rate_limited"));
    }
}
