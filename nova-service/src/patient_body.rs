use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::BoxError;
use axum::body::HttpBody;
use hyper::body::{Frame, SizeHint};

use crate::BodyLimit;
use crate::patience::Patience;

/// A body that breaks off where nothing of it comes for a while: a client that stands still would keep its handler for ever.
#[derive(Debug)]
pub(crate) struct PatientBody<B> {
    body: B,
    patience: Option<Patience>,
}

impl<B> PatientBody<B> {
    pub(crate) fn new(body: B) -> Self {
        let patience = Some(Patience::new(BodyLimit::STALL));
        Self { body, patience }
    }

    /// One that waits as long as it takes.
    pub(crate) fn resting(body: B) -> Self {
        Self {
            body,
            patience: None,
        }
    }
}

impl<B> HttpBody for PatientBody<B>
where
    B: HttpBody + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let Some(patience) = &mut self.patience else {
            return polled.map_err(Into::into);
        };
        if polled.is_ready() {
            patience.renew();
            return polled.map_err(Into::into);
        }
        let stalled = ready!(patience.poll_spent(cx));
        Poll::Ready(Some(Err(stalled.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
