use std::error::Error;
use std::fmt;

use nova_errors::{Effect, Origin, ServiceError};

/// The cause of a call that an interceptor refused; nothing was sent, and the endpoint's circuit learns nothing.
#[derive(Debug)]
#[non_exhaustive]
pub struct InterceptorRefusal {
    refused: ServiceError,
}

impl fmt::Display for InterceptorRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an interceptor refused the request")
    }
}

impl Error for InterceptorRefusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // What it says of itself is said by the error above.
        self.refused.source()
    }
}

/// The error as the interceptor made it, known to have had no effect.
pub(super) fn refused(error: ServiceError) -> ServiceError {
    error
        .clone()
        .with_origin(Origin::Local)
        .with_effect(Effect::None)
        .with_source(InterceptorRefusal { refused: error })
}
