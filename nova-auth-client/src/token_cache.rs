use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use moka::future::Cache;
use nova_errors::ServiceError;
use tokio::time::Instant;

use crate::UserClaims;
use crate::flights::Outcome;
use crate::revocations::{Moment, Revocations};
use crate::token_key::TokenKey;

/// What the service said about tokens.
///
/// Refusals are kept apart, so that junk tokens push out no good one. Failures to ask are not kept.
pub(crate) struct TokenCache {
    verified: Cache<TokenKey, Verified>,
    refused: Cache<TokenKey, Refused>,
    revocations: Arc<Revocations>,
}

#[derive(Clone)]
struct Verified {
    claims: Arc<UserClaims>,
    began: Moment,
}

#[derive(Clone)]
struct Refused {
    error: ServiceError,
    since: Instant,
}

impl TokenCache {
    /// The most tokens of either sort.
    const CAPACITY: u64 = 10_000;
    /// After this the service is asked again, for a new name or address of the user.
    const MAX_AGE: Duration = Duration::from_secs(5 * 60);
    /// How long a refusal stands.
    pub(crate) const REFUSAL_AGE: Duration = Duration::from_secs(1);

    pub(crate) fn new(revocations: Arc<Revocations>) -> Self {
        Self {
            verified: Cache::builder()
                .max_capacity(Self::CAPACITY)
                .time_to_live(Self::MAX_AGE)
                .build(),
            refused: Cache::builder()
                .max_capacity(Self::CAPACITY)
                .time_to_live(Self::REFUSAL_AGE)
                .build(),
            revocations,
        }
    }

    /// This moment, for a verification that begins now.
    pub(crate) fn moment(&self) -> Moment {
        self.revocations.moment()
    }

    /// What is known of a token at this moment.
    pub(crate) async fn get(&self, key: &TokenKey) -> Option<Outcome> {
        let now = Instant::now();
        if self.revocations.is_live(now)
            && let Some(known) = self.verified.get(key).await
            && known.claims.expires_at > Utc::now()
            && self.revocations.trusts(&known.claims, known.began)
        {
            return Some(Ok(known.claims));
        }
        let refused = self.refused.get(key).await?;
        let age = now.saturating_duration_since(refused.since);
        (age < Self::REFUSAL_AGE).then_some(Err(refused.error))
    }

    /// Keeps the answer to a verification that began at `began`. `false` where it was revoked
    /// meanwhile, so that the answer is worth nothing.
    pub(crate) async fn verified(
        &self,
        key: TokenKey,
        claims: Arc<UserClaims>,
        began: Moment,
    ) -> bool {
        if self.revocations.overtakes(&claims, began) {
            return false;
        }
        if claims.expires_at > Utc::now() {
            self.verified.insert(key, Verified { claims, began }).await;
        }
        true
    }

    /// Keeps a refusal.
    pub(crate) async fn refused(&self, key: TokenKey, error: ServiceError) {
        let since = Instant::now();
        self.refused.insert(key, Refused { error, since }).await;
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("verified", &self.verified.entry_count())
            .field("refused", &self.refused.entry_count())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::WatchRevocationsResponse;
    use chrono::{DateTime, TimeDelta};
    use uuid::Uuid;

    fn claims(expires_at: DateTime<Utc>) -> Arc<UserClaims> {
        Arc::new(UserClaims {
            user_id: Uuid::nil(),
            username: String::new(),
            email: String::new(),
            roles: Vec::new(),
            scopes: Vec::new(),
            token_id: "session".to_owned(),
            issued_at: DateTime::UNIX_EPOCH,
            expires_at,
        })
    }

    fn live_cache() -> (TokenCache, Moment) {
        let revocations = Arc::new(Revocations::new(Instant::now()));
        let heartbeat = WatchRevocationsResponse {
            caught_up: true,
            ..WatchRevocationsResponse::default()
        };
        revocations.apply(&heartbeat, Instant::now() + Duration::from_secs(600));
        let began = revocations.moment();
        (TokenCache::new(revocations), began)
    }

    #[tokio::test]
    async fn junk_pushes_out_no_good_token() {
        let (cache, began) = live_cache();
        let good = TokenKey::of("good").unwrap();
        let later = Utc::now() + TimeDelta::minutes(15);
        assert!(cache.verified(good, claims(later), began).await);
        for junk in 0..2 * TokenCache::CAPACITY {
            let key = TokenKey::of(&junk.to_string()).unwrap();
            let error = ServiceError::Authentication("junk".into());
            cache.refused(key, error).await;
        }
        cache.refused.run_pending_tasks().await;
        assert!(cache.refused.entry_count() <= TokenCache::CAPACITY);
        assert!(matches!(cache.get(&good).await, Some(Ok(_))));
    }

    #[tokio::test]
    async fn nothing_is_answered_past_its_expiry() {
        let (cache, began) = live_cache();
        let key = TokenKey::of("token").unwrap();
        let expires_at = Utc::now() + TimeDelta::milliseconds(50);
        cache.verified(key, claims(expires_at), began).await;
        while Utc::now() < expires_at {
            let known = cache.get(&key).await;
            assert!(matches!(known, Some(Ok(_))) || Utc::now() >= expires_at);
        }
        assert!(cache.get(&key).await.is_none());
    }
}
