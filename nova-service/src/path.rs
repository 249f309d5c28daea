use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use nova_errors::{ServiceError, Violation};
use serde::de::DeserializeOwned;

use crate::json::invalid;
use crate::violation::without_value;

/// The parameters of a path, as [`axum::extract::Path`], whose rejection is a [`ServiceError`] that
/// names the parameter.
///
/// ```
/// use axum::{Router, routing::get};
/// use nova_service::Path;
///
/// let app: Router = Router::new()
///     .route("/posts/{post_id}", get(|Path(id): Path<u64>| async move { id.to_string() }));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ServiceError;

    /// # Errors
    ///
    /// `Validation` where a parameter is not of its type, `Internal` where the route has not the parameters of `T`.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ServiceError> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(refuse(rejection, &names(parts, state).await)),
        }
    }
}

/// The names of the route's parameters, in order.
async fn names<S: Send + Sync>(parts: &mut Parts, state: &S) -> Vec<String> {
    match RawPathParams::from_request_parts(parts, state).await {
        Ok(params) => params.iter().map(|(name, _)| name.to_owned()).collect(),
        Err(_) => Vec::new(),
    }
}

fn refuse(rejection: PathRejection, names: &[String]) -> ServiceError {
    let name = |index: usize| names.get(index).map_or("path", String::as_str);
    let expected = |name: &str, what: &str| Violation::new(name, format!("expected {what}"));
    let kind = match rejection {
        PathRejection::FailedToDeserializePathParams(failed) => failed.into_kind(),
        mistake => return mistake_in_route(mistake.body_text()),
    };
    invalid(match kind {
        ErrorKind::ParseErrorAtKey {
            key, expected_type, ..
        } => expected(&key, expected_type),
        ErrorKind::ParseErrorAtIndex {
            index,
            expected_type,
            ..
        } => expected(name(index), expected_type),
        ErrorKind::ParseError { expected_type, .. } => expected(name(0), expected_type),
        ErrorKind::InvalidUtf8InPathParam { key } => expected(&key, "UTF-8"),
        ErrorKind::DeserializeError { key, message, .. } => {
            Violation::new(key, without_value(&message))
        }
        ErrorKind::Message(message) => Violation::new(name(0), without_value(&message)),
        mistake => return mistake_in_route(mistake.to_string()),
    })
}

pub(crate) fn mistake_in_route(what: String) -> ServiceError {
    ServiceError::Internal("route and extractor disagree".into())
        .with_source(std::io::Error::other(what))
}
