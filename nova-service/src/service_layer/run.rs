use nova_errors::{Effect, ServiceError};
use nova_models::CallContext;
use tokio::time::Instant;
use tracing::{Instrument, Span};

use crate::panic::Panic;

/// Runs a handler in its context and span until the context's deadline; its panic ends nothing else.
pub(crate) async fn run<F: Future>(
    context: CallContext,
    span: &Span,
    handler: F,
) -> Result<F::Output, ServiceError> {
    let deadline = context.deadline;
    if deadline.is_some_and(|deadline| deadline.is_over(Instant::now().into_std())) {
        let error = ServiceError::Timeout("the deadline was over before the start".into());
        return Err(error.with_effect(Effect::None));
    }
    let handler = context
        .scope(Panic::catch(handler))
        .instrument(span.clone());
    match deadline {
        None => handler.await,
        Some(deadline) => tokio::time::timeout_at(deadline.instant().into(), handler)
            .await
            .map_err(|_| ServiceError::Timeout("the deadline is over".into()))?,
    }
    .map_err(|panic| ServiceError::Internal("handler panicked".into()).with_source(panic))
}
