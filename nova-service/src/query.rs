use std::error::Error;

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use nova_errors::{ServiceError, Violation};
use serde::de::DeserializeOwned;

use crate::json::invalid;
use crate::violation;

/// The query of a URL, as [`axum::extract::Query`], whose rejection is a [`ServiceError`] that names
/// the field.
///
/// ```
/// use axum::{Router, routing::get};
/// use nova_models::PageRequest;
/// use nova_service::Query;
///
/// let app: Router = Router::new()
///     .route("/posts", get(|Query(page): Query<PageRequest>| async move { format!("{page:?}") }));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ServiceError;

    /// # Errors
    ///
    /// `Validation` where the query is not a `T`.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ServiceError> {
        from_uri(&parts.uri).map(Self)
    }
}

fn from_uri<T: DeserializeOwned>(uri: &Uri) -> Result<T, ServiceError> {
    axum::extract::Query::try_from_uri(uri)
        .map(|axum::extract::Query(value)| value)
        .map_err(|rejection| refuse(&rejection))
}

/// Reads a query on its own, without its question mark.
#[cfg(feature = "actix")]
pub(crate) fn from_query<T: DeserializeOwned>(query: &str) -> Result<T, ServiceError> {
    let uri = Uri::try_from(format!("/?{query}"))
        .map_err(|_| invalid(Violation::new("query", "malformed")))?;
    from_uri(&uri)
}

type FieldError = serde_path_to_error::Error<serde::de::value::Error>;

fn refuse(rejection: &(dyn Error + 'static)) -> ServiceError {
    let mut cause = Some(rejection);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<FieldError>() {
            let path = found.path().to_string();
            let message = found.inner().to_string();
            return invalid(violation::of_field("query", &path, &message));
        }
        cause = error.source();
    }
    invalid(Violation::new("query", "malformed"))
}
