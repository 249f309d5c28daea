use chrono::{DateTime, Utc};
use nova_errors::{ErrorKind, ServiceError};
use nova_events::identity::{UserCreated, UserDeleted};
use nova_kit::{Db, Pool, now};
use nova_outbox::Outbox;
use serde::Serialize;
use sqlx::{query, query_as};
use uuid::Uuid;

use crate::access_tokens::refused;
use crate::credentials::{Login, Registration};
use crate::password_pool::PasswordPool;
use crate::revocations::{Revocations, Revoked};

/// Who has an account, and the events that tell of it.
#[derive(Debug, Clone)]
pub(crate) struct Accounts {
    pool: Pool,
    outbox: Outbox<Db>,
    passwords: PasswordPool,
    revocations: Revocations,
}

/// A new account, as its owner sees it.
#[derive(Serialize)]
pub(crate) struct Account {
    user_id: Uuid,
    username: String,
    email: String,
    created_at: DateTime<Utc>,
}

impl Accounts {
    pub(crate) fn new(
        pool: Pool,
        outbox: Outbox<Db>,
        passwords: PasswordPool,
        revocations: Revocations,
    ) -> Self {
        Self {
            pool,
            outbox,
            passwords,
            revocations,
        }
    }

    /// # Errors
    ///
    /// `Validation` for what breaks a rule, `Conflict` where the name or the address has an account. Which of the two is not said, but who registers
    /// somebody's address under a name that nobody has can tell: only a confirmation by mail hides it.
    pub(crate) async fn register(
        &self,
        registration: Registration,
    ) -> Result<Account, ServiceError> {
        let new = registration.parse()?;
        // Before the transaction: it takes longer than a transaction may.
        let password_hash = self.passwords.hash(new.password).await?;
        let account = Account {
            user_id: Uuid::now_v7(),
            username: new.username,
            email: new.email,
            created_at: now(),
        };
        let mut tx = self.pool.begin().await?;
        query(
            "INSERT INTO users (id, username, email, password_hash, created_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(account.user_id)
        .bind(&account.username)
        .bind(&account.email)
        .bind(password_hash)
        .bind(account.created_at)
        .execute(&mut *tx)
        .await
        .map_err(|error| taken(error.into()))?;
        let event = UserCreated {
            user_id: account.user_id,
            username: account.username.clone(),
            email: account.email.clone(),
            created_at: account.created_at,
        };
        self.outbox.enqueue(&mut tx, &event).await?;
        self.outbox.commit(tx).await?;
        Ok(account)
    }

    /// The user who logs in.
    ///
    /// # Errors
    ///
    /// `Authentication`, the same after the same work whether the name or the password is wrong.
    pub(crate) async fn authenticate(&self, login: Login) -> Result<Uuid, ServiceError> {
        let known: Option<(Uuid, String)> = match login.name() {
            // Names hold no `@`, so that one can't be another's address.
            Some(name) => {
                query_as("SELECT id, password_hash FROM users WHERE username = $1 OR email = $1")
                    .bind(name)
                    .fetch_optional(&self.pool)
                    .await?
            }
            None => None,
        };
        let (user, hash) = known.unzip();
        let matches = self.passwords.verify(login.password, hash).await?;
        user.filter(|_| matches).ok_or_else(wrong_credentials)
    }

    /// Deletes a user with all sessions.
    pub(crate) async fn delete(&self, user_id: Uuid) -> Result<(), ServiceError> {
        let mut tx = self.pool.begin().await?;
        let deleted = query("DELETE FROM users WHERE id = $1")
            .bind(user_id)
            .execute(&mut *tx)
            .await?;
        if deleted.rows_affected() == 0 {
            return Err(ServiceError::NotFound(format!("user {user_id}").into()));
        }
        let event = UserDeleted {
            user_id,
            deleted_at: now(),
            soft_delete: false,
        };
        self.outbox.enqueue(&mut tx, &event).await?;
        self.revocations
            .record(&mut tx, Revoked::User(user_id))
            .await?;
        self.outbox.commit(tx).await?;
        self.revocations.announce();
        Ok(())
    }
}

pub(crate) fn wrong_credentials() -> ServiceError {
    refused("the name or the password is wrong", "credentials")
}

fn taken(error: ServiceError) -> ServiceError {
    if error.kind() == ErrorKind::Conflict {
        return error
            .with_message("the username or the e-mail address has an account")
            .with_reason("taken");
    }
    error
}
