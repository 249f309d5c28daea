use std::error::Error;
use std::fmt;

use crate::ServiceError;

/// Shows an error with all its causes on one line, for logs: `store post: connect: refused`.
///
/// [`ServiceError`] shows only what failed; why is in its sources. One that was tried several times says how often. Never put a chain on the
/// wire.
///
/// ```
/// use nova_errors::{Chain, ServiceError};
///
/// let cause = std::io::Error::other("disk on fire");
/// let error = ServiceError::Internal("store post".into()).with_source(cause);
/// assert_eq!(error.to_string(), "store post");
/// assert_eq!(Chain(&error).to_string(), "store post: disk on fire");
///
/// let error = ServiceError::Timeout("wait for the answer".into()).with_attempts(3);
/// assert_eq!(Chain(&error).to_string(), "wait for the answer (3 attempts)");
/// ```
#[derive(Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let attempts = self.0.downcast_ref().map_or(0, ServiceError::attempts);
        if attempts > 1 {
            write!(f, " ({attempts} attempts)")?;
        }
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
