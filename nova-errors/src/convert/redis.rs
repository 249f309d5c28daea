use redis::{ErrorKind, RedisError};

use crate::{Effect, Origin, ServiceError};

impl From<RedisError> for ServiceError {
    /// Sorted by the kind of error, and what the server refused by its error code; a pipeline or a transaction by its
    /// first failure. A refused connection has no effect, everything else an unknown one.
    ///
    /// A time-out is `Timeout`; a server that is away, loading, busy, read-only, out of memory or without a master is `ServiceUnavailable`. What
    /// this service may not do at the server, or could not prove there, is `Internal`: it is no fault of the caller. The
    /// messages are fixed phrases and the error is the source. Of a reply that could not be read the source says so and
    /// no more, because that error quotes the stored value.
    fn from(error: RedisError) -> Self {
        let refusals = error.clone().into_server_errors();
        let first = refusals.as_deref().and_then(<[_]>::first);
        let code = first.map(|(_, refusal)| refusal.code());
        if let Some(code) = code.or_else(|| error.code()) {
            return refused(code).with_source(error);
        }
        match error.kind() {
            ErrorKind::Io => disconnected(&error)
                .with_origin(Origin::Transport)
                .with_source(error),
            ErrorKind::ClusterConnectionNotFound
            | ErrorKind::MasterNameNotFoundBySentinel
            | ErrorKind::NoValidReplicasFoundBySentinel => {
                Self::ServiceUnavailable("Redis has no node for it".into())
                    .with_origin(Origin::Transport)
                    .with_source(error)
            }
            ErrorKind::AuthenticationFailed => {
                Self::Internal("Redis login".into()).with_source(error)
            }
            kind @ (ErrorKind::Parse | ErrorKind::UnexpectedReturnType) => {
                Self::Internal("Redis reply".into())
                    .with_source(RedisError::from((kind, "not of the form asked for")))
            }
            _ => Self::Internal("Redis".into()).with_source(error),
        }
    }
}

fn disconnected(error: &RedisError) -> ServiceError {
    if error.is_connection_refusal() {
        return ServiceError::ServiceUnavailable("connect to Redis".into())
            .with_effect(Effect::None);
    }
    if error.is_timeout() {
        return ServiceError::Timeout("wait for Redis".into());
    }
    ServiceError::ServiceUnavailable("Redis connection".into())
}

/// By the first word of what the server said: <https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors>.
fn refused(code: &str) -> ServiceError {
    match code {
        "LOADING" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" | "NOREPLICAS" => {
            ServiceError::ServiceUnavailable("Redis is not ready".into())
        }
        // A write to a primary that has become a replica; the next connection finds the new one.
        "READONLY" => ServiceError::ServiceUnavailable("Redis is read-only".into()),
        // Out of memory, or unable to persist.
        "OOM" | "MISCONF" => ServiceError::ServiceUnavailable("Redis is full".into()),
        "NOAUTH" | "WRONGPASS" => ServiceError::Internal("Redis login".into()),
        "NOPERM" => ServiceError::Internal("Redis privileges".into()),
        _ => ServiceError::Internal("Redis".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chain, ErrorKind as Kind};
    use std::net::TcpListener;

    /// What the client makes of this answer of the server.
    fn answered(reply: &str) -> RedisError {
        let value = redis::parse_redis_value(reply.as_bytes()).unwrap();
        value.extract_error().unwrap_err()
    }

    #[test]
    fn what_the_server_refuses_has_its_kind_and_stays_in_the_source() {
        let cases = [
            ("LOADING", Kind::ServiceUnavailable),
            ("READONLY", Kind::ServiceUnavailable),
            ("CLUSTERDOWN", Kind::ServiceUnavailable),
            ("MASTERDOWN", Kind::ServiceUnavailable),
            ("TRYAGAIN", Kind::ServiceUnavailable),
            ("BUSY", Kind::ServiceUnavailable),
            ("OOM", Kind::ServiceUnavailable),
            ("NOAUTH", Kind::Internal),
            ("WRONGPASS", Kind::Internal),
            ("NOPERM", Kind::Internal),
            ("NOSCRIPT", Kind::Internal),
            ("ERR", Kind::Internal),
            ("FROMALATERVERSION", Kind::Internal),
        ];
        for (code, kind) in cases {
            let error = ServiceError::from(answered(&format!("-{code} key-7\r\n")));
            assert_eq!(error.kind(), kind, "{code}");
            assert_eq!(error.effect(), Effect::Unknown, "{code}");
            assert!(!error.to_string().contains("key-7"), "{error}");
            assert!(Chain(&error).to_string().contains("key-7"), "{code}");
            assert!(error.find_source::<RedisError>().is_some(), "{code}");
        }
    }

    #[test]
    fn a_refused_connection_has_no_effect_and_its_cause_no_password() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let client = redis::Client::open(format!("redis://ada:hunter2@{address}/")).unwrap();
        let Err(error) = client.get_connection() else {
            panic!("nobody listens");
        };
        let error = ServiceError::from(error);
        assert_eq!(error.kind(), Kind::ServiceUnavailable);
        assert_eq!(error.effect(), Effect::None);
        assert_eq!(error.origin(), Origin::Transport);
        let told = format!("{} {error:?}", Chain(&error));
        assert!(!told.contains("hunter2"), "{told}");
    }

    #[test]
    fn a_connection_that_breaks_or_falls_silent_has_an_unknown_effect() {
        use std::io::ErrorKind as Io;
        let cases = [
            (Io::TimedOut, Kind::Timeout),
            (Io::BrokenPipe, Kind::ServiceUnavailable),
            (Io::ConnectionReset, Kind::ServiceUnavailable),
        ];
        for (kind, expected) in cases {
            let error = ServiceError::from(RedisError::from(std::io::Error::from(kind)));
            assert_eq!(error.kind(), expected, "{kind}");
            assert!(!error.is_safe_to_retry(false), "{kind}");
            assert!(error.is_safe_to_retry(true), "{kind}");
        }
    }

    #[test]
    fn a_failed_login_is_no_fault_of_the_caller() {
        let error = RedisError::from((ErrorKind::AuthenticationFailed, "wrong password"));
        assert_eq!(ServiceError::from(error).kind(), Kind::Internal);
    }

    #[test]
    fn a_stored_value_is_not_in_the_cause() {
        let value = redis::Value::BulkString(b"hunter2".to_vec());
        let error = redis::from_redis_value::<u64>(value).unwrap_err();
        let error = RedisError::from(error);
        assert!(error.to_string().contains("hunter2"), "{error}");
        let error = ServiceError::from(error);
        assert_eq!(error.kind(), Kind::Internal);
        let told = format!("{} {error:?}", Chain(&error));
        assert!(!told.contains("hunter2"), "{told}");
    }
}
