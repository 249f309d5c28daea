use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use nova_errors::{Effect, ServiceError};

use crate::body_limit::read_body;
use crate::command::CommandMark;

/// The whole body as it came, within the [`BodyLimit`](crate::BodyLimit): for what hands it on, or reads another format than
/// JSON.
///
/// ```
/// use axum::{Router, routing::post};
/// use nova_service::{RawBody, ServiceLayer};
///
/// let count = post(|RawBody(body): RawBody| async move { body.len().to_string() });
/// let app = ServiceLayer::new("content-service").wrap(Router::new().route("/count", count));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = ServiceError;

    /// # Errors
    ///
    /// `PayloadTooLarge` for a body over the limit, `Validation` for one that breaks off. The effect is none: no handler ran.
    async fn from_request(request: Request, _state: &S) -> Result<Self, ServiceError> {
        let mark = CommandMark::of(&request);
        match read_body(request).await {
            Ok(body) => {
                mark.hand_over();
                Ok(Self(body))
            }
            Err(error) => Err(error.with_effect(Effect::None)),
        }
    }
}
