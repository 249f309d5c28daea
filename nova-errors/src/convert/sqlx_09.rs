use sqlx::error::{DatabaseError, ErrorKind as SqlKind};

use crate::{Effect, Origin, ServiceError};

impl From<sqlx::Error> for ServiceError {
    /// Sorted by SQLSTATE (PostgreSQL) or by the extended result code (SQLite). The messages are
    /// fixed phrases: what the database said, constraint names included, is the source.
    ///
    /// A lost race (serialization failure, deadlock, a busy SQLite) is `Aborted` and without
    /// effect, as the database has rolled the transaction back. A pool time-out has an unknown effect: the handler may have done
    /// other things before.
    fn from(error: sqlx::Error) -> Self {
        let converted = match &error {
            sqlx::Error::RowNotFound => Self::NotFound("row".into()),
            sqlx::Error::PoolTimedOut => Self::ServiceUnavailable("database pool is busy".into()),
            sqlx::Error::PoolClosed => Self::ServiceUnavailable("database pool is closed".into()),
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => {
                Self::ServiceUnavailable("database connection".into())
            }
            sqlx::Error::Database(database) => from_database(database.as_ref()),
            _ => Self::Internal("database".into()),
        };
        let origin = match &error {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) => Origin::Transport,
            _ => Origin::Local,
        };
        converted.with_origin(origin).with_source(error)
    }
}

fn from_database(error: &dyn DatabaseError) -> ServiceError {
    match error.kind() {
        SqlKind::UniqueViolation => return ServiceError::Conflict("it exists already".into()),
        SqlKind::ForeignKeyViolation => {
            return ServiceError::PreconditionFailed("what it refers to does not exist".into());
        }
        SqlKind::NotNullViolation | SqlKind::CheckViolation => {
            return ServiceError::Validation("a value breaks a rule of the database".into());
        }
        _ => {}
    }
    let code = error.code();
    let code = code.as_deref().unwrap_or_default();
    from_sqlstate(code)
        .or_else(|| from_sqlite(code))
        .unwrap_or_else(|| ServiceError::Internal("database".into()))
}

/// By class, then by code: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn from_sqlstate(code: &str) -> Option<ServiceError> {
    if code.len() != 5 {
        return None;
    }
    Some(match code {
        // A serialization failure, a deadlock, a lock that was not to be had.
        "40001" | "40P01" | "55P03" => {
            ServiceError::Aborted("lost a race in the database".into()).with_effect(Effect::None)
        }
        "57014" => ServiceError::Timeout("database statement".into()),
        "42501" => ServiceError::Internal("database privileges".into()),
        _ => match code.get(..2)? {
            "08" | "57" | "53" => ServiceError::ServiceUnavailable("database".into()),
            "22" => ServiceError::Validation("a value does not fit the database".into()),
            "28" => ServiceError::Internal("database login".into()),
            "XX" => ServiceError::DataLoss("database".into()),
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
        BUSY | LOCKED => {
            ServiceError::Aborted("the database is busy".into()).with_effect(Effect::None)
        }
        FULL => ServiceError::ServiceUnavailable("the database is full".into()),
        CORRUPT | NOT_A_DATABASE => ServiceError::DataLoss("database".into()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

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
        ];
        for (code, kind) in cases {
            assert_eq!(from_sqlstate(code).map(|e| e.kind()), Some(kind), "{code}");
        }
        assert!(from_sqlstate("42P01").is_none());
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
