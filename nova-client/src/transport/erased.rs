use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use nova_errors::ServiceError;
use tower_service::Service;

use super::HttpTransport;
use crate::address::Address;

pub(crate) type TransportFuture =
    Pin<Box<dyn Future<Output = Result<Response<Bytes>, ServiceError>> + Send>>;

/// A transport whose type is forgotten, so that a client has none in its own.
#[derive(Clone)]
pub(crate) enum Transport {
    /// The usual one, which takes an address as reqwest has it: to put one together from a URI takes long.
    Http(HttpTransport),
    Other(Arc<dyn ErasedService>),
}

/// One allocation a request; a boxed tower service that can be cloned would take two.
pub(crate) trait ErasedService: Send + Sync {
    fn send(&self, request: Request<Bytes>) -> TransportFuture;
}

impl Transport {
    pub(crate) fn other<S>(service: S) -> Self
    where
        S: Service<Request<Bytes>, Response = Response<Bytes>, Error = ServiceError>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        Self::Other(Arc::new(service))
    }

    /// Sends the request, whose URI is that of the address.
    pub(crate) fn send(&self, request: Request<Bytes>, address: &Address) -> TransportFuture {
        match self {
            Self::Http(transport) => Box::pin(transport.send(request, address.url.clone())),
            Self::Other(service) => service.send(request),
        }
    }
}

impl<S> ErasedService for S
where
    S: Service<Request<Bytes>, Response = Response<Bytes>, Error = ServiceError>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    fn send(&self, request: Request<Bytes>) -> TransportFuture {
        let mut service = self.clone();
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(request).await
        })
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}
