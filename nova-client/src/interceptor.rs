//! What a client does to every request before it goes out: see
//! [`ServiceClientBuilder::interceptor`](crate::ServiceClientBuilder::interceptor).

mod outbound;
mod protected;
mod refusal;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use nova_errors::ServiceError;

pub use outbound::OutboundRequest;
pub(crate) use outbound::changeable;
use protected::is_protected;
pub use refusal::InterceptorRefusal;

type Interceptor = dyn Fn(&mut OutboundRequest<'_>) -> Result<(), ServiceError> + Send + Sync;

/// The interceptors of a client, in their order.
#[derive(Clone, Default)]
pub(crate) struct Interceptors(Vec<Arc<Interceptor>>);

impl Interceptors {
    pub(crate) fn push(
        &mut self,
        interceptor: impl Fn(&mut OutboundRequest<'_>) -> Result<(), ServiceError>
        + Send
        + Sync
        + 'static,
    ) {
        self.0.push(Arc::new(interceptor));
    }

    /// Shows the request to each, until one refuses it.
    pub(crate) fn run(
        &self,
        request: &mut Request<Bytes>,
        attempt: u32,
    ) -> Result<(), ServiceError> {
        for interceptor in &self.0 {
            interceptor(&mut OutboundRequest::new(request, attempt)).map_err(refusal::refused)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Interceptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} interceptors", self.0.len())
    }
}
