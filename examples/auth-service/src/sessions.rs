use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use nova_errors::{ErrorKind, ServiceError};
use nova_kit::{Pool, Tx, now};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{FromRow, query, query_as};
use uuid::Uuid;

use crate::access_tokens::{AccessClaims, AccessTokens, refused};
use crate::accounts::wrong_credentials;
use crate::revocations::{Revocations, Revoked};

/// Who is logged in. A session lives until it is closed, and 30 days at most; its refresh tokens work once each.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    pool: Pool,
    tokens: AccessTokens,
    revocations: Revocations,
}

/// What a login or a refresh gives: RFC 6749, section 5.1.
#[derive(Serialize)]
pub(crate) struct Tokens {
    access_token: String,
    token_type: &'static str,
    /// In seconds.
    expires_in: i64,
    refresh_token: String,
    user_id: Uuid,
}

/// A token whose session stands.
pub(crate) struct Verified {
    pub(crate) claims: AccessClaims,
    pub(crate) username: String,
    pub(crate) email: String,
}

#[derive(FromRow)]
struct Refresh {
    id: Uuid,
    session_id: Uuid,
    user_id: Uuid,
    expires_at: DateTime<Utc>,
}

impl Sessions {
    const LIFETIME: TimeDelta = TimeDelta::days(30);

    pub(crate) fn new(pool: Pool, tokens: AccessTokens, revocations: Revocations) -> Self {
        Self {
            pool,
            tokens,
            revocations,
        }
    }

    /// Opens a session for a user who has proven who he is.
    pub(crate) async fn open(&self, user_id: Uuid) -> Result<Tokens, ServiceError> {
        let (session_id, now) = (Uuid::now_v7(), now());
        let mut tx = self.pool.begin().await?;
        query("DELETE FROM sessions WHERE user_id = $1 AND expires_at < $2")
            .bind(user_id)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        query("INSERT INTO sessions (id, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)")
            .bind(session_id)
            .bind(user_id)
            .bind(now)
            .bind(now + Self::LIFETIME)
            .execute(&mut *tx)
            .await
            .map_err(|error| gone(error.into(), wrong_credentials))?;
        let refresh_token = new_refresh_token()?;
        insert_refresh_token(&mut tx, session_id, None, &refresh_token, now).await?;
        tx.commit().await?;
        self.grant(user_id, session_id, refresh_token, now)
    }

    /// New tokens for a refresh token that was not used before. One that was is stolen, or its successor is: the session
    /// ends for both.
    ///
    /// # Errors
    ///
    /// `Authentication` where the token is unknown, expired, spent, or its session closed.
    pub(crate) async fn refresh(&self, refresh_token: &str) -> Result<Tokens, ServiceError> {
        let now = now();
        let known: Option<Refresh> = query_as(
            "SELECT r.id, r.session_id, s.user_id, s.expires_at
             FROM refresh_tokens r JOIN sessions s ON s.id = r.session_id
             WHERE r.token_hash = $1",
        )
        .bind(hash(refresh_token))
        .fetch_optional(&self.pool)
        .await?;
        let old = known
            .filter(|old| old.expires_at > now)
            .ok_or_else(wrong_refresh_token)?;
        let refresh_token = new_refresh_token()?;
        let mut tx = self.pool.begin().await?;
        let parent = Some(old.id);
        let is_first =
            insert_refresh_token(&mut tx, old.session_id, parent, &refresh_token, now).await?;
        if !is_first {
            tx.rollback().await?;
            tracing::warn!(session_id = %old.session_id, "a refresh token came twice");
            self.close(old.session_id).await?;
            return Err(wrong_refresh_token());
        }
        tx.commit().await?;
        self.grant(old.user_id, old.session_id, refresh_token, now)
    }

    /// Closes a session: its tokens stop working. One that is closed already stays so.
    pub(crate) async fn close(&self, session_id: Uuid) -> Result<(), ServiceError> {
        let mut tx = self.pool.begin().await?;
        let deleted = query("DELETE FROM sessions WHERE id = $1")
            .bind(session_id)
            .execute(&mut *tx)
            .await?;
        if deleted.rows_affected() == 0 {
            return Ok(());
        }
        self.revocations
            .record(&mut tx, Revoked::Session(session_id))
            .await?;
        tx.commit().await?;
        self.revocations.announce();
        Ok(())
    }

    /// Who an access token belongs to.
    ///
    /// # Errors
    ///
    /// `Authentication` with the reason `malformed`, `forged`, `expired` or `revoked`.
    pub(crate) async fn verify(&self, token: &str) -> Result<Verified, ServiceError> {
        let claims = self.tokens.verify(token).await?;
        let open: Option<(String, String)> = query_as(
            "SELECT u.username, u.email FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.id = $1 AND s.user_id = $2",
        )
        .bind(claims.jti)
        .bind(claims.sub)
        .fetch_optional(&self.pool)
        .await?;
        let (username, email) =
            open.ok_or_else(|| refused("the access token was revoked", "revoked"))?;
        Ok(Verified {
            claims,
            username,
            email,
        })
    }

    fn grant(
        &self,
        user_id: Uuid,
        session_id: Uuid,
        refresh_token: String,
        now: DateTime<Utc>,
    ) -> Result<Tokens, ServiceError> {
        Ok(Tokens {
            access_token: self.tokens.issue(user_id, session_id, now)?,
            token_type: "Bearer",
            expires_in: AccessTokens::LIFETIME.num_seconds(),
            refresh_token,
            user_id,
        })
    }
}

/// `false` where the parent has a child already.
async fn insert_refresh_token(
    tx: &mut Tx,
    session_id: Uuid,
    parent: Option<Uuid>,
    token: &str,
    now: DateTime<Utc>,
) -> Result<bool, ServiceError> {
    let inserted = query(
        "INSERT INTO refresh_tokens (id, session_id, parent_id, token_hash, created_at)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (parent_id) DO NOTHING",
    )
    .bind(Uuid::now_v7())
    .bind(session_id)
    .bind(parent)
    .bind(hash(token))
    .bind(now)
    .execute(&mut **tx)
    .await
    .map_err(|error| gone(error.into(), wrong_refresh_token))?;
    Ok(inserted.rows_affected() == 1)
}

/// 256 random bits in hexadecimal: not a JWT, so that nobody takes it for an access token.
fn new_refresh_token() -> Result<String, ServiceError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|error| ServiceError::Internal("random numbers".into()).with_source(error))?;
    let mut token = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(token, "{byte:02x}");
    }
    Ok(token)
}

/// A random token needs no salt and no slow hash.
fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}

fn wrong_refresh_token() -> ServiceError {
    refused("the refresh token is not valid", "refresh_token")
}

/// What a row refers to was deleted a moment ago.
fn gone(error: ServiceError, refusal: fn() -> ServiceError) -> ServiceError {
    if error.kind() == ErrorKind::PreconditionFailed {
        return refusal().with_source(error);
    }
    error
}
