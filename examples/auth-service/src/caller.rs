use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use nova_auth_client::bearer_token;
use nova_errors::ServiceError;
use uuid::Uuid;

use crate::access_tokens::refused;
use crate::identity::Identity;

/// Who calls a route of this service, by the token of the request.
pub(crate) struct Caller {
    pub(crate) user_id: Uuid,
    pub(crate) session_id: Uuid,
}

impl FromRequestParts<Identity> for Caller {
    type Rejection = ServiceError;

    async fn from_request_parts(
        parts: &mut Parts,
        identity: &Identity,
    ) -> Result<Self, ServiceError> {
        let token = bearer_token(&parts.headers)?
            .ok_or_else(|| refused("an access token is needed", "missing"))?;
        let claims = identity.sessions.verify(token).await?.claims;
        Ok(Self {
            user_id: claims.sub,
            session_id: claims.jti,
        })
    }
}
