use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use nova_errors::ServiceError;
use pin_project_lite::pin_project;

use super::ExchangeRecord;

pin_project! {
    /// A request whose duration is recorded.
    #[must_use = "futures do nothing unless polled"]
    pub struct TelemetryFuture<F> {
        #[pin]
        call: F,
        record: Option<ExchangeRecord>,
    }
}

impl<F> TelemetryFuture<F> {
    pub(crate) fn new(call: F, record: ExchangeRecord) -> Self {
        Self {
            call,
            record: Some(record),
        }
    }
}

impl<F, B> Future for TelemetryFuture<F>
where
    F: Future<Output = Result<Response<B>, ServiceError>>,
{
    type Output = Result<Response<B>, ServiceError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = {
            let _entered = this.record.as_ref().map(|record| record.span().enter());
            ready!(this.call.poll(cx))
        };
        if let Some(record) = this.record.take() {
            record.finish(result.as_ref().map(Response::status));
        }
        Poll::Ready(result)
    }
}

impl<F> fmt::Debug for TelemetryFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryFuture")
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}
