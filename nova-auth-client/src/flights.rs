use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use nova_errors::ServiceError;
use tokio::time::Instant;

use crate::UserClaims;
use crate::token_key::TokenKey;

pub(crate) type Outcome = Result<Arc<UserClaims>, ServiceError>;

/// The verifications under way, one for each token, however many wait for it.
///
/// A flight lives as long as somebody waits for it: who gives up takes nothing from the others. So the
/// callers that wait are its bound.
#[derive(Default)]
pub(crate) struct Flights {
    running: Mutex<HashMap<TokenKey, Running>>,
}

struct Running {
    began: Instant,
    flight: WeakShared<BoxFuture<'static, Outcome>>,
}

impl Flights {
    /// How old a flight may be for others to join: what it says may be as old as the flight.
    const MAX_AGE: Duration = Duration::from_millis(500);

    /// Joins the token's flight, or starts one.
    pub(crate) fn join(
        &self,
        key: TokenKey,
        start: impl FnOnce() -> BoxFuture<'static, Outcome>,
    ) -> Passenger<'_> {
        let now = Instant::now();
        let mut running = self.running();
        let flight = running
            .get(&key)
            .filter(|known| now.saturating_duration_since(known.began) < Self::MAX_AGE)
            .and_then(|known| known.flight.upgrade())
            .filter(|flight| flight.peek().is_none());
        let flight = flight.unwrap_or_else(|| {
            let flight = start().shared();
            if let Some(weak) = flight.downgrade() {
                let began = now;
                let flight = weak;
                running.insert(key, Running { began, flight });
            }
            flight
        });
        Passenger {
            flights: self,
            key,
            flight: Some(flight),
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<TokenKey, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights")
            .field("running", &self.running().len())
            .finish()
    }
}

/// One who waits for a flight.
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Passenger<'a> {
    flights: &'a Flights,
    key: TokenKey,
    flight: Option<Shared<BoxFuture<'static, Outcome>>>,
}

impl Future for Passenger<'_> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        match &mut self.flight {
            Some(flight) => flight.poll_unpin(cx),
            None => Poll::Pending,
        }
    }
}

impl Drop for Passenger<'_> {
    fn drop(&mut self) {
        // Outside of the lock, as the last one out drops the call itself.
        self.flight = None;
        let mut running = self.flights.running();
        let over = |running: &Running| {
            let flight = running.flight.upgrade();
            flight.is_none_or(|flight| flight.peek().is_some())
        };
        if running.get(&self.key).is_some_and(over) {
            running.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn key() -> TokenKey {
        TokenKey::of("token").unwrap()
    }

    fn refusal() -> BoxFuture<'static, Outcome> {
        async { Err(ServiceError::Authentication("no".into())) }.boxed()
    }

    #[tokio::test]
    async fn one_who_gives_up_takes_nothing_from_the_others() {
        let flights = Flights::default();
        let (send, receive) = tokio::sync::oneshot::channel::<()>();
        let first = flights.join(key(), || {
            async move {
                receive.await.ok();
                Err(ServiceError::Authentication("no".into()))
            }
            .boxed()
        });
        let started = AtomicUsize::new(0);
        let second = flights.join(key(), || {
            started.fetch_add(1, Ordering::Relaxed);
            refusal()
        });
        drop(first);
        send.send(()).unwrap();
        assert!(second.await.is_err());
        assert_eq!(started.into_inner(), 0);
        assert!(flights.running().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_joins_a_flight_that_is_old_or_over() {
        let flights = Flights::default();
        let old = flights.join(key(), || pending().boxed());
        tokio::time::advance(Flights::MAX_AGE).await;
        let started = AtomicUsize::new(0);
        let fresh = || {
            started.fetch_add(1, Ordering::Relaxed);
            refusal()
        };
        let mut over = flights.join(key(), fresh);
        assert!((&mut over).await.is_err());
        assert!(flights.join(key(), fresh).await.is_err());
        assert_eq!(started.load(Ordering::Relaxed), 2);
        drop((old, over));
        assert!(flights.running().is_empty());
    }
}
