use actix_web::HttpRequest;
use actix_web::error::{
    InternalError, JsonPayloadError, PathError, PayloadError, QueryPayloadError, UrlencodedError,
};
use nova_errors::{Effect, ServiceError, Violation};

use super::path;
use crate::body_limit::{broken_off, over_limit, too_large};
use crate::json::{describe, invalid, not_encoded, not_json};
use crate::violation::of_field;

/// What an error of actix-web stands for; `None` for one that is neither ours nor of an extractor.
pub(super) fn service_error(
    error: &actix_web::Error,
    request: Option<&HttpRequest>,
) -> Option<ServiceError> {
    if let Some(error) = error.as_error::<ServiceError>() {
        return Some(error.clone());
    }
    let refused = if let Some(error) = error.as_error() {
        of_json(error)
    } else if let Some(error) = error.as_error() {
        of_form(error)
    } else if let Some(error) = error.as_error() {
        of_payload(error)
    } else if let Some(QueryPayloadError::Deserialize(error)) = error.as_error() {
        invalid(of_field("query", ".", &error.to_string()))
    } else if let Some(PathError::Deserialize(error)) = error.as_error() {
        path::refuse(&error.to_string(), request?)
    } else {
        let error: &InternalError<serde::de::value::Error> = error.as_error()?;
        no_such_path(path::refuse(&error.to_string(), request?))
    };
    Some(refused.with_effect(Effect::None))
}

/// `web::Path` alone answers 404 to a parameter that is not of its type, and what the service's clients know stays.
fn no_such_path(refused: ServiceError) -> ServiceError {
    match refused.violations().first() {
        Some(violation) => ServiceError::NotFound(violation.clone().into()),
        None => refused,
    }
}

fn of_json(error: &JsonPayloadError) -> ServiceError {
    match error {
        JsonPayloadError::OverflowKnownLength { limit, .. }
        | JsonPayloadError::Overflow { limit } => too_large(*limit),
        JsonPayloadError::ContentType => not_json(),
        JsonPayloadError::Deserialize(error) => invalid(describe(".", error)),
        JsonPayloadError::Serialize(error) => not_encoded(error.to_string()),
        JsonPayloadError::Payload(error) => of_payload(error),
        other => invalid(Violation::new("body", "malformed")).with_source(other.to_string()),
    }
}

fn of_form(error: &UrlencodedError) -> ServiceError {
    match error {
        UrlencodedError::Overflow { limit, .. } => too_large(*limit),
        UrlencodedError::ContentType => invalid(Violation::new(
            "content-type",
            "expected application/x-www-form-urlencoded",
        )),
        UrlencodedError::Parse(error) => invalid(of_field("body", ".", &error.to_string())),
        UrlencodedError::Serialize(error) => not_encoded(error.to_string()),
        UrlencodedError::Payload(error) => of_payload(error),
        other => invalid(Violation::new("body", "malformed")).with_source(other.to_string()),
    }
}

fn of_payload(error: &PayloadError) -> ServiceError {
    match error {
        PayloadError::Overflow => over_limit(),
        other => broken_off(other.to_string()),
    }
}
