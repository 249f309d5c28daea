use std::fmt;

use chrono::{DateTime, Utc};
use nova_errors::ServiceError;
use uuid::Uuid;

use crate::proto::VerifyTokenResponse;

/// What a valid access token says about its bearer.
///
/// In an axum handler behind [`AuthLayer`](crate::AuthLayer) it is an extractor; `Option<UserClaims>` is one too, for
/// routes that are open to all. `Debug` leaves out the e-mail address.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserClaims {
    /// The user.
    pub user_id: Uuid,
    /// The user's name.
    pub username: String,
    /// The user's e-mail address.
    pub email: String,
    /// What the user is.
    pub roles: Vec<String>,
    /// What the token is good for.
    pub scopes: Vec<String>,
    /// What a revocation names: all tokens of one session share it.
    pub token_id: String,
    /// When the token was issued.
    pub issued_at: DateTime<Utc>,
    /// The moment from which the token is no longer valid.
    pub expires_at: DateTime<Utc>,
}

impl UserClaims {
    /// Whether the token is good for `scope`.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|held| held == scope)
    }

    /// Whether the user is a `role`.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held == role)
    }
}

impl fmt::Debug for UserClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserClaims")
            .field("user_id", &self.user_id)
            .field("roles", &self.roles)
            .field("scopes", &self.scopes)
            .field("token_id", &self.token_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl TryFrom<VerifyTokenResponse> for UserClaims {
    type Error = ServiceError;

    /// # Errors
    ///
    /// `Upstream` where the service left out what it has to say.
    fn try_from(response: VerifyTokenResponse) -> Result<Self, ServiceError> {
        if response.token_id.is_empty() {
            return Err(ServiceError::Upstream("claims without token_id".into()));
        }
        Ok(Self {
            user_id: user_id(&response.user_id)?,
            username: response.username,
            email: response.email,
            roles: response.roles,
            scopes: response.scopes,
            token_id: response.token_id,
            issued_at: time("issued_at", response.issued_at)?,
            expires_at: time("expires_at", response.expires_at)?,
        })
    }
}

pub(crate) fn user_id(text: &str) -> Result<Uuid, ServiceError> {
    Uuid::try_parse(text)
        .map_err(|error| ServiceError::Upstream("user_id is no UUID".into()).with_source(error))
}

pub(crate) fn time(
    field: &'static str,
    timestamp: Option<prost_types::Timestamp>,
) -> Result<DateTime<Utc>, ServiceError> {
    timestamp
        .and_then(|time| DateTime::from_timestamp(time.seconds, u32::try_from(time.nanos).ok()?))
        .ok_or_else(|| ServiceError::Upstream(format!("{field} is missing or no time").into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nova_errors::ErrorKind;
    use prost_types::Timestamp;

    fn response() -> VerifyTokenResponse {
        VerifyTokenResponse {
            user_id: Uuid::nil().to_string(),
            username: "alice".to_owned(),
            email: "alice@example.org".to_owned(),
            roles: vec!["admin".to_owned()],
            scopes: vec!["user".to_owned()],
            token_id: "t".to_owned(),
            issued_at: Some(Timestamp::default()),
            expires_at: Some(Timestamp {
                seconds: 900,
                nanos: 0,
            }),
        }
    }

    #[test]
    fn an_answer_that_lacks_what_matters_is_no_claims() {
        let broken: [fn(&mut VerifyTokenResponse); 5] = [
            |response| response.user_id = "alice".to_owned(),
            |response| response.token_id.clear(),
            |response| response.issued_at = None,
            |response| response.expires_at = None,
            |response| {
                response.expires_at = Some(Timestamp {
                    seconds: i64::MAX,
                    nanos: -1,
                });
            },
        ];
        for (index, break_it) in broken.iter().enumerate() {
            let mut response = response();
            break_it(&mut response);
            let error = UserClaims::try_from(response).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Upstream, "case {index}");
        }
    }

    #[test]
    fn claims_show_no_address() {
        let claims = UserClaims::try_from(response()).unwrap();
        assert!(claims.has_role("admin") && claims.has_scope("user"));
        assert!(!claims.has_role("user") && !claims.has_scope("admin"));
        assert!(!format!("{claims:?}").contains("alice"));
        assert!(!format!("{:?}", response()).contains("alice"));
    }
}
