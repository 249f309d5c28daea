use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nova_errors::{Effect, FailedAttempt, Origin, RetryDecision, ServiceError};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tower_service::Service;

use super::RetryLayer;
use crate::circuit_breaker::CircuitOpen;
use crate::{Attempt, Call, InterceptorRefusal};

/// The least time that is worth an attempt: of less the peer would be told that nothing is left.
const LEAST: Duration = Duration::from_millis(1);

pin_project! {
    /// A call that is being attempted. Dropping it gives the call up.
    #[must_use = "futures do nothing unless polled"]
    pub struct RetryFuture<S, R>
    where
        S: Service<Attempt<R>>,
    {
        service: S,
        progress: Progress<R>,
        #[pin]
        state: State<S::Future>,
    }
}

// Timers are boxed: most calls need none, and all would be as large as if they did.
pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Idle,
        Queued { deadline: Pin<Box<Sleep>> },
        Attempting { #[pin] attempt: F },
        Waiting { wait: Pin<Box<Sleep>> },
    }
}

struct Progress<R> {
    settings: RetryLayer,
    call: Call<R>,
    /// When the first attempt began, or its wait for a permit.
    began: Option<Instant>,
    attempts: u32,
    /// Of all attempts together: one that may have taken effect is not undone by a later one that did not.
    effect: Effect,
    last: Option<ServiceError>,
}

impl<S, R> RetryFuture<S, R>
where
    S: Service<Attempt<R>>,
{
    pub(crate) fn new(service: S, settings: RetryLayer, call: Call<R>) -> Self {
        Self {
            service,
            progress: Progress {
                settings,
                call,
                began: None,
                attempts: 0,
                effect: Effect::None,
                last: None,
            },
            state: State::Idle,
        }
    }
}

impl<S, R> Future for RetryFuture<S, R>
where
    S: Service<Attempt<R>, Error = ServiceError>,
    R: Clone,
{
    type Output = Result<S::Response, ServiceError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Idle => {
                    let now = this.progress.begin();
                    if let Some(error) = this.progress.out_of_time(now) {
                        return Poll::Ready(Err(error));
                    }
                    match this.service.poll_ready(cx) {
                        Poll::Ready(Ok(())) => {
                            let attempt = this.service.call(this.progress.next_attempt(now));
                            this.state.set(State::Attempting { attempt });
                        }
                        Poll::Ready(Err(error)) => {
                            return Poll::Ready(Err(this.progress.finish(error)));
                        }
                        Poll::Pending => {
                            let deadline = Box::pin(this.progress.sleep_to_deadline());
                            this.state.set(State::Queued { deadline });
                        }
                    }
                }
                StateProjection::Queued { deadline } => {
                    if deadline.as_mut().poll(cx).is_pending()
                        && let Err(error) = ready!(this.service.poll_ready(cx))
                    {
                        return Poll::Ready(Err(this.progress.finish(error)));
                    }
                    this.state.set(State::Idle);
                }
                StateProjection::Attempting { attempt } => {
                    let polled = attempt.poll(cx);
                    if matches!(polled, Poll::Ready(Ok(_))) {
                        this.progress.pay();
                    }
                    let Poll::Ready(Err(error)) = polled else {
                        return polled;
                    };
                    match this.progress.judge(error) {
                        Ok(wait) => {
                            let wait = Box::pin(wait);
                            this.state.set(State::Waiting { wait });
                        }
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
                StateProjection::Waiting { wait } => {
                    ready!(wait.as_mut().poll(cx));
                    this.state.set(State::Idle);
                }
            }
        }
    }
}

impl<R: Clone> Progress<R> {
    /// The time, which is when the call began where this is the first look at it.
    fn begin(&mut self) -> Instant {
        let now = Instant::now();
        self.began.get_or_insert(now);
        now
    }

    fn out_of_time(&mut self, now: Instant) -> Option<ServiceError> {
        let least = now.into_std().checked_add(LEAST);
        if least.is_some_and(|least| least <= self.call.deadline().instant()) {
            return None;
        }
        Some(match self.last.take() {
            Some(error) => {
                self.give_back(now);
                self.finish(error)
            }
            None => ServiceError::Timeout("the deadline is over".into())
                .with_origin(Origin::Local)
                .with_effect(Effect::None),
        })
    }

