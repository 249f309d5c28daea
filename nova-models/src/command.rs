use serde::Serialize;
use serde::de::DeserializeOwned;

/// A command with its target, endpoint and reply fixed in one place, for
/// `ServiceClient::send` at the caller and the extractor at the service.
///
/// ```
/// use nova_models::{Command, Idempotency, StreamInfo};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct GetStreamInfo { stream_id: uuid::Uuid }
///
/// impl Command for GetStreamInfo {
///     type Reply = StreamInfo;
///     const TARGET: &'static str = "streaming-service";
///     const ENDPOINT: &'static str = "streams/info";
///     const IDEMPOTENCY: Idempotency = Idempotency::Safe;
/// }
/// ```
pub trait Command: Serialize {
    /// What a success answers.
    type Reply: DeserializeOwned;
    /// The service that takes the command.
    const TARGET: &'static str;
    /// The endpoint at that service.
    const ENDPOINT: &'static str;
    /// Whether doing it again does harm. Unsafe unless said otherwise.
    const IDEMPOTENCY: Idempotency = Idempotency::Unsafe;
}

/// Whether a command may be sent again when nobody knows if it took effect.
///
/// That is a property of the type. A key under which the target does it once is one of each call, so that it is given there:
/// in a constant all commands of a type would share it, and get the answer of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Idempotency {
    /// It may not: a second time can do harm.
    #[default]
    Unsafe,
    /// It changes nothing, or comes to the same however often it is done.
    Safe,
}

impl Idempotency {
    /// Whether doing the same again has the effect of doing it once.
    #[must_use]
    pub const fn is_idempotent(self) -> bool {
        !matches!(self, Self::Unsafe)
    }
}
