use std::process::ExitCode;

use nova_errors::{Chain, ErrorKind, ServiceError};

/// Why a command did not do what it was asked to; each has an exit code of its own.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The database is away or refuses.
    Service(ServiceError),
    /// Something else failed.
    Other(String),
    /// The arguments don't make sense.
    Usage(String),
    /// `doctor` found something, and has said what.
    Findings,
    /// There is no such event.
    NotFound(String),
    /// Nobody said yes.
    NotConfirmed(String),
    /// It was interrupted, and has said how far it got.
    Interrupted,
}

impl Failure {
    /// What is left to be said.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Service(error) => Some(Chain(error).to_string()),
            Self::Other(text)
            | Self::Usage(text)
            | Self::NotFound(text)
            | Self::NotConfirmed(text) => Some(text.clone()),
            Self::Findings | Self::Interrupted => None,
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Service(error) if error.kind() == ErrorKind::Validation => 2,
            Self::Service(_) | Self::Other(_) => 1,
            Self::Usage(_) => 2,
            Self::Findings => 3,
            Self::NotFound(_) => 4,
            Self::NotConfirmed(_) => 5,
            Self::Interrupted => 130,
        })
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}