    fn sleep_to_deadline(&self) -> Sleep {
        sleep_until(Instant::from_std(self.call.deadline().instant()))
    }

    fn next_attempt(&mut self, now: Instant) -> Attempt<R> {
        if self.attempts > 0 {
            tracing::Span::current().record("http.request.resend_count", self.attempts);
        }
        self.attempts += 1;
        if let Some(account) = &self.settings.account {
            account.attempt(self.attempts);
        }
        let deadline = self.call.deadline();
        let mut until = Instant::from_std(deadline.instant());
        if self.call.is_idempotent() && self.settings.policy.attempts() > 1 {
            let end = now.checked_add(self.settings.attempt_timeout);
            until = end.map_or(until, |end| end.min(until));
        }
        let request = self.call.request().clone();
        Attempt::new(request, self.attempts, now, deadline, until)
    }

    /// Pays into the budget, once per call that reached the target.
    fn pay(&self) {
        if let (1, Some(account), Some(began)) = (self.attempts, &self.settings.account, self.began)
        {
            // The floor may be shown a little low for that, and no clock is read.
            account.pay(began);
        }
    }

    /// The wait before the next attempt, or the error that ends the call.
    fn judge(&mut self, error: ServiceError) -> Result<Sleep, ServiceError> {
        if error.find_source::<CircuitOpen>().is_some() {
            return Err(self.rejected(error));
        }
        if error.find_source::<InterceptorRefusal>().is_none() {
            self.pay();
        }
        if error.effect() != Effect::None {
            self.effect = error.effect();
        }
        let now = Instant::now();
        let failed = FailedAttempt::number(self.attempts)
            .idempotent(self.call.is_idempotent())
            .elapsed(self.began.map_or(Duration::ZERO, |began| now - began))
            .time_left(self.call.deadline().left(now.into_std()));
        let decision = self
            .settings
            .policy
            .decide(&error, failed, fastrand::u64(..));
        let attempt = self.attempts;
        match decision {
            RetryDecision::RetryAfter(wait) => {
                let account = self.settings.account.as_ref();
                if account.is_some_and(|account| !account.withdraw(now)) {
                    tracing::debug!(error.r#type = error.code(), attempt, "retry budget spent");
                    return Err(self.finish(error).with_retries_spent());
                }
                tracing::debug!(
                    error.r#type = error.code(),
                    attempt,
                    ?wait,
                    "attempt failed, trying again"
                );
                self.last = Some(error);
                Ok(sleep(wait))
            }
            RetryDecision::Stop(reason) => {
                tracing::debug!(
                    error.r#type = error.code(),
                    attempt,
                    ?reason,
                    "attempt failed, giving up"
                );
                Err(self.finish(error))
            }
        }
    }

    /// Nothing was sent this time: the failure of the attempt before says more, where there was one.
    fn rejected(&mut self, open: ServiceError) -> ServiceError {
        if let Some(account) = &self.settings.account {
            account.reject(self.attempts);
        }
        self.attempts -= 1;
        match self.last.take() {
            Some(error) => {
                self.give_back(Instant::now());
                self.finish(error).with_retries_spent()
            }
            None => open,
        }
    }

    /// The budget is for what is sent.
    fn give_back(&self, now: Instant) {
        if let Some(account) = &self.settings.account {
            account.give_back(now);
        }
    }

    fn finish(&self, error: ServiceError) -> ServiceError {
        let error = if self.effect == Effect::None {
            error
        } else {
            error.with_effect(self.effect)
        };
        let error = error.with_attempts(self.attempts);
        if self.attempts > 1 {
            error.with_retries_spent()
        } else {
            error
        }
    }
}

impl<S, R> fmt::Debug for RetryFuture<S, R>
where
    S: Service<Attempt<R>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryFuture")
            .field("attempts", &self.progress.attempts)
            .finish_non_exhaustive()
    }
}
