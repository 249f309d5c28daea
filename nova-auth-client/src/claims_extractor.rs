use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use nova_errors::ServiceError;

use crate::UserClaims;
use crate::auth_layer::missing;

impl<S: Sync> FromRequestParts<S> for UserClaims {
    type Rejection = ServiceError;

    /// # Errors
    ///
    /// `Authentication` where no [`AuthLayer`](crate::AuthLayer) has verified a token of this request.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ServiceError> {
        verified(parts).ok_or_else(missing)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for UserClaims {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(verified(parts))
    }
}

fn verified(parts: &Parts) -> Option<UserClaims> {
    parts
        .extensions
        .get::<Arc<UserClaims>>()
        .map(|claims| claims.as_ref().clone())
}
