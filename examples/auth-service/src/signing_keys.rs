use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use nova_errors::ServiceError;
use nova_kit::{Pool, now};
use sqlx::{query, query_scalar};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The keys that access tokens are signed with, kept in the database: made at the first start, shared by all
/// processes of the service. A clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct SigningKeys(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: Pool,
    /// Oldest first: the last one signs.
    keys: RwLock<Vec<Arc<SigningKey>>>,
    loaded: Mutex<Instant>,
}

/// A key pair. The private half never shows in `Debug`.
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pub(crate) signing: EncodingKey,
    pub(crate) verifying: DecodingKey,
    pub(crate) public: Jwk,
}

impl SigningKeys {
    /// The algorithm of all keys: Ed25519, RFC 8037.
    pub(crate) const ALGORITHM: Algorithm = Algorithm::EdDSA;
    /// How often a key that nobody knows is looked for in the database, at most.
    const RELOAD: Duration = Duration::from_secs(1);

    pub(crate) async fn open(pool: Pool) -> Result<Self, ServiceError> {
        let mut keys = load(&pool).await?;
        if keys.is_empty() {
            generate(&pool).await?;
            // Other processes may have made one as well: each loads them all.
            keys = load(&pool).await?;
        }
        Ok(Self(Arc::new(Inner {
            pool,
            keys: RwLock::new(keys),
            loaded: Mutex::new(Instant::now()),
        })))
    }

    /// The key to sign with.
    pub(crate) fn current(&self) -> Result<Arc<SigningKey>, ServiceError> {
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys.last().cloned();
        key.ok_or_else(|| ServiceError::Internal("no signing key".into()))
    }

    /// All keys that a valid token may be signed with.
    pub(crate) fn all(&self) -> Vec<Arc<SigningKey>> {
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.clone()
    }

    /// The key of this name, which another process may have made a moment ago.
    pub(crate) async fn find(&self, kid: &str) -> Result<Option<Arc<SigningKey>>, ServiceError> {
        let known = || self.all().into_iter().find(|key| key.kid == kid);
        if let Some(key) = known() {
            return Ok(Some(key));
        }
        // Junk names wait here for each other, and ask the database once a second.
        let mut loaded = self.0.loaded.lock().await;
        if loaded.elapsed() >= Self::RELOAD {
            let keys = load(&self.0.pool).await?;
            *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
            *loaded = Instant::now();
        }
        Ok(known())
    }
}

async fn load(pool: &Pool) -> Result<Vec<Arc<SigningKey>>, ServiceError> {
    let stored: Vec<Vec<u8>> =
        query_scalar("SELECT pkcs8 FROM signing_keys ORDER BY created_at, kid")
            .fetch_all(pool)
            .await?;
    let keys = stored.iter().map(|pkcs8| SigningKey::new(pkcs8));
    keys.map(|key| key.map(Arc::new)).collect()
}

async fn generate(pool: &Pool) -> Result<(), ServiceError> {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new())
        .map_err(|error| ServiceError::Internal("make a signing key".into()).with_source(error))?;
    let key = SigningKey::new(pkcs8.as_ref())?;
    query("INSERT INTO signing_keys (kid, pkcs8, created_at) VALUES ($1, $2, $3)")
        .bind(&key.kid)
        .bind(pkcs8.as_ref())
        .bind(now())
        .execute(pool)
        .await?;
    tracing::info!(kid = key.kid, "made a signing key");
    Ok(())
}

impl SigningKey {
    /// The key pair of an unencrypted PKCS #8 document, named by its thumbprint (RFC 7638).
    fn new(pkcs8: &[u8]) -> Result<Self, ServiceError> {
        let signing = EncodingKey::from_ed_der(pkcs8);
        let (public, kid, verifying) = public_half(&signing)
            .map_err(|error| ServiceError::DataLoss("signing key".into()).with_source(error))?;
        Ok(Self {
            kid,
            signing,
            verifying,
            public,
        })
    }
}

fn public_half(
    signing: &EncodingKey,
) -> Result<(Jwk, String, DecodingKey), jsonwebtoken::errors::Error> {
    let mut public = Jwk::from_encoding_key(signing, SigningKeys::ALGORITHM)?;
    let kid = public.thumbprint(ThumbprintHash::SHA256)?;
    public.common.key_id = Some(kid.clone());
    public.common.public_key_use = Some(PublicKeyUse::Signature);
    let verifying = DecodingKey::from_jwk(&public)?;
    Ok((public, kid, verifying))
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
