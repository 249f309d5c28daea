use std::future::Future;
use std::sync::Arc;

use nova_errors::ServiceError;
use serde::de::DeserializeOwned;
use tower_layer::Layer;

use crate::Call;
use crate::attempt_timeout::AttemptTimeoutLayer;
use crate::bulkhead::Bulkhead;
use crate::exchange::{Exchange, Outgoing};
use crate::retry::{RetryFuture, RetryLayer};
use crate::service_client::Inner;
use crate::targets::Target;

/// Runs a call through the policies: retry, bulkhead, choice of an endpoint, attempt time-out, exchange.
///
/// The stack is put together for each call, as the reply's type and the target's state are known only then. That
/// costs some reference counts and no allocation.
pub(crate) fn run<'a, R: DeserializeOwned>(
    client: &'a Inner,
    target: &Target,
    retry: RetryLayer,
    call: Call<&'a Outgoing<'a>>,
) -> impl Future<Output = Result<R, ServiceError>> + use<'a, R> {
    let timely = AttemptTimeoutLayer.layer(Exchange::<R>::new(client));
    let balanced = target.balance.layer(timely);
    // Inside the retry, so that a backoff holds no permit; outside the breakers, which are asked when the attempt can really go.
    let bounded = Bulkhead::new(balanced, target.permits.clone());
    RetryFuture::new(bounded, retry.account(Arc::clone(&target.account)), call)
}
