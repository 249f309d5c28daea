use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use nova_errors::{Effect, ServiceError};
use tokio::sync::{Semaphore, TryAcquireError};

use crate::credentials::Password;

/// Hashes passwords with argon2id (19 MiB, 2 passes) on a few blocking threads.
///
/// At most a thread for each core works at a time, and at most [`WAITING`](Self::WAITING) more wait; whoever comes then is
/// told to come back. A clone is the same pool.
#[derive(Debug, Clone)]
pub(crate) struct PasswordPool {
    /// Who works or waits.
    room: Arc<Semaphore>,
    /// Who works.
    threads: Arc<Semaphore>,
    /// The hash that the password of an unknown user is compared with.
    decoy: Arc<str>,
}

impl PasswordPool {
    const WAITING: usize = 64;

    pub(crate) async fn start() -> Result<Self, ServiceError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut pool = Self {
            room: Arc::new(Semaphore::new(threads + Self::WAITING)),
            threads: Arc::new(Semaphore::new(threads)),
            decoy: Arc::from(""),
        };
        pool.decoy = Arc::from(pool.run(|| hash(b"nobody's password")).await?);
        Ok(pool)
    }

    /// The hash of a password, with a new salt, as a PHC string.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, ServiceError> {
        self.run(move || hash(password.expose())).await
    }

    /// Whether the password is the one that was hashed. Without a hash it isn't, after the same work.
    pub(crate) async fn verify(
        &self,
        password: Password,
        hash: Option<String>,
    ) -> Result<bool, ServiceError> {
        if password.expose().len() > Password::MAX {
            return Ok(false);
        }
        let is_known = hash.is_some();
        let decoy = Arc::clone(&self.decoy);
        let matches = self
            .run(move || {
                let hash = hash.as_deref().unwrap_or(&decoy);
                Ok(Argon2::default()
                    .verify_password(password.expose(), hash)
                    .is_ok())
            })
            .await?;
        Ok(matches && is_known)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let stopped = || ServiceError::Cancelled("password hashing".into());
        let room = Arc::clone(&self.room)
            .try_acquire_owned()
            .map_err(|error| match error {
                TryAcquireError::NoPermits => {
                    ServiceError::ServiceUnavailable("too many log-ins at once".into())
                        .with_retry_after(Duration::from_secs(1))
                        .with_effect(Effect::None)
                }
                TryAcquireError::Closed => stopped(),
            })?;
        let threads = Arc::clone(&self.threads);
        let thread = threads.acquire_owned().await.map_err(|_| stopped())?;
        let task = tokio::task::spawn_blocking(move || {
            // They belong to the work: a caller who leaves does not make it stop.
            let _held = (room, thread);
            work()
        });
        task.await
            .map_err(|error| ServiceError::Internal("password hashing".into()).with_source(error))?
    }
}

fn hash(password: &[u8]) -> Result<String, ServiceError> {
    Argon2::default()
        .hash_password(password)
        .map(|hash| hash.to_string())
        .map_err(|error| ServiceError::Internal("password hashing".into()).with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nova_errors::ErrorKind;

    fn password(text: &str) -> Password {
        serde_json::from_value(text.into()).unwrap()
    }

    #[tokio::test]
    async fn a_hash_fits_its_password_alone() {
        let pool = PasswordPool::start().await.unwrap();
        let hash = pool.hash(password("correct horse")).await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        let again = pool.hash(password("correct horse")).await.unwrap();
        assert_ne!(hash, again, "the salt is new each time");
        for (text, known, expected) in [
            ("correct horse", Some(hash.clone()), true),
            ("correct horsf", Some(hash.clone()), false),
            ("correct horse", None, false),
            ("nobody's password", None, false),
            ("correct horse", Some("no hash".to_owned()), false),
        ] {
            let matches = pool.verify(password(text), known).await.unwrap();
            assert_eq!(matches, expected, "{text}");
        }
        let long = "a".repeat(Password::MAX + 1);
        assert!(!pool.verify(password(&long), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn who_finds_no_room_is_told_to_come_back() {
        let pool = PasswordPool::start().await.unwrap();
        let all = u32::try_from(pool.room.available_permits()).unwrap();
        let _taken = pool.room.acquire_many(all).await.unwrap();
        let error = pool.hash(password("correct horse")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
    }
}
