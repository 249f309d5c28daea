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

    /// The same call with the request borrowed.
    pub(crate) fn by_ref(&self) -> Call<&R> {
        Call {
            request: &self.request,
            deadline: self.deadline,
            idempotent: self.idempotent,
        }
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

/// One attempt at a [`Call`], and the endpoint that it goes to once a [`Balance`](crate::balance::Balance) has chosen one.
#[derive(Debug, Clone)]
pub struct Attempt<R, E = ()> {
    request: R,
    number: u32,
    started: Instant,
    deadline: Deadline,
    until: Instant,
    endpoint: E,
}

impl<R> Attempt<R> {
    pub(crate) fn new(
        request: R,
        number: u32,
        started: Instant,
        deadline: Deadline,
        until: Instant,
    ) -> Self {
        Self {
            request,
            number,
            started,
            deadline,
            until,
            endpoint: (),
        }
    }
}

impl<R, E> Attempt<R, E> {
    /// The request.
    pub fn request(&self) -> &R {
        &self.request
    }

    /// The request, for a service that knows nothing of attempts.
    pub fn into_request(self) -> R {
        self.request
    }

    /// The same attempt with the request that `make` makes of its own.
    pub fn map<Q>(self, make: impl FnOnce(R) -> Q) -> Attempt<Q, E> {
        Attempt {
            request: make(self.request),
            number: self.number,
            started: self.started,
            deadline: self.deadline,
            until: self.until,
            endpoint: self.endpoint,
        }
    }

    /// The request, and what else there is to the attempt.
    pub(crate) fn take_request(self) -> (R, Attempt<(), E>) {
        let rest = Attempt {
            request: (),
            number: self.number,
            started: self.started,
            deadline: self.deadline,
            until: self.until,
            endpoint: self.endpoint,
        };
        (self.request, rest)
    }

    pub(crate) fn at<F>(self, endpoint: F) -> Attempt<R, F> {
        Attempt {
            request: self.request,
            number: self.number,
            started: self.started,
            deadline: self.deadline,
            until: self.until,
            endpoint,
        }
    }

    /// The number of the attempt, from 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// When the attempt began, its wait for a permit not counted.
    ///
    /// The layers below read the clock here, so that they need not each do it again.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
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

    /// Where it goes; `()` where nobody has chosen.
    pub fn endpoint(&self) -> &E {
        &self.endpoint
    }
}
