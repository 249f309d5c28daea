use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use nova_errors::ServiceError;

use crate::field::{invalid, is_name_byte};

/// The name under which consumers share the work and their place in the topics: 1 to 200
/// characters of `[A-Za-z0-9._-]`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerGroup(Arc<str>);

impl ConsumerGroup {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// `Validation` where the name is not of the grammar above.
    pub fn new(name: &str) -> Result<Self, ServiceError> {
        if (1..=200).contains(&name.len()) && name.bytes().all(is_name_byte) {
            return Ok(Self(name.into()));
        }
        Err(invalid(
            "group",
            "1 to 200 characters of [A-Za-z0-9._-]",
            name,
        ))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[cfg(feature = "kafka")]
    pub(crate) fn label(&self) -> metrics::SharedString {
        metrics::SharedString::from_shared(self.0.clone())
    }
}

impl fmt::Display for ConsumerGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ConsumerGroup {
    type Err = ServiceError;

    fn from_str(name: &str) -> Result<Self, ServiceError> {
        Self::new(name)
    }
}
