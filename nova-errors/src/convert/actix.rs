use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};

use super::retry_after::whole_seconds;
use crate::{PROBLEM_CONTENT_TYPE, Problem, ServiceError};

/// Answers a [`Problem`] with the status of the kind, and `Retry-After` (whole seconds, rounded up) where there is one.
///
/// Where a handler returns the error, actix-web keeps it beside the response: a middleware finds it with
/// [`HttpResponse::error`] and [`as_error`](actix_web::Error::as_error), and can log its causes.
impl ResponseError for ServiceError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type(PROBLEM_CONTENT_TYPE);
        if let Some(seconds) = self.retry_after().map(whole_seconds) {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        response.json(Problem::from(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::MessageBody;
    use std::time::Duration;

    /// The bytes that actix-web sends of what a handler returns as its error.
    fn body(error: ServiceError) -> String {
        let response = HttpResponse::from_error(error);
        let bytes = response.into_body().try_into_bytes().unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn an_error_answers_as_a_problem() {
        let error =
            ServiceError::RateLimited("feed".into()).with_retry_after(Duration::from_millis(1001));
        let response = HttpResponse::from_error(error.clone());
        assert_eq!(response.status(), 429);
        let headers = response.headers();
        assert_eq!(headers.get("content-type").unwrap(), PROBLEM_CONTENT_TYPE);
        assert_eq!(headers.get("retry-after").unwrap(), "2");
        insta::assert_snapshot!(body(error), @r#"{"type":"about:blank","title":"too many requests","status":429,"detail":"feed","code":"rate_limited","retryable":true,"retry_after_ms":1001,"violations":[]}"#);
    }

    #[test]
    fn the_error_travels_along_with_the_response() {
        let response = HttpResponse::from_error(ServiceError::NotFound("stream 42".into()));
        let inside = response.error().and_then(actix_web::Error::as_error);
        assert_eq!(inside.map(ServiceError::code), Some("not_found"));
    }
}
