use std::error::Error;
use std::fmt;

use nova_errors::ServiceError;

/// Why a [`BackgroundWorker`](crate::BackgroundWorker) stopped without being asked to.
///
/// From a [`ServiceError`] it is `Transient` where the error [may pass](ServiceError::is_retryable), else `Fatal`, so that `?` does the usual thing.
///
/// ```
/// use nova_errors::ServiceError;
/// use nova_service::WorkerError;
///
/// let away = WorkerError::from(ServiceError::ServiceUnavailable("broker".into()));
/// assert!(matches!(away, WorkerError::Transient(_)));
///
/// let broken = WorkerError::from(ServiceError::Internal("schema".into()));
/// assert!(matches!(broken, WorkerError::Fatal(_)));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum WorkerError {
    /// It may pass: the supervisor starts the worker again, by its policy.
    Transient(ServiceError),
    /// It will not pass: the supervisor stops the service.
    Fatal(ServiceError),
}

impl WorkerError {
    /// What went wrong.
    #[must_use]
    pub fn error(&self) -> &ServiceError {
        match self {
            Self::Transient(error) | Self::Fatal(error) => error,
        }
    }

    /// What went wrong, by value.
    #[must_use]
    pub fn into_error(self) -> ServiceError {
        match self {
            Self::Transient(error) | Self::Fatal(error) => error,
        }
    }
}

impl From<ServiceError> for WorkerError {
    fn from(error: ServiceError) -> Self {
        if error.is_retryable() {
            Self::Transient(error)
        } else {
            Self::Fatal(error)
        }
    }
}

impl fmt::Display for WorkerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.error(), f)
    }
}

impl Error for WorkerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error().source()
    }
}
