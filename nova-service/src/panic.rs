use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

/// What a task said when it panicked, as the cause of an error; it stays in the process.
#[derive(Debug)]
pub(crate) struct Panic(String);

impl Panic {
    /// Runs `future`; a panic inside ends it and nothing else.
    pub(crate) async fn catch<F: Future>(future: F) -> Result<F::Output, Self> {
        // What the future held is dropped by the unwinding, and nobody polls it again.
        AssertUnwindSafe(future)
            .catch_unwind()
            .await
            .map_err(|payload| Self::new(payload.as_ref()))
    }

    pub(crate) fn new(payload: &(dyn Any + Send)) -> Self {
        let message = payload
            .downcast_ref::<&'static str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self(message.unwrap_or("a payload that is no text").to_owned())
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panic: {}", self.0)
    }
}

impl Error for Panic {}
