use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::errors::ErrorKind as JwtErrorKind;
use jsonwebtoken::{Header, Validation, decode, decode_header, encode};
use nova_errors::ServiceError;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::signing_keys::SigningKeys;

/// Signs and checks access tokens: JWTs of the type `at+jwt` (RFC 9068).
#[derive(Debug, Clone)]
pub(crate) struct AccessTokens {
    keys: SigningKeys,
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccessClaims {
    iss: String,
    aud: String,
    /// The user.
    pub(crate) sub: Uuid,
    /// The session: what a revocation names.
    pub(crate) jti: Uuid,
    iat: i64,
    exp: i64,
    scope: String,
}

impl AccessTokens {
    const ISSUER: &str = "nova-auth";
    const AUDIENCE: &str = "nova";
    const TYPE: &str = "at+jwt";
    const SCOPE: &str = "user";
    /// How long a token is valid.
    pub(crate) const LIFETIME: TimeDelta = TimeDelta::minutes(15);
    /// The longest token that is looked at, in bytes.
    const MAX_LEN: usize = 8 * 1024;

    pub(crate) fn new(keys: SigningKeys) -> Self {
        Self { keys }
    }

    /// A token for a session, which starts to be valid at `now`.
    pub(crate) fn issue(
        &self,
        user: Uuid,
        session: Uuid,
        now: DateTime<Utc>,
    ) -> Result<String, ServiceError> {
        let key = self.keys.current()?;
        let mut header = Header::new(SigningKeys::ALGORITHM);
        header.typ = Some(Self::TYPE.to_owned());
        header.kid = Some(key.kid.clone());
        let claims = AccessClaims {
            iss: Self::ISSUER.to_owned(),
            aud: Self::AUDIENCE.to_owned(),
            sub: user,
            jti: session,
            iat: now.timestamp(),
            exp: (now + Self::LIFETIME).timestamp(),
            scope: Self::SCOPE.to_owned(),
        };
        encode(&header, &claims, &key.signing)
            .map_err(|error| ServiceError::Internal("sign a token".into()).with_source(error))
    }

    /// What a token says, if this service signed it and its time is not over. Whether its session still
    /// stands is another matter.
    ///
    /// # Errors
    ///
    /// `Authentication` with the reason `malformed`, `forged` or `expired`.
    pub(crate) async fn verify(&self, token: &str) -> Result<AccessClaims, ServiceError> {
        if token.len() > Self::MAX_LEN {
            return Err(malformed());
        }
        let header = decode_header(token).map_err(|_| malformed())?;
        if header.typ.as_deref() != Some(Self::TYPE) || header.alg != SigningKeys::ALGORITHM {
            return Err(forged());
        }
        let kid = header.kid.ok_or_else(forged)?;
        // The key is ours, whatever else the header offers.
        let key = self.keys.find(&kid).await?.ok_or_else(forged)?;
        let mut validation = Validation::new(SigningKeys::ALGORITHM);
        validation.leeway = 0;
        validation.set_issuer(&[Self::ISSUER]);
        validation.set_audience(&[Self::AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        match decode::<AccessClaims>(token, &key.verifying, &validation) {
            Ok(token) => Ok(token.claims),
            Err(error) if *error.kind() == JwtErrorKind::ExpiredSignature => {
                Err(refused("the access token has expired", "expired"))
            }
            Err(_) => Err(forged()),
        }
    }
}

impl AccessClaims {
    pub(crate) fn issued_at(&self) -> i64 {
        self.iat
    }

    pub(crate) fn expires_at(&self) -> i64 {
        self.exp
    }

    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.split_ascii_whitespace()
    }
}

fn malformed() -> ServiceError {
    refused("the access token is malformed", "malformed")
}

fn forged() -> ServiceError {
    refused("the access token is not one of this service", "forged")
}

pub(crate) fn refused(message: &'static str, reason: &str) -> ServiceError {
    ServiceError::Authentication(message.into()).with_reason(reason)
}
