use chrono::{DateTime, Utc};
use nova_errors::{ServiceError, Violation};
use nova_kit::{Db, Pool};
use sqlx::{FromRow, QueryBuilder, query_as, query_scalar};
use uuid::Uuid;

/// A row of `users`, without the password.
#[derive(FromRow)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) created_at: DateTime<Utc>,
}

/// A page of users.
pub(crate) struct UserPage {
    pub(crate) users: Vec<User>,
    pub(crate) total: i64,
    pub(crate) next: Option<Uuid>,
}

/// Reads users for other services.
#[derive(Debug, Clone)]
pub(crate) struct Users {
    pool: Pool,
}

impl Users {
    /// The most ids of one look-up.
    pub(crate) const MAX_IDS: usize = 500;
    const MAX_PAGE: u32 = 100;
    const DEFAULT_PAGE: u32 = 20;

    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    pub(crate) async fn get(&self, id: Uuid) -> Result<Option<User>, ServiceError> {
        Ok(
            query_as("SELECT id, username, email, created_at FROM users WHERE id = $1")
                .bind(id)
                .fetch_optional(&self.pool)
                .await?,
        )
    }

    /// Those of the users that exist, in one query.
    pub(crate) async fn get_all(&self, ids: &[Uuid]) -> Result<Vec<User>, ServiceError> {
        if ids.len() > Self::MAX_IDS {
            let expected = format!("expected at most {}, got {}", Self::MAX_IDS, ids.len());
            return Err(ServiceError::Validation(
                Violation::new("user_ids", expected).into(),
            ));
        }
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut select = QueryBuilder::<Db>::new(
            "SELECT id, username, email, created_at FROM users WHERE id IN (",
        );
        let mut list = select.separated(", ");
        for id in ids {
            list.push_bind(*id);
        }
        select.push(")");
        Ok(select.build_query_as().fetch_all(&self.pool).await?)
    }

    /// A page in the order of registration, which is that of the ids: they are UUIDs of version 7.
    pub(crate) async fn page(
        &self,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<UserPage, ServiceError> {
        let limit = match limit {
            0 => Self::DEFAULT_PAGE,
            1..=Self::MAX_PAGE => limit,
            _ => {
                let violation = Violation::new("limit", format!("expected 1 to 100, got {limit}"));
                return Err(ServiceError::Validation(violation.into()));
            }
        };
        let total = query_scalar("SELECT COUNT(*) FROM users")
            .fetch_one(&self.pool)
            .await?;
        // One more than the page holds tells whether there is a next one.
        let mut users: Vec<User> = query_as(
            "SELECT id, username, email, created_at FROM users WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind(after.unwrap_or(Uuid::nil()))
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.pool)
        .await?;
        let has_more = users.len() > limit as usize;
        users.truncate(limit as usize);
        let next = users.last().filter(|_| has_more).map(|user| user.id);
        Ok(UserPage { users, total, next })
    }
}
