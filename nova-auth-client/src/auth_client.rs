use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use nova_errors::{ErrorKind, ServiceError, Violation};
use tokio::time::{Instant, timeout_at};
use tonic::transport::Channel;
use uuid::Uuid;

use crate::cache_metrics::CacheMetrics;
use crate::flights::{Flights, Outcome};
use crate::proto::auth_service_client::AuthServiceClient;
use crate::proto::{
    CheckUserExistsRequest, GetUserRequest, GetUsersByIdsRequest, ListUsersRequest,
    VerifyTokenRequest,
};
use crate::revocation_watch::RevocationWatch;
use crate::revocations::Revocations;
use crate::token_cache::TokenCache;
use crate::token_key::TokenKey;
use crate::unary::{Unary, timed_out};
use crate::{AuthClientBuilder, AuthLayer, User, UserClaims, UserPage};

/// A client of the auth service: who does this token belong to, and who is this user.
///
/// A clone is the same client. It follows the service's revocations in a task that ends with the last clone. The
/// [crate's documentation](crate) says what is kept in memory, and for how long.
///
/// ```no_run
/// use nova_auth_client::AuthClient;
///
/// # async fn run(token: &str) -> Result<(), nova_errors::ServiceError> {
/// let auth = AuthClient::connect("http://auth-service:8084").await?;
/// let claims = auth.verify_token(token).await?;
/// let user = auth.get_user(claims.user_id).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AuthClient {
    inner: Arc<Inner>,
    _watch: Arc<RevocationWatch>,
}

struct Inner {
    unary: Unary,
    timeout: Duration,
    cache: TokenCache,
    flights: Flights,
    metrics: CacheMetrics,
}

impl AuthClient {
    /// The most ids of one [`get_users_by_ids`](Self::get_users_by_ids).
    pub const MAX_IDS: usize = 500;

    /// A client of the service at `url` with the default settings.
    ///
    /// # Errors
    ///
    /// `Validation` where the URL is invalid. A service that is away is no error here: it shows at the first call.
    pub async fn connect(url: &str) -> Result<Self, ServiceError> {
        Self::builder().connect(url).await
    }

    /// A client with settings of one's own.
    pub fn builder() -> AuthClientBuilder {
        AuthClientBuilder::new()
    }

    pub(crate) fn new(channel: Channel, timeout: Duration) -> Result<Self, ServiceError> {
        let unary = Unary::new(channel.clone(), timeout)?;
        let revocations = Arc::new(Revocations::new(Instant::now()));
        // A stream passes by the policies of calls, and has a backoff of its own.
        let watch =
            RevocationWatch::start(AuthServiceClient::new(channel), Arc::clone(&revocations))?;
        let inner = Inner {
            unary,
            timeout,
            cache: TokenCache::new(revocations),
            flights: Flights::default(),
            metrics: CacheMetrics::new(),
        };
        Ok(Self {
            inner: Arc::new(inner),
            _watch: Arc::new(watch),
        })
    }

    /// The claims of an access token, which is given without the word `Bearer`.
    ///
    /// Callers that ask for one token at the same time make one call.
    ///
    /// # Errors
    ///
    /// - `Authentication` where the token is malformed, forged, expired or revoked; the reason is in the error's code.
    /// - `ServiceUnavailable`, `Timeout`, `RateLimited` or `Upstream` where the service can't say: treat it as a no.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes nothing from others that wait for the same token.
    pub async fn verify_token(&self, token: &str) -> Result<Arc<UserClaims>, ServiceError> {
        let inner = &self.inner;
        let key = TokenKey::of(token)?;
        if let Some(known) = inner.cache.get(&key).await {
            match known {
                Ok(_) => inner.metrics.hit.increment(1),
                Err(_) => inner.metrics.refused.increment(1),
            }
            return known;
        }
        inner.metrics.miss.increment(1);
        let flight = inner.flights.join(key, || {
            let (inner, token) = (Arc::clone(inner), token.to_owned());
            async move { inner.ask(key, token).await }.boxed()
        });
        timeout_at(inner.unary.deadline(), flight)
            .await
            .unwrap_or_else(|_| Err(timed_out()))
    }

    /// The user that an access token belongs to.
    ///
    /// # Errors
    ///
    /// Those of [`verify_token`](Self::verify_token).
    pub async fn get_user_id(&self, token: &str) -> Result<Uuid, ServiceError> {
        Ok(self.verify_token(token).await?.user_id)
    }

    /// One user.
    ///
    /// # Errors
    ///
    /// `NotFound` where there is none; `ServiceUnavailable` or `Timeout` where the service is away.
    pub async fn get_user(&self, user_id: Uuid) -> Result<User, ServiceError> {
        let unary = &self.inner.unary;
        let user_id = user_id.to_string();
        let response = unary
            .call(
                unary.deadline(),
                GetUserRequest { user_id },
                async |mut client, request| client.get_user(request).await,
            )
            .await?;
        response
            .user
            .ok_or_else(|| ServiceError::Upstream("answer without a user".into()))?
            .try_into()
    }

