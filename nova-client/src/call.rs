use nova_models::Deadline;
use tokio::time::Instant;

/// A request with what the policies need to know of it.
///
/// `R` is cloned for each attempt, so let it be cheap to clone: an `Arc`, or parts whose body is `Bytes`.
///
/// ```
/// use std::time::{Duration, Instant};
/// use nova_client::Call;
/// use nova_models::Deadline;
///
/// let deadline = Deadline::after(Instant::now(), Duration::from_secs(2));
/// let call = Call::new("ping", deadline).idempotent(true);
/// assert!(call.is_idempotent());
/// ```
#[derive(Debug, Clone)]
pub struct Call<R> {
    request: R,
    deadline: Deadline,
    idempotent: bool,
}

impl<R> Call<R> {
    /// A call that is not idempotent.
    pub fn new(request: R, deadline: Deadline) -> Self {
        Self {
            request,
            deadline,
            idempotent: false,
        }
    }

    /// Sets whether doing it again has the effect of doing it once.
    #[must_use]
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// The request.
    pub fn request(&self) -> &R {
        &self.request
    }

    /// When nobody waits for the answer any more.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Whether doing it again has the effect of doing it once.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.idempotent
    }
}

/// One attempt at a [`Call`].
#[derive(Debug, Clone)]
pub struct Attempt<R> {
    request: R,
    number: u32,
    deadline: Deadline,
    until: Instant,
}

impl<R> Attempt<R> {
    pub(crate) fn new(request: R, number: u32, deadline: Deadline, until: Instant) -> Self {
        Self {
            request,
            number,
            deadline,
            until,
        }
    }

    /// The request.
    pub fn request(&self) -> &R {
        &self.request
    }

    /// The request, for a service that knows nothing of attempts.
    pub fn into_request(self) -> R {
        self.request
    }

    /// The number of the attempt, from 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The deadline of the call, not of the attempt: what the peer is told.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// When the attempt is given up.
    #[must_use]
    pub fn until(&self) -> Instant {
        self.until
    }
}
