use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use nova_errors::{Effect, ServiceError};
use tower_service::Service;

use super::choice::choose;
use super::{BalanceFuture, Member};
use crate::Attempt;

/// A service whose attempts are spread over endpoints: see the [module](super).
///
/// It remembers where its last attempt went, for the retry that follows; a clone starts without.
pub struct Balance<S, E> {
    inner: S,
    members: Arc<[Arc<Member<E>>]>,
    last: Option<usize>,
}

impl<S, E> Balance<S, E> {
    pub(crate) fn new(inner: S, members: Arc<[Arc<Member<E>>]>) -> Self {
        Self {
            inner,
            members,
            last: None,
        }
    }

    fn rejection(&self) -> ServiceError {
        match self.members.first() {
            Some(member) => member.circuit.rejection(),
            None => ServiceError::Internal("no endpoint".into()).with_effect(Effect::None),
        }
    }
}

impl<S, R, E> Service<Attempt<R>> for Balance<S, E>
where
    S: Service<Attempt<R, E>, Error = ServiceError>,
    E: Clone,
{
    type Response = S::Response;
    type Error = ServiceError;
    type Future = BalanceFuture<S::Future, E>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, attempt: Attempt<R>) -> BalanceFuture<S::Future, E> {
        let failed = self.last.filter(|_| attempt.number() > 1);
        let began = attempt.started();
        match choose(&self.members, failed, began) {
            Some((at, in_flight)) => {
                self.last = Some(at);
                let endpoint = in_flight.member().endpoint.clone();
                BalanceFuture::passed(self.inner.call(attempt.at(endpoint)), in_flight, began)
            }
            None => BalanceFuture::rejected(self.rejection()),
        }
    }
}

impl<S: Clone, E> Clone for Balance<S, E> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.members))
    }
}

impl<S: fmt::Debug, E: fmt::Debug> fmt::Debug for Balance<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balance")
            .field("inner", &self.inner)
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}