    /// The users among `user_ids` that exist, in no particular order.
    ///
    /// # Errors
    ///
    /// `Validation` for more than [`MAX_IDS`](Self::MAX_IDS); `ServiceUnavailable` or `Timeout` where the service is away.
    pub async fn get_users_by_ids(&self, user_ids: &[Uuid]) -> Result<Vec<User>, ServiceError> {
        if user_ids.len() > Self::MAX_IDS {
            let expected = format!("expected at most {}, got {}", Self::MAX_IDS, user_ids.len());
            return Err(ServiceError::Validation(
                Violation::new("user_ids", expected).into(),
            ));
        }
        if user_ids.is_empty() {
            return Ok(Vec::new());
        }
        let unary = &self.inner.unary;
        let user_ids = user_ids.iter().map(Uuid::to_string).collect();
        let request = GetUsersByIdsRequest { user_ids };
        let response = unary
            .call(unary.deadline(), request, async |mut client, request| {
                client.get_users_by_ids(request).await
            })
            .await?;
        response.users.into_iter().map(User::try_from).collect()
    }

    /// A page of all users, from `next_cursor` of the page before, with at most `limit` users, 1 to 100.
    ///
    /// # Errors
    ///
    /// `Validation` for a limit out of bounds and for a cursor that is none; `ServiceUnavailable` or `Timeout` where
    /// the service is away.
    pub async fn list_users(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<UserPage, ServiceError> {
        if !(1..=100).contains(&limit) {
            let violation = Violation::new("limit", format!("expected 1 to 100, got {limit}"));
            return Err(ServiceError::Validation(violation.into()));
        }
        let unary = &self.inner.unary;
        let cursor = cursor.unwrap_or_default().to_owned();
        let request = ListUsersRequest { cursor, limit };
        let response = unary
            .call(unary.deadline(), request, async |mut client, request| {
                client.list_users(request).await
            })
            .await?;
        let users = response.users.into_iter().map(User::try_from);
        Ok(UserPage {
            users: users.collect::<Result<_, _>>()?,
            total: response.total,
            next_cursor: Some(response.next_cursor).filter(|cursor| !cursor.is_empty()),
        })
    }

    /// Whether a user exists.
    ///
    /// # Errors
    ///
    /// `ServiceUnavailable` or `Timeout` where the service is away.
    pub async fn check_user_exists(&self, user_id: Uuid) -> Result<bool, ServiceError> {
        let unary = &self.inner.unary;
        let user_id = user_id.to_string();
        let request = CheckUserExistsRequest { user_id };
        let response = unary
            .call(unary.deadline(), request, async |mut client, request| {
                client.check_user_exists(request).await
            })
            .await?;
        Ok(response.exists)
    }

    /// The layer that lets only requests with a valid token through: see [`AuthLayer`].
    pub fn layer(&self) -> AuthLayer {
        AuthLayer::new(self.clone())
    }
}

impl Inner {
    /// The attempts to get an answer that no revocation overtakes.
    const MAX_OVERTAKEN: usize = 3;

    async fn ask(&self, key: TokenKey, token: String) -> Outcome {
        // A flight that has landed since the caller looked.
        if let Some(known) = self.cache.get(&key).await {
            return known;
        }
        // For all that wait, whatever the deadline of the first.
        let deadline = Instant::now() + self.timeout;
        let request = VerifyTokenRequest { token };
        for _ in 0..Self::MAX_OVERTAKEN {
            let began = self.cache.moment();
            let answer = self
                .unary
                .call(deadline, request.clone(), async |mut client, request| {
                    client.verify_token(request).await
                })
                .await;
            match answer {
                Ok(response) => {
                    let claims = Arc::new(UserClaims::try_from(response)?);
                    if self.cache.verified(key, Arc::clone(&claims), began).await {
                        return Ok(claims);
                    }
                }
                Err(error) if is_refusal(&error) => {
                    self.cache.refused(key, error.clone()).await;
                    return Err(error);
                }
                Err(error) => return Err(undecided(error)),
            }
        }
        Err(ServiceError::ServiceUnavailable(
            "revocations overtake each verification of the token".into(),
        ))
    }
}

/// Whether the service speaks of the token: it gives a reason. A proxy in front of it, or a service that does not know
/// this client, says UNAUTHENTICATED as well, and must not look like an invalid token to every user.
fn is_refusal(error: &ServiceError) -> bool {
    let kind = error.kind();
    kind == ErrorKind::Authentication && error.code() != kind.code()
}

/// A failure to verify is about the service, never about the request that carries the token: what the service
/// may not answer would read there as "not found" or "invalid".
fn undecided(error: ServiceError) -> ServiceError {
    match error.kind() {
        ErrorKind::ServiceUnavailable | ErrorKind::Timeout | ErrorKind::RateLimited => error,
        _ => ServiceError::Upstream("token verification".into()).with_source(error),
    }
}

impl fmt::Debug for AuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthClient")
            .field("timeout", &self.inner.timeout)
            .field("cache", &self.inner.cache)
            .field("flights", &self.inner.flights)
            .finish_non_exhaustive()
    }
}
