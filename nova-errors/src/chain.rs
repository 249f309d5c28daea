use std::error::Error;
use std::fmt::{self, Write};

use crate::ServiceError;

/// Shows an error with all its causes on one line, for logs: `store post: connect: refused`.
///
/// [`ServiceError`] shows only what failed; why is in its sources. One that was tried several times says how often. Never put a chain on the
/// wire. Control characters in a text that somebody sent are escaped, so that it cannot pass for another line.
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
///
/// let error = ServiceError::NotFound("stream 1\nERROR all is lost".into());
/// assert_eq!(Chain(&error).to_string(), r"stream 1\nERROR all is lost");
/// ```
#[derive(Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = OneLine(f);
        write!(line, "{}", self.0)?;
        let attempts = self.0.downcast_ref().map_or(0, ServiceError::attempts);
        if attempts > 1 {
            write!(line, " ({attempts} attempts)")?;
        }
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(line, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

struct OneLine<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| {
            if c.is_control() {
                write!(self.0, "{}", c.escape_default())
            } else {
                self.0.write_char(c)
            }
        })
    }
}

impl fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
