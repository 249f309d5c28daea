use std::future::Future;
use std::sync::Arc;

use nova_errors::ServiceError;
use nova_models::ServiceName;
use serde::de::DeserializeOwned;
use tower_layer::Layer;

use crate::Call;
use crate::attempt_timeout::AttemptTimeoutLayer;
use crate::bulkhead::Bulkhead;
use crate::circuit_breaker::CircuitBreakerService;
use crate::exchange::{Exchange, Outgoing};
use crate::retry::RetryFuture;
use crate::service_client::Inner;

/// Runs a call through the policies: retry, bulkhead, circuit breaker, attempt time-out, exchange.
///
/// The stack is put together for each call, as the reply's type and the target's state are known only then. That
/// costs some reference counts and no allocation.
pub(crate) fn run<R: DeserializeOwned>(
    client: &Inner,
    target: &ServiceName,
    call: Call<Arc<Outgoing>>,
) -> impl Future<Output = Result<R, ServiceError>> + use<R> {
    let target = client.targets.get(target);
    let exchange = Exchange::<R>::new(client.transport.clone(), client.clock.clone());
    let timely = AttemptTimeoutLayer.layer(exchange);
    let guarded = CircuitBreakerService::new(timely, target.circuit.clone());
    // Inside the retry, so that a backoff holds no permit; outside the breaker, which is asked when the attempt can really go.
    let bounded = Bulkhead::new(guarded, target.permits.clone());
    let retry = client.retry.clone().ledger(target.ledger.clone());
    RetryFuture::new(bounded, retry, call)
}
