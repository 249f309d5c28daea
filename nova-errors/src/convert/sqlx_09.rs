use sqlx::error::ErrorKind as SqlKind;

use crate::{Origin, ServiceError};

impl From<sqlx::Error> for ServiceError {
    /// Sorted by SQLSTATE (PostgreSQL) or by the extended result code (SQLite). The messages are
    /// fixed phrases: what the database said, constraint names included, is the source.
    ///
    /// A lost race (serialization failure, deadlock, a busy SQLite) is `Aborted`. The effect is always unknown: the
    /// database speaks for one statement or transaction, and the handler may have done other things before.
    fn from(error: sqlx::Error) -> Self {
        let converted = match &error {
            sqlx::Error::RowNotFound => Self::NotFound("row".into()),
            sqlx::Error::PoolTimedOut => Self::ServiceUnavailable("database pool is busy".into()),
            sqlx::Error::PoolClosed => Self::ServiceUnavailable("database pool is closed".into()),
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => {
                Self::ServiceUnavailable("database connection".into())
            }
            sqlx::Error::Database(database) => {
                from_database(&database.kind(), &database.code().unwrap_or_default())
            }
            _ => Self::Internal("database".into()),
        };
        let origin = match &error {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) => Origin::Transport,
            _ => Origin::Local,
        };
        converted.with_origin(origin).with_source(error)
    }
}

fn from_database(kind: &SqlKind, code: &str) -> ServiceError {
    match kind {
        SqlKind::UniqueViolation | SqlKind::ExclusionViolation => {
            ServiceError::Conflict("it exists already".into())
        }
        SqlKind::ForeignKeyViolation => {
            ServiceError::PreconditionFailed("what it refers to does not exist".into())
        }
        SqlKind::NotNullViolation | SqlKind::CheckViolation => {
            ServiceError::Validation("a value breaks a rule of the database".into())
        }
        _ => from_sqlstate(code)
            .or_else(|| from_sqlite(code))
            .unwrap_or_else(|| ServiceError::Internal("database".into())),
    }
}

/// By class, then by code: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn from_sqlstate(code: &str) -> Option<ServiceError> {
    if code.len() != 5 {
        return None;
    }
    Some(match code {
        // A serialization failure, a deadlock, a lock that was not to be had.
        "40001" | "40P01" | "55P03" => ServiceError::Aborted("lost a race in the database".into()),
        // A write to a primary that has become a standby; the next connection finds the new primary.
        "25006" => ServiceError::ServiceUnavailable("the database is read-only".into()),
        "57014" => ServiceError::Timeout("database statement".into()),
        "XX001" | "XX002" => ServiceError::DataLoss("database".into()),
        "42501" => ServiceError::Internal("database privileges".into()),
        _ => match code.get(..2)? {
            "08" | "57" | "53" => ServiceError::ServiceUnavailable("database".into()),
            "22" => ServiceError::Validation("a value does not fit the database".into()),
            "28" => ServiceError::Internal("database login".into()),
            _ => return None,
        },
    })
}

/// The primary result code is the low byte: <https://www.sqlite.org/rescode.html>.
fn from_sqlite(code: &str) -> Option<ServiceError> {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    const CORRUPT: u32 = 11;
    const FULL: u32 = 13;
    const NOT_A_DATABASE: u32 = 26;
    let code: u32 = code.parse().ok()?;
    Some(match code & 0xff {
        BUSY | LOCKED => ServiceError::Aborted("the database is busy".into()),
        FULL => ServiceError::ServiceUnavailable("the database is full".into()),
        CORRUPT | NOT_A_DATABASE => ServiceError::DataLoss("database".into()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use sqlx::{Connection, SqliteConnection};

    #[test]
    fn sqlstates_lead_to_kinds() {
        let cases = [
            ("40001", ErrorKind::Aborted),
            ("40P01", ErrorKind::Aborted),
            ("57014", ErrorKind::Timeout),
            ("57P01", ErrorKind::ServiceUnavailable),
            ("53300", ErrorKind::ServiceUnavailable),
            ("08006", ErrorKind::ServiceUnavailable),
            ("22001", ErrorKind::Validation),
            ("25006", ErrorKind::ServiceUnavailable),
            ("XX000", ErrorKind::Internal),
            ("XX001", ErrorKind::DataLoss),
            ("XX002", ErrorKind::DataLoss),
            ("42P01", ErrorKind::Internal),
        ];
        for (code, kind) in cases {
            assert_eq!(from_database(&SqlKind::Other, code).kind(), kind, "{code}");
        }
    }

    #[test]
    fn an_overlap_that_a_constraint_excludes_is_a_conflict() {
        let error = from_database(&SqlKind::ExclusionViolation, "23P01");
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }

    #[test]
    fn a_lost_race_says_nothing_of_what_the_handler_did_before() {
        for code in ["40001", "40P01", "55P03", "5"] {
            let error = from_database(&SqlKind::Other, code);
            assert!(error.is_safe_to_retry(true), "{code}");
            assert!(!error.is_safe_to_retry(false), "{code}");
        }
    }

    #[tokio::test]
    async fn what_sqlite_refuses_has_its_kind_and_stays_in_the_source() {
        let mut db = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql(
            "PRAGMA foreign_keys = ON;
             CREATE TABLE users (name TEXT PRIMARY KEY, age INTEGER NOT NULL CHECK (age > 0));
             CREATE TABLE posts (author TEXT REFERENCES users);
             INSERT INTO users VALUES ('ada', 36);",
        )
        .execute(&mut db)
        .await
        .unwrap();
        let cases = [
            ("INSERT INTO users VALUES ('ada', 1)", ErrorKind::Conflict),
            ("INSERT INTO users VALUES ('bob', 0)", ErrorKind::Validation),
            (
                "INSERT INTO users VALUES ('bob', NULL)",
                ErrorKind::Validation,
            ),
            (
                "INSERT INTO posts VALUES ('bob')",
                ErrorKind::PreconditionFailed,
            ),
            ("SELECT * FROM hunter2", ErrorKind::Internal),
        ];
        for (sql, kind) in cases {
            let error = sqlx::raw_sql(sql).execute(&mut db).await.unwrap_err();
            let error = ServiceError::from(error);
            assert_eq!(error.kind(), kind, "{sql}");
            assert!(!error.to_string().contains("users"), "{error}");
            assert!(error.find_source::<sqlx::Error>().is_some());
        }
    }

    #[test]
    fn a_busy_sqlite_is_a_lost_race_whatever_its_extended_code() {
        for code in ["5", "261", "517", "773"] {
            assert_eq!(
                from_sqlite(code).map(|e| e.kind()),
                Some(ErrorKind::Aborted)
            );
        }
    }

    #[test]
    fn a_pool_time_out_may_pass_but_is_not_safe_to_retry() {
        let error = ServiceError::from(sqlx::Error::PoolTimedOut);
        assert!(error.is_retryable());
        assert!(!error.is_safe_to_retry(false));
    }
}
